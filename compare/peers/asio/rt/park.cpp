// SPDX-License-Identifier: MIT
#include "park.hpp"

#include <atomic>

namespace bench::peer {

namespace {

constinit std::atomic<std::uint64_t> started = 0;

}  // namespace

task<void> park(never& waited_for) {
    started.fetch_add(1, std::memory_order_release);  // pairs with the acquire in parked()
    co_await waited_for.async_receive(use_task);
}

std::uint64_t parked() noexcept { return started.load(std::memory_order_acquire); }

}  // namespace bench::peer
