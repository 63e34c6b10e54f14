// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/broadcast_state.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/receivers_gone_future.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/stream.hpp>
#include <eddy/wait.hpp>

namespace eddy::detail {

template <class T>
struct broadcast_value : broadcast_item {
    explicit broadcast_value(T&& given) : broadcast_item(1), value(std::move(given)) {}

    static broadcast_value* make(T&& given) {
        if constexpr (fits_pool()) {
            return pool_new<broadcast_value>(std::move(given));
        } else {
            return new broadcast_value(std::move(given));
        }
    }
    /// Gives back shares of `item`.
    static void drop(broadcast_item* item, std::uint32_t shares) noexcept {
        if (item != nullptr && item->drop(shares)) destroy(item);
    }
    static void destroy(broadcast_item* item) noexcept {
        auto* const all = static_cast<broadcast_value*>(item);
        if constexpr (fits_pool()) {
            pool_delete(all);
        } else {
            delete all;
        }
    }

    T value;

private:
    static constexpr bool fits_pool() noexcept { return alignof(broadcast_value) <= 16; }
};

/// A share of an item, while its value is copied: that may throw.
template <class T>
class broadcast_share {
public:
    explicit broadcast_share(broadcast_item* item) noexcept : item_(static_cast<broadcast_value<T>*>(item)) {}
    broadcast_share(const broadcast_share&) = delete;
    broadcast_share& operator=(const broadcast_share&) = delete;
    ~broadcast_share() { broadcast_value<T>::drop(item_, 1); }

    /// The value, or a copy of it if others have yet to read it.
    [[nodiscard]] T take() const {
        if constexpr (std::is_nothrow_move_constructible_v<T>) {
            if (item_->is_alone()) return std::move(item_->value);
        }
        return std::as_const(item_->value);
    }

private:
    broadcast_value<T>* item_;
};

/// Whether a value is copied under its slot's lock: only if that runs no user's code, and is a matter of a few
/// instructions.
template <class T>
inline constexpr bool is_copied_in_slot =
    std::is_trivially_copyable_v<T> && std::is_trivially_copy_constructible_v<T> && sizeof(T) <= 64;

/// How a receiver comes by the value that it finds: it copies its share's value, and gives the share back then.
template <class T, bool InSlot>
class broadcast_reader_of {
public:
    void operator()(const broadcast_item&) const noexcept {}
    [[nodiscard]] T take(const broadcast_state::taken& found) const { return broadcast_share<T>(found.item).take(); }

    /// For a value that nobody takes.
    static void skip(const broadcast_state::taken& found) noexcept { broadcast_value<T>::drop(found.item, 1); }
    /// For a sender that has taken `item` out of its slot, with so many shares.
    static void drop(broadcast_item* item, std::uint32_t shares) noexcept { broadcast_value<T>::drop(item, shares); }
};

/// The same for what is copied in its slot: shares are not counted, whoever leaves the slot empty has the item.
template <class T>
class broadcast_reader_of<T, true> {
public:
    void operator()(const broadcast_item& item) noexcept {
        value_.emplace(static_cast<const broadcast_value<T>&>(item).value);
    }
    [[nodiscard]] T take(const broadcast_state::taken& found) const noexcept {
        skip(found);
        return *value_;
    }

    static void skip(const broadcast_state::taken& found) noexcept {
        if (found.is_last) broadcast_value<T>::destroy(found.item);
    }
    static void drop(broadcast_item* item, std::uint32_t) noexcept {
        if (item != nullptr) broadcast_value<T>::destroy(item);
    }

private:
    std::optional<T> value_;
};

/// Asks for the kind only where it is used: a channel may be named in its value's own class.
template <class T>
class broadcast_reader : public broadcast_reader_of<T, is_copied_in_slot<T>> {};

/// A reference to a channel, with whatever else an end is.
template <class T>
struct broadcast_channel : broadcast_state {
    using broadcast_state::broadcast_state;

