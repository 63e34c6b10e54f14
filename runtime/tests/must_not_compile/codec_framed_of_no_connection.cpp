// expect-error: static assertion failed
// expect-error: eddy: this is not a writer: a writer needs poll_write(context&, std::span<const std::byte>), poll_flush(context&) and poll_shutdown(context&)
// only-error
#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/task/task.hpp>

#include <utility>

eddy::task<bool> use(eddy::io::simplex_reader peer) {
#ifdef EDDY_CONTROL
    eddy::codec::framed_read lines(std::move(peer), eddy::codec::lines_codec());
#else
    eddy::codec::framed lines(std::move(peer), eddy::codec::lines_codec());
#endif
    auto next = co_await lines.next();
    co_return next.has_value();
}
