// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/stream_adaptor.hpp>
#include <eddy/future.hpp>

namespace eddy {

namespace sinks {

template <class S, class T>
class send_future;
template <class S, class T>
class feed_future;
template <class S>
class flush_future;
template <class S>
class close_future;
template <class Items, class Into, class Last>
class transfer_future;
struct then_flush;
template <class S, class In, class Fn, bool Marked>
class with_sink;
template <class S, class T>
class buffer_sink;
template <class A, class B>
class fanout_sink;

/// What a sink's operations answer with.
template <class S>
using outcome_t = std::expected<void, detail::sink_error_t<S>>;

}  // namespace sinks

/// The members of a sink, for a class that derives from `sink_ops<itself>`.
///
/// Those that end in `&&` take the sink over; the others borrow it, and it outlives their futures.
/// Errors: those of the sink. What it throws comes out, too.
/// Thread safety: as any future. One operation at a time; streams::split() is for an object that is a stream, too.
/// Cost: no allocation, unless a member says so. An item takes a unit of the budget (of the sink, or else of whoever
/// sends).
template <class Self>
class sink_ops {
public:
    /// Sends an item, and waits until it has arrived.
    /// Cancel safety: nothing is half sent. If the future is dropped the item is lost with it, or is in the sink
    /// already.
    template <class T>
    [[nodiscard]] auto send(T&& item) {
        if constexpr (!detail::is_sink_of<Self, std::decay_t<T>>()) {
            return detail::broken_stream();
        } else {
            return sinks::send_future<Self, std::decay_t<T>>(self(), std::forward<T>(item));
        }
    }

    /// Gives the sink an item, and does not wait until it has arrived: for many, with a flush() after the last.
    /// Cancel safety: if the future is dropped before it is ready, the item is lost with it.
    template <class T>
    [[nodiscard]] auto feed(T&& item) {
        if constexpr (!detail::is_sink_of<Self, std::decay_t<T>>()) {
            return detail::broken_stream();
        } else {
            return sinks::feed_future<Self, std::decay_t<T>>(self(), std::forward<T>(item));
        }
    }

    /// Waits until all items have arrived. Cancel safety: safe.
    [[nodiscard]] auto flush() noexcept { return sinks::flush_future<Self>(self()); }

    /// Flushes and ends the sink. Cancel safety: safe; call it again to go on.
    [[nodiscard]] auto close() noexcept { return sinks::close_future<Self>(self()); }

    /// Sends all items of a stream (`s.by_ref()` lends it), flushes, and leaves the sink open. While the stream waits,
    /// what is in the sink is flushed. Items that are `expected` are unwrapped; the first error ends it and is its
    /// output. Cancel safety: an item that the sink could not yet take is lost with the future; no more than one.
    template <class Items>
    [[nodiscard]] auto send_all(Items&& items) {
        if constexpr (!detail::is_given_stream<Items>()) {
            return detail::broken_stream();
        } else if constexpr (!detail::is_sink_of<Self, detail::item_value_t<detail::item_t<Items>>>()) {
            return detail::broken_stream();
        } else {
            return sinks::transfer_future<Items, Self*, sinks::then_flush>(&self(), std::forward<Items>(items));
        }
    }

    /// A sink of `In`s, each of which `f` turns into an item of this one. `f` returns that, an `expected` of it (an
    /// error is the sink's), or a future of either.
    ///     auto numbers = std::move(lines).with<int>([](int i) { return std::to_string(i); });
    template <class In, class Fn>
    [[nodiscard]] auto with(Fn&& f) && {
        constexpr bool fits = detail::takes<std::decay_t<Fn>&, In>;
        static_assert(fits, "eddy: with<In>(f) needs a function that takes an In");
        if constexpr (fits) {
            return sinks::with_sink<Self, In, std::decay_t<Fn>, detail::is_fragile<Fn>>(std::move(self()),
                                                                                        std::forward<Fn>(f));
        } else {
            return detail::broken_stream();
        }
    }

    /// With room for `size` items of type `T` that this sink does not take yet.
    /// Cost: a queue, which is allocated as it grows.
    template <class T>
    [[nodiscard]] auto buffer(std::size_t size) && {
        return sinks::buffer_sink<Self, T>(std::move(self()), size);
    }

    /// A sink that gives each item to both, to this one a copy. The two have the same type of errors.
    template <class S>
    [[nodiscard]] auto fanout(S&& other) && {
        constexpr bool given = !std::is_lvalue_reference_v<S>;
        static_assert(given, "eddy: this takes its sinks over: write std::move(s)");
        if constexpr (given) {
            return sinks::fanout_sink<Self, S>(std::move(self()), std::forward<S>(other));
        } else {
            return detail::broken_stream();
        }
    }

    // Only to say in a short error what to write.
    // clang-format off
    template <class In, class... A> auto with(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class T, class... A> auto buffer(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    template <class... A> auto fanout(A&&...) & { return detail::refuse_lvalue_stream<A...>(); }
    // clang-format on

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace eddy
