// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/boxed_sleep.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sink/adaptors.hpp>
#include <eddy/sink/send.hpp>
#include <eddy/sync/detail/acquisition.hpp>
#include <eddy/sync/detail/mpsc_channel.hpp>
#include <eddy/sync/detail/mpsc_state.hpp>
#include <eddy/sync/detail/receivers_gone_future.hpp>
#include <eddy/sync/mpsc_receiver.hpp>
#include <eddy/sync/send_error.hpp>

namespace eddy::sync {

/// A channel from many tasks or threads to one receiver. `channel(32)` has a capacity of 32 values: senders wait while
/// the channel is full. The senders of `unbounded_channel()` never wait; the channel allocates as much memory as its
/// values need.
///     auto [tx, rx] = sync::mpsc<int>::channel(32);
///
/// `T` need only be movable. Waiting senders are served in the order in which they arrived. The values of one sender
/// arrive in the order in which they were sent. Does not need a runtime, except for send_timeout().
/// Thread safety: different ends may be used on different threads at the same time; each end by one thread at a time.
/// Lifetime: the ends share ownership of the channel.
/// Cost: sending, and receiving from a bounded channel, take one read-modify-write each. A bounded channel allocates
/// the memory for all values when it is created, with the capacity rounded up to a power of two. An unbounded channel
/// takes a block of the frame pool per value.
template <class T>
class mpsc {
    using bounded = eddy::detail::bounded_channel<T>;
    using unbounded = eddy::detail::unbounded_channel<T>;
    using claim = eddy::detail::bounded_state::claim;
    using acquired = eddy::detail::acquired;
    using share = eddy::detail::sender_share<bounded>;
    using unbounded_share = eddy::detail::sender_share<unbounded>;

    static constexpr bool carries_values = std::is_object_v<T> && !std::is_const_v<T>;
    static_assert(carries_values,
                  "eddy: a channel carries values: a reference, void or const cannot be sent; send a pointer, or see "
                  "sync::notify");

public:
    /// The classes of the channel's ends, permits and futures.
    class sender;
    class weak_sender;
    class permit;
    class permits;
    class owned_permit;
    class send_future;
    class send_timeout_future;
    class reserve_future;
    class reserve_many_future;
    class reserve_owned_future;
    class unbounded_sender;
    class weak_unbounded_sender;
    struct ends;
    struct unbounded_ends;
    using receiver = mpsc_receiver<bounded>;
    using unbounded_receiver = mpsc_receiver<unbounded>;
    using closed_future = eddy::detail::receivers_gone_future<eddy::detail::mpsc_shares>;

    /// The largest capacity of a bounded channel.
    static constexpr std::size_t max_capacity = eddy::detail::bounded_state::max_capacity;

