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

#include <eddy/detail/error_access.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/sync/detail/broadcast_state.hpp>
#include <eddy/sync/detail/receivers_gone_future.hpp>

namespace eddy::detail {

/// An item with its value. Allocated from the frame pool if the pool's alignment is sufficient.
template <class T>
struct broadcast_value : broadcast_item {
    explicit broadcast_value(T&& given) : broadcast_item(1), value(std::move(given)) {}

    static broadcast_value* make(T&& given) { return pool_new<broadcast_value>(std::move(given)); }
    /// Releases `shares` shares of `item`, which may be null. Destroys the item with its last share.
    static void drop(broadcast_item* item, std::uint32_t shares) noexcept {
        if (item != nullptr && item->drop(shares)) destroy(item);
    }
    static void destroy(broadcast_item* item) noexcept {
        // SAFETY: every broadcast_item of a channel of T is a broadcast_value<T>: make() created it. The caller holds
        // the last share, so no other thread uses it.
        pool_delete(static_cast<broadcast_value*>(item));
    }

    T value;
};

/// Holds one share of an item while its value is copied, because the copy may throw. Releases the share when destroyed.
template <class T>
class broadcast_share {
public:
    // SAFETY: as in broadcast_value::destroy(), the item is a broadcast_value<T>. The share keeps it alive.
    explicit broadcast_share(broadcast_item* item) noexcept : item_(static_cast<broadcast_value<T>*>(item)) {}
    broadcast_share(const broadcast_share&) = delete;
    broadcast_share& operator=(const broadcast_share&) = delete;
    ~broadcast_share() { broadcast_value<T>::drop(item_, 1); }

    /// Returns the value: moved if this is the last share, else copied.
    [[nodiscard]] T take() const {
        if constexpr (std::is_nothrow_move_constructible_v<T>) {
            if (item_->is_alone()) return std::move(item_->value);
        }
        return std::as_const(item_->value);
    }

private:
    broadcast_value<T>* item_;
};

/// Whether a value is copied under the lock of its slot. True only if the copy runs no user code and takes a few
/// instructions.
template <class T>
inline constexpr bool is_copied_in_slot =
    std::is_trivially_copyable_v<T> && std::is_trivially_copy_constructible_v<T> && sizeof(T) <= 64;

/// Reads the value that a receiver has found. This version copies the value after the slot's lock was released, and
/// then releases its share.
template <class T, bool InSlot>
class broadcast_reader_of {
public:
    void operator()(const broadcast_item&) const noexcept {}
    [[nodiscard]] T take(const broadcast_state::taken& found) const { return broadcast_share<T>(found.item).take(); }

    /// Releases the share of a value that is not received.
    static void skip(const broadcast_state::taken& found) noexcept { broadcast_value<T>::drop(found.item, 1); }
    /// For a sender that overwrote `item`: releases the `shares` shares that no receiver will take.
    static void drop(broadcast_item* item, std::uint32_t shares) noexcept { broadcast_value<T>::drop(item, shares); }
};

/// The version for values that are copied under the slot's lock. Shares are not counted: the receiver or sender that
/// leaves the slot empty owns the item.
template <class T>
class broadcast_reader_of<T, true> {
public:
    void operator()(const broadcast_item& item) noexcept {
        // SAFETY: as in broadcast_value::destroy(), the item is a broadcast_value<T>. The slot's lock keeps it alive.
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

/// Evaluates is_copied_in_slot<T> only when a member is used, so that the class of T may name a channel of T.
template <class T>
class broadcast_reader : public broadcast_reader_of<T, is_copied_in_slot<T>> {};

/// A broadcast_state. Each end holds a reference to it.
template <class T>
struct broadcast_channel : broadcast_state {
    using broadcast_state::broadcast_state;

    /// Releases a reference. The last reference frees the channel. It contains no values then, because each receiver
    /// has released its shares.
    static void drop(broadcast_channel* channel) noexcept {
        if (channel->drop_reference()) delete channel;
    }
};

}  // namespace eddy::detail

namespace eddy::sync {

/// The reason why a broadcast receiver got no value.
/// Thread safety: a value type; concurrent reads are safe.
class broadcast_error {
public:
    /// The possible reasons; see is_empty(), is_closed() and is_lagged().
    enum class kinds : std::uint8_t {
        empty,   ///< there is no unread value
        closed,  ///< the senders are gone, and all values were read
        lagged   ///< the receiver missed values
    };

    /// Creates an error. `missed` is the number of missed values and applies to kinds::lagged.
    explicit broadcast_error(kinds kind, std::uint64_t missed = 0) noexcept : missed_(missed), kind_(kind) {}

