// SPDX-License-Identifier: MIT
// A user's program with eddy::http: answers one request.
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <string>

namespace http = eddy::http;

eddy::task<http::response> greet(http::request asked) {
    co_return http::response::text("hello " + std::string(asked.param("name")));
}

int main() {
    http::router app;
    app.get("/greet/{name}", greet);
    eddy::core loop;
    const auto answer = loop.run(app(http::request(http::method::get, "/greet/you")));
    return answer && answer->body.in_memory()->text() == "hello you" ? 0 : 1;
}