    /// Creates a bounded channel for `capacity` values and returns both ends.
    /// Errors: throws `misuse` if `capacity` is 0 or greater than `max_capacity`.
    [[nodiscard]] static ends channel(std::size_t capacity,
                                      std::source_location where = std::source_location::current()) {
        if (capacity == 0)
            throw misuse(
                "the capacity of a channel must be at least 1: to hand over one value at a time, use a capacity of 1",
                where);
        if (capacity > max_capacity)
            throw misuse("the capacity of a bounded channel is at most mpsc::max_capacity: use unbounded_channel()",
                         where);
        return ends(bounded::make(capacity));
    }
    /// Creates an unbounded channel and returns both ends.
    [[nodiscard]] static unbounded_ends unbounded_channel() { return unbounded_ends(unbounded::make()); }
};

/// Reserved capacity for one value. Destroying a permit that was not used returns the capacity to the next waiting
/// sender.
/// Lifetime: the sender must outlive it.
template <class T>
class [[nodiscard("it is given back when it is destroyed")]] mpsc<T>::permit {
public:
    permit(permit&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    permit& operator=(permit&& other) noexcept {
        permit taken(std::move(other));
        std::swap(channel_, taken.channel_);
        return *this;
    }
    ~permit() {
        if (channel_ != nullptr) channel_->give_back(1);
    }

    /// Sends immediately, even if the receiver was closed in the meantime. If the receiver is gone, the value is
    /// destroyed together with the channel.
    /// Errors: throws `misuse` if the permit was already used or moved from.
    void send(T value, std::source_location where = std::source_location::current()) {
        if (channel_ == nullptr) eddy::detail::throw_used_permit(where);
        claim mine;
        channel_->use_permit(mine);
        std::exchange(channel_, nullptr)->put(mine, std::move(value));
    }

private:
    friend mpsc;
    explicit permit(bounded* channel) noexcept : channel_(channel) {}

    bounded* channel_;
};

/// Reserved capacity for several values. Its destructor returns the unused capacity to the next waiting senders.
/// Lifetime: the sender must outlive it.
template <class T>
class [[nodiscard("they are given back when it is destroyed")]] mpsc<T>::permits {
public:
    permits(permits&& other) noexcept : channel_(other.channel_), count_(std::exchange(other.count_, 0)) {}
    permits& operator=(permits&& other) noexcept {
        permits taken(std::move(other));
        std::swap(channel_, taken.channel_);
        std::swap(count_, taken.count_);
        return *this;
    }
    ~permits() {
        if (count_ != 0) channel_->give_back(count_);
    }

    /// Returns the number of permits that are left.
    [[nodiscard]] std::size_t size() const noexcept { return count_; }

    /// Takes one permit out. Returns nothing if none is left.
    [[nodiscard]] std::optional<permit> next() noexcept {
        if (count_ == 0) return std::nullopt;
        --count_;
        return std::optional<permit>(permit(channel_));
    }
    /// Sends `value` with one of the permits.
    /// Errors: throws `misuse` if none is left.
    void send(T value, std::source_location where = std::source_location::current()) {
        auto one = next();
        if (!one) throw misuse("these permits are used up: reserve as many as there are values", where);
        one->send(std::move(value), where);
    }

private:
    friend mpsc;
    permits(bounded* channel, std::size_t count) noexcept : channel_(channel), count_(count) {}

    bounded* channel_;
    std::size_t count_;
};

/// The sending end of a bounded channel. Copies are further senders of the same channel. After the last sender is
/// destroyed, the receiver receives the remaining values and then the end of the channel. A sender is not a sink; use
/// `sync::poll_sender(tx)` as the target of a stream.
/// Thread safety: one thread at a time; use a copy for each thread.
template <class T>
class [[nodiscard]] mpsc<T>::sender {
public:
    /// The type of the values.
    using value_type = T;

    /// Returns a future that sends `value` once there is capacity for it.
    /// Errors: returns `value` in a send_error if the receiver is gone or closed. Throws `misuse` if this sender was
    /// moved from.
    /// Cancel safety: not safe. If the future is dropped before it is ready, nothing was sent, the value is lost, and
    /// so is the place in the queue. Use reserve() to keep the value.
    /// Lifetime: the sender must outlive the future.
    /// With GCC 12, give an aggregate value a name and pass it with std::move, because that compiler mishandles a
    /// temporary aggregate.
    [[nodiscard]] send_future send(T value, std::source_location where = std::source_location::current()) const {
        return send_future(at("send()", where), std::move(value));
    }

    /// Sends if there is capacity and no sender waits for it. Never waits.
    /// Errors: returns the reason and `value` if the channel is full or closed.
    std::expected<void, try_send_error<T>> try_send(
        T value, std::source_location where = std::source_location::current()) const {
        bounded* const channel = at("try_send()", where);
        claim mine;
        const acquired answer = channel->try_claim(mine);
        if (answer == acquired::yes) {
            channel->put(mine, std::move(value));
            return {};
        }
        return std::unexpected(try_send_error<T>(reason(answer), std::move(value)));
    }

