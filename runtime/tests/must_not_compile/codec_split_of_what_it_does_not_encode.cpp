// expect-error: static assertion failed
// expect-error: eddy: this codec does not encode what it decodes: write split<T>(), with what it encodes
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

/// Decodes numbers and encodes strings.
struct lopsided_codec {
    eddy::result<std::optional<std::uint8_t>> decode(eddy::bytes_mut& from) {
        if (from.empty()) return std::optional<std::uint8_t>();
        return std::optional(from.get_u8());
    }
    eddy::result<void> encode(const std::string& text, eddy::bytes_mut& into) {
        into.put(text);
        return {};
    }
};

eddy::task<void> use(eddy::io::duplex_stream peer) {
    eddy::codec::framed frames(std::move(peer), lopsided_codec());
#ifdef EDDY_CONTROL
    auto [sink, stream] = std::move(frames).split<std::string>();
#else
    auto [sink, stream] = std::move(frames).split();
#endif
    static_cast<void>(co_await sink.send("text"));
    static_cast<void>(co_await stream.next());
}
