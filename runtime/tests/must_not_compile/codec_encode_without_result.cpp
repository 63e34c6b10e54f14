// encode() returns whether it succeeded.
//
// expect-error: static assertion failed
// expect-error: eddy: this codec's encode() must return result<void>
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <optional>
#include <utility>

struct byte_codec {
    using answer = eddy::result<std::optional<int>>;
    answer decode(eddy::bytes_mut& from) {
        if (from.empty()) return answer(std::in_place);
        return answer(std::in_place, from.get_u8());
    }
#ifdef EDDY_CONTROL
    eddy::result<void> encode(int byte, eddy::bytes_mut& into) {
        into.put_u8(static_cast<std::uint8_t>(byte));
        return {};
    }
#else
    void encode(int byte, eddy::bytes_mut& into) { into.put_u8(static_cast<std::uint8_t>(byte)); }
#endif
};

eddy::task<eddy::result<void>> use(eddy::io::duplex_stream peer) {
    eddy::codec::framed frames(std::move(peer), byte_codec());
    co_return co_await frames.send(7);
}