    /// Same as send(), but waits at most for `limit`. Needs a runtime or event loop with a clock.
    /// Errors: returns `value` in a send_timeout_error if the limit has passed or the receiver is gone or closed.
    /// Cancel safety: same as send().
    template <class Rep, class Period>
    [[nodiscard]] send_timeout_future send_timeout(T value, std::chrono::duration<Rep, Period> limit,
                                                   std::source_location where = std::source_location::current()) const {
        return send_timeout_future(send(std::move(value), where), eddy::detail::boxed_sleep(limit, where));
    }

    /// Blocks this thread until `value` is sent; see `eddy::wait`.
    /// Errors: same as send().
    std::expected<void, send_error<T>> blocking_send(
        T value, std::source_location where = std::source_location::current()) const {
        return eddy::wait(send(std::move(value), where), where);
    }

    /// Returns a future of a permit for one value. Use it to create the value only when it can be sent, or to keep the
    /// value if the wait is cancelled.
    /// Errors: send_error<void> if the receiver is gone or closed.
    /// Cancel safety: safe. Dropping the future gives up its place in the queue. Capacity that it has already received
    /// passes to the next waiter.
    /// Lifetime: the sender must outlive the future and the permit.
    [[nodiscard]] reserve_future reserve(std::source_location where = std::source_location::current()) const {
        return reserve_future(at("reserve()", where), 1);
    }
    /// Same as reserve(), for `count` values together.
    /// Errors: same as reserve(); throws `misuse` if `count` is greater than max_capacity().
    [[nodiscard]] reserve_many_future reserve_many(std::size_t count,
                                                   std::source_location where = std::source_location::current()) const {
        return reserve_many_future(fitting(count, where), count);
    }
    /// Same as reserve(), but the permit owns a sender, so it does not depend on this sender. On an rvalue, this
    /// function moves the sender into the permit.
    [[nodiscard]] reserve_owned_future reserve_owned(
        std::source_location where = std::source_location::current()) const& {
        return reserve_owned_future(sender(*this), at("reserve_owned()", where));
    }
    [[nodiscard]] reserve_owned_future reserve_owned(std::source_location where = std::source_location::current()) && {
        bounded* const channel = at("reserve_owned()", where);
        return reserve_owned_future(std::move(*this), channel);
    }

    /// Same as the reserve functions, but never wait.
    /// Errors: the reason if the channel is full or closed.
    [[nodiscard]] std::expected<permit, try_send_reason> try_reserve(
        std::source_location where = std::source_location::current()) const {
        bounded* const channel = at("try_reserve()", where);
        const acquired answer = channel->try_acquire(1);
        if (answer != acquired::yes) return std::unexpected(reason(answer));
        return permit(channel);
    }
    [[nodiscard]] std::expected<permits, try_send_reason> try_reserve_many(
        std::size_t count, std::source_location where = std::source_location::current()) const {
        bounded* const channel = fitting(count, where);
        const acquired answer = channel->try_acquire(count);
        if (answer != acquired::yes) return std::unexpected(reason(answer));
        return permits(channel, count);
    }
    [[nodiscard]] std::expected<owned_permit, try_send_reason> try_reserve_owned(
        std::source_location where = std::source_location::current()) const {
        const acquired answer = at("try_reserve_owned()", where)->try_acquire(1);
        if (answer != acquired::yes) return std::unexpected(reason(answer));
        return owned_permit(sender(*this));
    }

    /// Returns a future that is ready when the receiver is closed or gone. Use it to stop work whose results are no
    /// longer needed.
    /// Lifetime: the sender must outlive the future.
    [[nodiscard]] closed_future closed(std::source_location where = std::source_location::current()) const {
        return closed_future(*at("closed()", where));
    }
    /// Returns true if the receiver is closed or gone, or this sender was moved from.
    [[nodiscard]] bool is_closed() const noexcept { return share_.get() == nullptr || share_->is_closed(); }

    /// Returns how many values can be sent now without waiting.
    [[nodiscard]] std::size_t capacity() const noexcept { return share_.get() ? share_->available() : 0; }
    /// Returns the capacity of the channel.
    [[nodiscard]] std::size_t max_capacity() const noexcept { return share_.get() ? share_->capacity() : 0; }

