// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/recv_error.hpp>

// The state of a oneshot channel, without the value.
//
//     bit  name       set by          cleared by     what it guards
//     0    complete   the sender      -              the value: owned by the sender before, by the receiver after.
//                                                    Never set after `closed`: then the sender keeps the value.
//     1    closed     the receiver    -
//     2    rx_waits   the receiver    the receiver   the receiver's waker: taken by the sender when it sets `complete`
//     3    tx_waits   the sender      the sender     the sender's waker, for closed(): taken by the receiver when it
//                                                    sets `closed`
//     4    two_refs   initially       leave()        the storage: the end that finds the bit clear is the last
//
//          send(), or the sender is destroyed                  close(), or the receiver is destroyed
//     open ─────────────────────────────────> complete    open ──────────────────────────────────> closed
//                                                 └─ close() ─> complete and closed: there may be a value to take
//
// A waker slot belongs to its owner while its `waits` bit is clear. If the other end finds the bit set when it sets
// `complete` or `closed`, it takes over the slot. To take the slot back, the owner clears the bit and checks whether
// `complete` or `closed` was set first. In that case it must not access the slot again. Each change is one
// read-modify-write, so the word has a single history.

namespace eddy::detail {

/// The state of a oneshot channel, without the value: the state machine described above. The two ends share one object.
/// Thread safety: each end may be used by one thread at a time.
class EDDY_API oneshot_state {
public:
    oneshot_state() noexcept;
    oneshot_state(const oneshot_state&) = delete;
    oneshot_state& operator=(const oneshot_state&) = delete;

    // ---- The sender's side ----

    /// Publishes the value and wakes the receiver. Returns false if the receiver has closed: the sender keeps the
    /// value.
    bool complete() noexcept;
    /// Does complete() and leave() in one step. Returns false, without a change, if the receiver waits or has closed:
    /// then call complete() and leave().
    [[nodiscard]] bool complete_and_leave() noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    /// Returns true if the receiver has closed. Otherwise stores `waker` to wake it.
    [[nodiscard]] bool poll_closed(const waker& waker) noexcept;
    /// Discards the waker that poll_closed() stored.
    void stop_waiting_for_close() noexcept;

    // ---- The receiver's side ----

    /// Returns whether the sender is done, with or without a value.
    [[nodiscard]] bool is_complete() const noexcept;
    /// Returns true if complete or closed. Otherwise stores `waker` to wake it.
    [[nodiscard]] bool poll_complete(const waker& waker) noexcept;
    /// Closes the channel and wakes the sender. Returns whether the sender had completed before.
    bool close() noexcept;

    // ---- Both ----

    /// Gives up this end's share. Returns true for the last end: it must destroy the channel.
    [[nodiscard]] bool leave() noexcept;

    /// Throws misuse for a sender without a channel: it has sent, or it was moved from.
    [[noreturn, gnu::cold]] static void throw_no_channel(bool has_sent, std::source_location where);

private:
    using word = std::uint32_t;

    bool wait_for(word end, word waits, waker& cell, const waker& waker) noexcept;
    bool take_back(word end, word waits) noexcept;

    atomic<word> bits_;
    waker rx_waker_;
    waker tx_waker_;
};

}  // namespace eddy::detail

namespace eddy::detail {

/// A oneshot_state with its value. Both ends share it.
template <class T>
struct oneshot_channel : oneshot_state {
    struct leave_it {
        void operator()(oneshot_channel* channel) const noexcept {
            if (channel->leave()) destroy(channel);
        }
    };
    /// The reference that each end holds.
    using share = std::unique_ptr<oneshot_channel, leave_it>;

    static oneshot_channel* make() { return pool_new<oneshot_channel>(); }
    static void destroy(oneshot_channel* channel) noexcept { pool_delete(channel); }

    std::optional<stored_t<T>> value;
};

}  // namespace eddy::detail

