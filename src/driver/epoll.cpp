// SPDX-License-Identifier: MIT
#include "driver/epoll.hpp"

#include "sys/linux/event_fds.hpp"

namespace eddy::detail {
epoll::epoll(sys::poll&& poll, sys::waker&& waker, std::size_t events_per_tick)
    : poll_(std::move(poll)),
      waker_(std::move(waker)),
      events_(events_per_tick),
      wake_(std::make_unique<wake_state>()) {}

result<epoll> epoll::make(std::size_t events_per_tick) noexcept {
    auto poll = sys::poll::make();
    if (!poll) return std::unexpected(poll.error());
    auto waker = sys::waker::make(poll->registry(), wake_token);
    if (!waker) return std::unexpected(waker.error());
    try {
        return epoll(std::move(*poll), std::move(*waker), events_per_tick);
    } catch (const std::bad_alloc&) {
        return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }
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
    if (now < alarm_at_) return;
    alarm_at_ = now + delay;
    // The timerfd is never read. Because it is watched edge-triggered, each expiration is reported once.
    sys::set_timerfd(alarm_.get(), delay);
}

void epoll::close() noexcept {
    std::lock_guard guard(wake_->lock);
    wake_->is_closed = true;
    if (alarm_) static_cast<void>(poll_.registry().remove(alarm_.get()));
    alarm_.reset();
    // Destroys the waker first, because its destructor removes it from the poll.
    static_cast<void>(sys::waker(std::move(waker_)));
    static_cast<void>(sys::poll(std::move(poll_)));
    static_cast<void>(sys::events(std::move(events_)));
}

}  // namespace eddy::detail
