// SPDX-License-Identifier: MIT
// A program whose flight recorder the tests read, with EDDY_TRACE=FILE:
//     recorded_target run      ends, and prints what the recording must contain
//     recorded_target crash    a task named "culprit" crashes; the program's own handler of the signal prints a line
//     recorded_target abort    the same by abort(), without a handler
//     recorded_target wait     prints "ready", and waits
//     recorded_target stall FILE   a task named "culprit" computes until FILE exists
#include <eddy/prelude.hpp>

#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;

task<void> echo(tcp_stream client) {
    std::array<std::byte, 100> buffer;
    for (;;) {
        const auto read = co_await client.read(buffer);
        if (!read || *read == 0) co_return;
        const auto written = co_await client.write_all(std::span(buffer).first(*read));
        if (!written) co_return;
    }
}

task<void> ask(eddy::net::socket_addr whom) {
    auto server = co_await tcp_stream::connect(whom);
    std::array<std::byte, 5> buffer{};
    for (int i = 0; i < 10; ++i) {
        static_cast<void>(co_await server->write_all(buffer));
        static_cast<void>(co_await server->read_exact(buffer));
    }
}

task<void> serve_and_ask() {
    auto listener = co_await tcp_listener::bind("127.0.0.1:0");
    eddy::join_set<void> all;
    for (int i = 0; i < 8; ++i) {
        all.spawn(ask(*listener->local_addr()));
        auto accepted = co_await listener->accept();
        all.spawn(echo(std::move(accepted->stream)));
    }
    while (auto one = co_await all.join_next()) {
    }
    auto sleeper = eddy::task_builder().name("sleeps").spawn([]() -> task<void> {
        for (int i = 0; i < 5; ++i) co_await eddy::time::sleep(1ms);
        co_await eddy::yield_now();
    }());
    static_cast<void>(co_await sleeper);
}

task<void> crash() {
    auto culprit = eddy::task_builder().name("culprit").spawn([]() -> task<void> {
        co_await eddy::yield_now();
        std::raise(SIGSEGV);
    }());
    static_cast<void>(co_await culprit);
}

task<void> end_by_abort() {
    std::abort();
    co_return;
}

task<void> compute_until(std::string file) {
    auto culprit = eddy::task_builder().name("culprit").spawn([](std::string awaited) -> task<void> {
        while (access(awaited.c_str(), F_OK) != 0) {
        }
        co_return;
    }(std::move(file)));
    static_cast<void>(co_await culprit);
}

task<void> wait_for_ever() {
    co_await eddy::yield_now();
    std::puts("ready");
    std::fflush(stdout);
    co_await eddy::time::sleep(1h);
}

int run() {
    std::uint64_t polls = 0;
    std::uint64_t spawns = 0;
    std::uint64_t parks = 0;
    {
        auto pool = eddy::runtime::builder().worker_threads(2).build();
        pool->block_on(serve_and_ask());
        const auto metrics = pool->metrics();
        polls = metrics.polls();
        spawns = metrics.spawned_tasks;
        parks = metrics.parks();
    }
    std::printf("poll=%llu spawn=%llu park=%llu\n", static_cast<unsigned long long>(polls),
                static_cast<unsigned long long>(spawns), static_cast<unsigned long long>(parks));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "run") return run();
    if (what == "loop") {
        eddy::core loop;
        loop.run(serve_and_ask());
        const auto metrics = loop.metrics();
        std::printf("poll=%llu\n", static_cast<unsigned long long>(metrics.polls()));
        return 0;
    }
    if (what == "crash") {
        std::signal(SIGSEGV, [](int) {
            static_cast<void>(!write(1, "own handler\n", 12));
            _exit(3);
        });
        eddy::core().run(crash());
    }
    if (what == "stall" && argc > 2) {
        eddy::core().run(compute_until(argv[2]));
        return 0;
    }
    if (what == "abort") eddy::core().run(end_by_abort());
    if (what == "wait") eddy::core().run(wait_for_ever());
    return 1;
}
