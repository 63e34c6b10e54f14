// SPDX-License-Identifier: MIT
#include "http/http2_body.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <eddy/http/error.hpp>

namespace eddy::detail {

void http2_mailbox::begin_turn() noexcept {
    waker former;  // destroyed after the lock was released
    const std::lock_guard guard(lock_);
    former = std::exchange(connection_, waker());
}

bool http2_mailbox::end_turn(const waker& connection) {
    const std::lock_guard guard(lock_);
    if (!read_.empty()) return false;
    connection_ = connection;
    return true;
}

http2_mailbox::bodies http2_mailbox::take() noexcept {
    const std::lock_guard guard(lock_);
    return std::exchange(read_, {});
}

bool http2_body::append(std::string_view data) {
    waker reader;
    {
        const std::lock_guard guard(mailbox_->lock_);
        if (is_detached_ || failure_) return false;
        if (begin_ != 0) data_.erase(0, std::exchange(begin_, 0));
        data_.append(data);
        expects_continue_ = false;
        waits_since_ = time::time_point::max();
        reader = std::exchange(reader_, waker());
    }
    std::move(reader).wake();
    return true;
}

void http2_body::finish(std::error_code failure) noexcept {
    waker reader;
    {
        const std::lock_guard guard(mailbox_->lock_);
        if (is_complete_ || failure_) return;
        is_complete_ = !failure;
        failure_ = failure;
        expects_continue_ = false;
        waits_since_ = time::time_point::max();
        reader = std::exchange(reader_, waker());
    }
    std::move(reader).wake();
}

std::size_t http2_body::detach() noexcept {
    waker reader;
    std::size_t left = 0;
    {
        const std::lock_guard guard(mailbox_->lock_);
        is_detached_ = true;
        expects_continue_ = asks_ = false;
        left = unread() + std::exchange(consumed_, 0);
        data_ = std::string();
        begin_ = 0;
        waits_since_ = time::time_point::max();
        reader = std::exchange(reader_, waker());
    }
    std::move(reader).wake();
    return left;
}

http2_body::report http2_body::news() noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    report made;
    made.consumed = std::exchange(consumed_, 0);
    made.asks = std::exchange(asks_, false);
    is_noted_ = false;
    return made;
}

bool http2_body::ask() noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    return std::exchange(expects_continue_, false);
}

std::error_code http2_body::failure() const noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    return failure_;
}

bool http2_body::take_complete(std::string& into) noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    if (!is_complete_ || failure_ || begin_ != 0 || consumed_ != 0) return false;
    into = std::exchange(data_, std::string());
    return true;
}

time::time_point http2_body::waits_since() const noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    return waits_since_;
}

/// Adds this body to the list of bodies whose news() the connection reads next. The caller wakes `to_wake` after it has
/// released the lock.
void http2_body::note(waker& to_wake) {
    if (is_detached_ || is_noted_) return;
    mailbox_->read_.push_back(shared_from_this());
    is_noted_ = true;
    to_wake = std::exchange(mailbox_->connection_, waker());
}

std::size_t http2_body::copy_to(std::span<std::byte> into) noexcept {
    const auto count = std::min(into.size(), unread());
    std::memcpy(into.data(), data_.data() + begin_, count);
    begin_ += count;
    if (begin_ == data_.size()) {
        constexpr std::size_t most_kept = 32 * 1024;
        data_.clear();
        begin_ = 0;
        if (data_.capacity() > most_kept) data_.shrink_to_fit();
    }
    return count;
}

poll_result<result<std::size_t>> http2_body::poll_read(context& cx, std::span<std::byte> into) {
    if (!cx.consume_budget()) return not_ready;
    waker connection;  // is woken after the lock was released
    waker former;
    poll_result<result<std::size_t>> answer = not_ready;
    {
        const std::lock_guard guard(mailbox_->lock_);
        if (failure_) {
            answer = result<std::size_t>(std::unexpect, failure_);
        } else if (is_detached_) {
            answer = result<std::size_t>(std::unexpect, make_error_code(http::errc::body_detached));
        } else if (into.empty() || (unread() == 0 && is_complete_)) {
            answer = eddy::ok(std::size_t{0});
        } else if (unread() != 0) {
            const auto count = copy_to(into);
            consumed_ += count;
            note(connection);
            answer = eddy::ok(count);
        } else {
            if (reader_.is_noop()) waits_since_ = time::clock::now();
            former = std::exchange(reader_, cx.waker());
            if (std::exchange(expects_continue_, false)) {
                asks_ = true;
                note(connection);
            }
            cx.refund_budget();
        }
    }
    std::move(connection).wake();
    return answer;
}

}  // namespace eddy::detail