    /// Returns true if both senders belong to the same channel.
    [[nodiscard]] bool same_channel(const sender& other) const noexcept { return share_.get() == other.share_.get(); }

    /// Returns a weak sender, which does not keep the channel open.
    [[nodiscard]] weak_sender downgrade() const noexcept { return weak_sender(share_.get()); }
    /// Returns the number of senders, or of weak senders. 0 if this sender was moved from.
    [[nodiscard]] std::size_t strong_count() const noexcept { return share_.get() ? share_->senders() : 0; }
    [[nodiscard]] std::size_t weak_count() const noexcept { return share_.get() ? share_->weak() : 0; }

private:
    friend mpsc;
    explicit sender(share owned) noexcept : share_(std::move(owned)) {}

    bounded* at(const char* what, const std::source_location& where) const {
        if (share_.get() == nullptr) [[unlikely]]
            eddy::detail::throw_empty(what, "sender", "moved from", where);
        return share_.get();
    }
    bounded* fitting(std::size_t count, const std::source_location& where) const {
        bounded* const channel = at("reserve_many()", where);
        if (count > channel->capacity())
            throw misuse("this request exceeds the capacity of the channel: reserve at most max_capacity()", where);
        return channel;
    }
    static try_send_reason reason(acquired answer) noexcept {
        return answer == acquired::closed ? try_send_reason::closed : try_send_reason::full;
    }

    share share_;
};

/// A reference to a bounded channel that does not keep it open. Created by sender::downgrade().
/// Thread safety: one thread at a time; use a copy for each thread.
template <class T>
class [[nodiscard]] mpsc<T>::weak_sender {
public:
    /// Returns a sender, or nothing if all senders are gone.
    [[nodiscard]] std::optional<sender> upgrade() const noexcept {
        bounded* const channel = share_.get();
        if (channel == nullptr || !channel->upgrade()) return std::nullopt;
        return sender(share(channel));
    }
    /// Returns the number of senders, or of weak senders.
    [[nodiscard]] std::size_t strong_count() const noexcept { return share_.get() ? share_->senders() : 0; }
    [[nodiscard]] std::size_t weak_count() const noexcept { return share_.get() ? share_->weak() : 0; }

private:
    friend mpsc;
    explicit weak_sender(bounded* channel) noexcept : share_(decltype(share_)::of(channel)) {}

    eddy::detail::weak_share<bounded> share_;
};

/// Reserved capacity for one value, together with a sender. Destroying it returns unused capacity to the next waiting
/// sender.
template <class T>
class [[nodiscard("it is given back when it is destroyed")]] mpsc<T>::owned_permit {
public:
    owned_permit(owned_permit&& other) noexcept = default;
    owned_permit& operator=(owned_permit&& other) noexcept {
        owned_permit taken(std::move(other));
        std::swap(sender_, taken.sender_);
        return *this;
    }
    ~owned_permit() {
        if (auto* const channel = sender_.share_.get()) channel->give_back(1);
    }

    /// Sends as permit::send(), and returns the sender.
    /// Errors: throws `misuse` if the permit was already used, released or moved from.
    sender send(T value, std::source_location where = std::source_location::current()) {
        if (sender_.share_.get() == nullptr) eddy::detail::throw_used_permit(where);
        sender back = std::move(sender_);
        claim mine;
        back.share_->use_permit(mine);
        back.share_->put(mine, std::move(value));
        return back;
    }
    /// Returns the capacity to the channel, and the sender to the caller.
    /// Errors: throws `misuse` if the permit was already used, released or moved from.
    sender release(std::source_location where = std::source_location::current()) {
        if (sender_.share_.get() == nullptr) eddy::detail::throw_used_permit(where);
        sender_.share_->give_back(1);
        return std::move(sender_);
    }

private:
    friend mpsc;
    explicit owned_permit(sender with) noexcept : sender_(std::move(with)) {}

