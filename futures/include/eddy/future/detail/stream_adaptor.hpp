// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/adapted.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>

// The building blocks of stream adaptors.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {
template <class Self>
class stream_ops;  // includes this header
}  // namespace eddy

namespace eddy::detail {

/// Checks that `S` is a stream before its items are used. Otherwise, the first error says what `S` lacks. (While a
/// class is incomplete, it does not satisfy `stream`.)
template <class S>
struct checked_stream {
    static_assert(stream<S>,
                  "eddy: this is not a stream: it needs item_type, and poll_next must return "
                  "poll_result<std::optional<item_type>>");
    using item_type = typename S::item_type;
};
/// The type of a stream's items.
template <class S>
using item_t = typename checked_stream<S>::item_type;

/// The type of the value in an item: an `expected`'s value type, or the item itself.
template <class Item>
struct item_value : std::type_identity<Item> {};
template <class T, class E>
struct item_value<std::expected<T, E>> : std::type_identity<T> {};
template <class Item>
using item_value_t = typename item_value<Item>::type;

/// The type of the error in an item: an `expected`'s error type, or std::error_code.
template <class Item>
struct item_error : std::type_identity<std::error_code> {};
template <class T, class E>
struct item_error<std::expected<T, E>> : std::type_identity<E> {};
template <class Item>
using item_error_t = typename item_error<Item>::type;

// ---- Size hints ----

/// Returns the size_hint() of a stream, or no bounds if it has none.
template <class S>
size_bounds bounds_of(const S& items) noexcept {
    if constexpr (requires { items.size_hint(); }) {
        return items.size_hint();
    } else {
        return {};
    }
}

/// Returns `a + b`, or the largest value if the sum overflows.
constexpr std::size_t saturating_add(std::size_t a, std::size_t b) noexcept {
    return b > std::numeric_limits<std::size_t>::max() - a ? std::numeric_limits<std::size_t>::max() : a + b;
}

/// Returns the bounds of two streams together.
constexpr size_bounds add(size_bounds a, size_bounds b) noexcept {
    size_bounds sum(saturating_add(a.at_least, b.at_least), std::nullopt);
    if (a.at_most && b.at_most && *b.at_most <= std::numeric_limits<std::size_t>::max() - *a.at_most)
        sum.at_most = *a.at_most + *b.at_most;
    return sum;
}

/// Returns the bounds of a stream plus an item that is held back.
constexpr size_bounds one_more_if(bool is_held, size_bounds rest) noexcept {
    return is_held ? add(rest, size_bounds(1, 1)) : rest;
}

/// Returns the bounds of a stream from which items may be left out.
constexpr size_bounds at_most(size_bounds of) noexcept { return {0, of.at_most}; }

// ---- The inputs and functions of an adaptor ----

/// The input stream of an adaptor. It is destroyed at its end and not polled again. So each adaptor keeps reporting the
/// end once it has ended.
template <class S>
class inner_stream {
public:
    using item_type = item_t<S>;

    explicit inner_stream(S&& items) : items_(std::in_place, std::move(items)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!items_) return std::nullopt;
        auto next = items_->poll_next(cx);
        if (next && !next->has_value()) items_.reset();
        return next;
    }

    [[nodiscard]] bool has_ended() const noexcept { return !items_; }

    [[nodiscard]] size_bounds size_hint() const noexcept { return items_ ? bounds_of(*items_) : size_bounds(0, 0); }

    /// Calls the stream's poll_cancel(), if it has that function. Returns true when the stream is destroyed. Also used
    /// by an adaptor that needs no more items: futures in the stream (in buffered(), for example) may be shielded or
    /// have a cleanup.
    [[nodiscard]] bool cancel(context& cx) {
        if constexpr (cancellable_stream<S>) {
            if (items_ && !items_->poll_cancel(cx)) return false;
        }
        items_.reset();
        return true;
    }

    static constexpr bool is_part = true;
    static constexpr auto wait_shape() { return inspect::waits_as(&inner_stream::items_); }

private:
    std::optional<S> items_;
};

/// Cancels two objects concurrently. Each function returns whether its object is destroyed; the call returns whether
/// both objects are destroyed. The order alternates, because the first object could use up the coop budget in each poll
/// until it has ended.
class end_in_turn {
public:
    template <class First, class Second>
    [[nodiscard]] bool operator()(First&& first, Second&& second) {
        return std::exchange(second_is_next_, !second_is_next_) ? both(second, first) : both(first, second);
    }

private:
    template <class One, class Other>
    static bool both(One& one, Other& other) {
        const bool one_is_gone = one();
        return other() && one_is_gone;
    }

