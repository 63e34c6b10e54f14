// SPDX-License-Identifier: MIT
// serve: a listener of any kind, a handler, a connection limit, and a graceful end.
//     $ ./serve_echo 127.0.0.1:6142         or, with a Unix socket: ./serve_echo /tmp/echo.sock
//     $ nc 127.0.0.1 6142                   or: nc -U /tmp/echo.sock
// Ctrl-C (SIGINT) or SIGTERM ends it with exit code 0. Connected clients then have 5 s to finish.
// A second signal ends it immediately.
#include <eddy/prelude.hpp>

#include <unistd.h>

#include <cstdio>
#include <string>

namespace {

using namespace std::chrono_literals;

// docs: serve
// Serves one client over a TCP or Unix stream. Both types have the same members.
eddy::task<void> echo(auto client) {
    while (auto data = co_await client.receive()) {
        if (data->empty()) break;  // the peer closed its side
        if (!co_await client.write_all(*data)) break;
    }
}

// Serves the clients of a TCP or Unix listener, 100 clients at a time. Further clients wait.
eddy::task<eddy::result<void>> serve_all(auto listener) {
    // The first Ctrl-C or SIGTERM ends the program gracefully, the second one immediately. Call shutdown_token() before
    // the server prints its address, so that no signal is missed.
    const auto end = co_await eddy::try_(eddy::signal::shutdown_token());

    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    auto options = eddy::net::serve_options().max_connections(100).shutdown(end).drain(5s);
    const auto handler = [](auto client) { return echo(std::move(client)); };
    const auto report = co_await eddy::try_(eddy::net::serve(std::move(listener), handler, std::move(options)));
    std::printf("%llu served, %llu aborted\n", static_cast<unsigned long long>(report.accepted - report.aborted),
                static_cast<unsigned long long>(report.aborted));
    co_return eddy::ok();
}
// docs: end

eddy::task<eddy::result<void>> run_server(std::string where) {
    // A path contains a slash; an address does not.
    if (where.find('/') != where.npos) {
        auto listener = co_await eddy::try_(eddy::net::unix_listener::bind(where));
        auto served = co_await serve_all(std::move(listener));
        ::unlink(where.c_str());
        co_return served;
    }
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind(where));
    co_return co_await serve_all(std::move(listener));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string where = argc > 1 ? argv[1] : "127.0.0.1:6142";
    const eddy::runtime pool;
    const auto ended = pool.block_on(run_server(where));
    if (ended) return 0;
    std::fprintf(stderr, "serve_echo: %s: %s\n", where.c_str(), ended.error().message().c_str());
    return 1;
}
