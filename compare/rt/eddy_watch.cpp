// SPDX-License-Identifier: MIT
#include <utility>

#include <eddy/sync/watch.hpp>
#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using channel = eddy::sync::watch<std::uint64_t>;

eddy::task<void> show_and_watch(channel::sender to, channel::receiver from, std::uint64_t times) {
    for (std::uint64_t i = 1; i <= times; ++i) {
        check(to.send(i).has_value(), "there is a receiver");
        const auto changed = co_await from.changed();
        check(changed.has_value() && *from.borrow_and_update() == i, "the same number is returned");
    }
}

eddy::task<void> show_what_is_shown(channel::receiver from, channel::sender to, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto changed = co_await from.changed();
        check(changed.has_value(), "there is a sender");
        const std::uint64_t seen = *from.borrow_and_update();
        check(to.send(seen).has_value(), "there is a receiver");
    }
}

eddy::task<void> watch_each_other(std::uint64_t times) {
    auto there = channel::channel(0);
    auto back = channel::channel(0);
    auto answering = eddy::spawn(show_what_is_shown(std::move(there.receiver), std::move(back.sender), times));
    auto asking = eddy::spawn(show_and_watch(std::move(there.sender), std::move(back.receiver), times));
    const auto asked = co_await asking;
    const auto answered = co_await answering;
    check(asked.has_value() && answered.has_value(), "both tasks succeed");
}

}  // namespace

// ns per round trip over two watch channels.
void watch_pingpong(flavour where) {
    report("watch_pingpong", where, "ns", run_root(where, warm_up_and_measure(&watch_each_other, 200'000, 200'000)));
}

}  // namespace bench::rt