    bool second_is_next_ = false;
};

/// The result of a function that was called for an item: a value, or a future that must be polled.
template <class R>
class running {
public:
    static constexpr bool is_future = future<R>;
    using output_type = stored_t<typename outcome_of<R>::type>;
    static constexpr bool can_be_cancelled = cancellable_future<stored_t<R>>;

    [[nodiscard]] explicit operator bool() const noexcept { return returned_.has_value(); }

    /// Calls `f` with `value`, or with the parts of `value` if `f` takes those.
    template <class Fn, class... V>
    void start(Fn& f, V&&... value) {
        if constexpr (std::is_void_v<R>) {
            detail::call_with(f, std::forward<V>(value)...);
            returned_.emplace();
        } else {
            returned_.emplace(detail::call_with(f, std::forward<V>(value)...));
        }
    }

    /// Polls the future, or returns the value. Returns ready once.
    /// Preconditions: it was started.
    poll_result<output_type> poll(context& cx) {
        if constexpr (is_future) {
            auto answer = poll_then_end([&] { return returned_->poll(cx); }, [this]() noexcept { end(); });
            if (!answer) return not_ready;
            return poll_result<output_type>(take_output(std::move(answer)));
        } else {
            static_cast<void>(cx);
            return poll_result<output_type>(take());
        }
    }

    /// Returns the value.
    /// Preconditions: it was started.
    output_type take()
        requires(!is_future)
    {
        output_type value(*std::move(returned_));
        returned_.reset();
        return value;
    }

    /// Destroys the value or the future.
    void end() noexcept { returned_.reset(); }

    [[nodiscard]] bool cancel(context& cx) {
        if (returned_ && !poll_cancel_child(&*returned_, cx)) return false;
        returned_.reset();
        return true;
    }

    static constexpr bool is_part = true;
    static constexpr auto wait_shape() { return inspect::waits_as(&running::returned_); }

private:
    std::optional<stored_t<R>> returned_;
};

/// The base of an adaptor of one stream.
template <class Self, class S>
class stream_adaptor : public stream_ops<Self> {
public:
    /// The bounds of the inner stream. An adaptor that changes the number of items hides this member.
    [[nodiscard]] size_bounds size_hint() const noexcept { return items_.size_hint(); }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_stream<S>
    {
        if (!items_.cancel(cx)) return not_ready;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&stream_adaptor::items_); }

protected:
    explicit stream_adaptor(S&& items) : items_(std::move(items)) {}

    inner_stream<S> items_;
};

/// The base of a future that reads a whole stream. `Self` must have `advance(cx)`, which returns the output or
/// not_ready; `end()`, which destroys its other members; and `name`, for the text of misuse.
template <class Self, class S, class Out>
class stream_consumer : public future_ops<Self> {
public:
    using output_type = Out;

    poll_result<Out> poll(context& cx) {
        if (!items_) throw_has_ended(Self::name, cx.where());
        if (!outcome_ && !failure_ && !poll_outcome(cx)) return not_ready;
        if (!items_->cancel(cx)) return not_ready;  // the output may be known before the stream has ended
        items_.reset();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        poll_result<Out> answer(*std::move(outcome_));
        outcome_.reset();
        return answer;
    }

    static constexpr bool body_can_be_cancelled = false;

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_stream<S> || Self::body_can_be_cancelled)
    {
        if (!self().cancel_body(cx)) return not_ready;
        if (items_ && !items_->cancel(cx)) return not_ready;
        self().end();
        items_.reset();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&stream_consumer::items_); }

protected:
    explicit stream_consumer(S&& items) : items_(std::in_place, std::move(items)) {}

    bool cancel_body(context&) noexcept { return true; }

    std::optional<inner_stream<S>> items_;  // nullopt when this future has ended

private:
    /// Returns true if advance() has returned the output or has thrown. The body is destroyed then.
    bool poll_outcome(context& cx) {
        try {
            auto answer = self().advance(cx);
            if (!answer.is_ready()) return false;
            outcome_.emplace(*std::move(answer));
        } catch (...) {
            failure_ = std::current_exception();
        }
        self().end();
        return true;
    }

    // SAFETY: Self derives from this mixin, so *this is the base of a Self.
    Self& self() noexcept { return static_cast<Self&>(*this); }

    std::optional<Out> outcome_;
    std::exception_ptr failure_;
};

