// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/of_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/ready.hpp>

// Conditional branches of select, select_biased and race, as in Tokio's select!: `, if condition` and `else`.
//
//     auto got = co_await eddy::select(eddy::when(!paused, lines.next()),
//                                      eddy::when(retries < 3, std::ref(retry)),
//                                      eddy::otherwise());
//
// There are no patterns like `Some(x) = rx.recv()`: any output of the future ends the select. Use a flag to disable a
// branch whose source is exhausted.
//
//     auto got = co_await eddy::select(eddy::when(is_open, rx.recv()), ticks.tick());
//     if (auto* item = std::get_if<0>(&got); item != nullptr && !*item) is_open = false;
//
// A disabled branch is not polled, and its alternative of the variant is not used. `otherwise` is ready immediately if
// all other branches are disabled; if not, it is ignored.

namespace eddy {

namespace detail {

/// The state that select gives to a branch. A disabled branch that was not settled by a select throws when it is
/// polled, because it would wait forever.
enum class branch_state : std::uint8_t { enabled, absent, unsettled };

[[noreturn]] inline void throw_no_branch(std::source_location where) {
    throw misuse(
        "a select has nothing to wait for: all its when() branches are disabled, and it has no otherwise(): add one "
        "(and await when() and otherwise() as branches of select, select_biased or race only)",
        where);
}

}  // namespace detail

/// The future that when() returns: a branch with a condition.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] when_future
    : public future_ops<when_future<F>> {
public:
    using output_type = output_t<F>;
    /// For select: whether this branch is an otherwise().
    static constexpr bool is_last_resort = false;

    /// Constructs a disabled branch, or an enabled one that takes ownership of `inner`.
    when_future() noexcept : state_(detail::branch_state::unsettled) {}
    explicit when_future(F&& inner) : inner_(std::in_place, std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        if (state_ == detail::branch_state::enabled) return inner_->poll(cx);
        if (state_ == detail::branch_state::unsettled) detail::throw_no_branch(cx.where());
        return not_ready;
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_ && !detail::poll_cancel_child(&*inner_, cx)) return not_ready;
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&when_future::inner_); }

    /// Returns whether the condition was true.
    [[nodiscard]] bool is_enabled() const noexcept { return inner_.has_value(); }

    /// For select: tells the branch whether another branch is enabled, and whether there is an otherwise().
    void settle(bool has_others, bool has_last_resort) noexcept {
        if (!is_enabled() && (has_others || has_last_resort)) state_ = detail::branch_state::absent;
    }

    friend auto awaited_objects(const when_future& me) noexcept {
        const bool is_polled = me.state_ == detail::branch_state::enabled && me.inner_.has_value();
        return detail::awaited_objects_of(is_polled ? std::addressof(*me.inner_) : nullptr);
    }

private:
    std::optional<F> inner_;
    detail::branch_state state_ = detail::branch_state::enabled;
};

/// The future that otherwise() returns: the branch that is taken if all others are disabled.
template <class T>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] otherwise_future
    : public future_ops<otherwise_future<T>> {
public:
    using output_type = T;
    /// For select: whether this branch is an otherwise().
    static constexpr bool is_last_resort = true;

    /// Takes ownership of the output.
    explicit otherwise_future(ready_future<T>&& output) : output_(std::move(output)) {}

    poll_result<T> poll(context& cx) {
        if (state_ == detail::branch_state::enabled) return output_.poll(cx);
        if (state_ == detail::branch_state::unsettled) detail::throw_no_branch(cx.where());
        return not_ready;
    }

    /// For select: returns false, because this branch does not count as an enabled branch.
    [[nodiscard]] bool is_enabled() const noexcept { return false; }

    /// For select: tells the branch whether another branch is enabled.
    void settle(bool has_others, bool) noexcept {
        state_ = has_others ? detail::branch_state::absent : detail::branch_state::enabled;
    }

private:
    ready_future<T> output_;
    detail::branch_state state_ = detail::branch_state::unsettled;
};

/// A branch of select, select_biased or race that is enabled if `condition` is true now. Its output is the future's. If
/// the condition is false, the future is destroyed without a poll. `work` is a future, or a function that returns one;
/// the function is called only if the condition is true.
///     eddy::when(listener.has_value(), [&] { return listener->accept(); })
/// Errors: the select throws `misuse` if all branches are disabled and there is no otherwise(). So does a disabled
/// branch that is awaited outside of a select.
/// Cancel safety: same as the future.
/// Lifetime: the future is moved in; use std::ref to borrow it. A function is destroyed after its call.
/// Cost: no allocation.
template <class F>
[[nodiscard]] auto when(bool condition, F&& work) {
    if constexpr (!std::is_lvalue_reference_v<F> && !future<detail::owned_t<F>> && std::is_invocable_v<F>) {
        using made = std::invoke_result_t<F>;
        if constexpr (!detail::check_futures<made>()) {
            return detail::broken_future();
        } else {
            using branch = detail::made_of<when_future<detail::owned_t<made>>, F>;
            return condition ? branch(detail::owned_t<made>(detail::own(std::forward<F>(work)()))) : branch();
        }
    } else if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        using branch = when_future<detail::owned_t<F>>;
        return condition ? branch(detail::own(std::forward<F>(work))) : branch();
    }
}

/// The branch of a select, select_biased or race that is taken, immediately, if all other branches are when() branches
/// whose conditions are false. Its output is `value`, or void.
/// Cancel safety: safe, but `value` is lost with the future.
template <class T>
[[nodiscard]] otherwise_future<std::decay_t<T>> otherwise(T&& value) {
    return otherwise_future<std::decay_t<T>>(ready(std::forward<T>(value)));
}
[[nodiscard]] inline otherwise_future<void> otherwise() { return otherwise_future<void>(ready()); }

// ---- Implementation: what select does ----

namespace detail {

template <class F>
concept select_branch = requires { std::remove_cvref_t<F>::is_last_resort; };

template <class F>
bool is_branch_enabled(const F& branch) noexcept {
    if constexpr (select_branch<F>) {
        return branch.is_enabled();
    } else {
        return true;
    }
}

template <class F>
constexpr bool is_last_resort() noexcept {
    if constexpr (select_branch<F>) {
        return std::remove_cvref_t<F>::is_last_resort;
    } else {
        return false;
    }
}

/// Tells each conditional branch about the others.
template <class... F>
void settle_branches(F&... futures) noexcept {
    if constexpr ((select_branch<F> || ...)) {
        const bool has_any = (is_branch_enabled(futures) || ...);
        constexpr bool has_last_resort = (is_last_resort<F>() || ...);
        const auto settle = [&](auto& one) {
            if constexpr (select_branch<decltype(one)>) one.settle(has_any, has_last_resort);
        };
        (settle(futures), ...);
    }
}

/// Returns whether no future is a branch, for combinators that wait for all futures. If one is, compilation fails with
/// a message.
template <class... F>
constexpr bool has_no_branches() {
    constexpr bool none = !(select_branch<F> || ...);
    static_assert(none, "eddy: when() and otherwise() are branches of a select: this combinator waits for each future");
    return none;
}

}  // namespace detail
}  // namespace eddy
