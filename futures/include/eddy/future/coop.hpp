// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

// Cooperative scheduling: each poll of a task has a coop budget (context::default_budget). Each operation of the
// library that completes takes one unit. When the budget is used up, operations return not_ready although they could
// complete, and the task is scheduled again behind the other tasks. So a task whose sockets and channels are always
// ready does not starve the others.

namespace eddy {

/// Takes one unit of the task's coop budget. Use `co_await consume_budget()` in a loop that computes and awaits nothing
/// else. If the budget is used up, it yields to the other tasks once.
/// Thread safety: same as any future; see eddy::future.
/// Cost: a decrement while budget is left.
class [[nodiscard("co_await it")]] consume_budget : public future_ops<consume_budget> {
public:
    using output_type = void;

    /// Constructs the future.
    consume_budget() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    poll_result<void> poll(context& cx) noexcept {
        if (!cx.consume_budget()) return not_ready;
        return poll_result<void>::ready();
    }
};

/// Returns whether the task can complete one more operation in this poll: `co_await has_budget_remaining()`. It is
/// always ready. In a hand-written future, test `cx.budget() != 0` instead.
/// Thread safety: same as any future; see eddy::future.
class [[nodiscard("co_await it")]] has_budget_remaining : public future_ops<has_budget_remaining> {
public:
    using output_type = bool;

    /// Constructs the future.
    has_budget_remaining() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    poll_result<bool> poll(context& cx) const noexcept { return cx.budget() != 0; }
};

namespace detail {

/// Replaces the budget of a poll during its lifetime, then restores the previous one.
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

/// The future that unconstrained() returns.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] unconstrained_future
    : public future_ops<unconstrained_future<F>> {
public:
    using output_type = output_t<F>;
    /// A budget that no poll can use up.
    static constexpr std::uint32_t no_limit = std::numeric_limits<std::uint32_t>::max();

    /// Takes ownership of `inner`.
    explicit unconstrained_future(F&& inner) : inner_(std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        const detail::other_budget unlimited(cx, no_limit);
        return inner_.poll(cx);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&unconstrained_future::inner_); }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return inner_.poll_cancel(cx);
    }

private:
    F inner_;
};

/// Runs a future without a coop budget: any number of ready operations in it complete in one poll. The rest of the task
/// keeps its budget. Use it for work that must not be delayed and that regularly waits by itself.
/// Cancel safety: same as the future.
/// Lifetime: the future is moved in; use std::ref to borrow it.
/// Cost: no allocation.
template <class F>
[[nodiscard]] auto unconstrained(F&& work) {
    return detail::make_adaptor<unconstrained_future<detail::owned_t<F>>>(std::forward<F>(work));
}

/// The future that cooperative() returns.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] cooperative_future
    : public future_ops<cooperative_future<F>> {
public:
    using output_type = output_t<F>;

    /// Takes ownership of `inner`.
    explicit cooperative_future(F&& inner) : inner_(std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        auto answer = inner_.poll(cx);
        if (!answer.is_ready()) cx.refund_budget();
        return answer;
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&cooperative_future::inner_); }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return inner_.poll_cancel(cx);
    }

private:
    F inner_;
};

/// Makes a future take one unit of the coop budget when it completes. When no budget is left, the future waits for the
/// next poll of the task. Use it for leaf futures that do not come from this library; futures that are composed of the
/// library's operations cooperate already.
/// Cancel safety: same as the future.
/// Lifetime: the future is moved in; use std::ref to borrow it.
/// Cost: no allocation.
template <class F>
[[nodiscard]] auto cooperative(F&& work) {
    return detail::make_adaptor<cooperative_future<detail::owned_t<F>>>(std::forward<F>(work));
}

}  // namespace eddy
