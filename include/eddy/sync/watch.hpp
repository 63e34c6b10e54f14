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

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/receivers_gone_future.hpp>
#include <eddy/detail/watch_state.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/recv_error.hpp>

namespace eddy::detail {

template <class T>
struct watch_channel : watch_state {
    watch_channel(T&& initial, version_type version) : watch_state(version), value(std::move(initial)) {}

    T value;  // under the lock
};

/// Reaches for a channel's inside: for tests of what takes too long to come about.
struct watch_access;

}  // namespace eddy::detail

namespace eddy::sync {

template <class T>
class watch_stream;

/// A channel that keeps one value, the newest: for a configuration, a state, the progress of something. Who receives
/// looks at the value when it likes, and can wait for it to change; values that came and went between two looks are not
/// seen.
///     auto [tx, rx] = sync::watch<config>::channel(config());
///     ...
///     while (auto news = co_await rx.changed()) apply(*rx.borrow_and_update());   // (GCC 12 wants the name)
///
/// Any number of senders and receivers, which are copied. It needs no runtime. `T` need only be movable.
/// The value lives as long as the channel does, which is until all ends are gone.
/// Thread safety: the ends may be used on different threads at the same time; each by itself on one at a time, but the
/// const members of a sender on any number. Lifetime: guards and futures refer to the end that made them. An end that
/// was moved from is empty: to use it throws `misuse`. Cost: one allocation for the channel. To send, four
/// read-modify-writes; to look, two.
template <class T>
class watch {
    using channel_type = eddy::detail::watch_channel<T>;
    using version_type = eddy::detail::watch_state::version_type;

    static constexpr bool keeps_value = std::is_object_v<T> && !std::is_const_v<T>;
    static_assert(keeps_value,
                  "eddy: a watch keeps a value: a reference, void or const cannot be sent; see sync::notify");

public:
    class guard;
    class sender;
    class receiver;
    class changed_future;
    using closed_future =
        eddy::detail::receivers_gone_future<eddy::detail::watch_state>;  ///< what sender::closed() returns
    template <class Predicate, bool Marked>
    class wait_for_future;
    struct ends;

    /// A channel with a value that counts as seen by the receiver.
    [[nodiscard]] static ends channel(T initial) { return ends(std::move(initial)); }
};

/// A look at the value, which does not change meanwhile: it holds a lock that readers share. A sender that wants to
/// change the value waits for it *on its thread*: so keep it for a few instructions, and never across a `co_await`.
/// There the thread that is to go on may be the one that waits. On one thread, sending with a guard in hand never ends;
/// and `tx.send(*rx.borrow() + 1)` has one in hand until its semicolon: write get() there.
template <class T>
class [[nodiscard("it is a look at the value")]] watch<T>::guard {
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

    /// Preconditions: it was not moved from.
    const T& operator*() const noexcept { return channel_->value; }
    const T* operator->() const noexcept { return &channel_->value; }

    /// Whether the receiver that made it had not seen this value before. A sender's has not.
    [[nodiscard]] bool has_changed() const noexcept { return has_changed_; }

private:
    friend watch;
    explicit guard(channel_type& channel) noexcept : channel_(&channel) { channel.lock().lock_shared(); }

    channel_type* channel_;
    bool has_changed_ = false;
};

/// The end that changes the value. When the last of them is gone, the receivers are told.
template <class T>
class [[nodiscard]] watch<T>::sender {
public:
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

    /// Puts `value` in the place of the one that is there, and tells the receivers. If there is no receiver, nothing is
    /// done and `value` comes back as the error. Thread safety: it waits on its thread for guards. So do the three that
    /// follow.
    std::expected<void, T> send(T value, std::source_location where = std::source_location::current()) const {
        if (channel(where).receivers() == 0) return std::expected<void, T>(std::unexpect, std::move(value));
        static_cast<void>(send_replace(std::move(value), where));
        return {};
    }

    /// Puts `value` in the place of the one that is there, which it returns; also without a receiver. The destructor of
    /// a T may use the channel, its moves must not.
    T send_replace(T value, std::source_location where = std::source_location::current()) const {
        std::optional<T> old;
        const auto put = [&](T& kept) {
            old.emplace(std::move(kept));
            kept = std::move(value);
        };
        send_modify(put, where);
        return *std::move(old);
    }

    /// Has `f` change the value where it is, `f(T&)`, and tells the receivers. If `f` throws, nobody is told; what it
    /// has changed by then stays changed. It must not use the channel.
    template <class Fn>
        requires std::invocable<Fn, T&>
    void send_modify(Fn&& f, std::source_location where = std::source_location::current()) const {
        static_assert(!future<std::remove_cvref_t<std::invoke_result_t<Fn, T&>>>,
                      "eddy: send_modify changes the value at once, under a lock, and would drop the future that this "
                      "function makes: await first, and then send_modify()");
        const auto change = [&](T& value) {
            std::invoke(std::forward<Fn>(f), value);
            return true;
        };
        static_cast<void>(send_if_modified(change, where));
    }

