// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <exception>
#include <expected>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/stream_ops.hpp>

// Futures that compute one value from all items of a stream. See stream_ops.

namespace eddy::streams {

/// The future that stream_ops::fold() returns.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class S, class State, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] fold_future
    : public detail::stream_consumer<fold_future<S, State, Fn>, S, State> {
    using base = typename fold_future::stream_consumer;
    friend base;

    using item = detail::item_t<S>;
    using body = detail::running<std::invoke_result_t<Fn&, State, item>>;
    static_assert(std::is_convertible_v<typename body::output_type, State>,
                  "eddy: the function of fold returns the next state, or a future of it");

public:
    /// Whether the future of the function supports graceful cancellation.
    static constexpr bool body_can_be_cancelled = body::can_be_cancelled;

    template <class G>
    fold_future(S&& items, State&& first, G&& f)
        : base(std::move(items)), state_(std::in_place, std::move(first)), f_(std::in_place, std::forward<G>(f)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&fold_future::body_, &fold_future::items_); }

private:
    static constexpr const char* name = "fold";

    poll_result<State> advance(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            if (!body_) {
                auto next = this->items_->poll_next(cx);
                if (!next) return not_ready;
                if (!next->has_value()) return *std::move(state_);
                auto call = [&] { return std::invoke(*f_, *std::move(state_), **std::move(next)); };
                body_.start(call);
            }
            auto ended = body_.poll(cx);
            if (!ended) return not_ready;
            state_.emplace(*std::move(ended));
            if (!cost.is_paid()) return not_ready;
        }
    }

    bool cancel_body(context& cx) { return body_.cancel(cx); }

    void end() noexcept {
        body_.end();
        f_.reset();
        state_.reset();
    }

    std::optional<State> state_;
    std::optional<Fn> f_;
    body body_;  // declared last: the body may refer to the captures of the function
};

/// The types of stream_ops::try_fold().
template <class S, class State, class Fn>
struct try_folded {
    /// The types of the items, of the function's result, of a call in progress, and of the output of that call.
    using item = detail::item_t<S>;
    using returned = typename detail::step_result<Fn, State, detail::item_value_t<item>>::type;
    using body = detail::running<returned>;
    using answer = typename body::output_type;

    /// Whether the function may fail. An `expected` that is the state itself is not unwrapped.
    static constexpr bool may_fail = detail::is_expected<answer> && !std::is_same_v<answer, State>;
    static_assert(
        std::is_convertible_v<detail::item_value_t<std::conditional_t<may_fail, answer, State>>, State> &&
            (may_fail || std::is_convertible_v<answer, State>),
        "eddy: the function of try_fold returns the next state, a std::expected of it, or a future of either");
    /// The types of the output's error and of the output.
    using error = detail::item_error_t<std::conditional_t<detail::is_expected<item>, item, answer>>;
    using type = std::expected<State, error>;
};

/// The future that stream_ops::try_fold() returns.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class S, class State, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] try_fold_future
    : public detail::stream_consumer<try_fold_future<S, State, Fn>, S, typename try_folded<S, State, Fn>::type> {
    using base = typename try_fold_future::stream_consumer;
    friend base;

    using kinds = try_folded<S, State, Fn>;
    using item = typename kinds::item;
    using body = typename kinds::body;

public:
    using output_type = typename base::output_type;
    /// Whether the future of the function supports graceful cancellation.
    static constexpr bool body_can_be_cancelled = body::can_be_cancelled;

    template <class G>
    try_fold_future(S&& items, State&& first, G&& f)
        : base(std::move(items)), state_(std::in_place, std::move(first)), f_(std::in_place, std::forward<G>(f)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&try_fold_future::body_, &try_fold_future::items_); }

private:
    static constexpr const char* name = "try_fold";

    poll_result<output_type> advance(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            if (!body_) {
                auto next = this->items_->poll_next(cx);
                if (!next) return not_ready;
                if (!next->has_value()) return output_type(std::in_place, *std::move(state_));
                if constexpr (detail::is_expected<item>) {
                    if (!**next) return output_type(std::unexpect, std::move(**next).error());
                }
                start(**std::move(next));
            }
            auto ended = body_.poll(cx);
            if (!ended) return not_ready;
            if constexpr (kinds::may_fail) {
                if (!*ended)
                    return output_type(std::unexpect,
                                       convert_error<typename output_type::error_type>((*std::move(ended)).error()));
                state_.emplace(**std::move(ended));
            } else {
                state_.emplace(*std::move(ended));
            }
            if (!cost.is_paid()) return not_ready;
        }
    }

    void start(item&& taken) {
        auto call = [&] {
            if constexpr (!detail::is_expected<item>) {
                return std::invoke(*f_, *std::move(state_), std::move(taken));
            } else if constexpr (std::is_void_v<typename item::value_type>) {
                return std::invoke(*f_, *std::move(state_));
            } else {
                return std::invoke(*f_, *std::move(state_), *std::move(taken));
            }
        };
        body_.start(call);
    }

    bool cancel_body(context& cx) { return body_.cancel(cx); }

    void end() noexcept {
        body_.end();
        f_.reset();
        state_.reset();
    }

    std::optional<State> state_;
    std::optional<Fn> f_;
    body body_;  // declared last: the body may refer to the captures of the function
};

/// The types of stream_ops::collect().
template <class S, class Container>
struct collected {
    /// The items of the stream.
    using item = detail::item_t<S>;