/// A stream with a predicate for its items. The predicate returns a bool, or a future of one.
template <class S, class Fn>
class judged_items {
    using item = item_t<S>;
    using returned = std::remove_cvref_t<std::invoke_result_t<Fn&, const item&>>;
    using body = running<returned>;

public:
    static constexpr bool can_be_cancelled = cancellable_stream<S> || body::can_be_cancelled;

    /// An item and the result of the predicate.
    struct verdict {
        item judged;
        bool holds;

        verdict(item&& i, bool h) : judged(std::move(i)), holds(h) {}
    };

    template <class G>
    judged_items(S&& items, G&& f) : items_(std::move(items)), f_(std::forward<G>(f)) {}

    [[nodiscard]] inner_stream<S>& items() noexcept { return items_; }

    poll_result<std::optional<verdict>> poll_next(context& cx) {
        if (!held_) {
            auto next = items_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            if constexpr (!body::is_future) {
                const bool holds = static_cast<bool>(std::invoke(f_, std::as_const(**next)));
                return std::optional<verdict>(std::in_place, **std::move(next), holds);
            }
            held_.emplace(**std::move(next));
        }
        return poll_body(cx);
    }

    [[nodiscard]] bool cancel(context& cx) {
        if (!body_.cancel(cx)) return false;
        held_.reset();
        return items_.cancel(cx);
    }

    /// Returns the bounds of the items, including the item whose predicate is being evaluated.
    [[nodiscard]] size_bounds size_hint() const noexcept { return one_more_if(held_.has_value(), items_.size_hint()); }

    static constexpr auto wait_shape() { return inspect::waits_as(&judged_items::body_, &judged_items::items_); }

private:
    poll_result<std::optional<verdict>> poll_body(context& cx) {
        try {
            if (!body_) body_.start(f_, std::as_const(*held_));
            auto answer = body_.poll(cx);
            if (!answer) return not_ready;
            std::optional<verdict> judged(std::in_place, *std::move(held_), static_cast<bool>(*answer));
            held_.reset();
            return judged;
        } catch (...) {
            held_.reset();
            throw;
        }
    }

    inner_stream<S> items_;
    Fn f_;
    std::optional<item> held_;
    body body_;  // declared last: the body may refer to `held_`, and to captures of `f_`
};

// ---- Checks ----

/// Takes the place of a stream, a sink, or a future of them that could not be made. It accepts all calls, so that the
/// compiler reports only the first error. See broken_future.
// clang-format off
struct broken_stream : broken_future {
    using item_type = broken_future;
    poll_result<std::optional<broken_future>> poll_next(context&);

    broken_stream map(auto&&...) const { return {}; }
    broken_stream filter_map(auto&&...) const { return {}; }
    broken_stream then(auto&&...) const { return {}; }
    broken_stream inspect(auto&&...) const { return {}; }
    broken_stream scan(auto&&...) const { return {}; }
    broken_stream enumerate(auto&&...) const { return {}; }
    broken_stream filter(auto&&...) const { return {}; }
    broken_stream take_while(auto&&...) const { return {}; }
    broken_stream skip_while(auto&&...) const { return {}; }
    broken_stream map_while(auto&&...) const { return {}; }
    broken_stream take(auto&&...) const { return {}; }
    broken_stream skip(auto&&...) const { return {}; }
    broken_stream fuse(auto&&...) const { return {}; }
    broken_stream peekable(auto&&...) const { return {}; }
    broken_stream chain(auto&&...) const { return {}; }
    broken_stream merge(auto&&...) const { return {}; }
    broken_stream zip(auto&&...) const { return {}; }
    broken_stream chunks(auto&&...) const { return {}; }
    broken_stream ready_chunks(auto&&...) const { return {}; }
    broken_stream buffered(auto&&...) const { return {}; }
    broken_stream buffer_unordered(auto&&...) const { return {}; }
    broken_stream timeout(auto&&...) const { return {}; }
    broken_stream throttle(auto&&...) const { return {}; }
    broken_stream chunks_timeout(auto&&...) const { return {}; }
    broken_stream for_each(auto&&...) const { return {}; }
    broken_stream for_each_concurrent(auto&&...) const { return {}; }
    broken_stream fold(auto&&...) const { return {}; }
    broken_stream try_fold(auto&&...) const { return {}; }
    broken_stream forward(auto&&...) const { return {}; }
    broken_stream all(auto&&...) const { return {}; }
    broken_stream any(auto&&...) const { return {}; }
    broken_stream count(auto&&...) const { return {}; }
    broken_stream next(auto&&...) const { return {}; }
    broken_stream try_next(auto&&...) const { return {}; }
    broken_stream cancel(auto&&...) const { return {}; }
    broken_stream by_ref(auto&&...) const { return {}; }
    template <class...> broken_stream collect() const { return {}; }
    template <class...> broken_stream with(auto&&...) const { return {}; }
    template <class...> broken_stream buffer(auto&&...) const { return {}; }
    broken_stream send(auto&&...) const { return {}; }
    broken_stream feed(auto&&...) const { return {}; }
    broken_stream flush(auto&&...) const { return {}; }
    broken_stream close(auto&&...) const { return {}; }
    broken_stream send_all(auto&&...) const { return {}; }
    broken_stream fanout(auto&&...) const { return {}; }
};
// clang-format on

