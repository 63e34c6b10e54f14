// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>

namespace eddy {

namespace streams {

// Defined in the other headers of this folder. eddy/stream.hpp includes all of them.
template <class S, class Fn>
class map_stream;
template <class S, class Fn>
class filter_map_stream;
template <class S, class Fn>
class then_stream;
template <class S, class Fn>
class inspect_stream;
template <class S, class State, class Fn>
class scan_stream;
template <class S>
class enumerate_stream;
template <class S, class Fn>
class filter_stream;
template <class S, class Fn>
class take_while_stream;
template <class S, class Fn>
class skip_while_stream;
template <class S, class Fn>
class map_while_stream;
template <class S>
class take_stream;
template <class S>
class skip_stream;
template <class S>
class fuse_stream;
template <class A, class B>
class chain_stream;
template <class A, class B>
class merge_stream;
template <class A, class B>
class zip_stream;
template <class S>
class peekable_stream;
template <class S>
class chunks_stream;
template <class S>
class ready_chunks_stream;
template <class S>
class borrowed_stream;
template <class S>
class timeout_stream;
template <class S, class Ticks>
class timeout_repeating_stream;
template <class S>
class throttle_stream;
template <class S>
class chunks_timeout_stream;
template <class S, class State, class Fn>
class fold_future;
template <class S, class State, class Fn>
class try_fold_future;
template <class S, class Container>
class collect_future;
template <class S, class Fn>
class all_future;
template <class S, class Fn>
class any_future;
template <class S>
class count_future;
template <class S, class Running>
class buffered_stream;
template <class S, class Fn>
class for_each_concurrent_future;

}  // namespace streams

namespace sinks {
template <class Items, class Into, class Last>
class transfer_future;
}  // namespace sinks

namespace detail {
template <class S>
struct owned_sink;
struct then_close;
}  // namespace detail

template <future F>
class futures_ordered;
template <future F>
class futures_unordered;
template <class S>
class next_future;
template <class S>
class try_next_future;
template <class S>
class cancel_future;
template <class S, class Fn>
class for_each_future;

/// The members of a stream, for a class that derives from `stream_ops<itself>`.
///
/// Members with the qualifier `&&` move the stream into their result: `std::move(items).take(3)`. Use by_ref() to refer
/// to a stream instead. Callables are stored as well: an lvalue is copied, std::ref refers to it. A callable lives at
/// least until the future that it returned has ended. Where a function "returns a bool, or a future of one", it can be
/// a coroutine, which is awaited before the next item is requested. An item with parts (`into_parts() &&`, for example
/// of enumerate() and zip()) is passed to a function as several arguments, unless the function accepts the item itself.
/// An operation that ends before its stream does (take(), zip(), any(), and all that end at an error) first cancels the
/// stream gracefully and waits until it is gone. In buffered(), for example, futures may still run.
/// Errors: an exception of a function, or of its future, is thrown where the stream is awaited. The item is lost, and
/// the stream continues with the next one.
/// Cancel safety: safe for adapters: dropping a future of the next item loses nothing, because items in progress stay
/// in the adapter. A future that reads a stream to its end, such as fold(), owns the stream: dropping the future loses
/// the items that it has read, and the rest of the stream.
/// Lifetime: merge(), ready_chunks(), timeout(), timeout_repeating(), chunks_timeout(), buffered() and
/// buffer_unordered() may return an item while an inner stream waits. They may be moved between two items only if that
/// inner stream may be moved at any time, as the streams of channels, timers and generators may. Otherwise they must
/// not be moved; by_ref() makes it possible to use them in place.
/// Cost: no allocation, unless stated at the member. Each item costs one unit of the coop budget, which its source
/// consumes, or else the reader.
template <class Self>
class stream_ops {
public:
    /// Returns a future of the next item: `while (auto item = co_await items.next()) ...`. Its output is empty at the
    /// end.
    /// Cancel safety: safe. But if the task is cancelled here, the stream is not cancelled gracefully. It is destroyed
    /// with the coroutine that owns it, so shielded() and finally() inside the stream are cut off. for_each() cancels
    /// its stream gracefully; in a loop, use cancel().
    /// Lifetime: the stream must outlive the future.
    [[nodiscard]] next_future<Self> next() noexcept { return next_future<Self>(self()); }

