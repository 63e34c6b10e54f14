// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::streams {

/// The future that peekable_stream::peek() returns.
/// Lifetime: the stream must outlive it.
template <class S>
class [[nodiscard("co_await it")]] peek_future : public future_ops<peek_future<S>> {
public:
    using output_type = detail::item_t<S>*;

    explicit peek_future(peekable_stream<S>& of) noexcept : of_(&of) {}

    poll_result<output_type> poll(context& cx) { return of_->poll_peek(cx); }

    static constexpr auto wait_shape() { return inspect::waits_as(&peek_future::of_); }

private:
    peekable_stream<S>* of_;
};

/// The future that peekable_stream::next_if() returns.
/// Lifetime: the stream must outlive it.
template <class S, class Fn>
class [[nodiscard("co_await it")]] next_if_future : public future_ops<next_if_future<S, Fn>> {
public:
    using output_type = std::optional<detail::item_t<S>>;

    template <class G>
    next_if_future(peekable_stream<S>& of, G&& f) : of_(&of), f_(std::forward<G>(f)) {}

    poll_result<output_type> poll(context& cx) {
        auto seen = of_->poll_peek(cx);
        if (!seen) return not_ready;
        if (*seen == nullptr || !static_cast<bool>(std::invoke(f_, std::as_const(**seen)))) return std::nullopt;
        return of_->take_peeked();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&next_if_future::of_); }

private:
    peekable_stream<S>* of_;
    Fn f_;
};

/// A stream whose next item can be examined before it is taken. Created by stream_ops::peekable().
/// Cancel safety: safe; see stream_ops.
template <class S>
class [[nodiscard]] peekable_stream : public detail::stream_adaptor<peekable_stream<S>, S> {
public:
    using item_type = detail::item_t<S>;

    explicit peekable_stream(S&& items) : peekable_stream::stream_adaptor(std::move(items)) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (peeked_) return take_peeked();
        return this->items_.poll_next(cx);
    }

    /// Returns a future of a pointer to the next item, or null at the end. The item stays in the stream and may be
    /// modified there.
    /// Lifetime: the stream must outlive the future. The pointer is valid until the item is taken or the stream is
    /// moved.
    [[nodiscard]] peek_future<S> peek() noexcept { return peek_future<S>(*this); }

    /// Returns a future that takes the next item if `f` returns true for it. Its output is empty if `f` returns false,
    /// or at the end.
    /// Lifetime: the stream must outlive the future.
    template <class Fn>
    [[nodiscard]] auto next_if(Fn&& f) {
        if constexpr (!detail::sees_item<Fn, item_type>()) {
            return detail::broken_future();
        } else {
            return next_if_future<S, detail::kept_fn_t<Fn>>(*this, std::forward<Fn>(f));
        }
    }

    /// Poll function of peek().
    poll_result<item_type*> poll_peek(context& cx) {
        if (!peeked_) {
            auto next = this->items_.poll_next(cx);
            if (!next) return not_ready;
            if (!next->has_value()) return nullptr;
            peeked_.emplace(**std::move(next));
        }
        return &*peeked_;
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        return detail::one_more_if(peeked_.has_value(), this->items_.size_hint());
    }

private:
    template <class, class>
    friend class next_if_future;

    std::optional<item_type> take_peeked() {
        std::optional<item_type> taken(std::move(peeked_));
        peeked_.reset();
        return taken;
    }

    std::optional<item_type> peeked_;
};

}  // namespace eddy::streams
