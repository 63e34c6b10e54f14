// With GCC 12 a server whose handler owns something must have a name before it is awaited.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: name the future first
#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/task/task.hpp>

#include <memory>

eddy::task<void> use(eddy::net::tcp_listener listener, std::shared_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto serving = eddy::net::serve(std::move(listener), [p = std::move(p)](eddy::net::tcp_stream) { ++*p; });
    static_cast<void>(co_await serving);
#else
    static_cast<void>(
        co_await eddy::net::serve(std::move(listener), [p = std::move(p)](eddy::net::tcp_stream) { ++*p; }));
#endif
}
