// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>

namespace eddy {

namespace detail {
struct then_flush;
}  // namespace detail

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
template <class S, class In, class Fn>
class with_sink;
template <class S, class T>
class buffer_sink;
template <class A, class B>
class fanout_sink;

/// The result of a sink's operations.
template <class S>
using outcome_t = std::expected<void, detail::sink_error_t<S>>;

}  // namespace sinks

/// The members of a sink, for a class that derives from `sink_ops<itself>`.
///
/// Members with the qualifier `&&` move the sink into their result. The futures of other members refer to the sink.
/// Errors: any error of the sink. Exceptions of the sink are passed on.
/// Lifetime: the sink must outlive the futures that refer to it.
/// Thread safety: one operation at a time. If an object is a sink and a stream, use streams::split() for both at the
/// same time.
/// Cost: no allocation, unless a member says otherwise. Each item costs a unit of the coop budget, which the sink or
/// else the sending future consumes.
template <class Self>
class sink_ops {
public:
    /// Sends an item and flushes the sink.
    /// Cancel safety: if the future is dropped, the item is either lost with it, or is in the sink already. It is never
    /// sent in part.
    template <class T>
    [[nodiscard]] auto send(T&& item) {
        if constexpr (!detail::is_sink_of<Self, std::decay_t<T>>()) {
            return detail::broken_stream();
        } else {
            return sinks::send_future<Self, std::decay_t<T>>(self(), std::forward<T>(item));
        }
    }

    /// Gives an item to the sink without a flush. To send many items, call flush() after the last.
    /// Cancel safety: if the future is dropped before it is ready, the item is lost.
    template <class T>
    [[nodiscard]] auto feed(T&& item) {
        if constexpr (!detail::is_sink_of<Self, std::decay_t<T>>()) {
            return detail::broken_stream();
        } else {
            return sinks::feed_future<Self, std::decay_t<T>>(self(), std::forward<T>(item));
        }
    }

    /// Waits until all items have been delivered.
    [[nodiscard]] auto flush() noexcept { return sinks::flush_future<Self>(self()); }

    /// Flushes and closes the sink.
    /// Cancel safety: safe. Call it again to continue.
    [[nodiscard]] auto close() noexcept { return sinks::close_future<Self>(self()); }

    /// Sends all items of a stream and flushes the sink, which stays open. Pass `s.by_ref()` to keep the stream. The
    /// sink is also flushed while the stream waits. Items of type `expected` are unwrapped.
    /// Errors: any error of the sink, and the first error of an item, which ends the future.
    /// Cancel safety: at most one item, which the sink could not accept yet, is lost with the future.
    template <class Items>
    [[nodiscard]] auto send_all(Items&& items) {
        if constexpr (!detail::is_given_stream<Items>()) {
            return detail::broken_stream();
        } else if constexpr (!detail::is_sink_of<Self, detail::item_value_t<detail::item_t<Items>>>()) {
            return detail::broken_stream();
        } else {
            return sinks::transfer_future<Items, Self*, detail::then_flush>(&self(), std::forward<Items>(items));
        }
    }

    /// Returns a sink for `In`s. `f` converts each of them to an item of this sink. `f` returns the item, an `expected`
    /// of it (an error becomes an error of the sink), or a future of either.
    ///     auto numbers = std::move(lines).with<int>([](int i) { return std::to_string(i); });
    template <class In, class Fn>
    [[nodiscard]] auto with(Fn&& f) && {
        constexpr bool fits = detail::takes<std::decay_t<Fn>&, In>;
        static_assert(fits, "eddy: with<In>(f) needs a function that takes an In");
        if constexpr (fits) {
            return sinks::with_sink<Self, In, detail::kept_fn_t<Fn>>(std::move(self()), std::forward<Fn>(f));
        } else {
            return detail::broken_stream();
        }
    }

    /// Returns a sink with a buffer for up to `size` items of type `T` that this sink cannot accept yet.
    /// Cost: a queue, which is allocated as it grows.
    template <class T>
    [[nodiscard]] auto buffer(std::size_t size) && {
        return sinks::buffer_sink<Self, T>(std::move(self()), size);
    }

    /// Returns a sink that gives each item to both sinks; this sink gets a copy. Both sinks must have the same type of
    /// errors.
    template <class S>
    [[nodiscard]] auto fanout(S&& other) && {
        constexpr bool given = !std::is_lvalue_reference_v<S>;
        static_assert(given, "eddy: this takes ownership of its sinks: write std::move(s)");
        if constexpr (given) {
            return sinks::fanout_sink<Self, S>(std::move(self()), std::forward<S>(other));
        } else {
            return detail::broken_stream();
        }
    }

    // For lvalues: a static_assert that says what to write.
    // clang-format off
    template <class In> detail::broken_stream with(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    template <class T> detail::broken_stream buffer(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    detail::broken_stream fanout(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);
    // clang-format on

private:
    // SAFETY: Self derives from sink_ops<Self>, so *this is the base of a Self.
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace eddy
