// SPDX-License-Identifier: MIT
#include <eddy/detail/ref_count.hpp>
#include <eddy/runtime/wait.hpp>

#include <cstdint>
#include <mutex>
#ifndef EDDY_NO_THREADS
#include <thread>
#endif

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "executor/reports/endless_wait.hpp"
#include "executor/task/counted_waker.hpp"
#include "sys/pause_briefly.hpp"

namespace eddy::detail {

/// The state that a waiting thread shares with its wakers.
/// Thread safety: await_and_lower() on the waiting thread, other functions on any.
/// Lifetime: reference-counted. The waiting thread and each waker hold a reference.
class wake_flag {
public:
    explicit wake_flag(std::source_location waits_at) noexcept : waits_at_(waits_at) {}

    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

    /// Raises the flag and wakes the waiting thread.
    /// Preconditions: the caller holds a reference, so the flag stays alive if the waiting thread returns meanwhile.
    void raise() noexcept {
        {
            const std::lock_guard guard(lock_);
            // release: pairs with the acquire in the spin loop. The waiting thread sees what was done before the wake.
            raised_.store(true, std::memory_order_release);
            if (!is_parked_) return;
        }
        // Notifies after the unlock, so that the woken thread does not block on the lock.
        condition_.notify_one();
    }

    /// Waits until the flag is raised, and lowers it.
    void await_and_lower() noexcept {
        // Spins first, because work on other threads often ends sooner than a park and a wake-up would take.
        // acquire: pairs with the release in raise().
        for (int spins = 0; spins < spin_limit && !raised_.load(std::memory_order_acquire); ++spins)
            sys::pause_briefly();
        std::unique_lock guard(lock_);
        is_parked_ = true;
        // relaxed: under the lock, or under the lock of endless_wait.
        wait_or_report(condition_, guard, [this] { return raised_.load(std::memory_order_relaxed); }, waits_at_);
        is_parked_ = false;
        raised_.store(false, std::memory_order_relaxed);  // relaxed: under the lock
    }

private:
    // About 5 us, which is the cost of a wake-up. Zero on a single processor, where no other thread can run meanwhile.
#ifdef EDDY_NO_THREADS
    static constexpr int spin_limit = 0;
#else
    static inline const int spin_limit = std::thread::hardware_concurrency() > 1 ? 200 : 0;
#endif

    const std::source_location waits_at_;
    mutex lock_;
    condition_variable condition_;
    bool is_parked_ = false;
    atomic<bool> raised_{false};
    ref_count<> references_;
};

parking_place::parking_place(std::source_location where)
    : flag_(nullptr), stopped_before_(this_thread.stops_other_loops) {
    if (this_thread.runs_tasks()) {
        throw nested_runtime(
            "wait(), or a function that calls it, such as blocking_recv(), was called on a thread that runs an event "
            "loop or a runtime's tasks, which it would block: await the future instead",
            where);
    }
    flag_ = new wake_flag(where);
    this_thread.stops_other_loops = true;
}

parking_place::~parking_place() {
    this_thread.stops_other_loops = stopped_before_;
    flag_->release();
}

waker parking_place::waker() const noexcept {
    flag_->retain();
    return {&counted_waker<wake_flag, &wake_flag::raise>, flag_};
}

void parking_place::park() const noexcept { flag_->await_and_lower(); }

}  // namespace eddy::detail
