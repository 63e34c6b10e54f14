// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/oneshot_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/sync/recv_error.hpp>
#include <eddy/wait.hpp>

namespace eddy::detail {

template <class T>
struct oneshot_channel : oneshot_state {
    struct leave_it {
        void operator()(oneshot_channel* channel) const noexcept {
            if (channel->leave()) destroy(channel);
        }
    };
    /// What each end holds.
    using share = std::unique_ptr<oneshot_channel, leave_it>;

    /// In a block of the frame pool, whose blocks are aligned to 16.
    static oneshot_channel* make() {
        if constexpr (fits_pool()) {
            return pool_new<oneshot_channel>();
        } else {
            return new oneshot_channel;
        }
    }
    static void destroy(oneshot_channel* channel) noexcept {
        if constexpr (fits_pool()) {
            pool_delete(channel);
        } else {
            delete channel;
        }
    }

    std::optional<stored_t<T>> value;

private:
    static constexpr bool fits_pool() noexcept { return alignof(oneshot_channel) <= 16; }
};

}  // namespace eddy::detail

namespace eddy::sync {

/// A channel for one value, from one task or thread to another: `auto [tx, rx] = sync::oneshot<int>::channel();`.
/// It needs no runtime. `T` may be void, and need only be movable.
/// Thread safety: the two ends may be used on two threads at the same time; each by itself, on one at a time.
/// Cost: one block of the frame pool for the channel; to send and to receive a value that is there already, one
/// read-modify-write. An alignment of more than 16 makes it one allocation.
template <class T = void>
class oneshot {
    using stored = eddy::detail::stored_t<T>;
    using channel_type = eddy::detail::oneshot_channel<T>;
    using share = typename channel_type::share;

public:
    class closed_future;
    class sender;
    class receiver;
    struct ends;

    [[nodiscard]] static ends channel() { return ends(); }
};

/// The end that sends. Destroyed without having sent, it leaves the receiver with `recv_error`.
template <class T>
class [[nodiscard]] oneshot<T>::sender {
public:
    sender(sender&& other) noexcept = default;
    sender& operator=(sender&& other) noexcept {
        sender(std::move(other)).channel_.swap(channel_);
        return *this;
    }
    ~sender() {
        if (channel_) channel_->complete();
    }

    /// Hands `value` to the receiver and wakes it. If the receiver is gone or closed, the value comes back as the
    /// error. That it was taken does not say that the receiver will ever look at it. Errors: throws `misuse` when
    /// called a second time.
    std::expected<void, stored> send(stored value, std::source_location where = std::source_location::current()) {
        if (!channel_) throw misuse("a oneshot sends one value, and this one has sent it", where);
        channel_->value.emplace(std::move(value));
        if (channel_->complete_and_leave()) {
            static_cast<void>(channel_.release());
            return {};
        }
        const share channel = std::move(channel_);
        if (channel->complete()) return {};
        std::expected<void, stored> returned(std::unexpect, *std::move(channel->value));
        channel->value.reset();
        return returned;
    }

    std::expected<void, stored> send()
        requires std::is_void_v<T>
    {
        return send(stored());
    }

    /// Whether nothing can be sent any more: the receiver is gone or closed, or a value was sent.
    [[nodiscard]] bool is_closed() const noexcept { return !channel_ || channel_->is_closed(); }

    /// A future that ends when `is_closed`: to stop work that nobody waits for. One at a time.
    /// Lifetime: the sender must outlive it, and must not send meanwhile.
    [[nodiscard]] closed_future closed() noexcept { return closed_future(channel_.get()); }

private:
    friend oneshot;
    explicit sender(channel_type* channel) noexcept : channel_(channel) {}

    share channel_;
};

/// The end that receives: a future. Its output is the value, or `recv_error` if the sender is gone without one.
/// Destroying it closes the channel, and a value that nobody has taken is destroyed.
/// Cancel safety: safe. Lend it (`co_await rx`, std::ref) and no value is lost.
template <class T>
class [[nodiscard]] oneshot<T>::receiver : public future_ops<receiver> {
public:
    using output_type = std::expected<T, recv_error>;

    receiver(receiver&& other) noexcept = default;
    receiver& operator=(receiver&& other) noexcept {
        receiver(std::move(other)).channel_.swap(channel_);
        return *this;
    }
    ~receiver() {
        if (channel_ && channel_->close()) channel_->value.reset();
    }

    poll_result<output_type> poll(context& cx) {
        if (!channel_) eddy::detail::throw_has_ended("a oneshot receiver", cx.where());
        if (!cx.consume_budget()) return not_ready;
        if (channel_->poll_complete(cx.waker())) return take();
        cx.refund_budget();
        return not_ready;
    }

    /// The value if it is there. Never waits.
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

    /// Waits for the value on this thread, which sleeps meanwhile: see `eddy::wait`.
    output_type blocking_recv(std::source_location where = std::source_location::current()) {
        return eddy::wait(*this, where);
    }

    /// Lets no value in any more. One that was sent before can still be received.
    void close() noexcept {
        if (channel_) channel_->close();
    }

private:
    friend oneshot;
    explicit receiver(channel_type* channel) noexcept : channel_(channel) {}

    /// Ends the receiver. Only when the channel is complete, or closed.
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

/// What `sender::closed` returns.
/// Cancel safety: safe.
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

private:
    friend sender;
    explicit closed_future(channel_type* channel) noexcept : channel_(channel) {}

    channel_type* channel_;  // null if the sender has sent
    bool ended_ = false;
};

/// Both ends of a new channel.
template <class T>
struct oneshot<T>::ends {
    ends() : ends(channel_type::make()) {}

    oneshot::sender sender;
    oneshot::receiver receiver;

private:
    explicit ends(channel_type* channel) noexcept : sender(channel), receiver(channel) {}
};

}  // namespace eddy::sync
