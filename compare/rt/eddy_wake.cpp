// SPDX-License-Identifier: MIT
#include <vector>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using namespace std::chrono_literals;
using oneshot = eddy::sync::oneshot<clock::time_point>;

void send_times(std::vector<oneshot::sender>& senders) {
    std::this_thread::sleep_for(20ms);
    for (auto& sender : senders) {
        std::this_thread::sleep_for(300us);
        check(sender.send(clock::now()).has_value(), "the task waits for each time");
    }
}

eddy::task<std::vector<nanoseconds>> ages(std::vector<oneshot::receiver> receivers) {
    std::vector<nanoseconds> found;
    found.reserve(receivers.size());
    for (auto& receiver : receivers) {
        const auto sent = co_await receiver;
        found.emplace_back(clock::now() - sent.value());
    }
    co_return found;
}

eddy::task<std::uint64_t> number(std::uint64_t i) { co_return opaque(i); }

std::vector<nanoseconds> spawn_and_block(eddy::runtime& pool, std::uint64_t times) {
    std::vector<nanoseconds> taken;
    taken.reserve(times);
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto start = clock::now();
        const auto joined = eddy::wait(pool.spawn(number(i)));
        taken.emplace_back(clock::now() - start);
        check(joined.value() == i, "a task returns its number");
    }
    return taken;
}

}  // namespace

// The age of a time stamp that another thread sends to a sleeping runtime, in us.
void wake_external(flavour where) {
    std::vector<oneshot::sender> senders;
    std::vector<oneshot::receiver> receivers;
    for (int i = 0; i < 2000; ++i) {
        oneshot::ends ends = oneshot::channel();
        senders.push_back(std::move(ends.sender));
        receivers.push_back(std::move(ends.receiver));
    }
    std::jthread waking([&senders] { send_times(senders); });
    report_percentiles("wake_external", where, run_root(where, ages(std::move(receivers))));
}

// The time that main needs to spawn a task and block for its result, in us.
void block_on_spawn(flavour where) {
    auto pool = make_pool();
    static_cast<void>(spawn_and_block(pool, 500));
    report_percentiles("block_on_spawn", where, spawn_and_block(pool, 5000));
}

}  // namespace bench::rt
