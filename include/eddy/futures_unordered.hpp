// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <eddy/detail/future_set.hpp>
#include <eddy/future.hpp>
#include <eddy/stream.hpp>

namespace eddy {

/// Any number of futures of one type, run at the same time on one task: a stream of their outputs, in the order in
/// which they are ready. Futures can be added at any time, also while others run; outputs of void are std::monostate.
///
///     eddy::futures_unordered<eddy::task<int>> jobs;
///     for (int i = 0; i < 1000; ++i) jobs.push(job(i));
///     while (auto done = co_await jobs.next()) use(*done);
///
/// Only what was woken is polled, so that a wake costs the same however many futures there are. The stream ends when it
/// is empty, and goes on when something is pushed after that. A future is destroyed before its output comes out. What
/// it throws comes out of the poll; it is gone then, and the others go on. To run futures on several threads, spawn
/// them: see join_set. For their outputs in the order of the pushes: futures_ordered.
///
/// Fairness: futures are polled in the order of their wakes. After 128 polls, when the task's budget is used up, or
/// when a future has woken itself, the task has to take turns with others; an output takes a unit of the budget, if its
/// future has not taken one. Cancel safety: safe. A next() that is dropped takes nothing with it, and the futures stay
/// where they are. Dropped as a whole, it destroys all of them, one after the other. Thread safety: one thread at a
/// time. Its futures may be woken on any, also after they and this have gone. Lifetime: futures are moved in, and stay
/// at one address; this itself may be moved at any time, but not, and neither cleared nor destroyed, by the poll of one
/// of its futures. Cost: one block of the frame pool for each future, one allocation for the first; a wake is two
/// atomic read-modify-writes.
template <future F>
class futures_unordered : public stream_ops<futures_unordered<F>> {
    static_assert(std::is_same_v<F, std::remove_cvref_t<F>>,
                  "eddy: futures_unordered<F> holds futures: F is no reference");

public:
    using future_type = F;
    using item_type = detail::stored_t<output_t<F>>;

    futures_unordered() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    /// Moves all futures of `range` in: `futures_unordered jobs(std::move(vector))`.
    template <std::ranges::input_range R>
        requires(!std::is_lvalue_reference_v<R> && std::same_as<std::ranges::range_value_t<R>, F>)
    explicit futures_unordered(R&& range) {
        for (auto&& one : range) push(std::move(one));
    }

    /// Adds a future. It is polled by the next poll of this, which nothing is woken for: so whoever shares this between
    /// two branches of a task asks for next() after the push.
    void push(F future) { futures_.push(std::move(future)); }

    /// How many have not ended.
    [[nodiscard]] std::size_t size() const noexcept { return futures_.size(); }
    [[nodiscard]] bool is_empty() const noexcept { return futures_.is_empty(); }

    /// Destroys all, without their outputs.
    void clear() noexcept { futures_.clear(); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        using set = detail::future_set<F>;
        if (is_empty()) return poll_result<std::optional<item_type>>(std::nullopt);
        if (!cx.consume_budget()) return not_ready;
        cx.refund_budget();
        std::optional<item_type> item;
        const auto poll_one = [&](typename set::node& one, context& its) {
            const auto before = its.budget();
            if (!take_output_of(one, its, item)) return set::polled::waits;
            if (its.budget() == before) static_cast<void>(its.consume_budget());  // never the last: see the check above
            return set::polled::last;
        };
        if (!futures_.poll_woken(cx, poll_one).is_ready()) return not_ready;
        return poll_result<std::optional<item_type>>(std::move(item));
    }

    /// Ends all in an orderly way: ready when they are gone. Then this is empty.
    /// Errors: what a future's end throws comes out. The future stays, and is asked again by the next poll_cancel.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return futures_.poll_cancel(cx);
    }

private:
    bool take_output_of(detail::future_node<F>& one, context& its, std::optional<item_type>& item) {
        try {
            auto answer = one.future.poll(its);
            if (!answer.is_ready()) return false;
            item.emplace(detail::take_output(std::move(answer)));
        } catch (...) {
            futures_.release(one);
            throw;
        }
        futures_.release(one);
        return true;
    }

    detail::future_set<F> futures_;
};

template <std::ranges::input_range R>
futures_unordered(R&&) -> futures_unordered<std::ranges::range_value_t<R>>;

}  // namespace eddy