    /// Returns true if no value is available yet. Only try_recv() reports this.
    [[nodiscard]] bool is_empty() const noexcept { return kind_ == kinds::empty; }
    /// Returns true if all senders are gone and the receiver has received every value.
    [[nodiscard]] bool is_closed() const noexcept { return kind_ == kinds::closed; }
    /// Returns true if values were overwritten before the receiver read them. The next receive returns the oldest value
    /// that is left.
    [[nodiscard]] bool is_lagged() const noexcept { return kind_ == kinds::lagged; }
    /// Returns the number of values that the receiver missed; 0 unless is_lagged().
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    /// Returns errc::channel_closed, errc::receiver_lagged or std::errc::resource_unavailable_try_again.
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

/// A channel in which each receiver receives each value. It keeps the newest `capacity` values, and sending never
/// waits. A receiver that falls behind gets an error with the number of values it missed, and continues with the oldest
/// value that is left.
///     auto [tx, rx] = sync::broadcast<event>::channel(64);
///     auto other = tx.subscribe();          // receives what is sent from now on
///
/// Senders are copied. Receivers are made by subscribe() and resubscribe(). Does not need a runtime. `T` is copied for
/// each receiver, except that the last receiver of a value gets the value itself. No user code runs under a lock.
/// Thread safety: different ends may be used on different threads at the same time. Each end may be used by one thread
/// at a time; its const members may be called concurrently.
/// Lifetime: a future refers to the end that made it, and that end must outlive the future.
/// Preconditions: an end that was moved from is empty; using it throws `misuse`.
/// Cost: two allocations for the channel, with 32 bytes per value of its capacity. Each value that is sent takes a
/// block of the frame pool. Receiving takes two read-modify-writes; one if `T` is trivially copyable and has at most 64
/// bytes.
template <class T>
class broadcast {
    using channel_type = eddy::detail::broadcast_channel<T>;
    using value_type = eddy::detail::broadcast_value<T>;
    using state = eddy::detail::broadcast_state;
    using reader = eddy::detail::broadcast_reader<T>;

public:
    /// The classes of the channel's ends and futures.
    class sender;
    class weak_sender;
    class receiver;
    class recv_future;
    /// The future that sender::closed() returns.
    using closed_future = eddy::detail::receivers_gone_future<eddy::detail::broadcast_state>;
    struct ends;

    /// Creates a channel that keeps `capacity` values, rounded up to a power of two.
    /// Errors: throws `misuse` if `capacity` is 0 or greater than 2^31.
    [[nodiscard]] static ends channel(std::size_t capacity,
                                      std::source_location where = std::source_location::current()) {
        return ends(make(capacity, where));
    }

private:
    /// Creates the state of a channel with one sender and one receiver.
    static channel_type* make(std::size_t capacity, const std::source_location& where) {
        // Checked here and not in the class, so that a value may contain a sender of its own type.
        constexpr bool copies = std::copy_constructible<T>;
        static_assert(copies,
                      "eddy: a broadcast copies its values: send a std::shared_ptr to a value that cannot be copied");
        if (capacity == 0 || capacity > state::max_capacity)
            throw misuse("the capacity of a broadcast must be from 1 to 2^31: pass a capacity in this range", where);
        return new channel_type(std::bit_ceil(capacity));
    }
    /// Returns the channel of an end. Throws `misuse` if the end is empty.
    static channel_type& of(channel_type* channel, const char* kind, const std::source_location& where) {
        if (channel == nullptr) eddy::detail::throw_empty("an operation", kind, "moved from", where);
        return *channel;
    }
};

/// The sending end. After the last sender is destroyed, receivers receive the remaining values and then the end of the
/// channel.
/// Thread safety: see broadcast.
template <class T>
class [[nodiscard]] broadcast<T>::sender {
public:
    /// Creates a channel without a receiver; see broadcast::channel(). send() fails until subscribe() is called.
    /// Errors: throws `misuse` if `capacity` is 0 or greater than 2^31.
    explicit sender(std::size_t capacity, std::source_location where = std::source_location::current())
        : channel_(make(capacity, where)) {
        static_cast<void>(channel_->drop_receiver());
        channel_type::drop(channel_);  // the receiver's reference
    }
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

    /// Sends `value` to all current receivers and returns their number. Never waits. A receiver that is counted here
    /// may still be destroyed before it receives the value.
    /// Errors: returns `value` if there are no receivers. Throws `misuse` if this sender was moved from.
    std::expected<std::size_t, T> send(T value, std::source_location where = std::source_location::current()) const {
        channel_type& to = channel(where);
        if (to.receivers() == 0) return std::unexpected<T>(std::move(value));
        value_type* const item = value_type::make(std::move(value));
        const state::sent done = to.send(*item);
        if (done.receivers == 0) return give_back(item);
        reader::drop(done.overwritten, done.shares);
        return done.receivers;
    }

