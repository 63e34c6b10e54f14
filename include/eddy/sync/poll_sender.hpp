// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/sink.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/send_error.hpp>

namespace eddy::sync {

/// The sender of a bounded channel for those who write a `poll` function themselves: it keeps the place in the line
/// from one poll to the next.
///     if (!out_.poll_reserve(cx)) return not_ready;
///     out_.send_item(next_value());
/// Also a sink, whose items have arrived when they are in the channel; closing it lets the sender go.
///     auto sent = co_await std::move(numbers).forward(sync::poll_sender(tx));
/// Errors: as a sink, send_error<void> if the receiver is gone or closed; the item is lost. It is told when an item is
/// to be sent: a forward() whose stream gives nothing does not notice (race it with sender::closed()). Cancel safety:
/// if a feed(), send() or send_all() is dropped, this keeps its place in the line, and the room that it gets, for the
/// next one; abort_send() gives them up. Thread safety: none; each task has one of its own. Lifetime: holds a sender.
/// Once it waits it does not move. Cost: as of sender::reserve(); no allocation.
template <class T>
class poll_sender : public sink_ops<poll_sender<T>> {
    using sender = typename mpsc<T>::sender;

public:
    using error_type = send_error<void>;

    explicit poll_sender(sender to) noexcept : sender_(std::move(to)) {}

    /// Ready when there is room for one value, which is then kept; an error if the channel is closed, or this is.
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

    /// Sends, into the room that is kept. The value comes back if this was closed meanwhile.
    /// Errors: throws `misuse` if poll_reserve() has not been ready since the last value.
    std::expected<void, send_error<T>> send_item(T value,
                                                 std::source_location where = std::source_location::current()) {
        if (!permit_) {
            if (!sender_) return std::unexpected(send_error<T>(std::move(value)));
            throw misuse("send_item() needs room for the value: call poll_reserve() until it is ready", where);
        }
        std::optional<sender> let_go;  // goes last, as in this class
        typename mpsc<T>::permit used = std::move(*permit_);
        permit_.reset();
        if (closes_after_send_) let_go.swap(sender_);
        used.send(std::move(value), where);
        return {};
    }

    /// Gives the room back, or the place in the line. False if there was neither.
    bool abort_send() noexcept {
        const bool had_any = permit_.has_value() || wait_.has_value();
        permit_.reset();
        wait_.reset();
        if (closes_after_send_) sender_.reset();
        return had_any;
    }

    /// Lets the sender go: this sends nothing any more, but what room is kept for. (close(), of a sink, gives that up,
    /// too.)
    void disconnect() noexcept {
        wait_.reset();
        if (permit_) {
            closes_after_send_ = true;
        } else {
            sender_.reset();
        }
    }
    /// Whether nothing can be sent any more.
    [[nodiscard]] bool is_closed() const noexcept { return !sender_ || sender_->is_closed(); }

    // ---- As a sink ----

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

private:
    static std::expected<void, error_type> closed() noexcept { return std::unexpected(error_type()); }

    std::optional<sender> sender_;  // goes last: it keeps what the others refer to
    std::optional<typename mpsc<T>::reserve_future> wait_;
    std::optional<typename mpsc<T>::permit> permit_;
    bool closes_after_send_ = false;
};

template <class Sender>
poll_sender(Sender) -> poll_sender<typename Sender::value_type>;

}  // namespace eddy::sync
