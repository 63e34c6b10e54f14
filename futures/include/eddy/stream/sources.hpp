// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <span>  // also for the concepts of std::ranges: <ranges> itself is slow to compile
#include <type_traits>
#include <utility>

#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/stream_ops.hpp>

// Sources of streams. Each item consumes one unit of the task's coop budget, so that a loop over a source that is
// always ready lets other tasks run.

namespace eddy::streams {

/// The stream that iter() returns: the elements of a range.
template <class Range>
class [[nodiscard]] iter_stream : public stream_ops<iter_stream<Range>> {
    using range = std::unwrap_reference_t<Range>;
    static constexpr bool is_owned = std::is_same_v<range, Range> && !std::ranges::view<Range>;

    /// Accesses the elements by index, so that the stream can be moved together with its range between two items.
    class by_index {
    public:
        explicit by_index(Range&& over) : over_(std::move(over)) {}

        [[nodiscard]] bool has_ended() { return next_ >= std::ranges::size(get()); }
        decltype(auto) element() {
            return std::ranges::begin(get())[static_cast<std::ranges::range_difference_t<range>>(next_)];
        }
        void advance() noexcept { ++next_; }
        [[nodiscard]] size_bounds left() const noexcept {
            // SAFETY: some ranges have size() only if they are not const. size() does not modify the range.
            const auto size = static_cast<std::size_t>(std::ranges::size(const_cast<by_index*>(this)->get()));
            const std::size_t count = size > next_ ? size - next_ : 0;
            return {count, count};
        }

    private:
        range& get() noexcept { return over_; }

        Range over_;
        std::size_t next_ = 0;
    };

    /// Accesses the elements through an iterator. The range has a fixed address, because iterators may point into it.
    class by_iterator {
        struct state {
            explicit state(Range&& r) : over(std::move(r)), next(std::ranges::begin(get())) {}
            range& get() noexcept { return over; }

            Range over;
            std::ranges::iterator_t<range> next;
        };

    public:
        explicit by_iterator(Range&& over) : state_(std::make_unique<state>(std::move(over))) {}

        [[nodiscard]] bool has_ended() { return state_->next == std::ranges::end(state_->get()); }
        decltype(auto) element() { return *state_->next; }
        void advance() { ++state_->next; }
        [[nodiscard]] size_bounds left() const noexcept { return {}; }

    private:
        std::unique_ptr<state> state_;
    };

    using position = std::conditional_t<std::ranges::random_access_range<range> && std::ranges::sized_range<range>,
                                        by_index, by_iterator>;

public:
    using item_type = std::ranges::range_value_t<range>;

    explicit iter_stream(Range&& over) : at_(std::move(over)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (at_.has_ended()) return std::nullopt;
        if (!cx.consume_budget()) return not_ready;
        std::optional<item_type> item;
        try {
            take_into(item);
        } catch (...) {
            at_.advance();  // only that element is lost
            throw;
        }
        at_.advance();
        return item;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept { return at_.left(); }

private:
    void take_into(std::optional<item_type>& item) {
        if constexpr (is_owned) {
            item.emplace(std::move(at_.element()));
        } else {
            item.emplace(at_.element());
        }
    }

    position at_;
};

/// Returns a stream of the elements of a range, which are moved out of it. An lvalue is copied. `iter(std::ref(range))`
/// refers to the range and copies its elements.
///     streams::iter(std::move(names))   streams::iter(std::views::iota(0, 10))
/// Errors: an exception of an element (a view computes its elements, and copies may throw) is thrown by the poll. That
/// element is lost; the stream continues with the next one.
/// Cost: one allocation for a range without random access.
template <class Range>
[[nodiscard]] auto iter(Range&& range) {
    using kept = std::decay_t<Range>;
    constexpr bool is_range = std::ranges::input_range<std::unwrap_reference_t<kept>>;
    static_assert(is_range, "eddy: iter() makes a stream of a range: of something with begin() and end()");
    if constexpr (is_range) {
        return iter_stream<kept>(kept(std::forward<Range>(range)));
    } else {
        return detail::broken_stream();
    }
}
/// Returns a stream of the given items. (In a co_await expression GCC 12 rejects `iter({1, 2, 3})`, but accepts this
/// function.)
template <class T, class... More>
[[nodiscard]] auto of(T&& first, More&&... more) {
    using item = std::common_type_t<std::decay_t<T>, std::decay_t<More>...>;
    using items = std::array<item, 1 + sizeof...(More)>;
    return iter_stream<items>(items{std::forward<T>(first), std::forward<More>(more)...});
}

/// The stream that once() returns: a single item.
template <class T>
class [[nodiscard]] once_stream : public stream_ops<once_stream<T>> {
public:
    using item_type = T;