    /// Frees the values that are left in it: none, since each receiver has given its shares back.
    static void drop(broadcast_channel* channel) noexcept {
        if (channel->drop_reference()) delete channel;
    }
};

}  // namespace eddy::detail

namespace eddy::sync {

/// Why a broadcast receiver got no value.
class broadcast_error {
public:
    enum class kinds : std::uint8_t { empty, closed, lagged };

    explicit broadcast_error(kinds kind, std::uint64_t missed = 0) noexcept : missed_(missed), kind_(kind) {}

    /// Nothing has come yet. From try_recv() only.
    [[nodiscard]] bool is_empty() const noexcept { return kind_ == kinds::empty; }
    /// The senders are gone, and all that they have sent was received.
    [[nodiscard]] bool is_closed() const noexcept { return kind_ == kinds::closed; }
    /// The receiver was too slow: values were overwritten before it had read them. It goes on with the oldest that is
    /// left.
    [[nodiscard]] bool is_lagged() const noexcept { return kind_ == kinds::lagged; }
    /// How many values it has missed by that.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    /// errc::channel_closed, errc::receiver_lagged, or std::errc::resource_unavailable_try_again.
    [[nodiscard]] std::error_code to_error_code() const noexcept {
        switch (kind_) {
        case kinds::closed: return errc::channel_closed;
        case kinds::lagged: return errc::receiver_lagged;
        case kinds::empty: break;
        }
        return std::make_error_code(std::errc::resource_unavailable_try_again);
    }

    friend bool operator==(const broadcast_error&, const broadcast_error&) noexcept = default;

private:
    std::uint64_t missed_;
    kinds kind_;
};

template <class T>
class broadcast_stream;

/// A channel in which each receiver gets each value. It keeps the newest `capacity` of them, so that sending never
/// waits: a receiver that is slower is told how many it has missed, and goes on with the oldest that is left.
///     auto [tx, rx] = sync::broadcast<event>::channel(64);
///     auto other = tx.subscribe();          // gets what is sent from now on
///
/// Senders are copied; receivers are made by subscribe() and resubscribe(). It needs no runtime. `T` is copied, but for
/// the last receiver of a value, which is given the value itself. Copies are made under no lock. Thread safety: the
/// ends may be used on different threads at the same time; each by itself on one at a time, but the const members on
/// any number. Lifetime: futures refer to the end that made them. An end that was moved from is empty: to use it throws
/// `misuse`. Cost: two allocations for the channel, of 32 bytes for each value that it may keep; a block of the frame
/// pool for a value that is sent. To receive one, two read-modify-writes; one if `T` is trivially copyable, and of 64
/// bytes at most.
template <class T>
class broadcast {
    using channel_type = eddy::detail::broadcast_channel<T>;
    using value_type = eddy::detail::broadcast_value<T>;
    using state = eddy::detail::broadcast_state;
    using reader = eddy::detail::broadcast_reader<T>;

public:
    class sender;
    class weak_sender;
    class receiver;
    class recv_future;
    using closed_future =
        eddy::detail::receivers_gone_future<eddy::detail::broadcast_state>;  ///< what sender::closed() returns
    struct ends;

