// SPDX-License-Identifier: MIT
#include <vector>

#include "cases.hpp"
#include "channels.hpp"

namespace bench::peer {

namespace {

using namespace std::chrono_literals;

constexpr int times = 2000;

// The channel is concurrent even if Asio has one thread, because the sender is another thread. One channel with
// capacity for all times replaces the oneshots.
using times_channel = concurrent_channel<clock::time_point>;

void send_times(times_channel& into) {
    std::this_thread::sleep_for(20ms);
    for (int i = 0; i < times; ++i) {
        std::this_thread::sleep_for(300us);
        check(into.try_send(error_code(), clock::now()), "the channel has capacity for all");
    }
}

task<std::vector<nanoseconds>> ages(times_channel& from) {
    std::vector<nanoseconds> found;
    found.reserve(times);
    for (int i = 0; i < times; ++i) {
        const auto sent = co_await from.async_receive(use_task);
        found.emplace_back(clock::now() - sent);
    }
    co_return found;
}

task<std::uint64_t> number(std::uint64_t i) { co_return opaque(i); }

std::vector<nanoseconds> spawn_and_block(const executor& on, std::uint64_t count) {
    std::vector<nanoseconds> taken;
    taken.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto start = clock::now();
        const std::uint64_t answer = asio::co_spawn(on, number(i), asio::use_future).get();
        taken.emplace_back(clock::now() - start);
        check(answer == i, "a task returns its number");
    }
    return taken;
}

}  // namespace

// The age of a time stamp that another thread sends to a sleeping runtime, in us.
void wake_external(flavour where) {
    runtime host(where);
    times_channel channel(host.get_executor(), times);
    std::jthread waking([&channel] { send_times(channel); });
    report_percentiles("wake_external", where, host.run(ages(channel)));
}

// The time that main needs to spawn a task and block for its result, in us.
void block_on_spawn(flavour where) {
    runtime host(where);
    static_cast<void>(spawn_and_block(host.get_executor(), 500));
    report_percentiles("block_on_spawn", where, spawn_and_block(host.get_executor(), 5000));
}

}  // namespace bench::peer
