// SPDX-License-Identifier: MIT
#include "executor/blocking/blocking.hpp"

#include <cstddef>
#include <new>
#include <utility>

#include <eddy/detail/atomic.hpp>

#include "executor/blocking/blocking_pool.hpp"

namespace eddy::detail {
namespace {

/// Maximum number of concurrent name lookups. A burst of lookups must not start a thread for each. But a name server
/// that does not answer must not delay all other lookups, so the limit is not small.
constexpr std::size_t most_lookups = 64;

/// Maximum number of threads for other blocking work: the default of a runtime.
constexpr std::size_t most_work = 512;

/// A blocking pool that is created on first use, and again in a forked child, which has no threads of the parent.
/// Thread safety: any thread.
/// Lifetime: never destroyed, because destructors that run at process exit may submit jobs. No thread is joined.
class process_pool {
public:
    explicit constexpr process_pool(std::size_t most_threads) noexcept : most_threads_(most_threads) {}

    [[nodiscard]] result<void> submit(blocking_job& job) noexcept try {
        // acquire: pairs with the release below, which publishes the pool.
        blocking_pool* used = current_.load(std::memory_order_acquire);
        if (used == nullptr || used->is_in_child()) {
            blocking_pool::settings chosen;
            chosen.max_threads = most_threads_;
            chosen.is_joined = false;
            auto made = blocking_pool::make(std::move(chosen));
            // release: publishes the new pool to the acquire loads. acquire on failure: pairs with the release of the
            // thread that was faster; its pool is used.
            if (current_.compare_exchange_strong(used, made.get(), std::memory_order_acq_rel,
                                                 std::memory_order_acquire)) {
                used = made.release();
            }
        }
        return used->submit(job);
    } catch (const std::bad_alloc&) {
        return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }

private:
    const std::size_t most_threads_;
    atomic<blocking_pool*> current_{nullptr};
};

constinit process_pool for_lookups(most_lookups);
constinit process_pool for_work(most_work);

}  // namespace

result<void> submit_lookup(blocking_job& job) noexcept { return for_lookups.submit(job); }
result<void> submit_blocking(blocking_job& job) noexcept { return for_work.submit(job); }

}  // namespace eddy::detail