    /// Returns a new receiver of all values that are sent from now on.
    [[nodiscard]] receiver subscribe(std::source_location where = std::source_location::current()) const {
        channel_type& of = channel(where);
        return receiver(of, of.add_receiver());
    }

    /// Returns a weak sender, which does not keep the channel open.
    [[nodiscard]] weak_sender downgrade(std::source_location where = std::source_location::current()) const {
        return weak_sender(channel(where));
    }

    /// Returns the number of values that at least one receiver has not received yet.
    /// Cost: takes a lock per step of a binary search over the capacity.
    [[nodiscard]] std::size_t len(std::source_location where = std::source_location::current()) const {
        return channel(where).unread();
    }
    /// Returns true if all receivers have received all values.
    [[nodiscard]] bool is_empty(std::source_location where = std::source_location::current()) const {
        return len(where) == 0;
    }
    /// Returns the number of receivers.
    [[nodiscard]] std::size_t receiver_count(std::source_location where = std::source_location::current()) const {
        return channel(where).receivers();
    }
    /// Returns the number of senders, without the weak ones.
    [[nodiscard]] std::size_t sender_count(std::source_location where = std::source_location::current()) const {
        return channel(where).senders();
    }

    /// Returns a future that is ready when there are no receivers. Use it to stop work that has no consumer.
    /// Lifetime: the sender must outlive the future.
    [[nodiscard]] closed_future closed(std::source_location where = std::source_location::current()) const {
        return closed_future(channel(where));
    }

    /// Returns true if both senders belong to the same channel.
    [[nodiscard]] bool same_channel(const sender& other) const noexcept { return channel_ == other.channel_; }

private:
    friend broadcast;
    explicit sender(std::in_place_t, channel_type* taken_over) noexcept : channel_(taken_over) {}

    [[nodiscard]] channel_type& channel(const std::source_location& where) const {
        return of(channel_, "broadcast sender", where);
    }

    static std::expected<std::size_t, T> give_back(value_type* item) {
        const eddy::detail::broadcast_share<T> share(item);
        return std::unexpected<T>(share.take());
    }

    channel_type* channel_;
};

/// A sender that does not keep the channel open. Created by sender::downgrade().
/// Thread safety: see broadcast.
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

    /// Returns a sender, or nothing if all senders are gone.
    [[nodiscard]] std::optional<sender> upgrade(std::source_location where = std::source_location::current()) const {
        channel_type& to = of(channel_, "weak broadcast sender", where);
        if (!to.try_add_sender()) return std::nullopt;
        to.add_reference();
        return sender(std::in_place, &to);
    }

private:
    friend sender;
    explicit weak_sender(channel_type& channel) noexcept : channel_(&channel) { channel.add_reference(); }

    channel_type* channel_;
};

/// The receiving end. Destroying it releases the values that it has not received.
/// Thread safety: see broadcast.
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
        eddy::detail::check_not_awaited(this, "a receiver of a sync::broadcast");
        if (channel_ == nullptr) return;
        const auto until = channel_->drop_receiver();
        while (next_ < until) {
            const state::taken found = channel_->take(next_);
            if (found.kind == state::kinds::item) reader::skip(found);
        }
        channel_type::drop(channel_);
    }

    /// Returns a future of the next value: a std::expected<T, broadcast_error>. Only one such future may exist at a
    /// time.
    /// Errors: kinds::lagged each time values were overwritten before this receiver read them; kinds::closed after the
    /// last value, once all senders are gone. If copying the value throws, the exception passes through and the value
    /// is lost to this receiver.
    /// Cancel safety: safe. A future that is dropped before it is ready has received nothing.
    /// Lifetime: the receiver must outlive the future.
    [[nodiscard]] recv_future recv(std::source_location where = std::source_location::current()) {
        return recv_future(*this, where);
    }

    /// Returns the next value if one is available. Never waits.
    /// Errors: same as recv(), and kinds::empty if no value is available yet.
    [[nodiscard]] std::expected<T, broadcast_error> try_recv(
        std::source_location where = std::source_location::current()) {
        reader how;
        const state::taken found = channel(where).take(next_, how);
        return outcome_of(found, how);
    }

    /// Blocks this thread until the next value is available; see `eddy::wait`.
    /// Errors: same as recv().
    std::expected<T, broadcast_error> blocking_recv(std::source_location where = std::source_location::current()) {
        return eddy::wait(recv(where), where);
    }