    /// For items that are `expected`: returns a future of the next value, or of nothing at the end.
    ///     while (auto value = co_await try_(items.try_next())) use(*value);
    /// Errors: the error of the item.
    /// Cancel safety: same as next().
    /// Lifetime: the stream must outlive the future.
    [[nodiscard]] auto try_next() noexcept {
        if constexpr (!detail::has_errors<detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return try_next_future<Self>(self());
        }
    }

    /// Returns a future that ends the stream gracefully before its end, so that shielded() and finally() inside it can
    /// finish. The stream can only be destroyed afterwards. If the stream has no poll_cancel(), the future is ready
    /// immediately. A loop that may be cancelled uses it as its cleanup:
    ///     co_await eddy::finally(read(items), [&] { return items.cancel(); });   // co_await items.next() is in read()
    /// Errors: exceptions of the stream pass through.
    /// Cancel safety: if the task is cancelled here, the future continues until the stream has ended.
    /// Lifetime: the stream must outlive the future. No other future of the stream may be polled from then on.
    [[nodiscard]] cancel_future<Self> cancel() noexcept { return cancel_future<Self>(self()); }

    /// Returns a stream that refers to this one. Adapters on it leave the remaining items in this stream: `co_await
    /// items.by_ref().take(3).collect()`.
    /// Lifetime: this stream must outlive the result and must not be moved.
    [[nodiscard]] auto by_ref() & noexcept { return streams::borrowed_stream<Self>(self()); }

    // ---- Transform items ----

