// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <expected>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/stream/all.hpp>
#include <eddy/sync/detail/receivers_gone_future.hpp>
#include <eddy/sync/detail/watch_state.hpp>
#include <eddy/sync/recv_error.hpp>

namespace eddy::detail {

/// A watch_state with its value. All ends share it.
template <class T>
struct watch_channel : watch_state {
    watch_channel(T&& initial, version_type version) : watch_state(version), value(std::move(initial)) {}

    T value;  // protected by lock()
};

/// Gives tests access to the internals of a channel, for states that would take too long to reach.
struct watch_access;

}  // namespace eddy::detail

namespace eddy::sync {

template <class T>
class watch_stream;

/// A channel that keeps only the newest value, for example a configuration, a state, or the progress of an operation. A
/// receiver reads the value at any time and can wait for a change. It does not see values that were replaced between
/// two reads.
///     auto [tx, rx] = sync::watch<config>::channel(config());
///     ...
///     while (auto news = co_await rx.changed()) apply(*rx.borrow_and_update());   // (GCC 12 needs the variable)
///
/// Senders and receivers are copied; there may be any number of both. `T` need only be movable. Does not need a
/// runtime. The value exists until all ends are gone.
/// Thread safety: different ends may be used on different threads at the same time. Each end may be used by one thread
/// at a time; the const members of a sender may be called concurrently.
/// Lifetime: guards and futures refer to the end that made them, and that end must outlive them.
/// Preconditions: an end that was moved from is empty; using it throws `misuse`.
/// Cost: one allocation for the channel. Sending takes four read-modify-writes and reading takes two.
template <class T>
class watch {
    using channel_type = eddy::detail::watch_channel<T>;
    using version_type = eddy::detail::watch_state::version_type;

    static constexpr bool keeps_value = std::is_object_v<T> && !std::is_const_v<T>;
    static_assert(keeps_value,
                  "eddy: a watch keeps a value: a reference, void or const cannot be sent; see sync::notify");

public:
    /// The classes of the channel's ends, guards and futures.
    class guard;
    class sender;
    class receiver;
    class changed_future;
    /// The future that sender::closed() returns.
    using closed_future = eddy::detail::receivers_gone_future<eddy::detail::watch_state>;
    template <class Predicate>
    class wait_for_future;
    struct ends;

    /// Creates a channel with the value `initial`, which counts as seen by the receiver.
    [[nodiscard]] static ends channel(T initial) { return ends(std::move(initial)); }
};

/// Read access to the value. The guard holds a shared lock, so the value does not change while it exists. A sender that
/// changes the value blocks its thread until all guards are gone. So keep a guard for a few instructions only. Never
/// keep it across a `co_await`: the thread that has to resume the coroutine may be the one that is blocked. A thread
/// that sends while it holds a guard deadlocks, and prints a line after 2 s. `tx.send(*rx.borrow() + 1)` holds one
/// until the end of the full expression; use get() there.
/// Thread safety: one thread at a time. It may be destroyed on a different thread than the one that created it.
template <class T>
class [[nodiscard("it gives access to the value")]] watch<T>::guard {
public:
    guard(guard&& other) noexcept
        : channel_(std::exchange(other.channel_, nullptr)), has_changed_(other.has_changed_) {}
    guard& operator=(guard&& other) noexcept {
        guard taken(std::move(other));
        std::swap(channel_, taken.channel_);
        has_changed_ = taken.has_changed_;
        return *this;
    }
    ~guard() {
        if (channel_ != nullptr) channel_->lock().unlock_shared();
    }

    /// Accesses the value.
    /// Preconditions: the guard was not moved from.
    const T& operator*() const noexcept { return channel_->value; }
    const T* operator->() const noexcept { return &channel_->value; }

    /// Returns true if the receiver that created the guard had not seen this value before. Always false for a guard of
    /// a sender.
    [[nodiscard]] bool has_changed() const noexcept { return has_changed_; }

private:
    friend watch;
    guard(channel_type& channel, const std::source_location& where) noexcept : channel_(&channel) {
        channel.lock().lock_shared(eddy::detail::call_site_of(where));
    }

