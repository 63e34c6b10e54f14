// SPDX-License-Identifier: MIT
// The program whose tasks docs/inspect.md shows: two transfers wait for each other's lock.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

using namespace std::chrono_literals;
using eddy::task;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using account = std::shared_ptr<eddy::sync::mutex<int>>;

// docs: the tasks
static task<void> read_request(tcp_stream& from) {
    std::array<std::byte, 100> buffer;
    static_cast<void>(co_await from.read(buffer));
}

static task<void> serve(tcp_stream client) { co_await read_request(client); }

static task<void> transfer(account from, account to, int amount) {
    auto first = co_await from->lock();
    co_await eddy::time::sleep(1ms);
    auto second = co_await to->lock();
    *first -= amount;
    *second += amount;
}
// docs: end

static task<int> run() {
    auto listener = co_await tcp_listener::bind("127.0.0.1:0");
    std::vector<tcp_stream> clients;
    for (int i = 0; i < 3; ++i) {
        auto client = co_await tcp_stream::connect(*listener->local_addr());
        clients.push_back(std::move(*client));
        auto accepted = co_await listener->accept();
        eddy::spawn(serve(std::move(accepted->stream))).detach();
    }
    const auto hers = std::make_shared<eddy::sync::mutex<int>>(100);
    const auto his = std::make_shared<eddy::sync::mutex<int>>(100);
    auto there = eddy::task_builder().name("there").spawn(transfer(hers, his, 10));
    auto back = eddy::task_builder().name("back").spawn(transfer(his, hers, 20));
    std::puts("ready");
    std::fflush(stdout);
    static_cast<void>(co_await there);
    static_cast<void>(co_await back);
    co_return 0;
}

int main() {
    eddy::core loop;
    return loop.run(run());
}
