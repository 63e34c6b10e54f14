// SPDX-License-Identifier: MIT
#include "runtime/blocking.hpp"

#include <cstdint>
#include <memory>
#include <new>

#include <eddy/detail/atomic.hpp>

#include "sys/fork.hpp"

namespace eddy::detail {
namespace {

/// So many jobs run at once, and the others wait: a burst of look-ups of names must not make a thread each, and a server of
/// names that does not answer must not hold up all others at once.
constexpr std::size_t most_threads = 64;

struct process_pool {
    blocking_pool::share pool = blocking_pool::make({.max_threads = most_threads, .is_joined = false});
    std::uint64_t fork_generation = sys::fork_generation();
};

/// Made on first use, and again in the child of a fork, which has none of the threads. Never destroyed: jobs are submitted
/// in destructors that run when the process ends, and its threads are not waited for.
constinit atomic<const process_pool*> current{nullptr};

}  // namespace

bool submit_blocking(blocking_job& job) noexcept try {
    // acquire: pairs with the release below; the pool is seen as it was made.
    const process_pool* used = current.load(std::memory_order_acquire);
    if (used == nullptr || used->fork_generation != sys::fork_generation()) {
        auto made = std::make_unique<process_pool>();
        // release: pairs with the acquire above and here, where another thread was faster.
        if (current.compare_exchange_strong(used, made.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
            used = made.release();
        }
    }
    return used->pool->submit(job);
} catch (const std::bad_alloc&) {
    return false;
}

}  // namespace eddy::detail
