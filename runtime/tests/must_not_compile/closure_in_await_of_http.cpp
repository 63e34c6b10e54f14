// The same, for the service of an HTTP server.
//
// only: gcc12
// expect-error: static assertion failed
// expect-error: eddy: GCC 12 destroys the captures of a lambda twice if it is written in a co_await expression: name the future first, `auto task = eddy::spawn(...);`, and then await it
// only-error
#include <eddy/http/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/task/task.hpp>

#include <memory>
#include <string>

eddy::task<void> use(eddy::net::tcp_listener listener, std::shared_ptr<int> p) {
#ifdef EDDY_CONTROL
    auto serving = eddy::http::serve(std::move(listener), [p](eddy::http::request) -> eddy::task<eddy::http::response> {
        co_return eddy::http::response::text(std::to_string(*p));
    });
    static_cast<void>(co_await serving);
#else
    static_cast<void>(
        co_await eddy::http::serve(std::move(listener), [p](eddy::http::request) -> eddy::task<eddy::http::response> {
            co_return eddy::http::response::text(std::to_string(*p));
        }));
#endif
}
