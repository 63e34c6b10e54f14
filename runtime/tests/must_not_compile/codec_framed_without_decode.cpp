// expect-error: static assertion failed
// expect-error: eddy: this codec decodes nothing: it needs result<std::optional<T>> decode(bytes_mut&)
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <optional>
#include <string>
#include <utility>

struct half_a_codec {
#ifdef EDDY_CONTROL
    eddy::result<std::optional<std::string>> decode(eddy::bytes_mut& from);
#endif
    eddy::result<void> encode(const std::string& text, eddy::bytes_mut& into);
};

eddy::task<bool> use(eddy::io::duplex_stream peer) {
    eddy::codec::framed frames(std::move(peer), half_a_codec());
    auto next = co_await frames.next();
    co_return next.has_value();
}
