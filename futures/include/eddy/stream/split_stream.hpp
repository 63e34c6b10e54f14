// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sink/sink_ops.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::detail {

/// An asynchronous lock between two tasks. A task holds the lock while it polls the object that they share. If the
/// other task polls the lock meanwhile, it is woken when the lock is released, and must poll again; no thread blocks.
/// (futures-rs calls this a BiLock.)
///
///     free <── poll_lock(), unlock() ──> held <── poll_lock() by the other task ──> held, with the other's waker
///
/// At most one of two tasks waits, so one waker slot suffices. The waker of a task that does not poll again is woken
/// without effect, or replaced.
/// Thread safety: any thread.
class EDDY_API two_way_lock {
public:
    two_way_lock() noexcept = default;
    two_way_lock(const two_way_lock&) = delete;
    two_way_lock& operator=(const two_way_lock&) = delete;

    /// Returns true if the caller now holds the lock. Otherwise `wake` will be woken when the lock is free.
    [[nodiscard]] bool poll_lock(const waker& wake);

    /// Releases the lock and wakes the waiting task.
    /// Preconditions: the caller holds the lock.
    void unlock() noexcept;

private:
    [[nodiscard]] bool take() noexcept;

    spin_lock access_;  // guards the members below
    bool is_held_ = false;
    waker waits_;
};

}  // namespace eddy::detail

// Splits one object that is a stream and a sink into two halves for two tasks.

namespace eddy::streams {
template <class S, class T>
class sink_half;
}  // namespace eddy::streams

namespace eddy::detail {

/// The object that the two halves share.
template <class S>
struct split_object {
    explicit split_object(S&& whole) : object(std::move(whole)) {}

    two_way_lock lock;
    S object;                   // protected by `lock`
    ref_count<> references{2};  // one for each half

    void release() noexcept {
        if (references.drop()) delete this;
    }
    using share = std::unique_ptr<split_object, releasing>;

    static constexpr auto wait_shape() { return inspect::waits_as(&split_object::object); }
    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &split_object::object); }
};

/// Calls `f(object)` under the lock, or returns not_ready if the other half holds the lock.
template <class Share, class Fn>
auto with_split(const Share& shared, context& cx, Fn&& f) -> decltype(f(shared->object)) {
    if (!shared) throw misuse("this half of a split object was moved from", cx.where());
    if (!shared->lock.poll_lock(cx.waker())) return not_ready;
    struct unlock_at_end {
        two_way_lock& lock;
        ~unlock_at_end() { lock.unlock(); }
    };
    const unlock_at_end guard{shared->lock};
    return f(shared->object);
}

}  // namespace eddy::detail

namespace eddy::streams {

/// The half that reads. Created by split(). It is usable even if the other half was destroyed.
/// Errors, cancel safety: same as the object.
/// Thread safety: one thread at a time; the other half may be on another thread.
template <class S>
class [[nodiscard]] stream_half : public stream_ops<stream_half<S>> {
    using shared = detail::split_object<S>;

public:
    using item_type = typename S::item_type;

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_next(cx); });
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&stream_half::shared_); }

private:
    template <class U, class T>
    friend U reunite(stream_half<U> reader, sink_half<U, T> writer, std::source_location where);
    template <class U, class T>
    friend struct halves;

    explicit stream_half(shared* of) noexcept : shared_(of) {}

    typename shared::share shared_;
};

/// The half that sends. Created by split(). It stores an item until the object takes it, because start_send() cannot
/// wait for the other half. Destroying it does not close the object; an item that was not flushed is lost.
/// Errors, cancel safety: same as the object.
/// Thread safety: one thread at a time; the other half may be on another thread.
template <class S, class T>
class [[nodiscard]] sink_half : public sink_ops<sink_half<S, T>> {
    using shared = detail::split_object<S>;

public:
    using error_type = typename S::error_type;
    /// The result of the operations of the sink.
    using outcome = sinks::outcome_t<S>;

    /// The sink functions; see sink.hpp. start_send() throws misuse without a poll_ready() that was ready.
    poll_result<outcome> poll_ready(context& cx) {
        if (!held_) return outcome();
        return detail::with_split(shared_, cx, [&](S& object) { return poll_held(object, cx); });
    }

    outcome start_send(T item, std::source_location where = std::source_location::current()) {
        if (held_)
            throw misuse("the previous item was not sent yet: call start_send() only after poll_ready() was ready",
                         where);
        held_.emplace(std::move(item));
        return {};
    }

    poll_result<outcome> poll_flush(context& cx) {
        return detail::with_split(shared_, cx, [&](S& object) -> poll_result<outcome> {
            auto sent = poll_held(object, cx);
            if (!sent || !*sent) return sent;
            return object.poll_flush(cx);
        });
    }

    poll_result<outcome> poll_close(context& cx) {
        return detail::with_split(shared_, cx, [&](S& object) -> poll_result<outcome> {
            auto sent = poll_held(object, cx);
            if (!sent || !*sent) return sent;
            return object.poll_close(cx);
        });
    }

    static constexpr auto wait_shape() { return inspect::writes_to(&sink_half::shared_); }

private:
    template <class U, class V>
    friend U reunite(stream_half<U> reader, sink_half<U, V> writer, std::source_location where);
    template <class U, class V>
    friend struct halves;

    explicit sink_half(shared* of) noexcept : shared_(of) {}

    /// Passes the stored item to the object. Returns ready when no item is stored.
    poll_result<outcome> poll_held(S& object, context& cx) {
        if (!held_) return outcome();
        auto is_ready = object.poll_ready(cx);
        if (!is_ready || !*is_ready) return is_ready;
        T item = *std::move(held_);
        held_.reset();
        return object.start_send(std::move(item));
    }

    typename shared::share shared_;
    std::optional<T> held_;
};

/// Both halves of a split object. Supports structured bindings.
template <class S, class T>
struct halves {
    stream_half<S> reader;   ///< the half that reads
    sink_half<S, T> writer;  ///< the half that sends

    /// Splits the object.
    explicit halves(S&& whole) : halves(new detail::split_object<S>(std::move(whole))) {}

private:
    explicit halves(detail::split_object<S>* shared) : reader(shared), writer(shared) {}
};

/// Splits an object that is a stream, and a sink of `T`s, into two halves for two tasks, which may run on two threads.
/// The halves are polled one at a time; if one is being polled, the other waits without blocking its thread. The object
/// must keep separate wakers for its stream and its sink, as every such object does. It is destroyed with the last
/// half.
///     auto [reader, writer] = streams::split<std::string>(std::move(framed));
/// Cost: one allocation, and an uncontended lock per poll.
template <class T, class S>
[[nodiscard]] auto split(S&& whole) {
    if constexpr (!detail::is_given_stream<S>()) {
        return detail::broken_stream();
    } else if constexpr (!detail::is_sink_of<S, T>()) {
        return detail::broken_stream();
    } else {
        return halves<S, T>(std::forward<S>(whole));
    }
}

/// Returns the object of two halves. An item that was passed to the writer and not flushed may be lost.
/// Errors: throws misuse, and destroys both halves, if they are not the halves of the same object.
template <class S, class T>
[[nodiscard]] S reunite(stream_half<S> reader, sink_half<S, T> writer,
                        std::source_location where = std::source_location::current()) {
    if (!reader.shared_ || reader.shared_.get() != writer.shared_.get())
        throw misuse("reunite takes the two halves of one split object, and these belong to different objects", where);
    return std::move(reader.shared_->object);
}

}  // namespace eddy::streams
