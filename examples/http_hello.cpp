// SPDX-License-Identifier: MIT
// The smallest HTTP server.
//     $ ./http_hello 127.0.0.1:8080
//     $ curl http://127.0.0.1:8080/hello/Ada
//     hello, Ada
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <cstdio>

namespace http = eddy::http;

eddy::task<http::response> hello(http::request asked) {
    co_return http::response::text("hello, " + std::string(asked.param("name")) + "\n");
}

eddy::task<eddy::result<void>> serve(std::string where) {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    http::router app;
    app.get("/hello/{name}", hello);
    co_await eddy::try_(http::serve(std::move(listener), app));
    co_return eddy::ok();
}

int main(int argc, char** argv) { return eddy::run(serve(argc > 1 ? argv[1] : "127.0.0.1:8080")); }