    sender sender_;
};

/// The future that sender::send() returns. Moving it while it waits terminates the program.
/// Cancel safety: not safe. If it is dropped before it is ready, nothing was sent and the value is lost.
template <class T>
class [[nodiscard("co_await it")]] mpsc<T>::send_future : public future_ops<send_future> {
public:
    using output_type = std::expected<void, send_error<T>>;

    send_future(send_future&& other) noexcept(std::is_nothrow_move_constructible_v<T>) = default;
    send_future& operator=(send_future&&) = delete;
    ~send_future() = default;

    // Inlined in each await, because most sends need no more than this.
    [[gnu::always_inline]] poll_result<output_type> poll(context& cx) {
        if (wait_.is_fresh()) [[likely]] {  // the first poll takes a permit and uses it in one step
            if (!cx.consume_budget()) return not_ready;
            claim mine;
            if (channel_->try_claim(mine) == acquired::yes) {
                wait_.end();
                channel_->put(mine, std::move(value_));
                return poll_result<output_type>(std::in_place);
            }
            cx.refund_budget();
        }
        return poll_slowly(cx);
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::channel_send, &send_future::wait_); }

private:
    friend sender;
    friend send_timeout_future;
    send_future(bounded* channel, T&& value) : channel_(channel), wait_(channel, {}), value_(std::move(value)) {}

    [[gnu::noinline]] poll_result<output_type> poll_slowly(context& cx) {
        switch (wait_.poll(cx, "a sender's send()")) {
        case acquired::yes: break;
        case acquired::closed: return output_type(std::unexpect, std::move(value_));
        case acquired::not_yet: return not_ready;
        }
        claim mine;
        channel_->use_permit(mine);
        channel_->put(mine, std::move(value_));
        return poll_result<output_type>(std::in_place);
    }

    bounded* channel_;
    eddy::detail::acquisition<eddy::detail::bounded_state, eddy::detail::one_permit> wait_;
    T value_;
};

/// The future that sender::send_timeout() returns. Moving it while it waits terminates the program.
/// Cancel safety: same as send_future.
template <class T>
class [[nodiscard("co_await it")]] mpsc<T>::send_timeout_future : public future_ops<send_timeout_future> {
public:
    using output_type = std::expected<void, send_timeout_error<T>>;

    poll_result<output_type> poll(context& cx) {
        auto sent = send_.poll(cx);
        if (sent) {
            deadline_.reset();
            // Constructed in place, here and below: with another temporary, GCC 12 emits warnings in user code.
            if (*sent) return poll_result<output_type>(std::in_place);
            return poll_result<output_type>(std::in_place, std::unexpect, true, std::move(sent->error().value));
        }
        if (!deadline_->poll(cx)) return not_ready;
        deadline_.reset();
        send_.wait_.stop();
        return poll_result<output_type>(std::in_place, std::unexpect, false, std::move(send_.value_));
    }

    static constexpr auto wait_shape() {
        return inspect::first_of(&send_timeout_future::send_,
                                 inspect::child(&send_timeout_future::deadline_, "deadline"));
    }

private:
    friend sender;
    send_timeout_future(send_future&& sending, eddy::detail::boxed_sleep deadline)
        : send_(std::move(sending)), deadline_(std::move(deadline)) {}

    send_future send_;
    std::optional<eddy::detail::boxed_sleep> deadline_;
};

/// The future that sender::reserve() returns. Moving it while it waits terminates the program.
/// Cancel safety: safe. Dropping it gives up its place in the queue. Capacity that it has already received passes to
/// the next waiter.
template <class T>
class [[nodiscard("co_await it")]] mpsc<T>::reserve_future : public future_ops<reserve_future> {
public:
    using output_type = std::expected<permit, send_error<void>>;