    /// Returns a new receiver of all values that are sent from now on. It does not start at this receiver's position.
    [[nodiscard]] receiver resubscribe(std::source_location where = std::source_location::current()) const {
        channel_type& of = channel(where);
        return receiver(of, of.add_receiver());
    }

    /// Returns how many values this receiver has not received yet, including those that were overwritten.
    [[nodiscard]] std::uint64_t len(std::source_location where = std::source_location::current()) const {
        return channel(where).sent_since(next_);
    }
    /// Returns true if every value that was sent has been received.
    [[nodiscard]] bool is_empty(std::source_location where = std::source_location::current()) const {
        return len(where) == 0;
    }
    /// Returns true if all senders are gone. There may still be values to receive.
    [[nodiscard]] bool is_closed(std::source_location where = std::source_location::current()) const {
        return channel(where).senders() == 0;
    }
    /// Returns the number of senders, without the weak ones.
    [[nodiscard]] std::size_t sender_count(std::source_location where = std::source_location::current()) const {
        return channel(where).senders();
    }
    /// Returns true if both receivers belong to the same channel.
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

    /// Takes over the share that `found` holds, or the value that `how` has already copied.
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

/// The future that receiver::recv() returns. Moving it while it waits terminates the program.
/// Cancel safety: safe; see receiver::recv().
template <class T>
class [[nodiscard("co_await it")]] broadcast<T>::recv_future : public future_ops<recv_future> {
public:
    using output_type = std::expected<T, broadcast_error>;

    recv_future(recv_future&& other) noexcept : of_(other.of_), channel_(other.channel_) {
        // relaxed: the flag is set only by a poll of this future, which happens before this move. A future that waits
        // must not be moved.
        if (other.waiter_.is_shared.load(std::memory_order_relaxed))
            eddy::detail::fatal_moved("a broadcast's recv()", other.polled_at_);
    }
    recv_future& operator=(recv_future&&) = delete;
    ~recv_future() { channel_->stop_waiting(waiter_); }

    friend const receiver* awaited_object(const recv_future& me) noexcept { return me.of_; }

    poll_result<output_type> poll(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        reader how;
        const state::taken found = channel_->poll(of_->next_, waiter_, cx.waker(), how);
        if (found.kind == state::kinds::item) [[likely]]
            return poll_result<output_type>(std::in_place, std::in_place, how.take(found));
        if (found.kind != state::kinds::empty) return receiver::outcome_of(found, how);
        polled_at_ = eddy::detail::call_site_of(cx.where());
        cx.refund_budget();
        return not_ready;
    }

    static constexpr auto wait_shape() {
        return inspect::awaits(inspect::wait::channel_receive, &recv_future::channel_);
    }

private:
    friend receiver;
    recv_future(receiver& from, const std::source_location& where) : of_(&from), channel_(&from.channel(where)) {}

    receiver* of_;
    channel_type* channel_;
    eddy::detail::broadcast_waiter waiter_;
    eddy::detail::call_site polled_at_ = nullptr;
};

/// Both ends of a new channel. Supports structured bindings.
template <class T>
struct broadcast<T>::ends {
    broadcast::sender sender;      ///< the sending end
    broadcast::receiver receiver;  ///< the receiving end

private:
    friend broadcast;
    explicit ends(channel_type* channel) noexcept : sender(std::in_place, channel), receiver(channel) {}
};

/// A stream of the values of a broadcast receiver. Its items are std::expected<T, broadcast_error>; an error reports
/// missed values. The stream ends when all senders are gone and all values were received.
///     sync::broadcast_stream<event> events(std::move(rx));
/// A fallible operation such as for_each() stops at the first error; a loop over next() continues after it.
/// Cancel safety: safe. A future of the next item that is dropped before it is ready has received nothing.
template <class T>
class [[nodiscard]] broadcast_stream : public stream_ops<broadcast_stream<T>> {
    using state = eddy::detail::broadcast_state;

public:
    using item_type = std::expected<T, broadcast_error>;

    /// Creates a stream that owns the receiver `from`.
    /// Errors: throws `misuse` if `from` was moved from.
    explicit broadcast_stream(typename broadcast<T>::receiver from,
                              std::source_location where = std::source_location::current())
        : from_(std::move(from)) {
        static_cast<void>(from_.channel(where));
    }
    // This stream may be moved while it waits: an adapter such as merge() may return an item of another stream and then
    // be moved. The next poll waits again.
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

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::sync

namespace eddy::detail {

template <>
struct explains_access<eddy::sync::broadcast_error> : std::true_type {};

}  // namespace eddy::detail
