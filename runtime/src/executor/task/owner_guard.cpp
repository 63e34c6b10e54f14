// SPDX-License-Identifier: MIT
#include "executor/task/owner_guard.hpp"

#include <array>

#include <eddy/detail/runtime_context.hpp>

#include "sys/fork.hpp"

namespace eddy::detail {
namespace {

struct alignas(64) guard_count {
    atomic<std::uint32_t> value{0};
};
// Several counters, so that threads that wake tasks at the same time rarely share a cache line.
constinit std::array<guard_count, 16> guards;

atomic<std::uint32_t>& guard_of_this_thread() noexcept {
    // SAFETY: the address is used as a number only. The thread-local storage of two threads is at least a page apart.
    const auto where = reinterpret_cast<std::uintptr_t>(this_thread_mark());
    return guards[(where >> 12) % guards.size()].value;
}

}  // namespace

owner_guard::owner_guard() noexcept : mine_(guard_of_this_thread()) {
    // This increment precedes the read-modify-write of the task's state word, whose release publishes it. If the task
    // is not complete then, the thread that completes it acquires the word, so await_wakers_outside() sees this count
    // afterwards. seq_cst: stronger than that release needs; there is no store-load pair.
    mine_.fetch_add(1, std::memory_order_seq_cst);
}

owner_guard::~owner_guard() {
    // release: pairs with the acquire in await_wakers_outside(). The use of the owner is over.
    mine_.fetch_sub(1, std::memory_order_release);
}

void await_wakers_outside() noexcept {
    for (auto& guard : guards) {
        // acquire: pairs with the release in ~owner_guard(). A read-modify-write, so that it reads the latest count,
        // with all guards from before the last task was complete. The release half has no partner.
        while (guard.value.fetch_add(0, std::memory_order_acq_rel) != 0) yield_thread();
    }
}

void forget_wakers_in_children() noexcept {
    // The thread that calls fork(2) holds no guard, because it is not inside a wake-up.
    [[maybe_unused]] static const bool installed = [] {
        sys::call_in_children([] {
            // relaxed: a new child process has one thread.
            for (auto& guard : guards) guard.value.store(0, std::memory_order_relaxed);
        });
        return true;
    }();
}

}  // namespace eddy::detail
