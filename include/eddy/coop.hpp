// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

// Cooperating: each poll of a task has a budget (context::default_budget), of which every operation of the library that
// completes takes one unit. Once it is used up, operations answer "not yet" although they could go on, and the task
// gets its next turn after the others. So a task whose sockets and channels are always ready starves nobody.

namespace eddy {

/// Takes one unit of the task's budget: `co_await consume_budget()` in a loop that computes and awaits nothing else. It
/// waits only if the budget is used up, for one turn of the others.
/// Cancel safety: safe.
/// Cost: a decrement, while there is budget.
class [[nodiscard("co_await it")]] consume_budget : public future_ops<consume_budget> {
public:
    using output_type = void;

    consume_budget() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        return poll_result<void>::ready();
    }
};

/// Whether the task could complete one more operation in this turn: `co_await has_budget_remaining()`. Never waits.
/// (A hand-written future asks `cx.budget() != 0`.)
class [[nodiscard("co_await it")]] has_budget_remaining : public future_ops<has_budget_remaining> {
public:
    using output_type = bool;

    has_budget_remaining() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    poll_result<bool> poll(context& cx) const noexcept { return cx.budget() != 0; }
};

namespace detail {

/// Gives a poll another budget while it lives, and the former one back.
class other_budget {
public:
    other_budget(context& cx, std::uint32_t budget) noexcept : cx_(cx), former_(cx.budget()) {
        cx.restore_budget(budget);
    }
    other_budget(const other_budget&) = delete;
    other_budget& operator=(const other_budget&) = delete;
    ~other_budget() { cx_.restore_budget(former_); }

private:
    context& cx_;
    const std::uint32_t former_;
};

}  // namespace detail

/// A future that need not cooperate: see unconstrained().
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] unconstrained_future
    : public future_ops<unconstrained_future<F>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = detail::is_marked<F>;
    /// More than any poll uses up.
    static constexpr std::uint32_t no_limit = std::numeric_limits<std::uint32_t>::max();

    explicit unconstrained_future(F&& inner) : inner_(std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        const detail::other_budget unlimited(cx, no_limit);
        return inner_.poll(cx);
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return inner_.poll_cancel(cx);
    }

private:
    F inner_;
};

/// Runs a future without a budget: operations in it that are ready complete, however many there are. The rest of the
/// task keeps its own. For work that must not be held up, and that is known to wait by itself from time to time. Cancel
/// safety: that of the future. Cost: none of its own.
template <class F>
[[nodiscard]] auto unconstrained(F&& work) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return unconstrained_future<detail::owned_t<F>>(detail::own(std::forward<F>(work)));
    }
}

/// A future that takes part in cooperation: see cooperative().
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] cooperative_future
    : public future_ops<cooperative_future<F>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = detail::is_marked<F>;

    explicit cooperative_future(F&& inner) : inner_(std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        auto answer = inner_.poll(cx);
        if (!answer.is_ready()) cx.refund_budget();
        return answer;
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return inner_.poll_cancel(cx);
    }

private:
    F inner_;
};

/// Makes a future that knows nothing of budgets take one unit when it completes, and wait for the task's next turn when
/// none is left. For leaves that do not come from this library. (What is built of its operations cooperates already.)
/// Cancel safety: that of the future.
/// Cost: none of its own.
template <class F>
[[nodiscard]] auto cooperative(F&& work) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return cooperative_future<detail::owned_t<F>>(detail::own(std::forward<F>(work)));
    }
}

}  // namespace eddy
