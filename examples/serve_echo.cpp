// SPDX-License-Identifier: MIT
// serve: a listener of any kind, a handler, a limit, and an end that lets clients finish.
//     $ ./serve_echo 127.0.0.1:6142         or, by a Unix socket: ./serve_echo /tmp/echo.sock
//     $ nc 127.0.0.1 6142                   or: nc -U /tmp/echo.sock
// Ctrl-C (SIGINT) or SIGTERM ends it, with exit code 0: clients that are connected then have 5 s to finish.
#include <eddy/prelude.hpp>

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>

namespace {

using namespace std::chrono_literals;
using eddy::sync::cancellation_token;

// One client, by TCP or a Unix socket: what both have is what it needs.
eddy::task<void> echo(auto client) {
    while (auto data = co_await client.receive()) {
        if (data->empty()) break;  // the peer has closed its side
        if (!co_await client.write_all(*data)) break;
    }
}

sigset_t ending_signals() {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGINT);
    sigaddset(&wanted, SIGTERM);
    return wanted;
}

// Waiting for a signal blocks, so it is done on a thread for such work.
void cancel_at_signal(const cancellation_token& end) {
    const sigset_t wanted = ending_signals();
    int which = 0;
    sigwait(&wanted, &which);
    end.cancel();
}

// The same for a listener of either kind. A hundred clients at a time; the next one waits until one of them leaves.
eddy::task<eddy::result<void>> serve_all(auto listener) {
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    const cancellation_token end;
    auto signal = eddy::spawn_blocking([end] { cancel_at_signal(end); });
    auto options = eddy::net::serve_options().max_connections(100).shutdown(end).drain(5s);
    const auto handler = [](auto client) { return echo(std::move(client)); };
    const auto report = co_await eddy::try_(eddy::net::serve(std::move(listener), handler, std::move(options)));
    std::printf("%llu served, %llu cut off\n", static_cast<unsigned long long>(report.accepted - report.aborted),
                static_cast<unsigned long long>(report.aborted));
    co_return eddy::ok();
}

eddy::task<eddy::result<void>> run_server(std::string where) {
    // A path has a slash in it, and an address none.
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
    const sigset_t signals = ending_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before there are threads, which inherit it
    const eddy::runtime pool;
    const auto ended = pool.block_on(run_server(where));
    if (ended) return 0;
    std::fprintf(stderr, "serve_echo: %s: %s\n", where.c_str(), ended.error().message().c_str());
    return 1;
}
