// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/stream_ops.hpp>

// Adapters that transform items. See stream_ops.

namespace eddy::streams {

/// The stream that stream_ops::map() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] map_stream : public detail::stream_adaptor<map_stream<S, Fn>, S> {
    using returned = detail::call_result_t<Fn&, detail::item_t<S>>;

public:
    using item_type = detail::stored_t<returned>;

    template <class G>
    map_stream(S&& items, G&& f) : map_stream::stream_adaptor(std::move(items)), f_(std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = this->items_.poll_next(cx);
        if (!next) return not_ready;
        if (!next->has_value()) return std::nullopt;
        return std::optional<item_type>(detail::call_stored<detail::item_t<S>>(f_, **std::move(next)));
    }

private:
    Fn f_;
};

/// The stream that stream_ops::inspect() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] inspect_stream : public detail::stream_adaptor<inspect_stream<S, Fn>, S> {
public:
    using item_type = detail::item_t<S>;

    template <class G>
    inspect_stream(S&& items, G&& f) : inspect_stream::stream_adaptor(std::move(items)), f_(std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = this->items_.poll_next(cx);
        if (next && next->has_value()) std::invoke(f_, std::as_const(**next));
        return next;
    }

private:
    Fn f_;
};

}  // namespace eddy::streams

namespace eddy::detail {

/// The base of the adapters whose function may return a future for an item. One such future runs at a time.
template <class Self, class S, class Fn>
class running_adaptor : public detail::stream_adaptor<Self, S> {
protected:
    using item = detail::item_t<S>;
    using body = detail::running<detail::call_result_t<Fn&, item>>;
    using answer = typename body::output_type;

public:
    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_stream<S> || body::can_be_cancelled)
    {
        if (!body_.cancel(cx) || !this->items_.cancel(cx)) return not_ready;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&running_adaptor::body_, &running_adaptor::items_); }

protected:
    template <class G>
    running_adaptor(S&& items, G&& f) : running_adaptor::stream_adaptor(std::move(items)), f_(std::forward<G>(f)) {}

    /// Returns the function's output for the next item.
    poll_result<std::optional<answer>> poll_answer(context& cx) {
        if (!body_) {
            auto next = this->items_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            body_.start(f_, **std::move(next));
        }
        auto ended = body_.poll(cx);
        if (!ended) return not_ready;
        return std::optional<answer>(*std::move(ended));
    }

    [[nodiscard]] bool is_running() const noexcept { return static_cast<bool>(body_); }

private:
    Fn f_;
    body body_;  // declared last: the body may refer to the captures of the function
};

}  // namespace eddy::detail

namespace eddy::streams {

/// The stream that stream_ops::then() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] then_stream : public detail::running_adaptor<then_stream<S, Fn>, S, Fn> {
public:
    using item_type = typename then_stream::running_adaptor::answer;

    template <class G>
    then_stream(S&& items, G&& f) : then_stream::running_adaptor(std::move(items), std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) { return this->poll_answer(cx); }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        return detail::one_more_if(this->is_running(), this->items_.size_hint());
    }
};

/// The stream that stream_ops::filter_map() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] filter_map_stream : public detail::running_adaptor<filter_map_stream<S, Fn>, S, Fn> {
public:
    using item_type = typename filter_map_stream::running_adaptor::answer::value_type;

    template <class G>
    filter_map_stream(S&& items, G&& f) : filter_map_stream::running_adaptor(std::move(items), std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->poll_answer(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            if (**next) return **std::move(next);
            if (!cost.is_paid()) return not_ready;
        }
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        return detail::at_most(detail::one_more_if(this->is_running(), this->items_.size_hint()));
    }
};

/// The stream that stream_ops::scan() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class State, class Fn>
class [[nodiscard]] scan_stream : public detail::stream_adaptor<scan_stream<S, State, Fn>, S> {
    using returned = std::invoke_result_t<Fn&, State&, detail::item_t<S>>;

public:
    using item_type = typename returned::value_type;

    template <class G>
    scan_stream(S&& items, State&& first, G&& f)
        : scan_stream::stream_adaptor(std::move(items)), state_(std::move(first)), f_(std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!is_over_) {
            auto next = this->items_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            std::optional<item_type> made = std::invoke(f_, state_, **std::move(next));
            if (made) return made;
            is_over_ = true;
        }
        if (!this->items_.cancel(cx)) return not_ready;
        return std::nullopt;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept { return detail::at_most(this->items_.size_hint()); }

private:
    State state_;
    Fn f_;
    bool is_over_ = false;
};

/// An item of stream_ops::enumerate(): the index, starting at 0, and the value.
template <class T>
struct enumerated {
    std::size_t index;  ///< counts from 0
    T value;            ///< the item of the stream

    /// Moves the value in.
    enumerated(std::size_t i, T&& v) : index(i), value(std::move(v)) {}

    /// Moves the parts out as a tuple.
    std::tuple<std::size_t, T> into_parts() && { return {index, std::move(value)}; }
};

/// The stream that stream_ops::enumerate() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] enumerate_stream : public detail::stream_adaptor<enumerate_stream<S>, S> {
public:
    using item_type = enumerated<detail::item_t<S>>;

    explicit enumerate_stream(S&& items) : enumerate_stream::stream_adaptor(std::move(items)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = this->items_.poll_next(cx);
        if (!next) return not_ready;
        if (!next->has_value()) return std::nullopt;
        return std::optional<item_type>(std::in_place, count_++, **std::move(next));
    }

private:
    std::size_t count_ = 0;
};

}  // namespace eddy::streams
