// SPDX-License-Identifier: MIT
#include "client/http2_call.hpp"

#include <mutex>

namespace eddy::detail {

// Wakers are copied, destroyed and woken without the lock, because that may run user-provided code.

bool http2_link::is_open() const noexcept {
    const std::lock_guard guard(lock_);
    return is_open_;
}

bool http2_link::submit(const std::shared_ptr<http2_call>& call) {
    bool is_accepted = false;
    wake_after([&] {
        is_accepted = is_open_;
        if (!is_accepted) return waker();
        call->was_kept = std::exchange(was_used_, true);
        return inbox_.submit(call) ? std::exchange(connection_, waker()) : waker();
    });
    return is_accepted;
}

void http2_link::fill(const std::shared_ptr<http2_call>& call, std::size_t count, bool is_last) {
    wake_after([&] {
        call->next.begin = 0;
        call->next.end = count;
        call->next.is_last = is_last;
        return inbox_.change(call) ? std::exchange(connection_, waker()) : waker();
    });
}

bool http2_link::wants_part(http2_call& call, const waker& mine) {
    waker copy = mine;
    const std::lock_guard guard(lock_);
    if (inbox_.is_closed(call)) return false;
    if (call.next.size() == 0) return !call.next.is_last;
    call.requester.swap(copy);
    return false;
}

bool http2_link::poll_ready(http2_call& call, const waker& mine) {
    waker copy = mine;
    const std::lock_guard guard(lock_);
    if (call.ready || call.failure) return true;
    call.requester.swap(copy);
    return false;
}

bool http2_link::is_sent(const http2_call& call) const noexcept {
    const std::lock_guard guard(lock_);
    return call.is_sent;
}

std::optional<http2_part> http2_link::take_unsent(http2_call& call) noexcept {
    const std::lock_guard guard(lock_);
    if (call.has_consumed) return std::nullopt;
    return std::move(call.next);
}

void http2_link::drop(const std::shared_ptr<http2_call>& call) noexcept {
    waker requester;  // destroyed without the lock
    wake_after([&] {
        requester.swap(call->requester);
        return inbox_.drop(call) ? std::exchange(connection_, waker()) : waker();
    });
}

void http2_link::release() noexcept {
    wake_after([&] {
        is_released_ = has_release_ = true;
        return std::exchange(connection_, waker());
    });
}

bool http2_link::end_turn(const waker& connection) {
    waker copy = connection;
    const std::lock_guard guard(lock_);
    if (!read_.empty() || !inbox_.is_empty() || std::exchange(has_release_, false)) return false;
    connection_.swap(copy);
    return true;
}

call_inbox<std::shared_ptr<http2_call>>::item http2_link::take_call() noexcept {
    const std::lock_guard guard(lock_);
    return inbox_.take();
}

bool http2_link::is_released() const noexcept {
    const std::lock_guard guard(lock_);
    return is_released_;
}

void http2_link::set_open(bool is_open) noexcept {
    const std::lock_guard guard(lock_);
    is_open_ = is_open;
}

bool http2_link::try_close() noexcept {
    const std::lock_guard guard(lock_);
    if (inbox_.is_empty()) is_open_ = false;
    return !is_open_;
}

void http2_link::consume(http2_call& call, std::size_t count) noexcept {
    wake_after([&] {
        call.next.begin += count;
        call.has_consumed |= count != 0;
        return call.next.size() == 0 ? std::exchange(call.requester, waker()) : waker();
    });
}

std::pair<std::size_t, bool> http2_link::part_of(const http2_stream& call) const noexcept {
    const std::lock_guard guard(lock_);
    return {call.next.size(), call.next.is_last};
}

void http2_link::set_sent(http2_call& call) noexcept {
    const std::lock_guard guard(lock_);
    call.is_sent = true;
}

void http2_link::answer(http2_call& call) noexcept {
    wake_after([&] {
        call.ready = std::move(call.answer);
        return std::exchange(call.requester, waker());
    });
}

void http2_link::fail(http2_call& call, std::error_code why, repeat again) noexcept {
    wake_after([&] {
        if (call.ready || call.failure) return waker();
        call.failure = why;
        call.again = again;
        return std::exchange(call.requester, waker());
    });
}

void http2_link::close(http2_call& call) noexcept {
    wake_after([&] {
        inbox_.close(call);
        return std::exchange(call.requester, waker());
    });
}

}  // namespace eddy::detail