/// Checks that a function deduced as `Fn` accepts a `V`.
template <class Fn, class V>
constexpr bool takes_item() {
    constexpr bool fits = takes<std::decay_t<Fn>&, V>;
    static_assert(fits, "eddy: this needs a function that takes an item of the stream (or its parts)");
    return fits;
}

/// Checks that a function accepts a `const V&`.
template <class Fn, class V>
constexpr bool sees_item() {
    constexpr bool takes_it = std::is_invocable_v<std::decay_t<Fn>&, const V&>;
    static_assert(takes_it, "eddy: this needs a function that takes an item of the stream by const reference");
    return takes_it;
}

/// Checks that a function accepts a `const V&`, and returns a bool or a future of one.
template <class Fn, class V>
constexpr bool judges_item() {
    if constexpr (sees_item<Fn, V>()) {
        using returned = std::invoke_result_t<std::decay_t<Fn>&, const V&>;
        constexpr bool says = std::is_convertible_v<typename outcome_of<std::remove_cvref_t<returned>>::type, bool>;
        static_assert(says, "eddy: this needs a function that returns a bool, or a future of one");
        return says;
    } else {
        return false;
    }
}

/// Checks that an item is an `expected`.
template <class Item>
constexpr bool has_errors() {
    constexpr bool has = is_expected<Item>;
    static_assert(has, "eddy: try_next() needs a stream whose items are a std::expected; use next()");
    return has;
}

/// Checks that an item is a future.
template <class Item>
constexpr bool runs_items() {
    constexpr bool runs = future<Item>;
    static_assert(runs, "eddy: this needs a stream whose items are futures: map() them, for example with a coroutine");
    return runs;
}

/// Checks that a function accepts an item, and returns a std::optional or a future of one.
template <class Fn, class V>
constexpr bool makes_optional() {
    if constexpr (!takes_item<Fn, V>()) {
        return false;
    } else {
        constexpr bool makes = is_optional<typename outcome_of<call_result_t<std::decay_t<Fn>&, V>>::type>;
        static_assert(makes, "eddy: this needs a function that returns a std::optional");
        return makes;
    }
}

/// Checks that a function accepts an item and returns a future.
template <class Fn, class V>
constexpr bool makes_future() {
    if constexpr (!takes_item<Fn, V>()) {
        return false;
    } else {
        constexpr bool makes = future<call_result_t<std::decay_t<Fn>&, V>>;
        static_assert(makes, "eddy: this needs a function that returns a future; map() and for_each() take any other");
        return makes;
    }
}

/// Whether a function accepts a state, by value or by reference, and an item.
template <class Fn, class State, class V>
inline constexpr bool takes_state =
    std::is_invocable_v<std::decay_t<Fn>&, State&, V> || std::is_invocable_v<std::decay_t<Fn>&, State, V>;

/// The result type of a fold's step function, called with an rvalue State and an rvalue V; or only with the State if
/// `V` is void.
template <class Fn, class State, class V>
struct step_result : std::invoke_result<Fn&, State, V> {};
template <class Fn, class State>
struct step_result<Fn, State, void> : std::invoke_result<Fn&, State> {};

