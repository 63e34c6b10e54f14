// SPDX-License-Identifier: MIT
// A chat in the browser: a page, and one WebSocket per browser. Each message goes to all browsers. On Ctrl-C,
// the server closes each WebSocket with the code 1001 (going away).
//     $ ./web_chat 127.0.0.1:8080     and open http://127.0.0.1:8080/ in two windows
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/ws.hpp>

#include <cstdio>
#include <string>
#include <utility>

namespace {

namespace http = eddy::http;
namespace net = eddy::net;
namespace ws = eddy::ws;
using eddy::result;
using eddy::task;
using eddy::try_;
using room = eddy::sync::broadcast<ws::message>;  // copies of a message share its memory

constexpr const char* page = R"(<!doctype html><title>Chat</title>
<ul id=all></ul><form><input id=text autofocus><button>Send</button></form>
<script>
const socket = new WebSocket(location.href.replace(/^http/, "ws") + "chat");
const show = text => all.append(Object.assign(document.createElement("li"), {textContent: text}));
socket.onmessage = event => show(event.data);
socket.onclose = event => show("closed: " + event.code);
document.forms[0].onsubmit = event => { socket.send(text.value); text.value = ""; event.preventDefault(); };
</script>)";

// docs: halves
task<result<void>> from_room(room::receiver messages, ws::sender browser) {
    for (;;) {
        auto message = co_await messages.recv();
        if (!message && message.error().is_lagged()) continue;  // the browser is slow and misses messages
        co_await try_(browser.send(co_await try_(std::move(message))));
    }
}

task<result<void>> to_room(ws::receiver browser, room::sender messages) {
    for (;;) {
        auto message = co_await try_(browser.receive());  // ws::errc::closed when the browser leaves
        if (message.is_text()) static_cast<void>(messages.send(std::move(message)));
    }
}

task<result<void>> chat(room::sender messages, ws::connection socket) {
    auto [sender, receiver] = std::move(socket).split();
    auto incoming = messages.subscribe();
    auto both = eddy::race(to_room(std::move(receiver), messages), from_room(std::move(incoming), std::move(sender)));
    co_return co_await both;
}
// docs: end

task<result<void>> run_server(std::string where) {
    const auto end = co_await try_(eddy::signal::shutdown_token());
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    // docs: routes
    auto [messages, first] = room::channel(64);
    http::router app;
    app.get("/", [](http::request) -> task<http::response> { co_return http::response::of_type("text/html", page); });
    const auto join = [messages](ws::connection socket) { return chat(messages, std::move(socket)); };
    app.get("/chat", ws::service(join, ws::options().message_limit(4096)));
    co_await try_(http::serve(std::move(listener), app, http::serve_options().shutdown(end)));
    // docs: end
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    const auto ended = eddy::core().run(run_server(argc > 1 ? argv[1] : "127.0.0.1:8080"));
    if (!ended) std::fprintf(stderr, "web_chat: %s\n", ended.error().message().c_str());
    return ended ? 0 : 1;
}
