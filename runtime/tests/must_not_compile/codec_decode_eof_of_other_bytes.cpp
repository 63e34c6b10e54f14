// A codec's decode_eof() with other parameters would never be called.
//
// expect-error: static assertion failed
// expect-error: eddy: this codec's decode_eof cannot be called: it must take a bytes_mut&, as decode does
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <cstddef>
#include <optional>
#include <utility>

struct byte_codec {
    using answer = eddy::result<std::optional<std::byte>>;
    answer decode(eddy::bytes_mut& from) {
        if (from.empty()) return answer(std::in_place);
        return answer(std::in_place, std::byte{from.get_u8()});
    }
#ifdef EDDY_CONTROL
    answer decode_eof(eddy::bytes_mut& from) { return decode(from); }
#else
    answer decode_eof(eddy::bytes& from) { return decode_eof(from); }
#endif
};

eddy::task<bool> use(eddy::io::duplex_stream peer) {
    eddy::codec::framed_read frames(std::move(peer), byte_codec());
    auto next = co_await frames.next();
    co_return next.has_value();
}
