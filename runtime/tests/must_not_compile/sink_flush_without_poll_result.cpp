// Like sink_without_poll_result, but calls only flush().
//
// expect-error: static assertion failed
// expect-error: poll_ready, poll_flush and poll_close must return poll_result<std::expected<void, error_type>>
// only-error
#include <eddy/sink.hpp>
#include <eddy/task/task.hpp>

#include <system_error>

struct numbers : eddy::sink_ops<numbers> {
    using error_type = std::error_code;
    numbers() {}
    eddy::poll_result<eddy::result<void>> poll_ready(eddy::context&) { return eddy::ok(); }
    eddy::result<void> start_send(int) { return eddy::ok(); }
#ifdef EDDY_CONTROL
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
#else
    eddy::result<void> poll_flush(eddy::context&) { return eddy::ok(); }
#endif
    eddy::poll_result<eddy::result<void>> poll_close(eddy::context&) { return eddy::ok(); }
};

eddy::task<void> use(numbers to) { static_cast<void>(co_await to.flush()); }
