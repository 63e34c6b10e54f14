// A sink defines which items it accepts.
//
// expect-error: static assertion failed
// expect-error: eddy: this is not a sink for that item
// expect-error: map() the items of a stream to others
// only-error
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>

#include <string>
#include <system_error>

struct lines : eddy::sink_ops<lines> {
    using error_type = std::error_code;
    using answer = eddy::poll_result<eddy::result<void>>;
    lines() {}
    answer poll_ready(eddy::context&) { return eddy::ok(); }
    eddy::result<void> start_send(std::string) { return eddy::ok(); }
    answer poll_flush(eddy::context&) { return eddy::ok(); }
    answer poll_close(eddy::context&) { return eddy::ok(); }
};

eddy::task<void> use(lines to) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await to.send(std::string("1")));
#else
    static_cast<void>(co_await to.send(1));
#endif
}