    /// As send_modify(), but the receivers are told only if `f(T&)` answers true, which is returned.
    template <class Fn>
        requires std::predicate<Fn, T&>
    bool send_if_modified(Fn&& f, std::source_location where = std::source_location::current()) const {
        channel_type& to = channel(where);
        {
            const std::lock_guard guard(to.lock());
            if (!std::invoke(std::forward<Fn>(f), to.value)) return false;
            to.count_version();
        }
        to.tell_receivers();
        return true;
    }

    /// A look at the value.
    [[nodiscard]] guard borrow(std::source_location where = std::source_location::current()) const {
        return guard(channel(where));
    }
    /// A copy of the value.
    [[nodiscard]] T get(std::source_location where = std::source_location::current()) const
        requires std::copy_constructible<T>
    {
        return *borrow(where);
    }

    /// One more receiver, which counts the value that is there as seen.
    [[nodiscard]] receiver subscribe(std::source_location where = std::source_location::current()) const {
        channel_type& of = channel(where);
        of.add_receiver();
        return receiver(of, of.version());
    }

    /// Whether there is no receiver at this moment.
    [[nodiscard]] bool is_closed(std::source_location where = std::source_location::current()) const {
        return channel(where).receivers() == 0;
    }
    /// A future that ends when there is no receiver: to stop work that nobody looks at.
    /// Cancel safety: safe.
    [[nodiscard]] closed_future closed(std::source_location where = std::source_location::current()) const {
        return closed_future(channel(where));
    }

    [[nodiscard]] std::size_t receiver_count(std::source_location where = std::source_location::current()) const {
        return channel(where).receivers();
    }
    [[nodiscard]] std::size_t sender_count(std::source_location where = std::source_location::current()) const {
        return channel(where).senders();
    }
    [[nodiscard]] bool same_channel(const sender& other) const noexcept { return channel_ == other.channel_; }

private:
    friend watch;
    friend eddy::detail::watch_access;
    explicit sender(channel_type* channel) noexcept : channel_(channel) {}

    channel_type& channel(const std::source_location& where) const {
        if (channel_ == nullptr) eddy::detail::throw_empty("an operation", "watch sender", "moved from", where);
        return *channel_;
    }

    channel_type* channel_;
};

/// The end that looks. It remembers which value it has seen. A copy has seen the same.
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
        if (channel_ != nullptr && channel_->drop_receiver()) delete channel_;
    }

    /// A look at the value, which does not count as seen: changed() still ends at once, if it was new.
    [[nodiscard]] guard borrow(std::source_location where = std::source_location::current()) const {
        guard look(channel(where));
        look.has_changed_ = channel_->version() != seen_;
        return look;
    }
    /// A copy of the value, which does not count as seen.
    [[nodiscard]] T get(std::source_location where = std::source_location::current()) const
        requires std::copy_constructible<T>
    {
        return *borrow(where);
    }
    /// A look at the value, which counts as seen.
    [[nodiscard]] guard borrow_and_update(std::source_location where = std::source_location::current()) {
        guard look = borrow(where);
        seen_ = channel_->version();
        return look;
    }

    /// A future that ends when there is a value that was not seen, which counts as seen then; or with `recv_error` if
    /// the senders are gone, and the value was seen. One at a time. Cancel safety: safe. Dropped before it is ready, it
    /// has seen nothing.
    [[nodiscard]] changed_future changed(std::source_location where = std::source_location::current()) {
        return changed_future(*this, where);
    }

    /// A future that ends with a guard of the first value for which `predicate(const T&)` is true, beginning with the
    /// one that is there; or with `recv_error` if the senders are gone and it is not true of the last value. What it
    /// was asked about counts as seen. The predicate is called under the lock, and must not use the channel; what it
    /// throws passes through. Cancel safety: safe; but values that it was asked about are seen.
    template <class Predicate>
    [[nodiscard]] auto wait_for(Predicate&& predicate, std::source_location where = std::source_location::current()) {
        constexpr bool fits = std::predicate<std::decay_t<Predicate>&, const T&>;
        static_assert(fits, "eddy: wait_for needs a function that takes a const T& and answers true or false");
        if constexpr (fits) {
            return wait_for_future<std::decay_t<Predicate>, eddy::detail::is_fragile<Predicate>>(
                *this, std::forward<Predicate>(predicate), where);
        } else {
            return eddy::detail::broken_future();
        }
    }

    /// Whether there is a value that was not seen; `recv_error` if the senders are gone.
    [[nodiscard]] std::expected<bool, recv_error> has_changed(
        std::source_location where = std::source_location::current()) const {
        if (channel(where).is_closed()) return std::unexpected(recv_error());
        return channel_->version() != seen_;
    }
    /// From here on the value counts as not seen.
    void mark_changed(std::source_location where = std::source_location::current()) {
        seen_ = channel_type::before(channel(where).version());
    }
    /// From here on the value counts as seen.
    void mark_unchanged(std::source_location where = std::source_location::current()) {
        seen_ = channel(where).version();
    }

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

