// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/stream_adaptor.hpp>
#include <eddy/future.hpp>
#include <eddy/time/clock.hpp>

namespace eddy {

namespace streams {

// Defined in the headers beside this one, which the door, eddy/stream.hpp, includes.
template <class S, class Fn, bool Marked>
class map_stream;
template <class S, class Fn, bool Marked>
class filter_map_stream;
template <class S, class Fn, bool Marked>
class then_stream;
template <class S, class Fn, bool Marked>
class inspect_stream;
template <class S, class State, class Fn, bool Marked>
class scan_stream;
template <class S>
class enumerate_stream;
template <class S, class Fn, bool Marked>
class filter_stream;
template <class S, class Fn, bool Marked>
class take_while_stream;
template <class S, class Fn, bool Marked>
class skip_while_stream;
template <class S, class Fn, bool Marked>
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
template <class S>
class throttle_stream;
template <class S>
class chunks_timeout_stream;
template <class S, class State, class Fn, bool Marked>
class fold_future;
template <class S, class State, class Fn, bool Marked>
class try_fold_future;
template <class S, class Container>
class collect_future;
template <class S, class Fn, bool Marked>
class all_future;
template <class S, class Fn, bool Marked>
class any_future;
template <class S>
class count_future;
template <class S, class Running>
class buffered_stream;
template <class S, class Fn, bool Marked>
class for_each_concurrent_future;

}  // namespace streams

namespace sinks {
template <class S>
struct owned_sink;
template <class Items, class Into, class Last>
class transfer_future;
struct then_close;
}  // namespace sinks

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
template <class S, class Fn, bool Marked>
class for_each_future;

/// The members of a stream, for a class that derives from `stream_ops<itself>`.
///
/// Those that end in `&&` take the stream over: `std::move(items).take(3)`; by_ref() lends it. Functions are taken
/// over, too (an lvalue is copied, std::ref lends it), and live as long as what they returned runs. Where one "returns
/// a bool, or a future of one", a coroutine will do: it is awaited before the next item is asked for. An item with
/// parts
/// (`into_parts() &&`, such as that of enumerate() and zip()) is offered to a function as several arguments, if that
/// does not take the item itself. Errors: what a function or a future of it throws comes out where the stream is
/// awaited; the item is lost, and the stream goes on with the next. What ends before its stream does (take(), zip(),
/// any(), all that ends at an error) ends that in an orderly way first, and waits until it is gone: in buffered(), say,
/// something may still run. Cancel safety: nothing is lost when somebody stops waiting for an item of an adaptor: what
/// it holds stays in it. A future that reads the stream to its end, such as fold(), takes what it has read with it.
/// Lifetime: merge(), ready_chunks(), timeout(), chunks_timeout(), buffered() and buffer_unordered() may give an item
/// while a stream inside waits. So they may be moved between two items if that one may be moved at any time, as those
/// of channels, timers and generators may; else they stay where they are, and by_ref() lends them. Thread safety: as
/// any future. Cost: no allocation, unless a member says so. An item takes a unit of the budget (of its source, or else
/// of whoever reads).
template <class Self>
class stream_ops {
public:
    /// The next item: `while (auto item = co_await items.next()) ...`; nothing at the end.
    /// Cancel safety: safe. If the task is cancelled here, the stream is not ended in order, but destroyed with the
    /// coroutine that has it: shielded() and finally() inside the stream are cut off. for_each() ends it in order; a
    /// loop does with cancel(). Lifetime: borrows the stream.
    [[nodiscard]] next_future<Self> next() noexcept { return next_future<Self>(self()); }

    /// For items that are `expected`: the next value, nothing at the end, or the error.
    ///     while (auto value = co_await try_(items.try_next())) use(*value);
    [[nodiscard]] auto try_next() noexcept {
        if constexpr (!detail::has_errors<detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return try_next_future<Self>(self());
        }
    }

    /// Ends the stream in an orderly way before its end, so that shielded() and finally() inside it have the time that
    /// they need; then it is only good for its destructor. Of a stream that has no poll_cancel it is ready at once. A
    /// loop that may itself be cancelled has it as its cleanup:
    ///     co_await eddy::finally(read(items), [&] { return items.cancel(); });   // co_await items.next() is in read()
    /// Errors: what the stream throws. Cancel safety: if the task is cancelled here, it goes on until the stream has
    /// ended. Lifetime: borrows the stream, of which no other future may be polled any more.
    [[nodiscard]] cancel_future<Self> cancel() noexcept { return cancel_future<Self>(self()); }

