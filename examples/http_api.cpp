// SPDX-License-Identifier: MIT
// An HTTP service for programs and for pages of another origin: notes, and what a service on the web has besides.
//     $ ./http_api 127.0.0.1:8080 https://app.example
//     $ curl -i -X PUT -d 'buy tea' http://127.0.0.1:8080/notes/monday
//     $ curl -i -H 'Origin: https://app.example' http://127.0.0.1:8080/notes/monday
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;

// All handlers run on one event loop, so the notes need no lock.
using notes = std::map<std::string, std::string>;

task<result<http::response>> put_note(notes& all, http::request asked) {
    all[std::string(asked.param("day"))] = co_await try_(asked.body.read_text());
    co_return http::response(http::status::no_content);
}

task<http::response> get_note(const notes& all, http::request asked) {
    const auto found = all.find(std::string(asked.param("day")));
    if (found == all.end()) co_return http::response::text("no such note\n", http::status::not_found);
    co_return http::response::text(found->second + "\n");
}

http::router routes_of(notes& all, const eddy::sync::cancellation_token& end) {
    http::router app;
    app.get("/notes/{day}", [&all](http::request asked) { return get_note(all, std::move(asked)); });
    app.put("/notes/{day}", [&all](http::request asked) { return put_note(all, std::move(asked)); });
    app.get("/health", http::health(end));
    return app;
}

task<result<void>> run_server(std::string where, std::string origin) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    notes all;
    // docs: layers
    const auto pages = http::cors_options().origin(origin).headers("Content-Type").exposed_headers("X-Request-Id");
    const auto app = routes_of(all, end) | http::compress() | http::cors(pages) | http::request_id();
    // docs: end
    auto options = http::serve_options().max_connections(1000).shutdown(end).drain(5s);
    co_await try_(http::serve(std::move(listener), app, std::move(options)));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    auto serving = run_server(argc > 1 ? argv[1] : "127.0.0.1:8080", argc > 2 ? argv[2] : "https://app.example");
    const auto ended = core.run(std::move(serving));
    if (ended) return 0;
    std::fprintf(stderr, "http_api: %s\n", ended.error().message().c_str());
    return 1;
}
