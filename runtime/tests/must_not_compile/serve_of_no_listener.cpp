// serve needs a listener.
//
// expect-error: static assertion failed
// expect-error: eddy: serve takes a listener
// only-error
#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> handle(eddy::net::tcp_stream) { co_return; }

eddy::task<void> use(eddy::net::tcp_listener listener, eddy::net::tcp_stream stream) {
#ifdef EDDY_CONTROL
    static_cast<void>(co_await eddy::net::serve(std::move(listener), handle));
    static_cast<void>(stream);
#else
    static_cast<void>(co_await eddy::net::serve(std::move(stream), handle));
    static_cast<void>(listener);
#endif
}