    /// Whether values are taken out of the items. False if the elements of the container are `expected`s themselves.
    static constexpr bool unwraps = [] {
        if constexpr (detail::is_expected<item>) return !std::is_same_v<typename Container::value_type, item>;
        return false;
    }();
    /// The output: the container, or an `expected` of it.
    using type =
        typename std::conditional_t<unwraps, std::type_identity<std::expected<Container, detail::item_error_t<item>>>,
                                    std::type_identity<Container>>::type;
};

/// The future that stream_ops::collect() returns.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class S, class Container>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] collect_future
    : public detail::stream_consumer<collect_future<S, Container>, S, typename collected<S, Container>::type> {
    using base = typename collect_future::stream_consumer;
    friend base;
    static constexpr bool unwraps = collected<S, Container>::unwraps;

public:
    using output_type = typename base::output_type;

    explicit collect_future(S&& items) : base(std::move(items)) {}

private:
    static constexpr const char* name = "collect";
    // A hint may be any number. A container that needs more than this grows while it is filled.
    static constexpr std::size_t largest_reserve = 1 << 16;

    poll_result<output_type> advance(context& cx) {
        if (!into_) begin();
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->items_->poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return output_type(*std::move(into_));
            if constexpr (unwraps) {
                if (!**next) return output_type(std::unexpect, std::move(**next).error());
                put(*std::move(**next));
            } else {
                put(**std::move(next));
            }
            if (!cost.is_paid()) return not_ready;
        }
    }

    void begin() {
        into_.emplace();
        if constexpr (requires { into_->reserve(std::size_t()); })
            into_->reserve(detail::lesser(detail::bounds_of(*this->items_).at_least, largest_reserve));
    }

    template <class V>
    void put(V&& value) {
        if constexpr (requires { into_->push_back(std::forward<V>(value)); }) {
            into_->push_back(std::forward<V>(value));
        } else if constexpr (requires { into_->insert(std::forward<V>(value)); }) {
            into_->insert(std::forward<V>(value));
        } else {
            constexpr bool adds = requires { *into_ += std::forward<V>(value); };
            static_assert(adds, "eddy: collect needs a container that takes the items by push_back, insert or +=");
            if constexpr (adds) *into_ += std::forward<V>(value);
        }
    }

    void end() noexcept { into_.reset(); }

    std::optional<Container> into_;
};

}  // namespace eddy::streams

namespace eddy::detail {

/// The base of all_future and any_future: the first item for which the function returns `Stop` ends it.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class Self, class S, class Fn, bool Stop>
class judging_future : public future_ops<Self> {
    using judged = detail::judged_items<S, Fn>;

public:
    using output_type = bool;

    poll_result<bool> poll(context& cx) {
        if (!judged_) eddy::detail::throw_has_ended(Self::name, cx.where());
        if (!outcome_ && !failure_ && !poll_outcome(cx)) return not_ready;
        if (!judged_->items().cancel(cx)) return not_ready;  // as in stream_consumer
        judged_.reset();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        return *outcome_;
    }

    poll_result<void> poll_cancel(context& cx)
        requires judged::can_be_cancelled
    {
        if (judged_ && !judged_->cancel(cx)) return not_ready;
        judged_.reset();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&judging_future::judged_); }

protected:
    template <class G>
    judging_future(S&& items, G&& f) : judged_(std::in_place, std::move(items), std::forward<G>(f)) {}

private:
    /// Returns true if the output is known or the function has thrown.
    bool poll_outcome(context& cx) {
        try {
            const auto answer = advance(cx);
            if (!answer) return false;
            outcome_ = *answer;
        } catch (...) {
            failure_ = std::current_exception();
        }
        return true;
    }

    poll_result<bool> advance(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = judged_->poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return !Stop;
            if ((**next).holds == Stop) return Stop;
            if (!cost.is_paid()) return not_ready;
        }
    }

    std::optional<judged> judged_;  // empty after the end
    std::optional<bool> outcome_;
    std::exception_ptr failure_;
};

}  // namespace eddy::detail

namespace eddy::streams {

/// The future that stream_ops::all() returns.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class S, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] all_future
    : public detail::judging_future<all_future<S, Fn>, S, Fn, false> {
public:
    /// The name of the operation, for error messages.
    static constexpr const char* name = "all";

    template <class G>
    all_future(S&& items, G&& f) : all_future::judging_future(std::move(items), std::forward<G>(f)) {}
};

/// The future that stream_ops::any() returns.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class S, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] any_future
    : public detail::judging_future<any_future<S, Fn>, S, Fn, true> {
public:
    /// The name of the operation, for error messages.
    static constexpr const char* name = "any";

    template <class G>
    any_future(S&& items, G&& f) : any_future::judging_future(std::move(items), std::forward<G>(f)) {}
};

/// The future that stream_ops::count() returns.
/// Cancel safety: dropping it destroys the stream; see stream_ops.
template <class S>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] count_future
    : public detail::stream_consumer<count_future<S>, S, std::size_t> {
    using base = typename count_future::stream_consumer;
    friend base;

public:
    explicit count_future(S&& items) : base(std::move(items)) {}

private:
    static constexpr const char* name = "count";

    poll_result<std::size_t> advance(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->items_->poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return count_;
            ++count_;
            if (!cost.is_paid()) return not_ready;
        }
    }

    void end() noexcept {}

    std::size_t count_ = 0;
};

}  // namespace eddy::streams
