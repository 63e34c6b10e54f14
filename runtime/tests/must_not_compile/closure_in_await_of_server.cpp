// The same, for the handler of a server.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<void> use(eddy::net::tcp_listener listener, std::shared_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto serving = eddy::net::serve(std::move(listener), [p](eddy::net::tcp_stream) { ++*p; });
    static_cast<void>(co_await serving);
#else
    static_cast<void>(co_await eddy::net::serve(std::move(listener), [p](eddy::net::tcp_stream) { ++*p; }));
#endif
}