    /// A channel that keeps `capacity` values: the next power of two, if it is none.
    /// Errors: throws `misuse` if `capacity` is 0, or above 2^31.
    [[nodiscard]] static ends channel(std::size_t capacity,
                                      std::source_location where = std::source_location::current()) {
        // Here, so that a value may have a sender of its own kind in it.
        constexpr bool copies = std::copy_constructible<T>;
        static_assert(copies, "eddy: a broadcast copies its values: send a std::shared_ptr of what cannot be copied");
        if (capacity == 0 || capacity > state::max_capacity)
            throw misuse("a broadcast keeps at least one value, and at most 2^31: give it such a capacity", where);
        return ends(new channel_type(std::bit_ceil(capacity)));
    }

private:
    /// The channel of an end.
    static channel_type& of(channel_type* channel, const char* kind, const std::source_location& where) {
        if (channel == nullptr) eddy::detail::throw_empty("an operation", kind, "moved from", where);
        return *channel;
    }
};

/// The end that sends. When the last of them is gone, receivers get what is left, and then the end.
template <class T>
class [[nodiscard]] broadcast<T>::sender {
public:
    sender(const sender& other) noexcept : channel_(other.channel_) {
        if (channel_ == nullptr) return;
        channel_->add_reference();
        channel_->add_sender();
    }
    sender(sender&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    sender& operator=(sender other) noexcept {
        std::swap(channel_, other.channel_);
        return *this;
    }
    ~sender() {
        if (channel_ == nullptr) return;
        channel_->drop_sender();
        channel_type::drop(channel_);
    }

    /// Sends `value` to all receivers that there are, and returns how many that is. Never waits. If there is none,
    /// `value` comes back as the error. That it was sent does not say that they will look at it.
    std::expected<std::size_t, T> send(T value, std::source_location where = std::source_location::current()) const {
        channel_type& to = channel(where);
        if (to.receivers() == 0) return std::unexpected<T>(std::move(value));
        value_type* const item = value_type::make(std::move(value));
        const state::sent done = to.send(*item);
        if (done.receivers == 0) return give_back(item);
        reader::drop(done.overwritten, done.shares);
        return done.receivers;
    }

    /// A receiver of all that is sent from now on.
    [[nodiscard]] receiver subscribe(std::source_location where = std::source_location::current()) const {
        channel_type& of = channel(where);
        return receiver(of, of.add_receiver());
    }

    /// A reference that does not keep the channel open.
    [[nodiscard]] weak_sender downgrade(std::source_location where = std::source_location::current()) const {
        return weak_sender(channel(where));
    }

    /// How many values there are that some receiver has yet to receive.
    [[nodiscard]] std::size_t len(std::source_location where = std::source_location::current()) const {
        return channel(where).unread();
    }
    [[nodiscard]] bool is_empty(std::source_location where = std::source_location::current()) const {
        return len(where) == 0;
    }
    [[nodiscard]] std::size_t receiver_count(std::source_location where = std::source_location::current()) const {
        return channel(where).receivers();
    }
    [[nodiscard]] std::size_t sender_count(std::source_location where = std::source_location::current()) const {
        return channel(where).senders();
    }

    /// A future that ends when there is no receiver: to stop work that nobody waits for.
    /// Cancel safety: safe.
    [[nodiscard]] closed_future closed(std::source_location where = std::source_location::current()) const {
        return closed_future(channel(where));
    }

    [[nodiscard]] bool same_channel(const sender& other) const noexcept { return channel_ == other.channel_; }

private:
    friend broadcast;
    explicit sender(channel_type* taken_over) noexcept : channel_(taken_over) {}

    [[nodiscard]] channel_type& channel(const std::source_location& where) const {
        return of(channel_, "broadcast sender", where);
    }

    static std::expected<std::size_t, T> give_back(value_type* item) {
        const eddy::detail::broadcast_share<T> share(item);
        return std::unexpected<T>(share.take());
    }

    channel_type* channel_;
};

/// A sender that does not keep the channel open. Made by sender::downgrade().
template <class T>
class [[nodiscard]] broadcast<T>::weak_sender {
public:
    weak_sender(const weak_sender& other) noexcept : channel_(other.channel_) {
        if (channel_ != nullptr) channel_->add_reference();
    }
    weak_sender(weak_sender&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    weak_sender& operator=(weak_sender other) noexcept {
        std::swap(channel_, other.channel_);
        return *this;
    }
    ~weak_sender() {
        if (channel_ != nullptr) channel_type::drop(channel_);
    }

    /// A sender, if there is one still.
    [[nodiscard]] std::optional<sender> upgrade(std::source_location where = std::source_location::current()) const {
        channel_type& to = of(channel_, "weak broadcast sender", where);
        if (!to.try_add_sender()) return std::nullopt;
        to.add_reference();
        return sender(&to);
    }

private:
    friend sender;
    explicit weak_sender(channel_type& channel) noexcept : channel_(&channel) { channel.add_reference(); }

    channel_type* channel_;
};

/// An end that receives. Destroying it gives up what it has not received.
template <class T>
class [[nodiscard]] broadcast<T>::receiver {
public:
    receiver(receiver&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)), next_(other.next_) {}
    receiver& operator=(receiver&& other) noexcept {
        receiver taken(std::move(other));
        std::swap(channel_, taken.channel_);
        std::swap(next_, taken.next_);
        return *this;
    }
    ~receiver() {
        if (channel_ == nullptr) return;
        const auto until = channel_->drop_receiver();
        while (next_ < until) {
            const state::taken found = channel_->take(next_);
            if (found.kind == state::kinds::item) reader::skip(found);
        }
        channel_type::drop(channel_);
    }

