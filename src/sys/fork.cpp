// SPDX-License-Identifier: MIT
#include "sys/fork.hpp"

#include <pthread.h>

#include <atomic>

namespace eddy::sys {
namespace {

// Relaxed: it changes only in a child that has one thread yet.
constinit std::atomic<std::uint64_t> generation{0};

void in_child() noexcept { generation.fetch_add(1, std::memory_order_relaxed); }

}  // namespace

std::uint64_t fork_generation() noexcept {
    [[maybe_unused]] static const int installed = pthread_atfork(nullptr, nullptr, &in_child);
    return generation.load(std::memory_order_relaxed);
}

}  // namespace eddy::sys