    template <class U>
    explicit once_stream(std::in_place_t, U&& item) : item_(std::in_place, std::forward<U>(item)) {}

    poll_result<std::optional<T>> poll_next(context& cx) {
        if (!item_) return std::nullopt;
        if (!cx.consume_budget()) return not_ready;
        std::optional<T> item(std::move(item_));
        item_.reset();
        return item;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept { return item_ ? size_bounds(1, 1) : size_bounds(0, 0); }

private:
    std::optional<T> item_;
};

/// Returns a stream of one item.
template <class T>
[[nodiscard]] once_stream<std::decay_t<T>> once(T&& item) {
    return once_stream<std::decay_t<T>>(std::in_place, std::forward<T>(item));
}

/// The stream that empty() returns: no item.
template <class T>
class [[nodiscard]] empty_stream : public stream_ops<empty_stream<T>> {
public:
    using item_type = T;

    /// Creates a stream that has ended.
    empty_stream() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate, for GCC 12

    poll_result<std::optional<T>> poll_next(context&) noexcept { return std::nullopt; }
    [[nodiscard]] size_bounds size_hint() const noexcept { return {0, 0}; }
};

/// Returns a stream that has ended.
template <class T>
[[nodiscard]] empty_stream<T> empty() noexcept {
    return {};
}

/// The stream that pending() returns: it never has an item.
template <class T>
class [[nodiscard]] pending_stream : public stream_ops<pending_stream<T>> {
public:
    using item_type = T;

    /// Creates a stream that never produces an item.
    pending_stream() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate, for GCC 12

    poll_result<std::optional<T>> poll_next(context&) noexcept { return not_ready; }
};

/// Returns a stream that never produces an item and never ends.
template <class T>
[[nodiscard]] pending_stream<T> pending() noexcept {
    return {};
}

/// The stream that repeat_with() returns: the results of a function.
template <class Fn>
class [[nodiscard]] repeat_with_stream : public stream_ops<repeat_with_stream<Fn>> {
public:
    using item_type = std::remove_cvref_t<std::invoke_result_t<Fn&>>;

    template <class G>
    explicit repeat_with_stream(std::in_place_t, G&& f) : f_(std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        return std::optional<item_type>(std::in_place, std::invoke(f_));
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        return {std::numeric_limits<std::size_t>::max(), std::nullopt};
    }

private:
    Fn f_;
};

/// Returns an endless stream of the results of `f`.
template <class Fn>
[[nodiscard]] auto repeat_with(Fn&& f) {
    return repeat_with_stream<detail::kept_fn_t<Fn>>(std::in_place, std::forward<Fn>(f));
}

/// The stream that unfold() returns: items that a function computes from a state.
template <class State, class Fn>
class [[nodiscard]] unfold_stream : public stream_ops<unfold_stream<State, Fn>> {
    using body = detail::running<std::invoke_result_t<Fn&, State&>>;
    static_assert(detail::is_optional<typename body::output_type>,
                  "eddy: the function of unfold returns a std::optional, or a future of one");

public:
    using item_type = typename body::output_type::value_type;

