// SPDX-License-Identifier: MIT
// WebSockets: a server and a client that send each message back. tests/clients runs both against other libraries.
//     $ ./web_socket serve 127.0.0.1:8080
//     $ ./web_socket connect ws://127.0.0.1:9001/ 10     connects 10 times, one after the other
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/ws.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace {

namespace http = eddy::http;
namespace net = eddy::net;
namespace ws = eddy::ws;
using eddy::result;
using eddy::task;
using eddy::try_;

ws::options options() { return ws::options().message_limit(16 << 20).compression(true); }

// docs: echo
task<result<void>> echo(ws::connection socket) {
    for (;;) {
        auto message = co_await try_(socket.receive());
        co_await try_(socket.send(std::move(message)));
    }
}
// docs: end

task<result<void>> serve(std::string where) {
    const auto end = co_await try_(eddy::signal::shutdown_token());
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    // docs: serve
    http::router app;
    app.get("/{path...}", ws::service(echo, options()));
    co_await try_(http::serve(std::move(listener), app, http::serve_options().shutdown(end)));
    // docs: end
    co_return eddy::ok();
}

// docs: connect
task<result<void>> connect(std::string url, int times) {
    for (int i = 0; i < times; ++i) {
        auto socket = co_await try_(ws::connect(url, options()));
        std::error_code ended;
        while (!ended) {
            auto message = co_await socket.receive();
            if (message) {
                static_cast<void>(co_await socket.send(*std::move(message)));
            } else {
                ended = message.error();
            }
        }
        static_cast<void>(co_await socket.close());  // completes the handshake; also after an error
    }
    co_return eddy::ok();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    const std::string_view command = argc > 2 ? argv[1] : "";
    if (command == "serve") return eddy::run(serve(argv[2]));
    if (command == "connect") return eddy::run(connect(argv[2], argc > 3 ? std::atoi(argv[3]) : 1));
    std::fputs("usage: web_socket serve ADDRESS | web_socket connect URL [TIMES]\n", stderr);
    return 2;
}
