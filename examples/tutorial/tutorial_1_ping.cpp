// SPDX-License-Identifier: MIT
// Tutorial, chapter 1: a server that answers PING, one client at a time.
//     $ ./tutorial_1_ping 127.0.0.1:6379         and, in another terminal,
//     $ nc 127.0.0.1 6379                        then type PING
// docs: names
#include <eddy/prelude.hpp>

#include <cstdio>
#include <string>

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
// docs: end

// docs: talk
task<result<void>> talk(eddy::net::tcp_stream client) {
    eddy::codec::framed lines(std::move(client), eddy::codec::lines_codec(1024));
    while (auto line = co_await try_(lines.try_next())) {
        const std::string reply = *line == "PING" ? "+PONG" : "-ERR unknown command";
        co_await try_(lines.send(reply));
    }
    co_return eddy::ok();
}
// docs: end

// docs: serve
task<result<void>> serve(std::string where) {
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    for (;;) {
        auto client = co_await try_(listener.accept());
        const auto ended = co_await talk(std::move(client.stream));  // the next client waits
        if (!ended) std::fprintf(stderr, "client: %s\n", ended.error().message().c_str());
    }
}
// docs: end

}  // namespace

// docs: main
int main(int argc, char** argv) { return eddy::run(serve(argc > 1 ? argv[1] : "127.0.0.1:6379")); }
// docs: end
