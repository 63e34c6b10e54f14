// expect-error: static assertion failed
// expect-error: eddy: this is no sink for that item: start_send(item) must take it
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>

#include <utility>

eddy::task<void> use(eddy::io::duplex_stream peer) {
    eddy::codec::framed lines(std::move(peer), eddy::codec::lines_codec());
#ifdef EDDY_CONTROL
    static_cast<void>(co_await lines.send("5"));
#else
    static_cast<void>(co_await lines.send(5));
#endif
}
