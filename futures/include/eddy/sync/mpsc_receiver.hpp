// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/sync/detail/mpsc_channel.hpp>
#include <eddy/sync/recv_error.hpp>

namespace eddy::sync {

template <class Channel>
class mpsc_recv_many_future;

/// The receiving end of a channel: `mpsc<T>::receiver` and `mpsc<T>::unbounded_receiver`. It is also a stream of the
/// values. Destroying it closes the channel and destroys the remaining values. If a value is sent through a permit
/// afterwards, it is destroyed together with the last sender.
/// The destructor of a T may send to the same channel. If it receives, it finds the channel empty, because its own
/// value is removed only after the destructor returns.
/// Thread safety: one thread at a time. The senders may be on other threads.
template <class Channel>
class [[nodiscard]] mpsc_receiver : public stream_ops<mpsc_receiver<Channel>> {
public:
    using item_type = typename Channel::value_type;
    /// The futures of recv() and recv_many().
    using recv_future = next_future<mpsc_receiver>;
    using recv_many_future = mpsc_recv_many_future<Channel>;

    static constexpr bool consumes_budget = true;

    static constexpr const char* wakes_one_task = "a receiver of a sync::mpsc";

    /// For use by the channels.
    explicit mpsc_receiver(Channel* channel) noexcept : channel_(channel) {}
    mpsc_receiver(mpsc_receiver&&) noexcept = default;
    mpsc_receiver& operator=(mpsc_receiver&&) noexcept = default;
    ~mpsc_receiver() { eddy::detail::check_not_awaited(this, "a receiver of a sync::mpsc"); }

    /// Returns a future of the next value. Its output is empty once all values were received and either all senders are
    /// gone or the receiver was closed.
    /// Cancel safety: safe. Dropping the future loses no value.
    /// Lifetime: the receiver must outlive the future.
    /// Cost: one read-modify-write to receive an available value; none if the channel is unbounded.
    [[nodiscard]] recv_future recv() noexcept { return recv_future(*this); }

    /// Returns a future that waits for a value and then appends up to `limit` available values to `into`. Its output is
    /// their number. It is 0 only if `limit` is 0, or in the cases in which the output of recv() is empty.
    /// Cancel safety: safe. Dropping the future loses no value.
    /// Lifetime: the receiver and `into` must outlive the future.
    /// Cost: one read-modify-write for all values together.
    [[nodiscard]] recv_many_future recv_many(std::vector<item_type>& into, std::size_t limit) noexcept {
        return recv_many_future(*this, into, limit);
    }

    /// Returns the next value if it is available. Waits only for a sender on another thread that is currently moving
    /// its value into the channel.
    /// Errors: try_recv_error::empty if no value is available yet; closed if there will be none.
    [[nodiscard]] std::expected<item_type, try_recv_error> try_recv(
        std::source_location where = std::source_location::current()) {
        Channel& channel = at("try_recv()", where);
        for (;;) {
            if (item_type* const front = channel.peek()) {
                const eddy::detail::front_value taken(channel, *front);
                return std::expected<item_type, try_recv_error>(std::in_place, std::move(*front));
            }
            switch (channel.look_for_more()) {
            case eddy::detail::nothing::ended: return std::unexpected(try_recv_error::closed);
            case eddy::detail::nothing::waits: return std::unexpected(try_recv_error::empty);
            case eddy::detail::nothing::claimed: break;
            }
            if (channel.peek() == nullptr) eddy::detail::yield_thread();
        }
    }

    /// Same as recv() and recv_many(), but block this thread while they wait; see `eddy::wait`.
    std::optional<item_type> blocking_recv(std::source_location where = std::source_location::current()) {
        return eddy::wait(recv(), where);
    }
    std::size_t blocking_recv_many(std::vector<item_type>& into, std::size_t limit,
                                   std::source_location where = std::source_location::current()) {
        return eddy::wait(recv_many(into, limit), where);
    }

    /// Same as recv() and recv_many(), for a hand-written `poll` function. Only the waker of the latest poll is woken.
    /// The channel keeps a copy of that waker until it is woken or replaced.
    [[gnu::always_inline]] poll_result<std::optional<item_type>> poll_recv(context& cx) {
        Channel& channel = at("recv()", cx);
        if (!cx.consume_budget()) return not_ready;
        if (item_type* const front = channel.peek()) return take_front(channel, *front);
        return poll_empty(channel, cx);
    }
    [[gnu::always_inline]] poll_result<std::optional<item_type>> poll_next(context& cx) { return poll_recv(cx); }
    poll_result<std::size_t> poll_recv_many(context& cx, std::vector<item_type>& into, std::size_t limit) {
        Channel& channel = at("recv_many()", cx);
        if (limit == 0) return std::size_t{0};
        if (!cx.consume_budget()) return not_ready;
        item_type* front = channel.peek();
        if (front == nullptr) {
            const auto found = poll_front(channel, cx);
            if (!found) return not_ready;
            if (*found == nullptr) return std::size_t{0};
            front = *found;
        }
        return take_many(channel, *front, into, limit);
    }

    /// Closes the channel for new values. Values that were sent before can still be received, and so can values that
    /// are sent through permits that exist. Once those are used or released, recv() returns nothing.
    void close() noexcept {
        if (channel_) channel_->close_receiver();
    }
    /// Returns true if the receiver was closed or all senders are gone. There may still be values.
    [[nodiscard]] bool is_closed() const noexcept { return !channel_ || channel_->is_closed(); }