    /// The stream, lent: to put adaptors on it that leave the rest to its owner. `co_await
    /// items.by_ref().take(3).collect()` Lifetime: the stream outlives it, and stays where it is.
    [[nodiscard]] auto by_ref() & noexcept { return streams::borrowed_stream<Self>(self()); }

    // ---- Items become others ----

    /// What `f` returns for each item.
    template <class Fn>
    [[nodiscard]] auto map(Fn&& f) && {
        if constexpr (!detail::takes_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::map_stream>(std::forward<Fn>(f));
        }
    }
    /// The values of the optionals that `f` returns; `f` may return a future of one.
    template <class Fn>
    [[nodiscard]] auto filter_map(Fn&& f) && {
        if constexpr (!detail::makes_optional<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::filter_map_stream>(std::forward<Fn>(f));
        }
    }
    /// The outputs of the futures that `f` returns, one after the other.
    template <class Fn>
    [[nodiscard]] auto then(Fn&& f) && {
        if constexpr (!detail::makes_future<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::then_stream>(std::forward<Fn>(f));
        }
    }
    /// The items, each of which `f` has looked at.
    template <class Fn>
    [[nodiscard]] auto inspect(Fn&& f) && {
        if constexpr (!detail::sees_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::inspect_stream>(std::forward<Fn>(f));
        }
    }
    /// The values of the optionals that `f(State&, item)` returns, until one is empty.
    template <class State, class Fn>
    [[nodiscard]] auto scan(State first, Fn&& f) && {
        return adapt_with_state<streams::scan_stream>(std::move(first), std::forward<Fn>(f));
    }
    /// Each item with its number, from 0: an `enumerated{index, value}`.
    [[nodiscard]] auto enumerate() && { return streams::enumerate_stream<Self>(std::move(self())); }

    // ---- Some of them ----

