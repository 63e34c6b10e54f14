// SPDX-License-Identifier: MIT
// A web server: a page that uses JSON, routes with parameters, bodies that are streamed in both directions, the files
// of a folder, metrics, a health check, compression, and a graceful shutdown. Open http://127.0.0.1:8080/ in a browser,
// or use curl. Ctrl-C closes idle connections, and other connections after the response to their request.
//     $ ./web_server 127.0.0.1:8080 folder
//     $ curl -X PUT -d 'buy tea' http://127.0.0.1:8080/notes/monday
//     $ curl http://127.0.0.1:8080/notes
//     {"monday":"buy tea"}
//     $ curl -T large_file http://127.0.0.1:8080/echo
//     $ curl -N http://127.0.0.1:8080/count/5
//     $ curl -r 0-99 http://127.0.0.1:8080/files/name
//     $ curl --compressed http://127.0.0.1:8080/metrics
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <nlohmann/json.hpp>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;

constexpr const char* page = R"(<!doctype html><meta charset=utf-8><title>Notes</title>
<form><input id=day placeholder=day autofocus required><input id=text placeholder=note><button>Save</button></form>
<ul id=all></ul>
<script>
const item = ([day, text]) => Object.assign(document.createElement("li"), {textContent: `${day}: ${text}`});
const show = async () => all.replaceChildren(...Object.entries(await (await fetch("notes")).json()).map(item));
document.forms[0].onsubmit = async event => {
    event.preventDefault();
    await fetch("notes/" + encodeURIComponent(day.value), {method: "PUT", body: text.value});
    show();
};
show();
</script>)";

// All handlers run on one event loop, so the notes need no lock.
using notes = std::map<std::string, std::string>;

http::response json(const nlohmann::json& value) {
    return http::response::of_type("application/json", value.dump() + "\n");
}

task<result<http::response>> put_note(notes& all, http::request asked) {
    all[std::string(asked.param("day"))] = co_await try_(asked.body.read_text());
    co_return http::response(http::status::no_content);
}

// docs: handler
task<http::response> get_note(const notes& all, http::request asked) {
    const auto found = all.find(std::string(asked.param("day")));
    if (found == all.end()) co_return http::response::text("no such note\n", http::status::not_found);
    co_return http::response::text(found->second + "\n");
}
// docs: end

// docs: echo
/// Sends the body of the request back while it is received, so a body of any size takes little memory.
task<http::response> echo(http::request asked) { co_return http::response(http::status::ok, std::move(asked.body)); }
// docs: end

eddy::async_generator<std::string> numbers_up_to(int last) {
    for (int i = 1; i <= last; ++i) {
        co_yield std::to_string(i) + "\n";
        if (i < last) co_await eddy::time::sleep(10ms);
    }
}

/// Sends a body whose size is not known yet, in chunks.
task<http::response> count(http::request asked) {
    const auto text = asked.param("last");
    int last = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), last);
    if (error != std::errc() || end != text.data() + text.size() || last > 1000)
        co_return http::response::text("a number up to 1000 is needed\n", http::status::bad_request);
    co_return http::response(http::status::ok, http::body::from_reader(io::stream_reader(numbers_up_to(last))));
}

// docs: routes
http::router routes_of(notes& all, const std::string& folder, const http::metrics& counters) {
    http::router app;
    app.get("/", [](http::request) -> task<http::response> { co_return http::response::of_type("text/html", page); });
    app.get("/notes", [&all](http::request) -> task<http::response> { co_return json(all); });
    app.get("/notes/{day}", [&all](http::request asked) { return get_note(all, std::move(asked)); });
    app.put("/notes/{day}", [&all](http::request asked) { return put_note(all, std::move(asked)); });
    app.get("/health", [](http::request) -> task<http::response> { co_return http::response::text("ok\n"); });
    app.put("/echo", echo).post("/echo", echo).get("/count/{last}", count);
    app.get("/files/{path...}", http::files(folder)).get("/metrics", counters.endpoint());
    return app;
}
// docs: end

task<result<void>> run_server(std::string where, std::string folder) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    notes all;
    // docs: serve
    const http::metrics counters;
    auto options = http::serve_options().max_connections(1000).body_limit(1 << 30).shutdown(end).drain(5s);
    options.metrics(counters);
    const auto app = routes_of(all, folder, counters) | http::compress();
    const auto report = co_await try_(http::serve(std::move(listener), app, std::move(options)));
    // docs: end
    std::printf("served %llu connections\n", static_cast<unsigned long long>(report.accepted));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    eddy::core core;
    const auto ended = core.run(run_server(argc > 1 ? argv[1] : "127.0.0.1:8080", argc > 2 ? argv[2] : "."));
    if (ended) return 0;
    std::fprintf(stderr, "web_server: %s\n", ended.error().message().c_str());
    return 1;
}
