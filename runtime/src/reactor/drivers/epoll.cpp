// SPDX-License-Identifier: MIT
#include "reactor/drivers/epoll.hpp"

#include "reactor/source/scheduled_io.hpp"
#include "sys/linux/event_fds.hpp"

namespace eddy::detail {

epoll::epoll(sys::poll&& poll, sys::waker&& waker, std::size_t events_per_tick)
    : poll_(std::move(poll)), waker_(std::move(waker)), events_(events_per_tick) {}

result<std::unique_ptr<epoll>> epoll::make(std::size_t events_per_tick) noexcept {
    auto poll = sys::poll::make();
    if (!poll) return std::unexpected(poll.error());
    auto waker = sys::waker::make(poll->registry(), wake_token);
    if (!waker) return std::unexpected(waker.error());
    try {
        return std::unique_ptr<epoll>(new epoll(std::move(*poll), std::move(*waker), events_per_tick));
    } catch (const std::bad_alloc&) {
        return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }
}

result<driver_tick> epoll::tick(max_wait timeout) {
    const auto fetched = poll_.wait(events_, timeout);
    if (!fetched) return std::unexpected(fetched.error());
    was_full_ = *fetched == events_.capacity();
    driver_tick done{*fetched, false};
    for (const auto& event : events_) {
        if (event.token() == wake_token) {
            take_wake();
            --done.events;
            done.was_woken = true;
            continue;
        }
        if (event.token() == alarm_token) {  // the alarm only had to end the wait
            --done.events;
            continue;
        }
        key_of(event.token())->report(event.readiness());
    }
    return done;
}

result<void> epoll::make_alarm() noexcept {
    auto timer = sys::make_timerfd();
    if (!timer) return std::unexpected(timer.error());
    if (auto added = poll_.registry().add(timer->get(), alarm_token, io::interest::readable); !added) return added;
    alarm_ = std::move(*timer);
    return ok();
}

void epoll::set_alarm(std::chrono::nanoseconds delay) noexcept {
    const auto now = std::chrono::steady_clock::now();
    // relaxed: only the value is used. It was stored after the timer was started, so the timer expires no later than
    // that: wake_within() only makes it earlier.
    if (now.time_since_epoch().count() < alarm_at_.load(std::memory_order_relaxed)) return;
    // Another thread may have started an alarm since: the earlier one stays.
    wake_within(delay);
}

void epoll::wake_within(std::chrono::nanoseconds delay) noexcept {
    std::lock_guard guard(lock_);
    if (is_closed_) return;
    const auto now = std::chrono::steady_clock::now();
    // relaxed: changes under the lock.
    const std::chrono::nanoseconds at(alarm_at_.load(std::memory_order_relaxed));
    if (now.time_since_epoch() < at && at <= now.time_since_epoch() + delay) return;
    start_alarm(now, delay);
}

/// Starts the timer. The caller holds the lock.
void epoll::start_alarm(time_point now, std::chrono::nanoseconds delay) noexcept {
    // The timerfd is never read. Because it is watched edge-triggered, each expiration is reported once.
    sys::set_timerfd(alarm_.get(), delay);
    // relaxed: see set_alarm().
    alarm_at_.store((now + delay).time_since_epoch().count(), std::memory_order_relaxed);
}

void epoll::close() noexcept {
    std::lock_guard guard(lock_);
    is_closed_ = true;
    if (alarm_) static_cast<void>(poll_.registry().remove(alarm_.get()));
    alarm_.reset();
    // Destroys the waker first, because its destructor removes it from the poll.
    static_cast<void>(sys::waker(std::move(waker_)));
    static_cast<void>(sys::poll(std::move(poll_)));
    static_cast<void>(sys::events(std::move(events_)));
}

}  // namespace eddy::detail
