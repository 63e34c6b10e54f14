// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/sink/adaptors.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/send_error.hpp>

namespace eddy::sync {

/// The sender of a bounded channel for a hand-written `poll` function. It keeps the place in the queue from one poll to
/// the next.
///     if (!out_.poll_reserve(cx)) return not_ready;
///     out_.send_item(next_value());
/// It is also a sink. Items are delivered as soon as they are in the channel, so a flush does not wait. Closing the
/// sink releases the sender.
///     auto sent = co_await std::move(numbers).forward(sync::poll_sender(tx));
/// Errors: as a sink, send_error<void> if the receiver is gone or closed; the item is lost. The error is reported when
/// an item is sent, so a forward() whose stream yields no item does not notice it. To notice it, use select() with
/// sender::closed().
/// Cancel safety: if a feed(), send() or send_all() is dropped, this object keeps its place in the queue, or the
/// capacity that it has received. The next send uses them. Call abort_send() to give up both.
/// Thread safety: one thread at a time. Give each task its own object.
/// Lifetime: owns a sender. It must not be moved while it waits.
/// Cost: same as sender::reserve(); no allocation.
template <class T>
class poll_sender : public sink_ops<poll_sender<T>> {
    using sender = typename mpsc<T>::sender;

public:
    using error_type = send_error<void>;

    /// Creates a poll_sender that owns the sender `to`.
    explicit poll_sender(sender to) noexcept : sender_(std::move(to)) {}

    /// Reserves capacity for one value. Once it is ready, the capacity is kept until send_item() or abort_send().
    /// Errors: send_error<void> if the channel or this object is closed.
    poll_result<std::expected<void, error_type>> poll_reserve(context& cx) {
        if (permit_) return std::expected<void, error_type>();
        if (!sender_) return closed();
        if (!wait_) wait_.emplace(sender_->reserve(cx.where()));
        auto answer = wait_->poll(cx);
        if (!answer) return not_ready;
        wait_.reset();
        if (!*answer) return closed();
        permit_.emplace(std::move(**answer));
        return std::expected<void, error_type>();
    }

    /// Sends `value` with the reserved capacity.
    /// Errors: returns `value` if this object was closed in the meantime. Throws `misuse` if poll_reserve() has not
    /// been ready since the last value.
    std::expected<void, send_error<T>> send_item(T value,
                                                 std::source_location where = std::source_location::current()) {
        if (!permit_) {
            if (!sender_) return std::unexpected(send_error<T>(std::move(value)));
            throw misuse("send_item() needs reserved capacity: call poll_reserve() until it is ready", where);
        }
        std::optional<sender> released;  // destroyed last, like sender_ in this class
        typename mpsc<T>::permit used = std::move(*permit_);
        permit_.reset();
        if (closes_after_send_) released.swap(sender_);
        used.send(std::move(value), where);
        return {};
    }

    /// Gives up the reserved capacity or the place in the queue. Returns false if there was neither.
    bool abort_send() noexcept {
        const bool had_any = permit_.has_value() || wait_.has_value();
        permit_.reset();
        wait_.reset();
        if (closes_after_send_) sender_.reset();
        return had_any;
    }

    /// Releases the sender. A value for which capacity is reserved can still be sent. (The sink function close() also
    /// gives up the reserved capacity.)
    void disconnect() noexcept {
        wait_.reset();
        if (permit_) {
            closes_after_send_ = true;
        } else {
            sender_.reset();
        }
    }
    /// Returns true if nothing can be sent any more.
    [[nodiscard]] bool is_closed() const noexcept { return !sender_ || sender_->is_closed(); }

    // ---- As a sink ----

    /// The sink functions; see sink.hpp.
    poll_result<std::expected<void, error_type>> poll_ready(context& cx) { return poll_reserve(cx); }
    std::expected<void, error_type> start_send(T&& value,
                                               std::source_location where = std::source_location::current()) {
        if (!send_item(std::move(value), where)) return std::unexpected(error_type());
        return {};
    }
    poll_result<std::expected<void, error_type>> poll_flush(context&) noexcept {
        return std::expected<void, error_type>();
    }
    poll_result<std::expected<void, error_type>> poll_close(context&) noexcept {
        abort_send();
        sender_.reset();
        return std::expected<void, error_type>();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&poll_sender::wait_); }

private:
    static std::expected<void, error_type> closed() noexcept { return std::unexpected(error_type()); }

    std::optional<sender> sender_;  // destroyed last: the members below refer to its channel
    std::optional<typename mpsc<T>::reserve_future> wait_;
    std::optional<typename mpsc<T>::permit> permit_;
    bool closes_after_send_ = false;
};

template <class Sender>
poll_sender(Sender) -> poll_sender<typename Sender::value_type>;

}  // namespace eddy::sync