    template <class G>
    unfold_stream(State&& first, G&& f) : state_(std::move(first)), f_(std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (has_ended_) return std::nullopt;
        if (!body_) {
            if (cx.budget() == 0 && !cx.consume_budget()) return not_ready;
            body_.start(f_, state_);
        }
        detail::budget_guard cost(cx);
        auto item = body_.poll(cx);
        if (!item) return not_ready;
        if (!item->has_value()) has_ended_ = true;
        // If the future has used up the budget, it has already paid for the item.
        static_cast<void>(cx.budget() != 0 && cost.is_paid());
        return item;
    }

    poll_result<void> poll_cancel(context& cx)
        requires body::can_be_cancelled
    {
        if (!body_.cancel(cx)) return not_ready;
        has_ended_ = true;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&unfold_stream::body_); }

private:
    State state_;
    Fn f_;
    bool has_ended_ = false;
    body body_;  // declared last: the body may refer to the state and to the captures of the function
};

/// Returns a stream of the values of the optionals that `f(State&)` returns, until an optional is empty. `f` may also
/// return a future of an optional, for example a coroutine, which may refer to the state.
/// Cancel safety: safe. The future of `f` stays in the stream.
/// Lifetime: the stream must not be moved while a future of `f` runs.
template <class State, class Fn>
[[nodiscard]] auto unfold(State first, Fn&& f) {
    constexpr bool takes = std::is_invocable_v<std::decay_t<Fn>&, State&>;
    static_assert(takes, "eddy: unfold needs a function that takes the state by reference");
    return detail::make_if<takes, unfold_stream<State, detail::kept_fn_t<Fn>>, detail::broken_stream>(
        std::move(first), std::forward<Fn>(f));
}

/// The stream that poll_fn() returns.
/// Cancel safety: same as the function.
template <class Fn>
class [[nodiscard]] poll_fn_stream : public stream_ops<poll_fn_stream<Fn>> {
    using answer = std::invoke_result_t<Fn&, context&>;

public:
    using item_type = typename answer::value_type::value_type;

    template <class G>
    explicit poll_fn_stream(std::in_place_t, G&& f) : f_(std::forward<G>(f)) {}

    answer poll_next(context& cx) { return std::invoke(f_, cx); }

private:
    Fn f_;
};

/// Returns a stream from a function that takes a `context&` and returns a `poll_result<std::optional<T>>`. If the
/// function returns `not_ready`, it must have arranged that the context's waker is woken.
/// Cancel safety: same as the function.
template <class Fn>
[[nodiscard]] auto poll_fn(Fn&& f) {
    return poll_fn_stream<detail::kept_fn_t<Fn>>(std::in_place, std::forward<Fn>(f));
}

/// The stream that from_future() returns: the output of a future.
template <class F>
class [[nodiscard]] future_stream : public stream_ops<future_stream<F>> {
public:
    using item_type = detail::stored_t<output_t<F>>;

    explicit future_stream(F&& inner) : inner_(std::in_place, std::move(inner)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!inner_) return std::nullopt;
        std::optional<item_type> item;
        try {
            auto answer = inner_->poll(cx);
            if (!answer) return not_ready;
            item.emplace(detail::take_output(std::move(answer)));
        } catch (...) {
            inner_.reset();  // the future has ended: the next poll reports the end of the stream
            throw;
        }
        inner_.reset();
        return item;
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_ && !inner_->poll_cancel(cx)) return not_ready;
        inner_.reset();
        return poll_result<void>::ready();
    }

    [[nodiscard]] size_bounds size_hint() const noexcept { return inner_ ? size_bounds(1, 1) : size_bounds(0, 0); }

private:
    std::optional<F> inner_;
};

/// Returns a stream of one item: the output of `future`, which runs when the item is requested. Pass std::ref to refer
/// to an existing future.
/// Errors: an exception of the future is thrown by the poll, and the stream has ended then.
/// Cancel safety: safe. The future stays in the stream.
/// Lifetime: as for the future: the stream must not be moved after its first poll.
template <class F>
[[nodiscard]] auto from_future(F&& future) {
    return detail::make_adaptor<future_stream<detail::owned_t<F>>, detail::broken_stream>(std::forward<F>(future));
}

}  // namespace eddy::streams
