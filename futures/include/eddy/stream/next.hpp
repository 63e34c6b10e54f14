// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <utility>

#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy {

namespace detail {
/// A stream that consumes a unit of the coop budget for each item. Its class declares
/// `static constexpr bool consumes_budget = true`.
template <class S>
concept consumes_budget = S::consumes_budget;
}  // namespace detail

/// The future that stream_ops::next() returns: `while (auto item = co_await items.next()) ...`. Its output is empty at
/// the end of the stream.
/// Errors: throws `misuse` if the stream, or what it reads from, refuses a second operation, and one is in flight.
/// Cancel safety: same as the stream.
/// Lifetime: the stream must outlive it.
template <class S>
class [[nodiscard("co_await it")]] next_future : public future_ops<next_future<S>> {
public:
    using output_type = std::optional<detail::item_t<S>>;

    explicit next_future(S& from) noexcept : from_(&from) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&next_future::from_); }

    friend auto awaited_object(const next_future& me) noexcept {
        return detail::awaited_part_of<detail::direction::read>(*me.from_);
    }

    [[gnu::always_inline]] poll_result<output_type> poll(context& cx) {
        if constexpr (detail::is_guarded<detail::direction::read, S>) {
            hold_.enter(detail::guard_of<detail::direction::read>(*from_), cx);
            return detail::poll_entered(hold_, cx, [&] { return poll_item(cx); });
        } else {
            return poll_item(cx);
        }
    }

private:
    [[gnu::always_inline]] poll_result<output_type> poll_item(context& cx) {
        if constexpr (detail::consumes_budget<S>) {
            return from_->poll_next(cx);
        } else {
            if (cx.budget() == 0 && !cx.consume_budget()) return not_ready;
            return poll_within_budget(cx);
        }
    }
    // A separate function with a single return statement: otherwise GCC 12 moves the item once more.
    poll_result<output_type> poll_within_budget(context& cx) {
        detail::budget_guard cost(cx);
        auto next = from_->poll_next(cx);
        if (next) static_cast<void>(cost.is_paid());  // one unit of the budget was left
        return next;
    }

    S* from_;
    [[no_unique_address]] detail::hold_of<detail::direction::read, S> hold_;
};

/// The future that stream_ops::try_next() returns.
/// Cancel safety: same as the stream.
template <class S>
class [[nodiscard("co_await it")]] try_next_future : public future_ops<try_next_future<S>> {
    using item = detail::item_t<S>;

public:
    using output_type = std::expected<std::optional<typename item::value_type>, typename item::error_type>;

    explicit try_next_future(S& from) noexcept : next_(from) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&try_next_future::next_); }

    friend auto awaited_object(const try_next_future& me) noexcept { return awaited_object(me.next_); }

    poll_result<output_type> poll(context& cx) {
        auto next = next_.poll(cx);
        if (!next) return not_ready;
        if (!next->has_value()) return output_type(std::in_place);
        if (!**next) return output_type(std::unexpect, std::move(**next).error());
        return output_type(std::in_place, std::in_place, *std::move(**next));
    }

private:
    next_future<S> next_;
};

/// The future that stream_ops::cancel() returns.
/// Cancel safety: a cancellation does not interrupt it; see stream_ops::cancel().
template <class S>
class [[nodiscard("co_await it")]] cancel_future : public future_ops<cancel_future<S>> {
    static_assert(stream<S>,  // otherwise a type that is no stream would seem to have no poll_cancel
                  "eddy: this is not a stream: it needs item_type, and poll_next must return "
                  "poll_result<std::optional<item_type>>");

public:
    using output_type = void;

    explicit cancel_future(S& of) noexcept : of_(&of) {}

    poll_result<void> poll([[maybe_unused]] context& cx) {
        if constexpr (cancellable_stream<S>) {
            return of_->poll_cancel(cx);
        } else {
            return poll_result<void>::ready();
        }
    }

    /// Same as poll(), so that a cancellation does not leave the stream half ended.
    poll_result<void> poll_cancel(context& cx) { return poll(cx); }

private:
    S* of_;
};

namespace detail {

/// Whether the stream `S` may have items after its end. Such a stream has the member
/// `static constexpr bool continues_after_end = true`.
template <class S>
inline constexpr bool continues_after_end = false;
template <class S>
    requires requires { requires S::continues_after_end; }
inline constexpr bool continues_after_end<S> = true;

}  // namespace detail

namespace streams {

/// A reference to a stream; see stream_ops::by_ref(). It has no poll_cancel(): the referenced stream continues when
/// this one ends.
/// Cancel safety: same as the stream.
/// Lifetime: the stream must outlive it.
template <class S>
class [[nodiscard]] borrowed_stream : public stream_ops<borrowed_stream<S>> {
public:
    using item_type = detail::item_t<S>;
    /// For select_loop: whether the stream may have items after its end.
    static constexpr bool continues_after_end = detail::continues_after_end<S>;

    /// Creates a reference to the stream `target`.
    explicit borrowed_stream(S& target) noexcept : target_(&target) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) { return target_->poll_next(cx); }
    [[nodiscard]] size_bounds size_hint() const noexcept { return detail::bounds_of(*target_); }

private:
    S* target_;
};

}  // namespace streams
}  // namespace eddy