    channel_type* channel_;
    bool has_changed_ = false;
};

/// The sending end. The receivers are notified when the last sender is gone.
/// Thread safety: see watch.
template <class T>
class [[nodiscard]] watch<T>::sender {
public:
    /// Creates a channel with the value `initial` and without a receiver. send() fails until subscribe() is called;
    /// send_replace() does not.
    explicit sender(T initial) : channel_(new channel_type(std::move(initial), 0)) {
        static_cast<void>(channel_->drop_receiver());  // not the last end: this sender remains
    }
    sender(const sender& other) noexcept : channel_(other.channel_) {
        if (channel_ != nullptr) channel_->add_sender();
    }
    sender(sender&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
    sender& operator=(sender other) noexcept {
        std::swap(channel_, other.channel_);
        return *this;
    }
    ~sender() {
        if (channel_ != nullptr && channel_->drop_sender()) delete channel_;
    }

    /// Replaces the value and notifies the receivers. Blocks this thread until all guards are gone; so do
    /// send_replace(), send_modify() and send_if_modified().
    /// Errors: returns `value`, and changes nothing, if there are no receivers.
    std::expected<void, T> send(T value, std::source_location where = std::source_location::current()) const {
        if (channel(where).receivers() == 0) return std::expected<void, T>(std::unexpect, std::move(value));
        static_cast<void>(send_replace(std::move(value), where));
        return {};
    }

    /// Replaces the value, even if there are no receivers, and returns the previous one. The destructor of a T may use
    /// the channel; its move operations must not.
    T send_replace(T value, std::source_location where = std::source_location::current()) const {
        std::optional<T> old;
        const auto put = [&](T& kept) {
            old.emplace(std::move(kept));
            kept = std::move(value);
        };
        send_modify(put, where);
        return *std::move(old);
    }

    /// Calls `f(T&)` to change the value in place, and notifies the receivers. If `f` throws, they are not notified,
    /// and changes that it has made remain. `f` runs under the channel's lock and must not use the channel.
    template <class Fn>
        requires std::invocable<Fn, T&>
    void send_modify(Fn&& f, std::source_location where = std::source_location::current()) const {
        static_assert(!future<std::remove_cvref_t<std::invoke_result_t<Fn, T&>>>,
                      "eddy: send_modify changes the value immediately, under a lock, and would drop the future that "
                      "this function returns: await first, then call send_modify()");
        const auto change = [&](T& value) {
            std::invoke(std::forward<Fn>(f), value);
            return true;
        };
        static_cast<void>(send_if_modified(change, where));
    }

    /// Same as send_modify(), but notifies the receivers only if `f(T&)` returns true. Returns the result of `f`.
    template <class Fn>
        requires std::predicate<Fn, T&>
    bool send_if_modified(Fn&& f, std::source_location where = std::source_location::current()) const {
        channel_type& to = channel(where);
        {
            to.lock().lock(eddy::detail::call_site_of(where));
            const std::lock_guard guard(to.lock(), std::adopt_lock);
            if (!std::invoke(std::forward<Fn>(f), to.value)) return false;
            to.count_version();
        }
        to.tell_receivers();
        return true;
    }

    /// Returns a guard for read access to the value.
    [[nodiscard]] guard borrow(std::source_location where = std::source_location::current()) const {
        return guard(channel(where), where);
    }
    /// Returns a copy of the value.
    [[nodiscard]] T get(std::source_location where = std::source_location::current()) const
        requires std::copy_constructible<T>
    {
        return *borrow(where);
    }

    /// Returns a new receiver, for which the current value counts as seen.
    [[nodiscard]] receiver subscribe(std::source_location where = std::source_location::current()) const {
        channel_type& of = channel(where);
        of.add_receiver();
        return receiver(of, of.version());
    }

    /// Returns true if there are no receivers at this moment.
    [[nodiscard]] bool is_closed(std::source_location where = std::source_location::current()) const {
        return channel(where).receivers() == 0;
    }
    /// Returns a future that is ready when there are no receivers. Use it to stop work that has no consumer.
    /// Lifetime: the sender must outlive the future.
    [[nodiscard]] closed_future closed(std::source_location where = std::source_location::current()) const {
        return closed_future(channel(where));
    }

    /// Returns the number of receivers, or of senders.
    [[nodiscard]] std::size_t receiver_count(std::source_location where = std::source_location::current()) const {
        return channel(where).receivers();
    }
    [[nodiscard]] std::size_t sender_count(std::source_location where = std::source_location::current()) const {
        return channel(where).senders();
    }
    /// Returns true if both senders belong to the same channel.
    [[nodiscard]] bool same_channel(const sender& other) const noexcept { return channel_ == other.channel_; }

private:
    friend watch;
    friend eddy::detail::watch_access;
    explicit sender(std::in_place_t, channel_type* channel) noexcept : channel_(channel) {}

    channel_type& channel(const std::source_location& where) const {
        if (channel_ == nullptr) eddy::detail::throw_empty("an operation", "watch sender", "moved from", where);
        return *channel_;
    }

    channel_type* channel_;
};

/// The receiving end. It remembers which value it has seen. A copy has seen the same value.
/// Thread safety: see watch.
template <class T>
class [[nodiscard]] watch<T>::receiver {
public:
    receiver(const receiver& other) noexcept : channel_(other.channel_), seen_(other.seen_) {
        if (channel_ != nullptr) channel_->add_receiver();
    }
    receiver(receiver&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)), seen_(other.seen_) {}
    receiver& operator=(receiver other) noexcept {
        std::swap(channel_, other.channel_);
        std::swap(seen_, other.seen_);
        return *this;
    }
    ~receiver() {
        eddy::detail::check_not_awaited(this, "a receiver of a sync::watch");
        if (channel_ != nullptr && channel_->drop_receiver()) delete channel_;
    }

