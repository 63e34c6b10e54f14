// SPDX-License-Identifier: MIT
// A program with tasks of eddy that wait for all sorts of things, to be read by tests. It prints a line when all of
// them were spawned.
//     eddy_target pool|loop     tasks that wait for an hour
//     eddy_target busy          tasks that are polled, spawned and ended all the time
//     eddy_target many          100,000 tasks that wait, each with three coroutines
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;

eddy::task<void> read_head(tcp_stream& from) {
    std::array<std::byte, 100> buffer;
    static_cast<void>(co_await from.read(buffer));
}

eddy::task<void> serve(tcp_stream client) { co_await read_head(client); }

eddy::task<void> serve_for_an_hour(tcp_stream client) {
    static_cast<void>(co_await eddy::time::timeout(1h, read_head(client)));
}

eddy::task<void> sleep_for_an_hour() { co_await eddy::time::sleep(1h); }

eddy::task<void> hold(std::shared_ptr<eddy::sync::mutex<int>> what) {
    const auto guard = co_await what->lock();
    co_await sleep_for_an_hour();
}

eddy::task<void> join(eddy::join_handle<void> other) { static_cast<void>(co_await other); }

eddy::task<void> receive(eddy::sync::oneshot<int>::receiver from) { static_cast<void>(co_await from); }

eddy::task<int> run_all() {
    auto listener = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 4; ++i) {
        auto client = co_await tcp_stream::connect(*listener->local_addr());
        clients.push_back(std::move(*client));
        auto accepted = co_await listener->accept();
        eddy::spawn(i < 3 ? serve(std::move(accepted->stream)) : serve_for_an_hour(std::move(accepted->stream)))
            .detach();
    }
    const auto lock = std::make_shared<eddy::sync::mutex<int>>(1);
    eddy::spawn(hold(lock)).detach();
    eddy::spawn(hold(lock)).detach();
    auto sleeper = eddy::task_builder().name("sleeper").spawn(sleep_for_an_hour());
    eddy::spawn(join(std::move(sleeper))).detach();
    eddy::spawn([]() -> eddy::task<void> { co_await sleep_for_an_hour(); }).detach();
    auto [sender, receiver] = eddy::sync::oneshot<int>::channel();
    eddy::spawn(receive(std::move(receiver))).detach();
    eddy::spawn(eddy::time::sleep(1h)).detach();
    std::puts("ready");
    std::fflush(stdout);
    co_await eddy::time::sleep(1h);
    co_return 0;
}

// ---- busy ----

eddy::task<void> wait_briefly(int number) {
    if (number % 3 == 0) {
        co_await eddy::yield_now();
    } else {
        co_await eddy::time::sleep(std::chrono::microseconds(number % 50));
    }
}

eddy::task<void> wait_twice(int number) {
    co_await wait_briefly(number);
    co_await wait_briefly(number + 1);
}

eddy::task<void> work(int number) {
    for (int i = 0; i < 200; ++i) co_await wait_twice(number + i);
}

eddy::task<int> run_busy() {
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
        eddy::join_set<void> all;
        for (int i = 0; i < 100; ++i) all.spawn(work(i));
        for (;;) {
            const auto ended = co_await all.join_next();
            if (!ended) break;
        }
    }
}

// ---- many ----

int waiting = 0;

eddy::task<void> wait_for_all(std::shared_ptr<eddy::sync::notify> end) {
    ++waiting;
    co_await end->notified();
}

eddy::task<void> serve_until(std::shared_ptr<eddy::sync::notify> end) { co_await wait_for_all(std::move(end)); }

eddy::task<void> wait_inside(std::shared_ptr<eddy::sync::notify> end) { co_await serve_until(std::move(end)); }

eddy::task<int> run_many() {
    const auto end = std::make_shared<eddy::sync::notify>();
    for (int i = 0; i < 100'000; ++i) eddy::spawn(wait_inside(end)).detach();
    while (waiting != 100'000) co_await eddy::yield_now();
    std::puts("ready");
    std::fflush(stdout);
    co_await end->notified();
    co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "loop") {
        eddy::core loop;
        return loop.run(run_all());
    }
    if (argc > 1 && std::string_view(argv[1]) == "many") {
        eddy::core loop;
        return loop.run(run_many());
    }
    eddy::runtime pool;
    if (argc > 1 && std::string_view(argv[1]) == "busy") return pool.block_on(run_busy());
    return pool.block_on(run_all());
}
