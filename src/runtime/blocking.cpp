// SPDX-License-Identifier: MIT
#include "runtime/blocking.hpp"

#include <cstddef>
#include <new>
#include <utility>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {
namespace {

/// So many names are looked up at once, and the others wait: a burst of look-ups must not make a thread each, and a
/// server of names that does not answer must not hold up all others at once.
constexpr std::size_t most_lookups = 64;

/// As many as a runtime has if nothing else is said.
constexpr std::size_t most_work = 512;

/// A pool that is made on first use, and again in the child of a fork, which has none of the threads. Never destroyed:
/// jobs are submitted in destructors that run when the process ends, and its threads are not waited for.
class process_pool {
public:
    explicit constexpr process_pool(std::size_t most_threads) noexcept : most_threads_(most_threads) {}

    [[nodiscard]] bool submit(blocking_job& job) noexcept try {
        // acquire: pairs with the release below; the pool is seen as it was made.
        blocking_pool* used = current_.load(std::memory_order_acquire);
        if (used == nullptr || used->is_in_child()) {
            blocking_pool::settings chosen;
            chosen.max_threads = most_threads_;
            chosen.is_joined = false;
            auto made = blocking_pool::make(std::move(chosen));
            // release: pairs with the acquire above and here, where another thread was faster.
            if (current_.compare_exchange_strong(used, made.get(), std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
                used = made.release();
            }
        }
        return used->submit(job);
    } catch (const std::bad_alloc&) {
        return false;
    }

private:
    const std::size_t most_threads_;
    atomic<blocking_pool*> current_{nullptr};
};

constinit process_pool for_lookups(most_lookups);
constinit process_pool for_work(most_work);

}  // namespace

bool submit_lookup(blocking_job& job) noexcept { return for_lookups.submit(job); }
bool submit_blocking(blocking_job& job) noexcept { return for_work.submit(job); }

}  // namespace eddy::detail