    /// Returns a guard for read access to the value, without marking it as seen: if the value is new, changed() is
    /// still ready immediately.
    [[nodiscard]] guard borrow(std::source_location where = std::source_location::current()) const {
        guard look(channel(where), where);
        look.has_changed_ = channel_->version() != seen_;
        return look;
    }
    /// Returns a copy of the value, without marking it as seen.
    [[nodiscard]] T get(std::source_location where = std::source_location::current()) const
        requires std::copy_constructible<T>
    {
        return *borrow(where);
    }
    /// Returns a guard for read access to the value, and marks it as seen.
    [[nodiscard]] guard borrow_and_update(std::source_location where = std::source_location::current()) {
        guard look = borrow(where);
        seen_ = channel_->version();
        return look;
    }

    /// Returns a future that is ready when there is a value that this receiver has not seen, and marks it as seen. Only
    /// one such future may exist at a time.
    /// Errors: recv_error if all senders are gone and the last value was seen.
    /// Cancel safety: safe. A future that is dropped before it is ready has not marked any value as seen.
    /// Lifetime: the receiver must outlive the future.
    [[nodiscard]] changed_future changed(std::source_location where = std::source_location::current()) {
        return changed_future(*this, where);
    }

    /// Returns a future of a guard of the first value for which `predicate(const T&)` is true, starting with the
    /// current value. The values that the predicate has checked are marked as seen. The predicate is called under the
    /// channel's lock and must not use the channel.
    /// Errors: recv_error if all senders are gone and the predicate is false for the last value. Exceptions of the
    /// predicate pass through.
    /// Cancel safety: safe; but the values that the predicate has checked stay marked as seen.
    /// Lifetime: the receiver must outlive the future.
    template <class Predicate>
    [[nodiscard]] auto wait_for(Predicate&& predicate, std::source_location where = std::source_location::current()) {
        constexpr bool fits = std::predicate<std::decay_t<Predicate>&, const T&>;
        static_assert(fits, "eddy: wait_for needs a function that takes a const T& and returns a bool");
        if constexpr (fits) {
            return wait_for_future<eddy::detail::kept_fn_t<Predicate>>(*this, std::forward<Predicate>(predicate),
                                                                       where);
        } else {
            return eddy::detail::broken_future();
        }
    }