    poll_result<output_type> poll(context& cx) {
        switch (wait_.poll(cx, "a sender's reserve()")) {
        case acquired::yes: return output_type(permit(channel_));
        case acquired::closed: return output_type(std::unexpect);
        case acquired::not_yet: break;
        }
        return not_ready;
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::channel_send, &reserve_future::wait_); }

private:
    friend sender;
    reserve_future(bounded* channel, std::size_t count) noexcept : channel_(channel), wait_(channel, count) {}

    bounded* channel_;
    eddy::detail::acquisition<eddy::detail::bounded_state> wait_;
};

/// The future that sender::reserve_many() returns. Moving it while it waits terminates the program.
/// Cancel safety: safe, as reserve_future.
template <class T>
class [[nodiscard("co_await it")]] mpsc<T>::reserve_many_future : public future_ops<reserve_many_future> {
public:
    using output_type = std::expected<permits, send_error<void>>;

    poll_result<output_type> poll(context& cx) {
        switch (wait_.poll(cx, "a sender's reserve_many()")) {
        case acquired::yes: return output_type(permits(channel_, wait_.count()));
        case acquired::closed: return output_type(std::unexpect);
        case acquired::not_yet: break;
        }
        return not_ready;
    }

    static constexpr auto wait_shape() {
        return inspect::awaits(inspect::wait::channel_send, &reserve_many_future::wait_);
    }

private:
    friend sender;
    reserve_many_future(bounded* channel, std::size_t count) noexcept : channel_(channel), wait_(channel, count) {}

    bounded* channel_;
    eddy::detail::acquisition<eddy::detail::bounded_state> wait_;
};

/// The future that sender::reserve_owned() returns. It owns a sender. Moving it while it waits terminates the program.
/// Cancel safety: safe, as reserve_future. The sender that it owns is dropped with it.
template <class T>
class [[nodiscard("co_await it")]] mpsc<T>::reserve_owned_future : public future_ops<reserve_owned_future> {
public:
    using output_type = std::expected<owned_permit, send_error<void>>;

    poll_result<output_type> poll(context& cx) {
        switch (wait_.poll(cx, "a sender's reserve_owned()")) {
        case acquired::yes: return output_type(owned_permit(std::move(sender_)));
        case acquired::closed: return output_type(std::unexpect);
        case acquired::not_yet: break;
        }
        return not_ready;
    }

    static constexpr auto wait_shape() {
        return inspect::awaits(inspect::wait::channel_send, &reserve_owned_future::wait_);
    }

private:
    friend sender;
    reserve_owned_future(sender with, bounded* channel) noexcept : sender_(std::move(with)), wait_(channel, 1) {}

    sender sender_;  // destroyed last: it keeps the channel alive, which wait_ uses
    eddy::detail::acquisition<eddy::detail::bounded_state> wait_;
};

/// The sending end of an unbounded channel. It is like `sender`, but sending never waits. It is also a sink, which is
/// always ready. Closing the sink releases the channel, as the destructor does. The sink reports a closed channel when
/// an item is sent. (The sink of a bounded channel is poll_sender.)
/// Thread safety: one thread at a time; use a copy for each thread.
template <class T>
class [[nodiscard]] mpsc<T>::unbounded_sender : public sink_ops<unbounded_sender> {
public:
    /// The type of the values.
    using value_type = T;
    using error_type = send_error<void>;

    /// Sends immediately. In contrast to the send() of other sinks, this does not return a future.
    /// Errors: returns `value` in a send_error if the receiver is gone or closed. Throws `misuse` if this sender was
    /// moved from or closed.
    std::expected<void, send_error<T>> send(T value,
                                            std::source_location where = std::source_location::current()) const {
        if (auto back = at("send()", where)->put(std::move(value)))
            return std::unexpected(send_error<T>(*std::move(back)));
        return {};
    }

    /// Returns a future that is ready when the receiver is closed or gone. Use it to stop work whose results are no
    /// longer needed.
    /// Lifetime: the sender must outlive the future.
    [[nodiscard]] closed_future closed(std::source_location where = std::source_location::current()) const {
        return closed_future(*at("closed()", where));
    }
    /// Returns true if the receiver is closed or gone, or this sender was moved from or closed.
    [[nodiscard]] bool is_closed() const noexcept { return share_.get() == nullptr || share_->is_closed(); }
    /// Returns true if both senders belong to the same channel.
    [[nodiscard]] bool same_channel(const unbounded_sender& other) const noexcept {
        return share_.get() == other.share_.get();
    }

