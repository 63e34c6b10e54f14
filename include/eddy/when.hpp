// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/ready.hpp>

// Branches of select, select_biased and race that are there only sometimes: what Tokio's select! writes as `, if
// condition` and `else`.
//
//     auto got = co_await eddy::select(eddy::when(!paused, lines.next()),
//                                      eddy::when(retries < 3, std::ref(retry)),
//                                      eddy::otherwise());
//
// There are no patterns, as in `Some(x) = rx.recv()` there: the branch ends with whatever its future gives, and what
// says that it is over is a flag.
//
//     auto got = co_await eddy::select(eddy::when(is_open, rx.recv()), ticks.tick());
//     if (auto* item = std::get_if<0>(&got); item != nullptr && !*item) is_open = false;
//
// A branch that is disabled is not polled, and its place in the variant stays empty. `otherwise` is ready at once if
// all when() branches are disabled and no other branch is there; else it is as good as absent.

namespace eddy {

namespace detail {

/// What select makes of a branch. One that no select has settled refuses to be polled if it is disabled, since it would
/// wait for ever.
enum class branch_state : std::uint8_t { enabled, absent, unsettled };

[[noreturn]] inline void throw_no_branch(std::source_location where) {
    throw misuse(
        "a select has nothing to wait for: all its when() branches are disabled, and it has no otherwise(): add one "
        "(and "
        "await when() and otherwise() as branches of select, select_biased or race only)",
        where);
}

}  // namespace detail

/// A branch with a condition: see `when`.
template <class F, bool Marked = false>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] when_future
    : public future_ops<when_future<F, Marked>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = Marked || detail::is_marked<F>;
    static constexpr bool is_last_resort = false;

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

    /// Whether the condition was true.
    [[nodiscard]] bool is_enabled() const noexcept { return inner_.has_value(); }

    /// For select: whether there is another branch to wait for.
    void settle(bool has_others, bool has_last_resort) noexcept {
        if (!is_enabled() && (has_others || has_last_resort)) state_ = detail::branch_state::absent;
    }

private:
    std::optional<F> inner_;
    detail::branch_state state_ = detail::branch_state::enabled;
};

/// The branch for when there is no other: see `otherwise`.
template <class T>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] otherwise_future
    : public future_ops<otherwise_future<T>> {
public:
    using output_type = T;
    static constexpr bool is_last_resort = true;

    explicit otherwise_future(ready_future<T>&& output) : output_(std::move(output)) {}

    poll_result<T> poll(context& cx) {
        if (state_ == detail::branch_state::enabled) return output_.poll(cx);
        if (state_ == detail::branch_state::unsettled) detail::throw_no_branch(cx.where());
        return not_ready;
    }

    [[nodiscard]] bool is_enabled() const noexcept { return false; }

    void settle(bool has_others, bool) noexcept {
        state_ = has_others ? detail::branch_state::absent : detail::branch_state::enabled;
    }

private:
    ready_future<T> output_;
    detail::branch_state state_ = detail::branch_state::unsettled;
};

/// A branch of select, select_biased or race that is there only if `condition` is true now. Its output is that of the
/// future. If it is not, the future is destroyed without having been polled. Instead of a future, a function that
/// returns one can be given: it is called only if the condition is true.
///     eddy::when(listener.has_value(), [&] { return listener->accept(); })
/// Errors: the select throws `misuse` if all branches are disabled and there is no otherwise(). The same when it is
/// awaited outside of a select, and disabled. Cancel safety: that of the future. Lifetime: the future is moved in; use
/// std::ref to lend it. The function is not kept. Cost: none of its own.
template <class F>
[[nodiscard]] auto when(bool condition, F&& work) {
    if constexpr (!std::is_lvalue_reference_v<F> && !future<detail::owned_t<F>> && std::is_invocable_v<F>) {
        using made = std::invoke_result_t<F>;
        if constexpr (!detail::check_futures<made>()) {
            return detail::broken_future();
        } else {
            using branch = when_future<detail::owned_t<made>, detail::is_fragile<F>>;
            return condition ? branch(detail::owned_t<made>(detail::own(std::forward<F>(work)()))) : branch();
        }
    } else if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        using branch = when_future<detail::owned_t<F>>;
        return condition ? branch(detail::own(std::forward<F>(work))) : branch();
    }
}

/// The branch of a select, select_biased or race that is taken, at once, if all others are when() branches whose
/// conditions are false. Its output is `value`.
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

/// Tells the branches that have a condition what the others are.
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

/// Whether a combinator that waits for all its futures takes these.
template <class... F>
constexpr bool has_no_branches() {
    constexpr bool none = !(select_branch<F> || ...);
    static_assert(none, "eddy: when() and otherwise() are branches of a select: here each future is waited for");
    return none;
}

}  // namespace detail
}  // namespace eddy
