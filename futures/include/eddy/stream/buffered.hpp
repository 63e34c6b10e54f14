// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/error.hpp>
#include <eddy/future/detail/call.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/try.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/stream_ops.hpp>

// Streams whose items are futures: several run at the same time, on the task that reads the stream. See stream_ops.

namespace eddy::detail {

/// Throws misuse if `limit` is zero.
inline void check_limit(std::size_t limit, std::source_location where) {
    if (limit == 0) throw misuse("no future can run with a limit of zero: allow at least one", where);
}

/// Ends the futures of a futures_unordered or futures_ordered. Returns true when they are gone.
template <class Running>
[[nodiscard]] bool end_running(Running& running, context& cx) {
    if constexpr (cancellable_future<typename Running::future_type>) {
        return running.poll_cancel(cx).is_ready();
    } else {
        running.clear();
        return true;
    }
}

}  // namespace eddy::detail

namespace eddy::streams {

/// The stream that stream_ops::buffered() and stream_ops::buffer_unordered() return. `Running` is futures_ordered or
/// futures_unordered.
/// Cancel safety: safe; see stream_ops.
template <class S, class Running>
class [[nodiscard]] buffered_stream : public detail::stream_adaptor<buffered_stream<S, Running>, S> {
    using item = detail::item_t<S>;

public:
    using item_type = typename Running::item_type;

    buffered_stream(S&& items, std::size_t limit, std::source_location where)
        : buffered_stream::stream_adaptor(std::move(items)), limit_(limit) {
        detail::check_limit(limit, where);
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        const bool futures_first = std::exchange(futures_come_first_, false);
        if (futures_first && !running_.is_empty()) {
            if (auto ended = running_.poll_next(cx)) return ended;
        }
        while (running_.size() < limit_) {
            detail::budget_guard cost(cx);
            auto next = this->items_.poll_next(cx);
            if (!next || !next->has_value()) break;
            running_.push(**std::move(next));
            if (!cost.is_paid()) break;
        }
        futures_come_first_ = !futures_first && cx.budget() == 0;
        if (running_.is_empty()) {
            if (this->items_.has_ended()) return std::nullopt;
            return not_ready;
        }
        return running_.poll_next(cx);
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_stream<S> || cancellable_future<item>)
    {
        const auto end_running = [&] { return detail::end_running(running_, cx); };
        if (!in_turn_([&] { return this->items_.cancel(cx); }, end_running)) return not_ready;
        return poll_result<void>::ready();
    }

    [[nodiscard]] size_bounds size_hint() const noexcept {
        return detail::add(this->items_.size_hint(), size_bounds(running_.size(), running_.size()));
    }

    static constexpr auto wait_shape() {
        return inspect::first_of(&buffered_stream::items_, inspect::child_through(&buffered_stream::running_));
    }

private:
    std::size_t limit_;
    Running running_;
    // Set after a poll in which the stream has used up the coop budget. A filter, for example, can do that without an
    // item, and in every poll, so the futures are polled first the next time.
    bool futures_come_first_ = false;
    detail::end_in_turn in_turn_;
};

/// The future that stream_ops::for_each_concurrent() returns.
/// Cancel safety: dropping it destroys the stream and the futures that run; see stream_ops.
template <class S, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] for_each_concurrent_future
    : public future_ops<for_each_concurrent_future<S, Fn>> {
    using item = detail::item_t<S>;
    using body = detail::call_result_t<Fn&, detail::item_value_t<item>>;
    using answer = detail::stored_t<output_t<body>>;
    static constexpr bool may_fail = detail::is_expected<answer>;
    static_assert(may_fail || std::is_same_v<answer, std::monostate>,
                  "eddy: the output of the future given to for_each_concurrent must be void or a std::expected");

public:
    using output_type = std::expected<void, detail::item_error_t<item>>;

    template <class G>
    for_each_concurrent_future(S&& items, std::size_t limit, G&& f, std::source_location where)
        : items_(std::move(items)), limit_(limit), f_(std::in_place, std::forward<G>(f)) {
        detail::check_limit(limit, where);
    }

    poll_result<output_type> poll(context& cx) {
        if (!f_) eddy::detail::throw_has_ended("for_each_concurrent", cx.where());
        try {
            if (!outcome_) advance(cx);
        } catch (...) {
            failure_ = std::current_exception();
            outcome_.emplace();
        }
        if (!outcome_ || !cancel_all(cx)) return not_ready;
        f_.reset();
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        return *std::move(outcome_);
    }

    poll_result<void> poll_cancel(context& cx)
        requires(cancellable_stream<S> || cancellable_future<body>)
    {
        if (!cancel_all(cx)) return not_ready;
        f_.reset();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() {
        return inspect::first_of(&for_each_concurrent_future::items_,
                                 inspect::child_through(&for_each_concurrent_future::running_));
    }

private:
    /// Starts futures up to the limit and runs them, until it has to wait or `outcome_` is set.
    void advance(context& cx) {
        const bool futures_first = std::exchange(futures_come_first_, false);
        while (futures_first && !outcome_ && take_ended(cx)) {
        }
        while (!outcome_) {
            detail::budget_guard cost(cx);
            const bool has_begun = begin_next(cx);
            futures_come_first_ = !futures_first && cx.budget() == 0;
            if (outcome_) return;
            // Polls the running futures in each round, so that an endless sequence of items does not starve them.
            const bool has_ended = take_ended(cx);
            if (outcome_ || !(has_begun || has_ended)) return;
            if (!cost.is_paid()) return;
        }
    }

    /// Starts the future of the next item. Returns true if there was an item.
    bool begin_next(context& cx) {
        if (running_.size() >= limit_ || items_.has_ended()) return false;
        auto next = items_.poll_next(cx);
        if (!next || !next->has_value()) return false;
        if constexpr (!detail::is_expected<item>) {
            running_.push(detail::call_with(*f_, **std::move(next)));
        } else {
            if (!**next) {
                outcome_.emplace(std::unexpect, std::move(**next).error());
            } else if constexpr (std::is_void_v<typename item::value_type>) {
                running_.push(detail::call_with(*f_));
            } else {
                running_.push(detail::call_with(*f_, *std::move(**next)));
            }
        }
        return true;
    }

    /// Returns true if a future has ended, or if all of them and the stream have ended.
    bool take_ended(context& cx) {
        auto ended = running_.poll_next(cx);
        if (!ended) return false;
        if (!ended->has_value()) {
            if (!items_.has_ended()) return false;
            outcome_.emplace();
            return true;
        }
        if constexpr (may_fail) {
            if (!**ended)
                outcome_.emplace(std::unexpect,
                                 convert_error<typename output_type::error_type>((**std::move(ended)).error()));
        }
        return true;
    }

    /// Ends the stream and the futures that still run. Returns true when all of them are gone.
    bool cancel_all(context& cx) {
        const auto end_running = [&] { return detail::end_running(running_, cx); };
        return in_turn_([&] { return items_.cancel(cx); }, end_running);
    }

    detail::inner_stream<S> items_;
    std::size_t limit_;
    std::optional<Fn> f_;
    std::optional<output_type> outcome_;
    std::exception_ptr failure_;
    bool futures_come_first_ = false;  // as in buffered_stream
    detail::end_in_turn in_turn_;
    futures_unordered<body> running_;  // declared last: the futures may refer to the captures of the function
};

}  // namespace eddy::streams
