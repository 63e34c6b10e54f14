// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>

namespace eddy::detail {

/// The two flags by which a thread hands its worker over to another thread, for block_in_place.
///
/// seq_cst: two store-load pairs (Dekker). hand_over() sets is_offered_, then checks is_thread_coming_. The arriving
/// thread clears is_thread_coming_, then checks is_offered_. If both checks read the old values, the offered worker
/// would have no thread. (acq_rel would also exclude this, because is_thread_coming_ changes by exchanges only.)
/// The exchanges of is_offered_ also pass the worker's plain members: release in offer(), acquire in accept_offer().
/// Thread safety: any thread.
class worker_offer : immovable {
public:
    /// Allows another thread to take over the worker.
    void offer() noexcept { is_offered_.exchange(true, std::memory_order_seq_cst); }
    [[nodiscard]] bool is_offered() const noexcept { return is_offered_.load(std::memory_order_seq_cst); }
    /// Takes over the worker if it is offered. Returns true for exactly one thread per offer.
    [[nodiscard]] bool accept_offer() noexcept { return is_offered_.exchange(false, std::memory_order_seq_cst); }
    /// Returns whether a thread that will call accept_offer() was requested. If not, the caller must request one.
    [[nodiscard]] bool has_thread_coming() noexcept {
        // seq_cst: the load of the first pair above.
        return is_thread_coming_.exchange(true, std::memory_order_seq_cst);
    }
    /// Records that the thread has arrived, or that it will not arrive. Call it before accept_offer().
    bool thread_comes() noexcept {
        // seq_cst: the store of the second pair above.
        return is_thread_coming_.exchange(false, std::memory_order_seq_cst);
    }

protected:
    ~worker_offer() = default;

private:
    atomic<bool> is_offered_{false};
    atomic<bool> is_thread_coming_{false};

    friend class pool_shutdown;
    bool is_left_ = false;  // under the lock of pool_shutdown: the worker is offered, and has no thread
};

}  // namespace eddy::detail