    /// The items of which `f` says true. It returns a bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto filter(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::filter_stream>(std::forward<Fn>(f));
        }
    }
    /// The items until the first of which `f` says false; that one is lost. It returns a bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto take_while(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::take_while_stream>(std::forward<Fn>(f));
        }
    }
    /// The items from the first of which `f` says false. It returns a bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto skip_while(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::skip_while_stream>(std::forward<Fn>(f));
        }
    }
    /// The values of the optionals that `f` returns, until one is empty.
    template <class Fn>
    [[nodiscard]] auto map_while(Fn&& f) && {
        if constexpr (!detail::makes_optional<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::map_while_stream>(std::forward<Fn>(f));
        }
    }
    /// The first `count` items; the stream is not asked for more.
    [[nodiscard]] auto take(std::size_t count) && { return streams::take_stream<Self>(std::move(self()), count); }
    /// All but the first `count` items.
    [[nodiscard]] auto skip(std::size_t count) && { return streams::skip_stream<Self>(std::move(self()), count); }
    /// Once ended, it stays at its end. All adaptors do: this is for streams that go on after their end.
    [[nodiscard]] auto fuse() && { return streams::fuse_stream<Self>(std::move(self())); }
    /// With `peek()`, the next item before it is taken.
    [[nodiscard]] auto peekable() && { return streams::peekable_stream<Self>(std::move(self())); }

    // ---- With others, and in groups ----

    /// First these items, then those of `after`.
    template <class S>
    [[nodiscard]] auto chain(S&& after) && {
        if constexpr (!detail::is_stream_of<S, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return streams::chain_stream<Self, S>(std::move(self()), std::forward<S>(after));
        }
    }
    /// The items of both as they come; it ends when both have. They take turns at being asked first.
    template <class S>
    [[nodiscard]] auto merge(S&& other) && {
        if constexpr (!detail::is_stream_of<S, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return streams::merge_stream<Self, S>(std::move(self()), std::forward<S>(other));
        }
    }
    /// An item of each, together: a `zipped{first, second}`. Ends with the shorter one.
    template <class S>
    [[nodiscard]] auto zip(S&& other) && {
        if constexpr (!detail::is_given_stream<S>()) {
            return detail::broken_stream();
        } else {
            return streams::zip_stream<Self, S>(std::move(self()), std::forward<S>(other));
        }
    }
    /// Vectors of `size` items; the last may be shorter.
    /// Errors: throws misuse if `size` is zero. Cost: one vector each.
    [[nodiscard]] auto chunks(std::size_t size, std::source_location where = std::source_location::current()) && {
        return streams::chunks_stream<Self>(std::move(self()), size, where);
    }
    /// Vectors of the items that are ready, up to `size`: it waits for the first of each, and for no other. (And what a
    /// task may take in one turn, its budget, ends a vector, too.) Errors: throws misuse if `size` is zero. Cost: one
    /// vector each.
    [[nodiscard]] auto ready_chunks(std::size_t size, std::source_location where = std::source_location::current()) && {
        return streams::ready_chunks_stream<Self>(std::move(self()), size, where);
    }

    // ---- Items that run ----

    /// For items that are futures: up to `limit` of them run at the same time, on the task that reads, and their
    /// outputs come in the order of the items. Only what was woken is polled. They run only while an item is asked for.
    /// Errors: throws misuse if `limit` is zero. Cost: that of futures_ordered.
    [[nodiscard]] auto buffered(std::size_t limit, std::source_location where = std::source_location::current()) && {
        if constexpr (!detail::runs_items<detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            using running = futures_ordered<detail::item_t<Self>>;
            return streams::buffered_stream<Self, running>(std::move(self()), limit, where);
        }
    }
    /// The same, and the outputs come as they are ready. Cost: that of futures_unordered.
    [[nodiscard]] auto buffer_unordered(std::size_t limit,
                                        std::source_location where = std::source_location::current()) && {
        if constexpr (!detail::runs_items<detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            using running = futures_unordered<detail::item_t<Self>>;
            return streams::buffered_stream<Self, running>(std::move(self()), limit, where);
        }
    }

    // ---- In time ----

    /// The items as `expected`: if none has come for `d`, counted from the last (at first from this call),
    /// `time::elapsed`, once; then it waits for the next for as long as that takes.
    template <class Rep, class Period>
    [[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d,
                               std::source_location where = std::source_location::current()) && {
        return streams::timeout_stream<Self>(std::move(self()), time::round_up(d), where);
    }
    /// The items at intervals of at least `d`.
    template <class Rep, class Period>
    [[nodiscard]] auto throttle(std::chrono::duration<Rep, Period> d,
                                std::source_location where = std::source_location::current()) && {
        return streams::throttle_stream<Self>(std::move(self()), time::round_up(d), where);
    }
    /// Vectors of up to `size` items: given when full, and else `d` after their first item.
    /// Errors: throws misuse if `size` is zero. Cost: one vector each.
    template <class Rep, class Period>
    [[nodiscard]] auto chunks_timeout(std::size_t size, std::chrono::duration<Rep, Period> d,
                                      std::source_location where = std::source_location::current()) && {
        return streams::chunks_timeout_stream<Self>(std::move(self()), size, time::round_up(d), where);
    }

    // ---- Futures that read it to its end ----

    /// Calls `f` with each item, one after the other: the next item is asked for when what `f` returned is done. Items
    /// that are `expected` are unwrapped, and the first error ends it and is its output; an item with parts is given as
    /// several arguments. `f` returns nothing, an `expected` (an error ends it), or a future of either.
    /// Lifetime: takes the stream and `f` over, and keeps `f` while what it returned runs.
    template <class Fn>
    [[nodiscard]] auto for_each(Fn&& f) && {
        if constexpr (!detail::takes_item<Fn, detail::item_value_t<detail::item_t<Self>>>()) {
            return detail::broken_stream();
        } else {
            return adapt<for_each_future>(std::forward<Fn>(f));
        }
    }
    /// As for_each, with up to `limit` of the futures that `f` returns at the same time, on the task that awaits. The
    /// first error, or exception, ends it: the other futures are cancelled, and gone before it comes out. To run them
    /// on several threads, spawn them (see scope). Errors: throws misuse if `limit` is zero. Cost: that of
    /// futures_unordered.
    template <class Fn>
    [[nodiscard]] auto for_each_concurrent(std::size_t limit, Fn&& f,
                                           std::source_location where = std::source_location::current()) && {
        if constexpr (!detail::makes_future<Fn, detail::item_value_t<detail::item_t<Self>>>()) {
            return detail::broken_stream();
        } else {
            using each = streams::for_each_concurrent_future<Self, std::decay_t<Fn>, detail::is_fragile<Fn>>;
            return each(std::move(self()), limit, std::forward<Fn>(f), where);
        }
    }
    /// What becomes of `first` by `state = f(std::move(state), item)` for each item. `f` may return a future.
    template <class State, class Fn>
    [[nodiscard]] auto fold(State first, Fn&& f) && {
        return adapt_with_state<streams::fold_future>(std::move(first), std::forward<Fn>(f));
    }
    /// The same, where something may fail: items that are `expected` are unwrapped, and `f` may return an `expected`
    /// state, or a future of one. The first error, of either, ends it. The output is an `expected` of the state; its
    /// error type is that of the items, or else that of what `f` returns.
    ///     auto sum = co_await try_(std::move(numbers).try_fold(0, std::plus()));
    template <class State, class Fn>
    [[nodiscard]] auto try_fold(State first, Fn&& f) && {
        if constexpr (!detail::folds_values<Fn, State, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return streams::try_fold_future<Self, State, std::decay_t<Fn>, detail::is_fragile<Fn>>(
                std::move(self()), std::move(first), std::forward<Fn>(f));
        }
    }
    /// All items in a container (a vector, if none is named): anything with push_back or insert, or `+=`. If they are
    /// `expected`, and the container is of values, the first error ends it and is its output; otherwise the output is
    /// an `expected` with the container. For other items the output is the container itself.
    ///     auto all = co_await std::move(items).collect<std::set<int>>();
    template <class Container = void>
    [[nodiscard]] auto collect() && {
        using vector = std::vector<detail::item_value_t<detail::item_t<Self>>>;
        using into = std::conditional_t<std::is_void_v<Container>, vector, Container>;
        return streams::collect_future<Self, into>(std::move(self()));
    }
    /// Sends all items into a sink, which it takes over (an lvalue is copied, std::ref lends it), and closes that. One
    /// item at a time is held; while the stream waits, what is in the sink is flushed. Items that are `expected` are
    /// unwrapped; the first error, of the stream or of the sink, ends it and is its output. The sink is then not
    /// closed.
    template <class Sink>
    [[nodiscard]] auto forward(Sink&& into) && {
        using owned = typename sinks::owned_sink<std::remove_cvref_t<Sink>>::type;
        if constexpr (!detail::is_sink_of<owned, detail::item_value_t<detail::item_t<Self>>>()) {
            return detail::broken_stream();
        } else {
            using transfer = sinks::transfer_future<Self, std::optional<owned>, sinks::then_close>;
            return transfer(std::optional<owned>(std::in_place, std::forward<Sink>(into)), std::move(self()));
        }
    }

    /// Whether `f` says true of all items; ends at the first of which it does not. It returns a bool, or a future of
    /// one.
    template <class Fn>
    [[nodiscard]] auto all(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::all_future>(std::forward<Fn>(f));
        }
    }
    /// Whether `f` says true of any item; ends at the first of which it does. It returns a bool, or a future of one.
    template <class Fn>
    [[nodiscard]] auto any(Fn&& f) && {
        if constexpr (!detail::judges_item<Fn, detail::item_t<Self>>()) {
            return detail::broken_stream();
        } else {
            return adapt<streams::any_future>(std::forward<Fn>(f));
        }
    }
    /// How many items there are.
    [[nodiscard]] auto count() && { return streams::count_future<Self>(std::move(self())); }

    // Only to say in a short error what to write.
    // clang-format off
    template <class... A> auto map(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto filter_map(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto then(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto inspect(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto scan(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto enumerate(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto filter(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto take_while(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto skip_while(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto map_while(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto take(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto skip(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto fuse(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto peekable(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto chain(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto merge(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto zip(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto chunks(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto ready_chunks(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto buffered(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto buffer_unordered(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto for_each_concurrent(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto timeout(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto throttle(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto chunks_timeout(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto for_each(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto fold(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto try_fold(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto forward(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto all(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto any(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class Container = void, class... A> auto collect(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto count(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    // clang-format on

private:
    template <template <class, class, bool> class Adaptor, class Fn>
    auto adapt(Fn&& f) {
        return Adaptor<Self, std::decay_t<Fn>, detail::is_fragile<Fn>>(std::move(self()), std::forward<Fn>(f));
    }
    template <template <class, class, class, bool> class Adaptor, class State, class Fn>
    auto adapt_with_state(State&& first, Fn&& f) {
        constexpr bool fits = detail::takes_state<Fn, State, detail::item_t<Self>>;
        static_assert(fits, "eddy: this needs a function that takes the state, and an item of the stream");
        if constexpr (fits) {
            return Adaptor<Self, State, std::decay_t<Fn>, detail::is_fragile<Fn>>(
                std::move(self()), std::forward<State>(first), std::forward<Fn>(f));
        } else {
            return detail::broken_stream();
        }
    }

    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace eddy
