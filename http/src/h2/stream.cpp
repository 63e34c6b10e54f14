// SPDX-License-Identifier: MIT
#include "h2/stream.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>

#include <eddy/detail/free_memory.hpp>
#include <eddy/http/error.hpp>

#include "message/fields.hpp"

namespace eddy::detail {

void http2_mailbox::begin_turn() noexcept {
    waker former;  // destroyed after the lock was released
    const std::lock_guard guard(lock_);
    former = std::exchange(connection_, waker());
}

bool http2_mailbox::end_turn(const waker& connection) {
    waker copy = connection;  // copied and destroyed without the lock
    const std::lock_guard guard(lock_);
    if (!read_.empty()) return false;
    connection_.swap(copy);
    return true;
}

http2_mailbox::bodies http2_mailbox::take() noexcept {
    const std::lock_guard guard(lock_);
    return std::exchange(read_, {});
}

void http2_mailbox::end() noexcept {
    bodies dropped;  // destroyed after the lock was released
    const std::lock_guard guard(lock_);
    has_ended_ = true;
    dropped.swap(read_);
}

bool http2_body::append(std::string_view data) {
    bool is_read = false;
    mailbox_->wake_after([&] {
        is_read = !is_detached_ && !failure_;
        if (!is_read) return waker();
        if (begin_ > unread()) data_.erase(0, std::exchange(begin_, 0));  // moves each byte once, on average
        data_.append(data);
        expects_continue_ = false;
        rate_.receive(data.size());
        return std::exchange(reader_, waker());
    });
    return is_read;
}

void http2_body::add_trailer(std::string_view name, std::string_view value) {
    bool is_too_large = false;
    {
        const std::lock_guard guard(mailbox_->lock_);
        trailer_bytes_ += name.size() + value.size() + field_overhead;
        is_too_large = trailer_bytes_ > max_trailer_bytes;
        if (!is_too_large && may_be_trailer(name)) header_access::add_checked(trailers_, name, value);
    }
    if (is_too_large) finish(make_error_code(http::errc::bad_message));
}

void http2_body::finish(std::error_code failure) noexcept {
    mailbox_->wake_after([&] {
        if (is_complete_ || failure_) return waker();
        is_complete_ = !failure;
        failure_ = failure;
        expects_continue_ = false;
        rate_.end_wait();
        return std::exchange(reader_, waker());
    });
}

std::size_t http2_body::detach() noexcept {
    std::size_t left = 0;
    mailbox_->wake_after([&] {
        is_detached_ = true;
        expects_continue_ = asks_ = false;
        left = unread() + std::exchange(consumed_, 0);
        free_memory(data_);
        begin_ = 0;
        rate_.end_wait();
        return std::exchange(reader_, waker());
    });
    return left;
}

http2_body::report http2_body::news() noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    report made;
    made.consumed = std::exchange(consumed_, 0);
    made.is_dropped = is_dropped_;
    made.asks = std::exchange(asks_, false);
    made.deadline = rate_.deadline();
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
    if (!is_complete_ || failure_ || begin_ != 0 || consumed_ != 0 || !trailers_.empty()) return false;
    into = std::exchange(data_, std::string());
    return true;
}

http::headers http2_body::trailers() const {
    const std::lock_guard guard(mailbox_->lock_);
    return is_complete_ && unread() == 0 ? trailers_ : http::headers();
}

void http2_body::drop() noexcept {
    mailbox_->wake_after([&] {
        waker connection;
        is_dropped_ = true;
        expects_continue_ = asks_ = false;
        try {
            note(connection);
        } catch (...) {  // NOLINT(bugprone-empty-catch): no memory; the end of the response detaches the body
        }
        return connection;
    });
}

time::time_point http2_body::deadline(time::duration limit) const noexcept {
    const std::lock_guard guard(mailbox_->lock_);
    return std::min(time::saturating_add(rate_.waits_since(), limit), rate_.deadline());
}

/// Adds this body to the list of bodies whose news() the connection reads next. The caller wakes `to_wake` after it has
/// released the lock.
void http2_body::note(waker& to_wake) {
    if (is_detached_ || is_noted_ || mailbox_->has_ended_) return;
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
        begin_ = 0;
        if (data_.capacity() > most_kept) {
            free_memory(data_);
        } else {
            data_.clear();
        }
    }
    return count;
}

/// Reads if it can be done now. The caller wakes `connection` after it has released the lock.
poll_result<result<std::size_t>> http2_body::try_read(std::span<std::byte> into, waker& connection) {
    const bool has_bytes = unread() != 0;  // an error follows the bytes that were received before it
    if (failure_ && !has_bytes) return result<std::size_t>(std::unexpect, failure_);
    if (is_detached_) return result<std::size_t>(std::unexpect, make_error_code(http::errc::body_detached));
    if (into.empty() || (!has_bytes && is_complete_)) return eddy::ok(std::size_t{0});
    if (!has_bytes) return not_ready;
    note(connection);  // before the copy, because it may throw
    const auto count = copy_to(into);
    consumed_ += count;
    return eddy::ok(count);
}

/// Begins to wait with the reader's waker, and sets `mine` to the former one. The caller wakes `connection`.
void http2_body::wait(waker& mine, waker& connection) {
    if (rate_.is_slow()) note(connection);  // first, because it may throw. The deadline of the connection may be later
    rate_.begin_wait();
    reader_.swap(mine);
    if (!expects_continue_) return;
    note(connection);  // first, because it may throw
    expects_continue_ = false;
    asks_ = true;
}

poll_result<result<std::size_t>> http2_body::poll_read(context& cx, std::span<std::byte> into) {
    if (!cx.consume_budget()) return not_ready;
    waker connection;
    poll_result<result<std::size_t>> answer = not_ready;
    {
        const std::lock_guard guard(mailbox_->lock_);
        answer = try_read(into, connection);
    }
    if (!answer) {
        // Wakers are copied, destroyed and woken without the lock, because that may run user-provided code.
        waker mine = cx.waker();
        const std::lock_guard guard(mailbox_->lock_);
        answer = try_read(into, connection);  // bytes may have arrived meanwhile
        if (!answer) wait(mine, connection);
    }
    if (!answer) cx.refund_budget();
    std::move(connection).wake();
    return answer;
}

}  // namespace eddy::detail
