// The handler of a server takes the connection by value.
//
// expect-error: static assertion failed
// expect-error: eddy: the handler given to serve must take a stream and an address, or a stream, by value
// only-error
#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/task/task.hpp>

eddy::task<void> use(eddy::net::tcp_listener listener) {
#ifdef EDDY_CONTROL
    const auto handler = [](eddy::net::tcp_stream) {};
#else
    const auto handler = [](eddy::net::tcp_stream&) {};
#endif
    static_cast<void>(co_await eddy::net::serve(std::move(listener), handler));
}