namespace eddy::sync {

/// A channel for one value, from one task or thread to another: `auto [tx, rx] = sync::oneshot<int>::channel();`. `T`
/// may be void, and need only be movable. Does not need a runtime.
/// Thread safety: the two ends may be used on two threads at the same time; each end by one thread at a time.
/// Cost: one block of the frame pool for the channel, or one allocation if the alignment exceeds 16. Sending a value,
/// and receiving a value that was already sent, take one read-modify-write each.
template <class T = void>
class oneshot {
    using stored = eddy::detail::stored_t<T>;
    using channel_type = eddy::detail::oneshot_channel<T>;
    using share = typename channel_type::share;

public:
    /// The classes of the channel's ends, and the future of sender::closed().
    class closed_future;
    class sender;
    class receiver;
    struct ends;

    /// Creates a channel and returns both ends.
    [[nodiscard]] static ends channel() { return ends(); }
};

/// The sending end. If it is destroyed without having sent, the receiver gets `recv_error`.
template <class T>
class [[nodiscard]] oneshot<T>::sender {
public:
    sender(sender&& other) noexcept = default;
    sender& operator=(sender&& other) noexcept {
        has_sent_ = other.has_sent_;
        sender(std::move(other)).channel_.swap(channel_);
        return *this;
    }
    ~sender() {
        if (channel_) channel_->complete();
    }

    /// Sends `value` to the receiver and wakes it. Success does not mean that the receiver will read the value: it may
    /// be destroyed first.
    /// Errors: returns `value` if the receiver is gone or closed. Throws `misuse` if this sender has already sent or
    /// was moved from.
    std::expected<void, stored> send(stored value, std::source_location where = std::source_location::current()) {
        if (!channel_) channel_type::throw_no_channel(has_sent_, where);
        channel_->value.emplace(std::move(value));
        has_sent_ = true;
        if (channel_->complete_and_leave()) {
            static_cast<void>(channel_.release());
            return {};
        }
        const share channel = std::move(channel_);
        if (channel->complete()) return {};
        stored unsent = *std::move(channel->value);
        channel->value.reset();
        // No variable for the result: libc++ 19 cannot move a std::expected<void, std::expected<std::string, E>>.
        return std::expected<void, stored>(std::unexpect, std::move(unsent));
    }

    /// send() for a channel of void.
    template <class U = T>  // a template, so that send({}) is not ambiguous
        requires std::is_void_v<U>
    std::expected<void, stored> send(std::source_location where = std::source_location::current()) {
        return send(stored(), where);
    }

    /// Returns true if nothing can be sent any more: the receiver is gone or closed, or a value was sent.
    [[nodiscard]] bool is_closed() const noexcept { return !channel_ || channel_->is_closed(); }

    /// Returns a future that is ready when the receiver is gone or closed, or if this sender has already sent. Use it
    /// to stop work whose result is no longer needed. Only one such future may exist at a time.
    /// Lifetime: the sender must outlive the future and must not send in the meantime.
    [[nodiscard]] closed_future closed() noexcept { return closed_future(channel_.get()); }

private:
    friend oneshot;
    explicit sender(channel_type* channel) noexcept : channel_(channel) {}

    share channel_;          // null if this sender has sent or was moved from
    bool has_sent_ = false;  // for the text of misuse
};

/// The receiving end, which is a future. Its output is the value, or `recv_error` if the sender is gone and has not
/// sent one. Destroying the receiver closes the channel and destroys a value that was not received.
/// Cancel safety: dropping the receiver loses a value that was sent. To keep the value, await the receiver by reference
/// (`co_await rx`, or std::ref in a combinator): then dropping the await loses nothing.
template <class T>
class [[nodiscard]] oneshot<T>::receiver : public future_ops<receiver> {
public:
    using output_type = std::expected<T, recv_error>;

    static constexpr const char* wakes_one_task = "a receiver of a sync::oneshot";