    /// Returns true if no value is available.
    [[nodiscard]] bool is_empty() const noexcept { return !channel_ || channel_->is_empty(); }
    /// Returns the number of values. It may include values whose senders are still moving them in.
    /// Cost: linear in the number of values for an unbounded channel.
    [[nodiscard]] std::size_t len() const noexcept { return channel_ ? channel_->len() : 0; }

    /// Returns how many values can be sent now without waiting.
    [[nodiscard]] std::size_t capacity() const noexcept
        requires requires(const Channel& c) { c.capacity(); }
    {
        return channel_ ? channel_->available() : 0;
    }
    /// Returns the capacity of the channel.
    [[nodiscard]] std::size_t max_capacity() const noexcept
        requires requires(const Channel& c) { c.capacity(); }
    {
        return channel_ ? channel_->capacity() : 0;
    }

    /// Returns the number of senders, or of weak senders.
    [[nodiscard]] std::size_t sender_strong_count() const noexcept { return channel_ ? channel_->senders() : 0; }
    [[nodiscard]] std::size_t sender_weak_count() const noexcept { return channel_ ? channel_->weak() : 0; }

    static constexpr auto wait_shape() {
        return inspect::awaits(inspect::wait::channel_receive, &mpsc_receiver::channel_);
    }

private:
    /// How many times a poll looks again for a value that a sender on another thread is moving in.
    static constexpr unsigned patience = 16;

    Channel& at(const char* what, const std::source_location& where) const {
        if (!channel_) [[unlikely]]
            eddy::detail::throw_empty(what, "receiver", "moved from", where);
        return *channel_;
    }
    Channel& at(const char* what, const context& cx) const {
        if (!channel_) [[unlikely]]
            eddy::detail::throw_empty(what, "receiver", "moved from", cx.where());
        return *channel_;
    }

    static poll_result<std::optional<item_type>> take_front(Channel& channel, item_type& front) {
        const eddy::detail::front_value taken(channel, front);
        return poll_result<std::optional<item_type>>(std::move(front));
    }
    /// The part of poll_recv() for a channel without a published value.
    [[gnu::noinline]] static poll_result<std::optional<item_type>> poll_empty(Channel& channel, context& cx) {
        // The usual case first, without a call.
        if (channel.wait_for_more(cx.waker()) != eddy::detail::nothing::waits) return poll_claimed(channel, cx);
        cx.refund_budget();
        return not_ready;
    }
    [[gnu::noinline]] static poll_result<std::optional<item_type>> poll_claimed(Channel& channel, context& cx) {
        const auto found = poll_front(channel, cx);
        if (!found) return not_ready;
        if (*found == nullptr) return std::optional<item_type>();
        return take_front(channel, **found);
    }
    /// Returns the next value, or null at the end of the channel. If it returns not_ready, the waker is stored and the
    /// consumed budget is refunded.
    [[gnu::noinline]] static poll_result<item_type*> poll_front(Channel& channel, context& cx) {
        for (unsigned tries = 0;; ++tries) {
            switch (channel.wait_for_more(cx.waker())) {
            case eddy::detail::nothing::ended: return static_cast<item_type*>(nullptr);
            case eddy::detail::nothing::waits: cx.refund_budget(); return not_ready;
            case eddy::detail::nothing::claimed: break;
            }
            if (item_type* const front = channel.peek()) return front;
            if (tries == patience) break;
            eddy::detail::yield_thread();
        }
        // The sender's thread is probably not running. Yield to other tasks.
        cx.waker().wake_by_ref();
        cx.refund_budget();
        return not_ready;
    }

    static std::size_t take_many(Channel& channel, item_type& first, std::vector<item_type>& into, std::size_t limit) {
        struct permits {  // its destructor releases the permits, also after an exception
            Channel& channel;
            std::size_t count = 0;
            ~permits() { channel.release_permits(count); }
        } taken{channel};
        for (item_type* front = &first; front != nullptr && taken.count < limit; front = channel.peek()) {
            into.push_back(std::move(*front));
            channel.drop_value(*front);
            ++taken.count;
        }
        return taken.count;
    }

    std::unique_ptr<Channel, eddy::detail::leave_channel<Channel>> channel_;
};

/// The future that mpsc_receiver::recv_many() returns.
/// Cancel safety: safe. Dropping it loses no value.
template <class Channel>
class [[nodiscard("co_await it")]] mpsc_recv_many_future : public future_ops<mpsc_recv_many_future<Channel>> {
public:
    using output_type = std::size_t;

    mpsc_recv_many_future(mpsc_receiver<Channel>& from, std::vector<typename Channel::value_type>& into,
                          std::size_t limit) noexcept
        : from_(&from), into_(&into), limit_(limit) {}

    friend const mpsc_receiver<Channel>* awaited_object(const mpsc_recv_many_future& me) noexcept { return me.from_; }

    poll_result<std::size_t> poll(context& cx) { return from_->poll_recv_many(cx, *into_, limit_); }

    static constexpr auto wait_shape() { return inspect::waits_as(&mpsc_recv_many_future::from_); }

private:
    mpsc_receiver<Channel>* from_;
    std::vector<typename Channel::value_type>* into_;
    std::size_t limit_;
};

}  // namespace eddy::sync
