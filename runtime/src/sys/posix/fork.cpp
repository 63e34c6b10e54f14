// SPDX-License-Identifier: MIT
#include "sys/fork.hpp"

#include <pthread.h>

namespace eddy::sys {
namespace {

// relaxed, also below: see forks_counted.
void in_child() noexcept { forks_counted.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

std::uint64_t fork_generation() noexcept {
    [[maybe_unused]] static const int installed = pthread_atfork(nullptr, nullptr, &in_child);
    return forks_counted.load(std::memory_order_relaxed);
}

void call_in_children(void (*f)()) noexcept { static_cast<void>(pthread_atfork(nullptr, nullptr, f)); }

void hold_during_forks(void (*lock)(), void (*unlock)(), void (*unlock_in_child)()) noexcept {
    static_cast<void>(pthread_atfork(lock, unlock, unlock_in_child));
}

}  // namespace eddy::sys