    /// Returns true if there is a value that this receiver has not seen.
    /// Errors: recv_error if all senders are gone.
    [[nodiscard]] std::expected<bool, recv_error> has_changed(
        std::source_location where = std::source_location::current()) const {
        if (channel(where).is_closed()) return std::unexpected(recv_error());
        return channel_->version() != seen_;
    }
    /// Marks the current value as not seen.
    void mark_changed(std::source_location where = std::source_location::current()) {
        seen_ = channel_type::before(channel(where).version());
    }
    /// Marks the current value as seen.
    void mark_unchanged(std::source_location where = std::source_location::current()) {
        seen_ = channel(where).version();
    }

    /// Returns true if both receivers belong to the same channel.
    [[nodiscard]] bool same_channel(const receiver& other) const noexcept { return channel_ == other.channel_; }

private:
    friend watch;
    template <class U>
    friend class watch_stream;
    explicit receiver(channel_type& channel, version_type seen) noexcept : channel_(&channel), seen_(seen) {}

    channel_type& channel(const std::source_location& where) const {
        if (channel_ == nullptr) eddy::detail::throw_empty("an operation", "watch receiver", "moved from", where);
        return *channel_;
    }

    channel_type* channel_;
    version_type seen_;
};

/// The future that receiver::changed() returns. Moving it after its first poll terminates the program.
/// Cancel safety: safe; see receiver::changed().
template <class T>
class [[nodiscard("co_await it")]] watch<T>::changed_future : public future_ops<changed_future> {
public:
    using output_type = std::expected<void, recv_error>;

    changed_future(changed_future&& other) noexcept
        : of_(other.of_), channel_(other.channel_), waiter_(other.waiter_, "a watch's changed()") {}
    changed_future& operator=(changed_future&&) = delete;
    ~changed_future() { channel_->stop_waiting_for_news(waiter_); }

    friend const receiver* awaited_object(const changed_future& me) noexcept { return me.of_; }

    poll_result<output_type> poll(context& cx) {
        using news = typename channel_type::news;
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        switch (channel_->poll_news(of_->seen_, waiter_, cx.waker())) {
        case news::value: return output_type();
        case news::closed: return output_type(std::unexpect);
        case news::none: break;
        }
        cx.refund_budget();
        return not_ready;
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::watch, &changed_future::channel_); }

private:
    friend receiver;
    changed_future(receiver& of, const std::source_location& where) : of_(&of), channel_(&of.channel(where)) {}

    receiver* of_;
    channel_type* channel_;
    eddy::detail::notify_waiter waiter_;
};

/// The future that receiver::wait_for() returns. Moving it after its first poll terminates the program.
/// Cancel safety: see receiver::wait_for().
template <class T>
template <class Predicate>
class [[nodiscard("co_await it")]] watch<T>::wait_for_future : public future_ops<wait_for_future<Predicate>> {
public:
    using output_type = std::expected<guard, recv_error>;

    template <class P>
    wait_for_future(receiver& of, P&& predicate, const std::source_location& where)
        : of_(&of), channel_(&of.channel(where)), predicate_(std::forward<P>(predicate)) {}
    wait_for_future(wait_for_future&& other) noexcept(std::is_nothrow_move_constructible_v<Predicate>)
        : of_(other.of_),
          channel_(other.channel_),
          predicate_(std::move(other.predicate_)),
          waiter_(other.waiter_, "a watch's wait_for()"),
          is_new_(other.is_new_) {}
    wait_for_future& operator=(wait_for_future&&) = delete;
    ~wait_for_future() { channel_->stop_waiting_for_news(waiter_); }

    friend const receiver* awaited_object(const wait_for_future& me) noexcept { return me.of_; }

