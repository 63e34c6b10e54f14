// SPDX-License-Identifier: MIT
// mini_redis: a server for redis-cli, redis-benchmark and other clients of Redis.
//     $ ./mini_redis_server 127.0.0.1:6379         and, in another terminal,
//     $ redis-cli SET greeting hello                or: ./mini_redis_cli SET greeting hello
// Ctrl-C (SIGINT) or SIGTERM ends it with exit code 0. Requests received before are answered. A second signal ends it
// immediately.
//
// Everything runs on one event loop, on this thread, as in Redis, so there are no locks. Read the files in this order:
//
//     request_codec, reply_codec    the protocol, without waiting: bytes to requests and replies, and back
//                                   (with reply, resp_error, split_words)
//     database, value               the keys and their values; expire_keys() is a task on a delay_queue
//     command, commands_*           the table of commands, one file per family
//                                   (with fault, expiry, numbers, reply_writer, transaction)
//     mailbox, channels             publish and subscribe, and the treatment of slow subscribers
//     connection, server_state      one client: a coroutine that reads, executes and writes; the state shared by all
//     server, and this file         all clients, signals, options
//     client, mini_redis_cli        the client
//
// For a quick look, start with connection, server and client, which contain most of the awaits.
#include <eddy/prelude.hpp>
#include <eddy/signal.hpp>

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include "server.hpp"

namespace {

/// Serves clients until a signal arrives. Prints `why_driver`, the loop's reason for its driver.
eddy::task<eddy::result<void>> run_server(mini_redis::server_state& state, std::string where, std::string why_driver) {
    // The first Ctrl-C or SIGTERM ends the program gracefully, the second one immediately. Call shutdown_token() before
    // the server prints its address, so that no signal is missed.
    const auto end = co_await eddy::try_(eddy::signal::shutdown_token());

    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::printf("driver %s\n", why_driver.c_str());
    std::fflush(stdout);
    const auto report = co_await eddy::try_(mini_redis::serve(state, std::move(listener), end));
    std::printf("%llu clients served\n", static_cast<unsigned long long>(report.accepted));
    co_return eddy::ok();
}

/// Raises the soft limit, which is often 1,024. Each client needs a descriptor.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
    std::string where = "127.0.0.1:6379";
    std::string driver;
    mini_redis::server_limits limits;
    auto drain = limits.drain.count();
    std::int64_t spin = 20;
    CLI::App app("A server that speaks RESP2 and RESP3.");
    app.add_option("address", where, "the address to listen on; port 0 chooses a free port")->capture_default_str();
    app.add_option("--driver", driver, "auto uses io_uring if it is available")
        ->check(CLI::IsMember({"epoll", "io_uring", "poll", "auto"}));
    app.add_option("--max-clients", limits.clients, "maximum number of clients; further clients wait")
        ->capture_default_str();
    app.add_option("--max-keys", limits.keys,
                   "maximum number of keys; at this number, commands that add keys are rejected");
    app.add_option("--max-word", limits.request.word, "maximum size of a key or value, in bytes")
        ->capture_default_str();
    app.add_option("--max-words", limits.request.words, "maximum number of words in a request")->capture_default_str();
    app.add_option("--max-request", limits.request.frame, "maximum size of a request, in bytes")->capture_default_str();
    app.add_option("--subscriber-limit", limits.subscriber,
                   "maximum size of the unsent messages of a subscriber, in bytes")
        ->capture_default_str();
    app.add_option("--drain", drain, "time for clients to receive their replies at the end, in seconds")
        ->capture_default_str();
    app.add_option("--spin", spin, "time for which the loop polls for requests before it sleeps, in microseconds")
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    limits.drain = std::chrono::seconds(drain);
    if (!driver.empty()) ::setenv("EDDY_DRIVER", driver.c_str(), 1);

    try {
        raise_descriptor_limit();
        mini_redis::server_state state(limits);
        auto loop = eddy::core::builder().spin_before_sleep(std::chrono::microseconds(spin)).build();
        if (!loop) throw std::system_error(loop.error(), "eddy::core");
        const auto ended = loop->run(run_server(state, where, std::string(loop->why_driver())));
        if (!ended) throw std::system_error(ended.error(), where);
    } catch (const std::system_error& error) {
        std::fprintf(stderr, "mini_redis_server: %s\n", error.what());
        return 1;
    }
}
