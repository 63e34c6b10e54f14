// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/detail/mpsc_channel.hpp>
#include <eddy/detail/yield_thread.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/recv_error.hpp>
#include <eddy/wait.hpp>

namespace eddy::sync {

template <class Channel>
class mpsc_recv_many_future;

/// The end of a channel that receives: `mpsc<T>::receiver` and `mpsc<T>::unbounded_receiver`. Also a stream of the
/// values. Destroying it closes the channel and destroys the values that are there; one that a permit sends later dies
/// with the last sender. Thread safety: one thread at a time; the senders may be on others. The destructor of a T may
/// send; to receive there finds nothing, as until it is through its value is not gone.
template <class Channel>
class [[nodiscard]] mpsc_receiver : public stream_ops<mpsc_receiver<Channel>> {
public:
    using item_type = typename Channel::value_type;
    using recv_future = next_future<mpsc_receiver>;
    using recv_many_future = mpsc_recv_many_future<Channel>;

    /// For the channels' own use.
    explicit mpsc_receiver(Channel* channel) noexcept : channel_(channel) {}

    /// A future of the next value; of nothing when all senders have gone, or it was closed, and all that was sent is
    /// received. Cancel safety: safe. No value is lost if it is dropped. Lifetime: borrows the receiver. Cost: to
    /// receive a value that is there, one read-modify-write; none, if unbounded.
    [[nodiscard]] recv_future recv() noexcept { return recv_future(*this); }

    /// Waits for a value, and takes up to `limit` that are there, onto the end of `into`. A future of how many it took:
    /// 0 only if `limit` is 0, or where recv() would give nothing. Cancel safety: safe. No value is lost if it is
    /// dropped. Lifetime: borrows the receiver and `into`. Cost: one read-modify-write for all of them.
    [[nodiscard]] recv_many_future recv_many(std::vector<item_type>& into, std::size_t limit) noexcept {
        return recv_many_future(*this, into, limit);
    }

    /// The next value if it is there. Waits for nothing but a sender that is just moving its value in.
    [[nodiscard]] std::expected<item_type, try_recv_error> try_recv(
        std::source_location where = std::source_location::current()) {
        Channel& channel = at("try_recv()", where);
        for (;;) {
            if (item_type* const front = channel.peek()) {
                const eddy::detail::front_value taken(channel);
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

    /// They wait on this thread, which sleeps meanwhile: see `eddy::wait`.
    std::optional<item_type> blocking_recv(std::source_location where = std::source_location::current()) {
        return eddy::wait(recv(), where);
    }
    std::size_t blocking_recv_many(std::vector<item_type>& into, std::size_t limit,
                                   std::source_location where = std::source_location::current()) {
        return eddy::wait(recv_many(into, limit), where);
    }

    /// As recv() and recv_many(), for who polls by himself. The waker of the last poll counts, and is kept until then.
    poll_result<std::optional<item_type>> poll_recv(context& cx) {
        Channel& channel = at("recv()", cx);
        if (!cx.consume_budget()) return not_ready;
        item_type* front = channel.peek();
        if (front == nullptr) {
            const auto found = poll_front(channel, cx);
            if (!found) return not_ready;
            if (*found == nullptr) return std::optional<item_type>();
            front = *found;
        }
        const eddy::detail::front_value taken(channel);
        return poll_result<std::optional<item_type>>(std::move(*front));
    }
    poll_result<std::optional<item_type>> poll_next(context& cx) { return poll_recv(cx); }
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

    /// Lets nothing in any more. What was sent before can still be received, and what is sent with permits that are
    /// out: recv() gives nothing when those are gone.
    void close() noexcept {
        if (channel_) channel_->close_receiver();
    }
    /// Whether it was closed, or all senders have gone. There may still be values.
    [[nodiscard]] bool is_closed() const noexcept { return !channel_ || channel_->is_closed(); }

    [[nodiscard]] bool is_empty() const noexcept { return !channel_ || channel_->is_empty(); }
    /// How many values there are; one that is being sent at this moment may count.
    /// Cost: of an unbounded channel, a walk over all of them.
    [[nodiscard]] std::size_t len() const noexcept { return channel_ ? channel_->len() : 0; }

    /// How many values can be sent at this time without waiting.
    [[nodiscard]] std::size_t capacity() const noexcept
        requires requires(const Channel& c) { c.capacity(); }
    {
        return channel_ ? channel_->available() : 0;
    }
    /// What the channel was made with.
    [[nodiscard]] std::size_t max_capacity() const noexcept
        requires requires(const Channel& c) { c.capacity(); }
    {
        return channel_ ? channel_->capacity() : 0;
    }

    /// How many senders there are, and weak ones.
    [[nodiscard]] std::size_t sender_strong_count() const noexcept { return channel_ ? channel_->senders() : 0; }
    [[nodiscard]] std::size_t sender_weak_count() const noexcept { return channel_ ? channel_->weak() : 0; }

private:
    /// How often a poll looks for a value that a sender on another thread has begun to move in.
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

    /// The next value, null at the end; or the waker is stored and what was taken of the budget is given back.
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
        // The sender's thread does not run, it seems: let others do so.
        cx.waker().wake_by_ref();
        cx.refund_budget();
        return not_ready;
    }

    static std::size_t take_many(Channel& channel, item_type& first, std::vector<item_type>& into, std::size_t limit) {
        struct places {  // given free at the end, also by an exception
            Channel& channel;
            std::size_t count = 0;
            ~places() { channel.give_places(count); }
        } taken{channel};
        for (item_type* front = &first; front != nullptr && taken.count < limit; front = channel.peek()) {
            into.push_back(std::move(*front));
            channel.drop_value();
            ++taken.count;
        }
        return taken.count;
    }

    std::unique_ptr<Channel, eddy::detail::leave_channel<Channel>> channel_;
};

/// What `recv_many` returns.
/// Cancel safety: safe. No value is lost if it is dropped.
template <class Channel>
class [[nodiscard("co_await it")]] mpsc_recv_many_future : public future_ops<mpsc_recv_many_future<Channel>> {
public:
    using output_type = std::size_t;

    mpsc_recv_many_future(mpsc_receiver<Channel>& from, std::vector<typename Channel::value_type>& into,
                          std::size_t limit) noexcept
        : from_(&from), into_(&into), limit_(limit) {}

    poll_result<std::size_t> poll(context& cx) { return from_->poll_recv_many(cx, *into_, limit_); }

private:
    mpsc_receiver<Channel>* from_;
    std::vector<typename Channel::value_type>* into_;
    std::size_t limit_;
};

}  // namespace eddy::sync