    /// A future of the next value: std::expected<T, broadcast_error>. The error says that values were missed, once for
    /// each time that it comes to that, or that the senders are gone and all was received. One at a time. If copying
    /// the value throws, that passes through, and the value is lost to this receiver. Cancel safety: safe. Dropped
    /// before it is ready, it has received nothing.
    [[nodiscard]] recv_future recv(std::source_location where = std::source_location::current()) {
        return recv_future(*this, where);
    }

    /// The next value, if it is there. Never waits.
    [[nodiscard]] std::expected<T, broadcast_error> try_recv(
        std::source_location where = std::source_location::current()) {
        reader how;
        const state::taken found = channel(where).take(next_, how);
        return outcome_of(found, how);
    }

    /// Waits for the next value on this thread, which sleeps meanwhile: see `eddy::wait`.
    std::expected<T, broadcast_error> blocking_recv(std::source_location where = std::source_location::current()) {
        return eddy::wait(recv(where), where);
    }

    /// A receiver of all that is sent from now on. (A copy of this one's place cannot be had.)
    [[nodiscard]] receiver resubscribe(std::source_location where = std::source_location::current()) const {
        channel_type& of = channel(where);
        return receiver(of, of.add_receiver());
    }

    /// How many values it has not received, those included that it will have missed.
    [[nodiscard]] std::uint64_t len(std::source_location where = std::source_location::current()) const {
        return channel(where).sent_since(next_);
    }
    [[nodiscard]] bool is_empty(std::source_location where = std::source_location::current()) const {
        return len(where) == 0;
    }
    /// Whether the senders are gone. There may be values to receive still.
    [[nodiscard]] bool is_closed(std::source_location where = std::source_location::current()) const {
        return channel(where).senders() == 0;
    }
    [[nodiscard]] std::size_t sender_count(std::source_location where = std::source_location::current()) const {
        return channel(where).senders();
    }
    [[nodiscard]] bool same_channel(const receiver& other) const noexcept { return channel_ == other.channel_; }

private:
    friend broadcast;
    template <class U>
    friend class broadcast_stream;
    explicit receiver(channel_type& channel, state::position next) noexcept : channel_(&channel), next_(next) {
        channel.add_reference();
    }
    explicit receiver(channel_type* taken_over) noexcept : channel_(taken_over) {}

    [[nodiscard]] channel_type& channel(const std::source_location& where) const {
        return of(channel_, "broadcast receiver", where);
    }

    /// Takes over the share that `found` holds, or what `how` has read of it.
    static std::expected<T, broadcast_error> outcome_of(const state::taken& found, const reader& how) {
        using kinds = state::kinds;
        switch (found.kind) {
        case kinds::item: return std::expected<T, broadcast_error>(std::in_place, how.take(found));
        case kinds::lagged: return std::unexpected(broadcast_error(broadcast_error::kinds::lagged, found.missed));
        case kinds::closed: return std::unexpected(broadcast_error(broadcast_error::kinds::closed));
        case kinds::empty: break;
        }
        return std::unexpected(broadcast_error(broadcast_error::kinds::empty));
    }

