// SPDX-License-Identifier: MIT
#include "executor/blocking/idle_threads.hpp"

#include <utility>

#include "sys/pause_briefly.hpp"

namespace eddy::detail {
namespace {

using namespace std::chrono_literals;

// If the last wait of a thread was shorter than this, the next one does not sleep for this time. A processor that
// sleeps may take 20 us to wake up, which would be most of the time of jobs that follow each other.
constexpr auto short_wait = 50us;
// Time between two yields of such a wait. The thread that will submit the job may need the same processor.
constexpr auto yield_interval = 10us;

/// Returns the time point `after` from `now`, or time_point::max() if that is out of range.
idle_threads::time_point later(idle_threads::time_point now, std::chrono::nanoseconds after) noexcept {
    return after < idle_threads::time_point::max() - now ? now + after : idle_threads::time_point::max();
}

/// Waits for the signal without sleeping, for the time of a short wait.
void spin(const sys::thread_signal& signal, idle_threads::time_point began) noexcept {
    auto next_yield = began;
    for (auto now = began; !signal.is_set() && now < began + short_wait; now = std::chrono::steady_clock::now()) {
        if (now < next_yield) {
            sys::pause_briefly();
        } else {
            yield_thread();
            next_yield = now + yield_interval;
        }
    }
}

}  // namespace

blocking_thread* idle_threads::pop() noexcept {
    blocking_thread& next = spinner_ != nullptr ? *spinner_ : *first_;
    remove(next);
    ++woken_;
    return next.woken.set() ? &next : nullptr;
}

bool idle_threads::wait(blocking_thread& self, std::unique_lock<mutex>& guard,
                        std::chrono::nanoseconds keep_alive) noexcept {
    self.woken.reset();
    self.next = std::exchange(first_, &self);
    ++size_;
    const bool spins = self.expects_job && spinner_ == nullptr;
    if (spins) spinner_ = &self;
    guard.unlock();
    const auto began = std::chrono::steady_clock::now();
    if (spins) spin(self.woken, began);
    const bool is_woken = self.woken.wait_until(later(began, keep_alive));
    self.expects_job = is_woken && std::chrono::steady_clock::now() < began + short_wait;
    guard.lock();
    // pop() may have taken this thread off the list after the deadline.
    if (!is_woken && !self.woken.is_set()) {
        remove(self);
        return false;
    }
    --woken_;
    return true;
}

/// Takes a thread off the list. A thread stops being idle only here, so size_ matches the list.
void idle_threads::remove(blocking_thread& one) noexcept {
    blocking_thread** link = &first_;
    while (*link != &one) link = &(*link)->next;
    *link = std::exchange(one.next, nullptr);
    if (spinner_ == &one) spinner_ = nullptr;
    --size_;
}

}  // namespace eddy::detail