    /// Returns a stream of the results of `f` for each item.
    template <class Fn>
    [[nodiscard]] auto map(Fn&& f) && {
        if constexpr (!detail::takes_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::map_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the values of the optionals that `f` returns. `f` may return a future of an optional.
    template <class Fn>
    [[nodiscard]] auto filter_map(Fn&& f) && {
        if constexpr (!detail::makes_optional<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::filter_map_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the outputs of the futures that `f` returns, which run one after the other.
    template <class Fn>
    [[nodiscard]] auto then(Fn&& f) && {
        if constexpr (!detail::makes_future<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::then_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the same items; `f` is called with a const reference to each.
    template <class Fn>
    [[nodiscard]] auto inspect(Fn&& f) && {
        if constexpr (!detail::sees_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::inspect_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the values of the optionals that `f(State&, item)` returns, until an optional is empty.
    template <class State, class Fn>
    [[nodiscard]] auto scan(State first, Fn&& f) && {
        return adapt_with_state<streams::scan_stream>(std::move(first), std::forward<Fn>(f));
    }
    /// Returns a stream of each item with its index, from 0: an `enumerated{index, value}`.
    [[nodiscard]] auto enumerate() && { return streams::enumerate_stream<Self>(std::move(self())); }

    // ---- Select items ----

    /// Returns a stream of the items for which `f` returns true. `f` returns a bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto filter(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::filter_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the items before the first one for which `f` returns false; that item is lost. `f` returns a
    /// bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto take_while(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::take_while_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the items from the first one for which `f` returns false. `f` returns a bool, or a future of
    /// one.
    template <class Fn>
    [[nodiscard]] auto skip_while(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::skip_while_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the values of the optionals that `f` returns, until an optional is empty.
    template <class Fn>
    [[nodiscard]] auto map_while(Fn&& f) && {
        if constexpr (!detail::makes_optional<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::map_while_stream>(std::forward<Fn>(f));
        }
    }
    /// Returns a stream of the first `count` items. Requests no further items.
    [[nodiscard]] auto take(std::size_t count) && { return streams::take_stream<Self>(std::move(self()), count); }
    /// Returns a stream of all items except the first `count`.
    [[nodiscard]] auto skip(std::size_t count) && { return streams::skip_stream<Self>(std::move(self()), count); }
    /// Returns a stream that stays at its end. All adapters do so; this is for streams that continue after their end.
    [[nodiscard]] auto fuse() && { return streams::fuse_stream<Self>(std::move(self())); }
    /// Returns a stream with `peek()`, which shows the next item before it is taken.
    [[nodiscard]] auto peekable() && { return streams::peekable_stream<Self>(std::move(self())); }

    // ---- Combine streams, and group items ----

    /// Returns a stream of these items, followed by the items of `after`.
    template <class S>
    [[nodiscard]] auto chain(S&& after) && {
        if constexpr (!detail::is_stream_of<S, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return streams::chain_stream<Self, S>(std::move(self()), std::forward<S>(after));
        }
    }
    /// Returns a stream of the items of both streams as they become available. It ends when both streams have ended.
    /// The stream that is polled first alternates.
    template <class S>
    [[nodiscard]] auto merge(S&& other) && {
        if constexpr (!detail::is_stream_of<S, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return streams::merge_stream<Self, S>(std::move(self()), std::forward<S>(other));
        }
    }
    /// Returns a stream of pairs of one item of each stream: a `zipped{first, second}`. It ends when either stream
    /// ends.
    template <class S>
    [[nodiscard]] auto zip(S&& other) && {
        if constexpr (!detail::is_given_stream<S>()) {
            return detail::broken_stream();
        } else {
            return streams::zip_stream<Self, S>(std::move(self()), std::forward<S>(other));
        }
    }
    /// Returns a stream of vectors of `size` items; the last one may be shorter.
    /// Errors: throws misuse if `size` is zero.
    /// Cost: one vector per item.
    [[nodiscard]] auto chunks(std::size_t size, std::source_location where = std::source_location::current()) && {
        return streams::chunks_stream<Self>(std::move(self()), size, where);
    }
    /// Returns a stream of vectors of the items that are ready, up to `size`. It waits for the first item of each
    /// vector only. The end of the coop budget also ends a vector.
    /// Errors: throws misuse if `size` is zero.
    /// Cost: one vector per item.
    [[nodiscard]] auto ready_chunks(std::size_t size, std::source_location where = std::source_location::current()) && {
        return streams::ready_chunks_stream<Self>(std::move(self()), size, where);
    }

    // ---- Items that are futures ----

    /// Returns a stream of the outputs of the items, which are futures, in the order of the items. Up to `limit` of
    /// them run at the same time, on the task that reads the stream. Only futures that were woken are polled, and only
    /// while an item is requested.
    /// Errors: throws misuse if `limit` is zero.
    /// Cost: same as futures_ordered.
    [[nodiscard]] auto buffered(std::size_t limit, std::source_location where = std::source_location::current()) && {
        if constexpr (!detail::runs_items<detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            using running = futures_ordered<detail::item_t<Self>>;
            return streams::buffered_stream<Self, running>(std::move(self()), limit, where);
        }
    }
    /// Same as buffered(), but the outputs are returned in the order in which the futures are ready.
    /// Cost: same as futures_unordered.
    [[nodiscard]] auto buffer_unordered(std::size_t limit,
                                        std::source_location where = std::source_location::current()) && {
        if constexpr (!detail::runs_items<detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            using running = futures_unordered<detail::item_t<Self>>;
            return streams::buffered_stream<Self, running>(std::move(self()), limit, where);
        }
    }

    // ---- Time ----

    /// Returns a stream of the items as `expected`. If there is no item for `d`, counted from the last item (at first
    /// from this call), it yields `time::elapsed` once. After that it waits for the next item without a limit.
    template <class Rep, class Period>
    [[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d,
                               std::source_location where = std::source_location::current()) && {
        return streams::timeout_stream<Self>(std::move(self()), time::round_up(d), where);
    }
    /// Same as timeout(), but yields `time::elapsed` at each tick of `every` until there is an item. Each item resets
    /// `every`. An interval() ticks for the first time immediately, an interval_at() at the time that it names:
    ///     auto items = std::move(source).timeout_repeating(time::interval_at(time::clock::now() + 1s, 1s));
    template <class Ticks>
    [[nodiscard]] auto timeout_repeating(Ticks every) && {
        constexpr bool ticks = requires(context& cx) {
            every.poll_tick(cx);
            every.reset();
        };
        static_assert(ticks, "eddy: timeout_repeating takes an interval: time::interval(d) or time::interval_at(t, d)");
        if constexpr (ticks) {
            return streams::timeout_repeating_stream<Self, Ticks>(std::move(self()), std::move(every));
        } else {
            return detail::broken_stream();
        }
    }
    /// Returns a stream of the items, with at least `d` between two of them.
    template <class Rep, class Period>
    [[nodiscard]] auto throttle(std::chrono::duration<Rep, Period> d,
                                std::source_location where = std::source_location::current()) && {
        return streams::throttle_stream<Self>(std::move(self()), time::round_up(d), where);
    }
    /// Returns a stream of vectors of up to `size` items. A vector is returned when it is full, or `d` after its first
    /// item.
    /// Errors: throws misuse if `size` is zero.
    /// Cost: one vector per item.
    template <class Rep, class Period>
    [[nodiscard]] auto chunks_timeout(std::size_t size, std::chrono::duration<Rep, Period> d,
                                      std::source_location where = std::source_location::current()) && {
        return streams::chunks_timeout_stream<Self>(std::move(self()), size, time::round_up(d), where);
    }

    // ---- Futures that read the stream to its end ----

    /// Returns a future that calls `f` with each item. The next item is requested when the future that `f` returned is
    /// ready. Items that are `expected` are unwrapped; the first error ends the future and is its output. An item with
    /// parts is passed as several arguments. `f` returns nothing, an `expected` (an error ends the future), or a future
    /// of either.
    /// Cancel safety: dropping the future destroys the stream and the future of `f`. Cancelling the future ends the
    /// stream and the future of `f` gracefully.
    /// Lifetime: takes ownership of the stream and of `f`, and keeps `f` while the future that it returned runs.
    template <class Fn>
    [[nodiscard]] auto for_each(Fn&& f) && {
        if constexpr (!detail::takes_item<Fn, detail::item_value_t<detail::item_t<Self>>>()) {
            return detail::broken_stream();
        } else {
            return adapt<for_each_future>(std::forward<Fn>(f));
        }
    }
    /// Same as for_each(), with up to `limit` futures of `f` at the same time, on the awaiting task. The first error or
    /// exception ends the operation, after the other futures were cancelled and are gone. To run the futures on several
    /// threads, spawn them (see scope).
    /// Errors: throws misuse if `limit` is zero.
    /// Cost: same as futures_unordered.
    template <class Fn>
    [[nodiscard]] auto for_each_concurrent(std::size_t limit, Fn&& f,
                                           std::source_location where = std::source_location::current()) && {
        if constexpr (!detail::makes_future<Fn, detail::item_value_t<detail::item_t<Self>>>()) {
            return detail::broken_stream();
        } else {
            using each = streams::for_each_concurrent_future<Self, detail::kept_fn_t<Fn>>;
            return each(std::move(self()), limit, std::forward<Fn>(f), where);
        }
    }
    /// Returns a future of the final state: starting from `first`, it computes `state = f(std::move(state), item)` for
    /// each item. `f` may return a future.
    /// Cancel safety: dropping the future loses the state and the stream.
    template <class State, class Fn>
    [[nodiscard]] auto fold(State first, Fn&& f) && {
        return adapt_with_state<streams::fold_future>(std::move(first), std::forward<Fn>(f));
    }
    /// Same as fold(), with errors: items that are `expected` are unwrapped, and `f` may return an `expected` state, or
    /// a future of one. The first error of an item or of `f` ends the future. The output is an `expected` of the state.
    /// Its error type is the error type of the items, or else of the result of `f`.
    ///     auto sum = co_await try_(std::move(numbers).try_fold(0, std::plus()));
    template <class State, class Fn>
    [[nodiscard]] auto try_fold(State first, Fn&& f) && {
        if constexpr (!detail::folds_values<Fn, State, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return streams::try_fold_future<Self, State, detail::kept_fn_t<Fn>>(std::move(self()), std::move(first),
                                                                                std::forward<Fn>(f));
        }
    }
    /// Returns a future of a container with all items: a vector by default, or any type with push_back, insert or `+=`.
    /// If the items are `expected` and the elements of the container are not, the output is an `expected` of the
    /// container, and the first error ends the future. Otherwise the output is the container.
    ///     auto all = co_await std::move(items).collect<std::set<int>>();
    /// Cancel safety: dropping the future loses the items and the stream.
    template <class Container = void>
    [[nodiscard]] auto collect() && {
        using vector = std::vector<detail::item_value_t<detail::item_t<Self>>>;
        using into = std::conditional_t<std::is_void_v<Container>, vector, Container>;
        return streams::collect_future<Self, into>(std::move(self()));
    }
    /// Returns a future that sends all items to a sink and then closes the sink. It takes ownership of the sink (an
    /// lvalue is copied, std::ref refers to it). It holds one item at a time, and flushes the sink while the stream
    /// waits. Items that are `expected` are unwrapped.
    /// Errors: the first error of the stream or of the sink. The sink is not closed then.
    /// Cancel safety: dropping the future loses the item that it holds, and the stream.
    template <class Sink>
    [[nodiscard]] auto forward(Sink&& into) && {
        using owned = typename detail::owned_sink<std::remove_cvref_t<Sink>>::type;
        if constexpr (!detail::is_sink_of<owned, detail::item_value_t<detail::item_t<Self>>>()) {
            return detail::broken_stream();
        } else {
            using transfer = sinks::transfer_future<Self, std::optional<owned>, detail::then_close>;
            return transfer(std::optional<owned>(std::in_place, std::forward<Sink>(into)), std::move(self()));
        }
    }

    /// Returns a future of whether `f` returns true for all items. It ends at the first item for which `f` returns
    /// false. `f` returns a bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto all(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::all_future>(std::forward<Fn>(f));
        }
    }
    /// Returns a future of whether `f` returns true for any item. It ends at the first such item. `f` returns a bool,
    /// or a future of one.
    template <class Fn>
    [[nodiscard]] auto any(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::any_future>(std::forward<Fn>(f));
        }
    }
    /// Returns a future of the number of items.
    [[nodiscard]] auto count() && { return streams::count_future<Self>(std::move(self())); }

    // These overloads only produce a short error message for an lvalue stream.
    // clang-format off
    detail::broken_stream map(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream filter_map(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream then(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream inspect(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream scan(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream enumerate(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream filter(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream take_while(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream skip_while(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream map_while(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream take(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream skip(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream fuse(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream peekable(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream chain(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream merge(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream zip(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream chunks(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream ready_chunks(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream buffered(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream buffer_unordered(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream for_each_concurrent(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream timeout(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream timeout_repeating(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream throttle(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream chunks_timeout(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream for_each(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream fold(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream try_fold(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream forward(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream all(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream any(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    template <class Container = void> detail::broken_stream collect(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream count(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    // clang-format on

private:
    template <template <class, class> class Adaptor, class Fn>
    auto adapt(Fn&& f) {
        return Adaptor<Self, detail::kept_fn_t<Fn>>(std::move(self()), std::forward<Fn>(f));
    }
    template <template <class, class, class> class Adaptor, class State, class Fn>
    auto adapt_with_state(State&& first, Fn&& f) {
        constexpr bool fits = detail::takes_state<Fn, State, detail::item_t<Self>>;
        static_assert(fits, "eddy: this needs a function that takes the state, and an item of the stream");
        if constexpr (fits) {
            return Adaptor<Self, State, detail::kept_fn_t<Fn>>(std::move(self()), std::forward<State>(first),
                                                               std::forward<Fn>(f));
        } else {
            return detail::broken_stream();
        }
    }

    // SAFETY: Self derives from stream_ops<Self> (CRTP).
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace eddy