    /// Returns a weak sender, which does not keep the channel open.
    [[nodiscard]] weak_unbounded_sender downgrade() const noexcept { return weak_unbounded_sender(share_.get()); }
    /// Returns the number of senders, or of weak senders. 0 if this sender was moved from or closed.
    [[nodiscard]] std::size_t strong_count() const noexcept { return share_.get() ? share_->senders() : 0; }
    [[nodiscard]] std::size_t weak_count() const noexcept { return share_.get() ? share_->weak() : 0; }

    // ---- As a sink ----

    /// The sink functions; see sink.hpp.
    /// Errors: send_error<void> if the receiver is gone or closed, or this sink was closed.
    poll_result<std::expected<void, error_type>> poll_ready(context&) noexcept {
        if (is_closed()) return std::expected<void, error_type>(std::unexpect);
        return std::expected<void, error_type>();
    }
    std::expected<void, error_type> start_send(T&& value) {
        if (share_.get() == nullptr || share_->put(std::move(value)))
            return std::expected<void, error_type>(std::unexpect);
        return {};
    }
    poll_result<std::expected<void, error_type>> poll_flush(context&) noexcept {
        return std::expected<void, error_type>();
    }
    poll_result<std::expected<void, error_type>> poll_close(context&) noexcept {
        share_ = unbounded_share(nullptr);
        return std::expected<void, error_type>();
    }

private:
    friend mpsc;
    explicit unbounded_sender(unbounded_share owned) noexcept : share_(std::move(owned)) {}

    unbounded* at(const char* what, const std::source_location& where) const {
        if (share_.get() == nullptr) [[unlikely]]
            eddy::detail::throw_empty(what, "sender", "moved from or closed", where);
        return share_.get();
    }

    unbounded_share share_;
};

/// A reference to an unbounded channel that does not keep it open. Created by unbounded_sender::downgrade().
/// Thread safety: one thread at a time; use a copy for each thread.
template <class T>
class [[nodiscard]] mpsc<T>::weak_unbounded_sender {
public:
    /// Returns a sender, or nothing if all senders are gone.
    [[nodiscard]] std::optional<unbounded_sender> upgrade() const noexcept {
        unbounded* const channel = share_.get();
        if (channel == nullptr || !channel->upgrade()) return std::nullopt;
        return unbounded_sender(unbounded_share(channel));
    }
    /// Returns the number of senders, or of weak senders.
    [[nodiscard]] std::size_t strong_count() const noexcept { return share_.get() ? share_->senders() : 0; }
    [[nodiscard]] std::size_t weak_count() const noexcept { return share_.get() ? share_->weak() : 0; }

private:
    friend mpsc;
    explicit weak_unbounded_sender(unbounded* channel) noexcept : share_(decltype(share_)::of(channel)) {}

    eddy::detail::weak_share<unbounded> share_;
};

/// Both ends of a new bounded channel. Supports structured bindings.
template <class T>
struct mpsc<T>::ends {
    mpsc::sender sender;      ///< the sending end
    mpsc::receiver receiver;  ///< the receiving end

private:
    friend mpsc;
    explicit ends(bounded* channel) noexcept : sender(share(channel)), receiver(channel) {}
};

/// Both ends of a new unbounded channel. Supports structured bindings.
template <class T>
struct mpsc<T>::unbounded_ends {
    mpsc::unbounded_sender sender;      ///< the sending end
    mpsc::unbounded_receiver receiver;  ///< the receiving end

private:
    friend mpsc;
    explicit unbounded_ends(unbounded* channel) noexcept : sender(unbounded_share(channel)), receiver(channel) {}
};

}  // namespace eddy::sync