    channel_type* channel_;
    state::position next_ = 0;
};

/// What receiver::recv() returns.
template <class T>
class [[nodiscard("co_await it")]] broadcast<T>::recv_future : public future_ops<recv_future> {
public:
    using output_type = std::expected<T, broadcast_error>;

    recv_future(recv_future&& other) noexcept : of_(other.of_), channel_(other.channel_) {
        // relaxed: only this future's own thread sets it; once it was polled, it is not to be moved.
        if (other.waiter_.is_shared.load(std::memory_order_relaxed))
            eddy::detail::fatal_misuse("a broadcast's recv() was moved after its first poll");
    }
    recv_future& operator=(recv_future&&) = delete;
    ~recv_future() { channel_->stop_waiting(waiter_); }

    poll_result<output_type> poll(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        reader how;
        const state::taken found = channel_->poll(of_->next_, waiter_, cx.waker(), how);
        if (found.kind == state::kinds::item) [[likely]]
            return poll_result<output_type>(std::in_place, std::in_place, how.take(found));
        if (found.kind != state::kinds::empty) return receiver::outcome_of(found, how);
        cx.refund_budget();
        return not_ready;
    }

private:
    friend receiver;
    recv_future(receiver& from, const std::source_location& where) : of_(&from), channel_(&from.channel(where)) {}

    receiver* of_;
    channel_type* channel_;
    eddy::detail::broadcast_waiter waiter_;
};

/// Both ends of a new channel.
template <class T>
struct broadcast<T>::ends {
    broadcast::sender sender;
    broadcast::receiver receiver;

private:
    friend broadcast;
    explicit ends(channel_type* channel) noexcept : sender(channel), receiver(channel) {}
};

/// What a broadcast receiver gets, as a stream: items are std::expected<T, broadcast_error>, where the error says that
/// values were missed. It ends when the senders are gone. (So for_each() ends when it lags; a loop over next() goes
/// on.)
///     sync::broadcast_stream<event> events(std::move(rx));
/// Cancel safety: safe.
template <class T>
class [[nodiscard]] broadcast_stream : public stream_ops<broadcast_stream<T>> {
    using state = eddy::detail::broadcast_state;

public:
    using item_type = std::expected<T, broadcast_error>;

    explicit broadcast_stream(typename broadcast<T>::receiver from,
                              std::source_location where = std::source_location::current())
        : from_(std::move(from)) {
        static_cast<void>(from_.channel(where));
    }
    // It may wait: an adaptor around it, such as merge(), may have an item all the same, and be moved then. The next
    // poll waits again.
    broadcast_stream(broadcast_stream&& other) noexcept : from_(std::move(other.stop_waiting())) {}
    broadcast_stream& operator=(broadcast_stream&&) = delete;
    ~broadcast_stream() { stop_waiting(); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        using kinds = state::kinds;
        if (!cx.consume_budget()) return not_ready;
        eddy::detail::broadcast_reader<T> how;
        const state::taken found = from_.channel(cx.where()).poll(from_.next_, waiter_, cx.waker(), how);
        if (found.kind == kinds::closed) return std::nullopt;
        if (found.kind != kinds::empty) return std::optional<item_type>(from_.outcome_of(found, how));
        cx.refund_budget();
        return not_ready;
    }

private:
    typename broadcast<T>::receiver& stop_waiting() noexcept {
        if (from_.channel_ != nullptr) from_.channel_->stop_waiting(waiter_);
        return from_;
    }

    typename broadcast<T>::receiver from_;
    eddy::detail::broadcast_waiter waiter_;
};

}  // namespace eddy::sync
