// SPDX-License-Identifier: MIT
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>

#include "cases.hpp"
#include "channels.hpp"

namespace bench::peer {

namespace {

constexpr std::uint64_t length = 1000;

template <class Channel>
task<void> link(executor on, std::uint64_t left, Channel& end) {
    if (left == 1) {
        check(end.try_send(error_code()), "the root waits for the end of the chain");
    } else {
        asio::co_spawn(on, link(on, left - 1, end), asio::detached);
    }
    co_return;
}

template <class Channel>
task<void> chains(std::uint64_t count) {
    const executor on = co_await asio::this_coro::executor;
    // The channel is never destroyed, because a sender may still use its mutex.
    static Channel& end = *new Channel(on, 1);
    for (std::uint64_t i = 0; i < count; ++i) {
        asio::co_spawn(on, link(on, length, end), asio::detached);
        co_await end.async_receive(use_task);
    }
}

}  // namespace

// ns per task that spawns its successor and ends.
void chained_spawn(flavour where) {
    const auto body = where == flavour::ct ? &chains<channel<>> : &chains<concurrent_channel<>>;
    report("chained_spawn", where, "ns", run_root(where, warm_up_and_measure(body, 1000, 1000 * length)));
}

}  // namespace bench::peer
