// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/stream/stream_ops.hpp>

// Adapters that omit items. See stream_ops.

namespace eddy::detail {

/// The base of an adaptor that leaves out items by a predicate.
template <class Self, class S, class Fn>
class judging_adaptor : public stream_ops<Self> {
public:
    using item_type = item_t<S>;

    [[nodiscard]] size_bounds size_hint() const noexcept { return at_most(judged_.size_hint()); }

    poll_result<void> poll_cancel(context& cx)
        requires judged_items<S, Fn>::can_be_cancelled
    {
        if (!judged_.cancel(cx)) return not_ready;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&judging_adaptor::judged_); }

protected:
    template <class G>
    judging_adaptor(S&& items, G&& f) : judged_(std::move(items), std::forward<G>(f)) {}

    judged_items<S, Fn> judged_;
};

}  // namespace eddy::detail

namespace eddy::streams {

/// The stream that stream_ops::filter() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] filter_stream : public detail::judging_adaptor<filter_stream<S, Fn>, S, Fn> {
public:
    using item_type = detail::item_t<S>;

    template <class G>
    filter_stream(S&& items, G&& f) : filter_stream::judging_adaptor(std::move(items), std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->judged_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            if ((**next).holds) return std::optional<item_type>(std::move((**next).judged));
            if (!cost.is_paid()) return not_ready;
        }
    }
};

/// The stream that stream_ops::take_while() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] take_while_stream : public detail::judging_adaptor<take_while_stream<S, Fn>, S, Fn> {
public:
    using item_type = detail::item_t<S>;

    template <class G>
    take_while_stream(S&& items, G&& f) : take_while_stream::judging_adaptor(std::move(items), std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!is_over_) {
            auto next = this->judged_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            if ((**next).holds) return std::optional<item_type>(std::move((**next).judged));
            is_over_ = true;
        }
        if (!this->judged_.items().cancel(cx)) return not_ready;
        return std::nullopt;
    }

private:
    bool is_over_ = false;
};

/// The stream that stream_ops::skip_while() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] skip_while_stream : public detail::judging_adaptor<skip_while_stream<S, Fn>, S, Fn> {
public:
    using item_type = detail::item_t<S>;

    template <class G>
    skip_while_stream(S&& items, G&& f) : skip_while_stream::judging_adaptor(std::move(items), std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        while (skips_) {
            detail::budget_guard cost(cx);
            auto next = this->judged_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            if (!(**next).holds) {
                skips_ = false;
                return std::optional<item_type>(std::move((**next).judged));
            }
            if (!cost.is_paid()) return not_ready;
        }
        return this->judged_.items().poll_next(cx);
    }

private:
    bool skips_ = true;
};

/// The stream that stream_ops::map_while() returns.
/// Cancel safety: safe; see stream_ops.
template <class S, class Fn>
class [[nodiscard]] map_while_stream : public detail::stream_adaptor<map_while_stream<S, Fn>, S> {
public:
    using item_type = typename detail::call_result_t<Fn&, detail::item_t<S>>::value_type;

    template <class G>
    map_while_stream(S&& items, G&& f) : map_while_stream::stream_adaptor(std::move(items)), f_(std::forward<G>(f)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (!is_over_) {
            auto next = this->items_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return std::nullopt;
            std::optional<item_type> made = detail::call_with(f_, **std::move(next));
            if (made) return made;
            is_over_ = true;
        }
        if (!this->items_.cancel(cx)) return not_ready;
        return std::nullopt;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept { return detail::at_most(this->items_.size_hint()); }

private:
    Fn f_;
    bool is_over_ = false;
};

/// The stream that stream_ops::take() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] take_stream : public detail::stream_adaptor<take_stream<S>, S> {
public:
    using item_type = detail::item_t<S>;

    take_stream(S&& items, std::size_t count) : take_stream::stream_adaptor(std::move(items)), left_(count) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (left_ == 0) {
            if (!this->items_.cancel(cx)) return not_ready;
            return std::nullopt;
        }
        auto next = this->items_.poll_next(cx);
        if (next && next->has_value()) --left_;
        return next;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        const size_bounds all = this->items_.size_hint();
        return {detail::lesser(all.at_least, left_), detail::lesser(all.at_most.value_or(left_), left_)};
    }

private:
    std::size_t left_;
};

/// The stream that stream_ops::skip() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] skip_stream : public detail::stream_adaptor<skip_stream<S>, S> {
public:
    using item_type = detail::item_t<S>;

    skip_stream(S&& items, std::size_t count) : skip_stream::stream_adaptor(std::move(items)), left_(count) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        for (;;) {
            detail::budget_guard cost(cx);
            auto next = this->items_.poll_next(cx);
            if (left_ == 0 || !next || !next->has_value()) return next;
            --left_;
            if (!cost.is_paid()) return not_ready;
        }
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        size_bounds left = this->items_.size_hint();
        left.at_least -= detail::lesser(left.at_least, left_);
        if (left.at_most) *left.at_most -= detail::lesser(*left.at_most, left_);
        return left;
    }

private:
    std::size_t left_;
};

/// The stream that stream_ops::fuse() returns.
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] fuse_stream : public detail::stream_adaptor<fuse_stream<S>, S> {
public:
    using item_type = detail::item_t<S>;

    explicit fuse_stream(S&& items) : fuse_stream::stream_adaptor(std::move(items)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) { return this->items_.poll_next(cx); }

    /// Returns true if the stream has reported its end and was destroyed.
    [[nodiscard]] bool has_ended() const noexcept { return this->items_.has_ended(); }
};

}  // namespace eddy::streams