/// Checks that `Fn` is a function for a fold that can fail. It computes the next state from the state and the value of
/// an item. The item or the function's result is an `expected`.
template <class Fn, class State, class Item>
constexpr bool folds_values() {
    using result = step_result<std::decay_t<Fn>, State, item_value_t<Item>>;
    constexpr bool takes_both = requires { typename result::type; };
    static_assert(takes_both, "eddy: try_fold needs a function that takes the state, and the value of an item");
    if constexpr (takes_both) {
        constexpr bool may_fail = is_expected<Item> || is_expected<typename outcome_of<typename result::type>::type>;
        static_assert(may_fail, "eddy: neither the items nor the function's results are a std::expected; use fold()");
        return may_fail;
    } else {
        return false;
    }
}

/// Checks that an argument deduced as `S` is a stream that can be moved in.
template <class S>
constexpr bool is_given_stream() {
    constexpr bool given = !std::is_lvalue_reference_v<S>;
    static_assert(given, "eddy: this takes ownership of its streams: write std::move(s), or s.by_ref() to keep it");
    constexpr bool streams = !given || stream<std::remove_cvref_t<S>>;
    static_assert(streams,
                  "eddy: this argument is not a stream, which needs item_type and "
                  "poll_result<std::optional<item_type>> poll_next(context&)");
    return given && streams;
}

/// Same as is_given_stream(), for a stream whose items are `Item`s.
template <class S, class Item>
constexpr bool is_stream_of() {
    if constexpr (!is_given_stream<S>()) {
        return false;
    } else {
        constexpr bool same = std::is_same_v<item_t<std::remove_cvref_t<S>>, Item>;
        static_assert(same, "eddy: the two streams must have the same type of items; map() one of them");
        return same;
    }
}

/// The result type of a sink's poll functions.
template <class S>
using sink_answer_t = poll_result<std::expected<void, typename S::error_type>>;

/// The part of the sink concept that does not depend on the type of the items.
template <class S>
concept polled_as_sink = requires(S& s, context& cx) {
    { s.poll_ready(cx) } -> std::same_as<sink_answer_t<S>>;
    { s.poll_flush(cx) } -> std::same_as<sink_answer_t<S>>;
    { s.poll_close(cx) } -> std::same_as<sink_answer_t<S>>;
};

/// Checks that `S` is a sink before its error type is used. See checked_stream.
template <class S>
struct checked_sink {
    static_assert(
        polled_as_sink<S>,
        "eddy: this is not a sink: it needs error_type, and poll_ready, poll_flush and poll_close must return "
        "poll_result<std::expected<void, error_type>>");
    using error_type = typename S::error_type;
};
/// The type of a sink's errors.
template <class S>
using sink_error_t = typename checked_sink<S>::error_type;

/// A sender of a bounded channel, recognized by its members because its type is not known here.
template <class S>
concept reserves_room = requires(S& s) {
    s.reserve();
    s.max_capacity();
};

/// Specialized for an eddy sink with its own error text for items of an unsuitable type `T`. The specialization has a
/// `static constexpr bool check()`.
template <class S, class T>
struct item_check {};

/// Whether a specialization of item_check explains why `S` is not a sink of `T`.
template <class S, class T>
concept says_why_not = !sink<S, T> && polled_as_sink<S> && requires { item_check<S, T>::check(); };

/// Checks that a sink takes items of type `T`. A failure is a static_assert that says why not.
template <class S, class T>
constexpr bool is_sink_of() {
    if constexpr (says_why_not<S, T>) {
        return item_check<S, T>::check();
    } else {
        constexpr bool waits_for_room = reserves_room<S> && !polled_as_sink<S>;
        static_assert(!waits_for_room, "eddy: a bounded sender is not a sink: use sync::poll_sender(tx)");
        constexpr bool polled = waits_for_room || polled_as_sink<S>;
        static_assert(
            polled,
            "eddy: this is not a sink: it needs error_type, and poll_ready, poll_flush and poll_close must return "
            "poll_result<std::expected<void, error_type>>");
        constexpr bool fits = sink<S, T>;
        static_assert(
            fits || waits_for_room || !polled,
            "eddy: this is not a sink for that item: start_send(item) must take it, and return std::expected<void, "
            "error_type>; map() the items of a stream to others, or put with<In>(f) before the sink");
        return fits;
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
