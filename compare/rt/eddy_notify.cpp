// SPDX-License-Identifier: MIT
#include <eddy/sync/notify.hpp>
#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using eddy::sync::notify;

/// The shared state of two tasks that take turns. The task that was notified increments `turns`.
struct table {
    notify first;
    notify second;
    std::uint64_t turns = 0;
};

eddy::task<void> begin_turns(table& shared, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        shared.first.notify_one();
        co_await shared.second.notified();
        ++shared.turns;
    }
}

eddy::task<void> answer_turns(table& shared, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        co_await shared.first.notified();
        ++shared.turns;
        shared.second.notify_one();
    }
}

eddy::task<void> take_turns(std::uint64_t times) {
    table shared;
    auto answering = eddy::spawn(answer_turns(shared, times));
    auto beginning = eddy::spawn(begin_turns(shared, times));
    const auto begun = co_await beginning;
    const auto answered = co_await answering;
    check(begun.has_value() && answered.has_value(), "both tasks succeed");
    check(shared.turns == 2 * times, "each turn was taken");
}

eddy::task<void> take_permits(std::uint64_t times) {
    notify own;
    std::uint64_t taken = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
        own.notify_one();
        co_await own.notified();
        ++taken;
    }
    check(taken == times, "each permit was taken");
}

}  // namespace

// ns per round trip of two tasks that notify each other, including spawning and joining.
void notify_pingpong(flavour where) {
    report("notify_pingpong", where, "ns", run_root(where, warm_up_and_measure(&take_turns, 200'000, 200'000)));
}

// ns per permit that one task stores and consumes.
void notify_permit(flavour where) {
    report("notify_permit", where, "ns", run_root(where, warm_up_and_measure(&take_permits, 5'000'000, 5'000'000)));
}

}  // namespace bench::rt