    poll_result<output_type> poll(context& cx) {
        using news = typename channel_type::news;
        if (!cx.consume_budget()) return not_ready;
        waiter_.polled_at = eddy::detail::call_site_of(cx.where());
        for (;;) {
            if (is_new_) {
                guard look = of_->borrow_and_update(cx.where());
                if (std::invoke(predicate_, std::as_const(*look))) return output_type(std::in_place, std::move(look));
                is_new_ = false;
            }
            switch (channel_->poll_news(of_->seen_, waiter_, cx.waker())) {
            case news::value: is_new_ = true; continue;
            case news::closed: return output_type(std::unexpect);
            case news::none: cx.refund_budget(); return not_ready;
            }
        }
    }

    static constexpr auto wait_shape() { return inspect::awaits(inspect::wait::watch, &wait_for_future::channel_); }

private:
    receiver* of_;
    channel_type* channel_;
    Predicate predicate_;
    eddy::detail::notify_waiter waiter_;
    bool is_new_ = true;  ///< the predicate has not checked the current value yet
};

/// Both ends of a new channel. Supports structured bindings.
template <class T>
struct watch<T>::ends {
    /// Creates a channel; see watch::channel().
    explicit ends(T initial) : ends(new channel_type(std::move(initial), 0)) {}

    watch::sender sender;      ///< the sending end
    watch::receiver receiver;  ///< the receiving end

private:
    friend eddy::detail::watch_access;
    explicit ends(channel_type* channel) noexcept
        : sender(std::in_place, channel), receiver(*channel, channel->version()) {}
};

/// The values of a watch as a stream: first the current value, and then the newest value each time it has changed. A
/// stream of from_changes() starts with the next value that the receiver has not seen. The stream ends when all senders
/// are gone. `T` is copied under the channel's lock.
///     sync::watch_stream<config> versions(std::move(rx));
/// Cancel safety: safe. A future of the next item that is dropped before it is ready loses no item.
template <class T>
class [[nodiscard]] watch_stream : public stream_ops<watch_stream<T>> {
    static_assert(std::copy_constructible<T>, "eddy: a watch_stream copies the values of its channel");

public:
    using item_type = T;

    /// Creates a stream that starts with the current value.
    /// Errors: throws `misuse` if `from` was moved from.
    explicit watch_stream(typename watch<T>::receiver from,
                          std::source_location where = std::source_location::current())
        : watch_stream(std::in_place, std::move(from), where) {
        from_.mark_changed();
    }
    /// Creates a stream that yields the current value only if `from` has not seen it.
    /// Errors: throws `misuse` if `from` was moved from.
    [[nodiscard]] static watch_stream from_changes(typename watch<T>::receiver from,
                                                   std::source_location where = std::source_location::current()) {
        return watch_stream(std::in_place, std::move(from), where);
    }
    // This stream may be moved while it waits; see broadcast_stream.
    watch_stream(watch_stream&& other) noexcept : from_(std::move(other.stop_waiting())) {}
    watch_stream& operator=(watch_stream&&) = delete;
    ~watch_stream() { stop_waiting(); }

    poll_result<std::optional<T>> poll_next(context& cx) {
        using news = eddy::detail::watch_state::news;
        if (!cx.consume_budget()) return not_ready;
        switch (from_.channel(cx.where()).poll_news(from_.seen_, waiter_, cx.waker())) {
        case news::value: return std::optional<T>(*from_.borrow_and_update());
        case news::closed: return std::nullopt;  // with another temporary, GCC 12 emits warnings in user code
        case news::none: break;
        }
        cx.refund_budget();
        return not_ready;
    }

private:
    watch_stream(std::in_place_t, typename watch<T>::receiver from, const std::source_location& where)
        : from_(std::move(from)) {
        static_cast<void>(from_.channel(where));
    }

    typename watch<T>::receiver& stop_waiting() noexcept {
        if (from_.channel_ != nullptr) from_.channel_->stop_waiting_for_news(waiter_);
        return from_;
    }

    typename watch<T>::receiver from_;
    eddy::detail::notify_waiter waiter_;
};

}  // namespace eddy::sync