/// What receiver::changed() returns.
template <class T>
class [[nodiscard("co_await it")]] watch<T>::changed_future : public future_ops<changed_future> {
public:
    using output_type = std::expected<void, recv_error>;

    changed_future(changed_future&& other) noexcept
        : of_(other.of_),
          channel_(other.channel_),
          waiter_(other.waiter_, "a watch's changed() was moved after its first poll") {}
    changed_future& operator=(changed_future&&) = delete;
    ~changed_future() { channel_->stop_waiting_for_news(waiter_); }

    poll_result<output_type> poll(context& cx) {
        using news = typename channel_type::news;
        if (!cx.consume_budget()) return not_ready;
        switch (channel_->poll_news(of_->seen_, waiter_, cx.waker())) {
        case news::value: return output_type();
        case news::closed: return output_type(std::unexpect);
        case news::none: break;
        }
        cx.refund_budget();
        return not_ready;
    }

private:
    friend receiver;
    changed_future(receiver& of, const std::source_location& where) : of_(&of), channel_(&of.channel(where)) {}

    receiver* of_;
    channel_type* channel_;
    eddy::detail::notify_waiter waiter_;
};

/// What receiver::wait_for() returns.
template <class T>
template <class Predicate, bool Marked>
class [[nodiscard("co_await it")]] watch<T>::wait_for_future : public future_ops<wait_for_future<Predicate, Marked>> {
public:
    using output_type = std::expected<guard, recv_error>;
    static constexpr bool took_closure = Marked;

    template <class P>
    wait_for_future(receiver& of, P&& predicate, const std::source_location& where)
        : of_(&of), channel_(&of.channel(where)), predicate_(std::forward<P>(predicate)) {}
    wait_for_future(wait_for_future&& other) noexcept(std::is_nothrow_move_constructible_v<Predicate>)
        : of_(other.of_),
          channel_(other.channel_),
          predicate_(std::move(other.predicate_)),
          waiter_(other.waiter_, "a watch's wait_for() was moved after its first poll"),
          is_new_(other.is_new_) {}
    wait_for_future& operator=(wait_for_future&&) = delete;
    ~wait_for_future() { channel_->stop_waiting_for_news(waiter_); }

    poll_result<output_type> poll(context& cx) {
        using news = typename channel_type::news;
        if (!cx.consume_budget()) return not_ready;
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

private:
    receiver* of_;
    channel_type* channel_;
    Predicate predicate_;
    eddy::detail::notify_waiter waiter_;
    bool is_new_ = true;  ///< the predicate was not asked about the value
};

/// Both ends of a new channel.
template <class T>
struct watch<T>::ends {
    explicit ends(T initial) : ends(new channel_type(std::move(initial), 0)) {}

    watch::sender sender;
    watch::receiver receiver;

private:
    friend eddy::detail::watch_access;
    explicit ends(channel_type* channel) noexcept : sender(channel), receiver(*channel, channel->version()) {}
};

/// The values of a watch as a stream: the one that is there first, or with from_changes() the next one, and then each
/// that is there when it is looked for. It ends when the senders are gone. `T` is copied, under the channel's lock.
///     sync::watch_stream<config> versions(std::move(rx));
/// Cancel safety: safe.
template <class T>
class [[nodiscard]] watch_stream : public stream_ops<watch_stream<T>> {
    static_assert(std::copy_constructible<T>, "eddy: a watch_stream copies the values of its channel");

public:
    using item_type = T;

    explicit watch_stream(typename watch<T>::receiver from,
                          std::source_location where = std::source_location::current())
        : watch_stream(std::in_place, std::move(from), where) {
        from_.mark_changed();
    }
    /// Without the value that is there, if it was seen.
    [[nodiscard]] static watch_stream from_changes(typename watch<T>::receiver from,
                                                   std::source_location where = std::source_location::current()) {
        return watch_stream(std::in_place, std::move(from), where);
    }
    // It may wait: as a broadcast_stream.
    watch_stream(watch_stream&& other) noexcept : from_(std::move(other.stop_waiting())) {}
    watch_stream& operator=(watch_stream&&) = delete;
    ~watch_stream() { stop_waiting(); }

    poll_result<std::optional<T>> poll_next(context& cx) {
        using news = eddy::detail::watch_state::news;
        if (!cx.consume_budget()) return not_ready;
        switch (from_.channel(cx.where()).poll_news(from_.seen_, waiter_, cx.waker())) {
        case news::value: return std::optional<T>(*from_.borrow_and_update());
        case news::closed: return std::nullopt;  // as it is: a temporary more, and GCC 12 warns users
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
