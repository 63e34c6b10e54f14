// start_send must return a std::expected, like the other functions of a sink.
//
// expect-error: static assertion failed
// expect-error: eddy: this is not a sink for that item: start_send(item) must take it, and return std::expected<void, error_type>
// only-error
#include <eddy/sink.hpp>
#include <eddy/task/task.hpp>

#include <system_error>

struct numbers : eddy::sink_ops<numbers> {
    using error_type = std::error_code;
    using answer = eddy::poll_result<eddy::result<void>>;
    numbers() {}
    answer poll_ready(eddy::context&) { return eddy::ok(); }
#ifdef EDDY_CONTROL
    eddy::result<void> start_send(int) { return eddy::ok(); }
#else
    void start_send(int) {}
#endif
    answer poll_flush(eddy::context&) { return eddy::ok(); }
    answer poll_close(eddy::context&) { return eddy::ok(); }
};

eddy::task<void> use(numbers to) { static_cast<void>(co_await to.send(1)); }
