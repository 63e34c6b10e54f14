// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/result.hpp>
#include <eddy/time/backoff.hpp>
#include <eddy/time/sleep.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy {

namespace detail {

/// The default predicate of retry(): every error is worth another attempt.
struct retry_all {
    constexpr bool operator()(const auto&) const noexcept { return true; }
};

template <class P, class E>
concept retry_predicate = requires(P& should_retry, const E& error) {
    { should_retry(error) } -> std::convertible_to<bool>;
};

/// Checks the functions of retry(). A failure is a static_assert.
template <class Fn, class Predicate>
constexpr bool check_retry() {
    constexpr bool callable = std::is_invocable_v<Fn&> && !future<Fn>;
    static_assert(callable,
                  "eddy: retry takes a function without parameters that returns a new future for each attempt: "
                  "retry(backoff, [&] { return connect(address); })");
    if constexpr (callable) {
        using made = std::invoke_result_t<Fn&>;
        if constexpr (check_futures<made>()) {
            constexpr bool can_fail = is_expected<output_t<owned_t<made>>>;
            static_assert(can_fail,
                          "eddy: retry repeats what fails, so the function must return a future of a result<T>");
            if constexpr (can_fail) {
                constexpr bool decides = retry_predicate<Predicate, typename output_t<owned_t<made>>::error_type>;
                static_assert(decides,
                              "eddy: the predicate of retry takes the error, and returns whether to retry, as a bool");
                return decides;
            }
        }
    }
    return false;
}

}  // namespace detail

/// The future that retry() returns.
/// Cancel safety: see retry().
template <class Fn, class Predicate>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] retry_future
    : public future_ops<retry_future<Fn, Predicate>> {
    using attempt = detail::owned_t<std::invoke_result_t<Fn&>>;

public:
    using output_type = output_t<attempt>;

    template <class F, class P>
    retry_future(const time::backoff& delays, F&& work, P&& should_retry, std::source_location where)
        : delays_(delays), work_(std::forward<F>(work)), should_retry_(std::forward<P>(should_retry)), where_(where) {}

    poll_result<output_type> poll(context& cx) {
        if (step_.index() == ended) detail::throw_has_ended("retry", cx.where());
        try {
            auto answer = advance(cx);
            if (answer.is_ready()) step_.template emplace<ended>();
            return answer;
        } catch (...) {
            step_.template emplace<ended>();
            throw;
        }
    }

    /// For readers of the program's memory: the attempt, or the delay before the next one.
    static constexpr auto wait_shape() {
        return inspect::waits_as(inspect::alternative<attempt, running>(&retry_future::step_),
                                 inspect::alternative<time::sleep_future, waiting>(&retry_future::step_));
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<attempt>
    {
        if (!detail::poll_cancel_child(std::get_if<running>(&step_), cx)) return not_ready;
        step_.template emplace<ended>();
        return poll_result<void>::ready();
    }

private:
    // The states, as indexes of step_.
    static constexpr std::size_t fresh = 0, running = 1, waiting = 2, ended = 3;

    poll_result<output_type> advance(context& cx) {
        if (step_.index() == fresh) {
            delays_.reset();
            begin();
        }
        for (;;) {
            if (auto* const wait = std::get_if<waiting>(&step_)) {
                if (!wait->poll(cx)) return not_ready;
                begin();
            }
            // Costs a unit of the budget, because the work and a delay of zero may end without a cost.
            if (!cx.consume_budget()) return not_ready;
            auto answer = std::get<running>(step_).poll(cx);
            if (!answer.is_ready()) {
                cx.refund_budget();
                return not_ready;
            }
            if (answer->has_value() || !should_retry_(std::as_const(answer->error()))) return answer;
            const auto delay = delays_.next();
            if (!delay) return answer;
            // The failed attempt is destroyed before the delay.
            step_.template emplace<waiting>(time::deadline_after(*delay), where_);
        }
    }

    void begin() { step_.template emplace<running>(detail::own(work_())); }

    time::backoff delays_;
    Fn work_;  // outlives the future that it returned: a coroutine made by a lambda refers to the lambda's captures
    Predicate should_retry_;
    std::variant<std::monostate, attempt, time::sleep_future, std::monostate> step_;
    std::source_location where_;
};

/// Calls `work` and awaits the future that it returns. The output of that future is an expected. After an error, waits
/// for a delay and calls `work` again. The output is the output of the last attempt.
///
///     const auto delays = time::backoff(100ms).max_retries(5);
///     auto stream = co_await try_(retry(delays, [&] { return net::tcp_stream::connect(address); }));
///
/// `should_retry(error)` returns whether an error is worth another attempt; other errors are returned at once. Without
/// `should_retry`, every error is retried. It is a plain function, and may also report the error. To limit each
/// attempt, return `time::try_timeout(1s, ...)` from `work`; its errc::timed_out is retried like other errors.
///
/// `work` must be repeatable: a coroutine that moves from a captured object finds it moved-from in the second attempt.
/// Errors: the error of the last attempt. An exception is not retried; it is thrown where the retry is awaited. A delay
/// needs an event loop, as a sleep does.
/// Cancel safety: same as one attempt; see the future that `work` returns. No further attempt begins.
/// Lifetime: `delays` is copied, and its time starts at the first poll. The functions are moved in. A failed attempt is
/// destroyed before the delay.
/// Cost: no allocation, except in the attempts.
template <class Fn, class Predicate = detail::retry_all>
[[nodiscard]] auto retry(const time::backoff& delays, Fn&& work, Predicate&& should_retry = {},
                         std::source_location where = std::source_location::current()) {
    using kept = detail::kept_fn_t<Fn>;
    using check = detail::kept_fn_t<Predicate>;
    return detail::make_if<detail::check_retry<kept, check>(), retry_future<kept, check>>(
        delays, std::forward<Fn>(work), std::forward<Predicate>(should_retry), where);
}

}  // namespace eddy
EDDY_END_FALSE_UNINITIALIZED
