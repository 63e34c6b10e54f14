// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/two_way_lock.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/sink/sink_ops.hpp>
#include <eddy/stream/stream_ops.hpp>

// One object that is a stream and a sink, for two tasks.

namespace eddy::streams {
template <class S, class T>
class sink_half;
}  // namespace eddy::streams

namespace eddy::detail {

/// What the two halves share.
template <class S>
struct split_object {
    explicit split_object(S&& whole) : object(std::move(whole)) {}

    two_way_lock lock;
    S object;                  // guarded by `lock`
    atomic<unsigned> refs{2};  // the halves

    struct leave_it {
        void operator()(split_object* shared) const noexcept {
            // acq_rel: release, so that all this half did comes before the destruction; acquire, for whoever destroys.
            if (shared->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared;
        }
    };
    using share = std::unique_ptr<split_object, leave_it>;
};

/// What a half does with the object: `f(object)` under the lock, or "not yet".
template <class Share, class Fn>
auto with_split(const Share& shared, context& cx, Fn&& f) -> decltype(f(shared->object)) {
    if (!shared) throw misuse("this half of what was split was moved from", cx.where());
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

/// The half that reads. Made by split(); it is no matter whether the other one still lives.
/// Cancel safety, errors: those of the object.
template <class S>
class [[nodiscard]] stream_half : public stream_ops<stream_half<S>> {
    using shared = detail::split_object<S>;

public:
    using item_type = typename S::item_type;

    explicit stream_half(shared* of) noexcept : shared_(of) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_next(cx); });
    }

private:
    template <class U, class T>
    friend U reunite(stream_half<U> reader, sink_half<U, T> writer, std::source_location where);

    typename shared::share shared_;
};

/// The half that sends. Made by split(). An item is kept here until the object takes it, since start_send cannot wait
/// for the other half. Destroying it does not close the object, and loses an item that was not flushed.
template <class S, class T>
class [[nodiscard]] sink_half : public sink_ops<sink_half<S, T>> {
    using shared = detail::split_object<S>;

public:
    using error_type = typename S::error_type;
    using outcome = sinks::outcome_t<S>;

    explicit sink_half(shared* of) noexcept : shared_(of) {}

    poll_result<outcome> poll_ready(context& cx) {
        if (!held_) return outcome();
        return detail::with_split(shared_, cx, [&](S& object) { return poll_held(object, cx); });
    }

    outcome start_send(T item, std::source_location where = std::source_location::current()) {
        if (held_) throw misuse("an item is waiting here already: start_send needs a poll_ready that said yes", where);
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

private:
    template <class U, class V>
    friend U reunite(stream_half<U> reader, sink_half<U, V> writer, std::source_location where);

    /// Ready when no item is kept here.
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

/// What split() returns.
template <class S, class T>
struct halves {
    stream_half<S> reader;
    sink_half<S, T> writer;

    explicit halves(S&& whole) : halves(new detail::split_object<S>(std::move(whole))) {}

private:
    explicit halves(detail::split_object<S>* shared) : reader(shared), writer(shared) {}
};

/// Splits an object that is a stream, and a sink of `T`s, into two halves for two tasks, which may run on two threads.
/// One half at a time is polled: the other waits meanwhile, without blocking its thread. The object keeps a waker for
/// each of its sides, as it must anyway; it lives as long as one of the halves. Cost: one allocation; an uncontended
/// lock for each poll.
///     auto [reader, writer] = streams::split<std::string>(std::move(framed));
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

/// The object again, of its two halves. An item that was fed to the writer and not flushed may be lost.
/// Errors: throws misuse if they are not the two halves of one object; both are gone then.
template <class S, class T>
[[nodiscard]] S reunite(stream_half<S> reader, sink_half<S, T> writer,
                        std::source_location where = std::source_location::current()) {
    if (!reader.shared_ || reader.shared_.get() != writer.shared_.get())
        throw misuse("reunite takes the two halves of one split object, and these are of different ones", where);
    return std::move(reader.shared_->object);
}

}  // namespace eddy::streams