    receiver(receiver&& other) noexcept = default;
    receiver& operator=(receiver&& other) noexcept {
        receiver(std::move(other)).channel_.swap(channel_);
        return *this;
    }
    ~receiver() {
        eddy::detail::check_not_awaited(this, "a receiver of a sync::oneshot");
        if (channel_ && channel_->close()) channel_->value.reset();
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::oneshot, &receiver::channel_); }

    friend const receiver* awaited_object(const receiver& me) noexcept { return std::addressof(me); }

    poll_result<output_type> poll(context& cx) {
        if (!channel_) eddy::detail::throw_has_ended("a oneshot receiver", cx.where());
        if (!cx.consume_budget()) return not_ready;
        if (channel_->poll_complete(cx.waker())) return take();
        cx.refund_budget();
        return not_ready;
    }

    /// Returns the value if it was sent. Never waits.
    /// Errors: try_recv_error::empty if there is no value yet; closed if there will be none, or the value was already
    /// received.
    [[nodiscard]] std::expected<T, try_recv_error> try_recv() {
        if (!channel_) return std::unexpected(try_recv_error::closed);
        if (!channel_->is_complete()) {
            return std::unexpected(channel_->is_closed() ? try_recv_error::closed : try_recv_error::empty);
        }
        auto outcome = take();
        if (!outcome) return std::unexpected(try_recv_error::closed);
        if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return *std::move(outcome);
        }
    }

    /// Blocks this thread until the value arrives or the sender is gone; see `eddy::wait`.
    output_type blocking_recv(std::source_location where = std::source_location::current()) {
        return eddy::wait(*this, where);
    }

    /// Returns true if the outcome was received, or if this receiver was moved from: then poll() throws `misuse`, and
    /// try_recv() returns closed.
    [[nodiscard]] bool is_terminated() const noexcept { return channel_ == nullptr; }

    /// Returns true if there is no value to receive: none was sent yet, none will be sent, or it was already received.
    [[nodiscard]] bool is_empty() const noexcept {
        return channel_ == nullptr || !channel_->is_complete() || !channel_->value;
    }

    /// Closes the channel for new values. A value that was sent before can still be received.
    void close() noexcept {
        if (channel_) channel_->close();
    }

private:
    friend oneshot;
    explicit receiver(channel_type* channel) noexcept : channel_(channel) {}

    /// Takes the outcome and releases the channel. Precondition: the channel is complete or closed.
    output_type take() {
        const share channel = std::move(channel_);
        if (!channel->is_complete() || !channel->value) return std::unexpected(recv_error());
        if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return output_type(std::in_place, *std::move(channel->value));
        }
    }

    share channel_;
};

/// The future that oneshot::sender::closed() returns.
template <class T>
class [[nodiscard]] oneshot<T>::closed_future : public future_ops<closed_future> {
public:
    using output_type = void;

    closed_future(closed_future&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    closed_future& operator=(closed_future&&) = delete;
    ~closed_future() {
        if (channel_ != nullptr) channel_->stop_waiting_for_close();
    }

    poll_result<void> poll(context& cx) {
        if (ended_) eddy::detail::throw_has_ended("a oneshot sender's closed()", cx.where());
        if (channel_ != nullptr && !channel_->poll_closed(cx.waker())) return not_ready;
        ended_ = true;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() {
        return inspect::awaits("the end of a oneshot's receiver", &closed_future::channel_);
    }

private:
    friend sender;
    explicit closed_future(channel_type* channel) noexcept : channel_(channel) {}

    channel_type* channel_;  // null if the sender has already sent
    bool ended_ = false;
};

/// Both ends of a new channel. Supports structured bindings.
template <class T>
struct oneshot<T>::ends {
    /// Creates a channel; see oneshot::channel().
    ends() : ends(channel_type::make()) {}

    oneshot::sender sender;      ///< the sending end
    oneshot::receiver receiver;  ///< the receiving end

private:
    explicit ends(channel_type* channel) noexcept : sender(channel), receiver(channel) {}
};

}  // namespace eddy::sync
