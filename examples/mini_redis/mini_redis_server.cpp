// SPDX-License-Identifier: MIT
// mini_redis: a server that redis-cli, redis-benchmark and other clients of Redis take for one.
//     $ ./mini_redis_server 127.0.0.1:6379         and, in another terminal,
//     $ redis-cli SET greeting hello                or: ./mini_redis_cli SET greeting hello
// Ctrl-C (SIGINT) or SIGTERM ends it, with exit code 0: what has come by then is answered. A second one ends it at
// once.
//
// All of it runs on one loop, on this thread, as Redis does: so there are no locks. What to read, in this order:
//     request_codec, reply_codec    bytes into requests and replies, and back: the protocol, without any waiting; with
//     reply,
//                                   resp_error, split_words
//     database, value               the keys and their values; expire_keys() is a task on a delay_queue
//     command, commands_*           the table of commands, and a file a family; with fault, expiry, numbers,
//     reply_writer mailbox, channels             publish and subscribe, and what becomes of slow subscribers
//     connection, server_state      one client: a coroutine that reads, executes, writes; and what all clients share
//     server, and this file         all clients, signals, options
//     client, mini_redis_cli        the other side
// Who is in a hurry begins with connection: there, in server and in client are most of the awaits. Of the codecs and of
// the families of commands the headers and one each will do.
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

using eddy::sync::cancellation_token;

// The first signal asks the program to end, and the next one, of either kind, ends it at once.
eddy::task<void> end_at(eddy::signal::signal_stream signals, cancellation_token end) {
    while (auto next = co_await signals.next()) {
        if (end.is_cancelled()) std::_Exit(128 + next->number());
        end.cancel();
    }
}

/// `why_driver` is what the loop says of its driver.
eddy::task<eddy::result<void>> run_server(mini_redis::server_state& state, std::string where, std::string why_driver) {
    // Before anybody can know that we are there.
    const cancellation_token end;
    auto interrupts = co_await eddy::try_(eddy::signal::stream(eddy::signal::kind::interrupt()));
    auto terminations = co_await eddy::try_(eddy::signal::stream(eddy::signal::kind::terminate()));
    eddy::spawn_background(end_at(std::move(interrupts), end));
    eddy::spawn_background(end_at(std::move(terminations), end));

    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::printf("driver %s\n", why_driver.c_str());
    std::fflush(stdout);
    const auto report = co_await eddy::try_(mini_redis::serve(state, std::move(listener), end));
    std::printf("%llu clients served\n", static_cast<unsigned long long>(report.accepted));
    co_return eddy::ok();
}

/// Each client takes a descriptor, and the soft limit is often 1,024.
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
    CLI::App app("A server that speaks RESP2.");
    app.add_option("address", where, "where to listen; port 0 takes a free one")->capture_default_str();
    app.add_option("--driver", driver, "or auto for io_uring where it can be had")
        ->check(CLI::IsMember({"epoll", "io_uring", "auto"}));
    app.add_option("--max-clients", limits.clients, "further ones wait")->capture_default_str();
    app.add_option("--max-keys", limits.keys, "commands that add keys are refused when there are as many");
    app.add_option("--max-word", limits.request.word, "bytes of a key or value")->capture_default_str();
    app.add_option("--max-words", limits.request.words, "of one request")->capture_default_str();
    app.add_option("--max-request", limits.request.frame, "bytes of one request")->capture_default_str();
    app.add_option("--subscriber-limit", limits.subscriber, "bytes that may wait for a subscriber that is slow")
        ->capture_default_str();
    app.add_option("--drain", drain, "seconds for which clients may take their answers at the end")
        ->capture_default_str();
    app.add_option("--spin", spin, "microseconds for which the loop looks for requests before it sleeps")
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
