// expect-error: static assertion failed
// expect-error: eddy: this codec does not encode that: it needs result<void> encode(T, bytes_mut&)
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <utility>

eddy::task<void> use(eddy::io::duplex_stream peer) {
    eddy::codec::framed lines(std::move(peer), eddy::codec::lines_codec());
#ifdef EDDY_CONTROL
    static_cast<void>(co_await lines.send("5"));
#else
    static_cast<void>(co_await lines.send(5));
#endif
}
