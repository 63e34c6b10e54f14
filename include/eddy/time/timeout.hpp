// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy {
template <class F>
class with_deadline_future;
}  // namespace eddy

namespace eddy::time {

/// The error of a timeout: the deadline came first. Under `try_` it becomes errc::timed_out.
class elapsed {
public:
    constexpr elapsed() noexcept {}  // NOLINT(modernize-use-equals-default): so that it is no aggregate

    [[nodiscard]] std::error_code to_error_code() const noexcept { return make_error_code(errc::timed_out); }
    [[nodiscard]] std::string message() const { return "deadline has elapsed"; }

    friend constexpr bool operator==(elapsed, elapsed) noexcept { return true; }
};

/// A future with a deadline. Made by timeout() and timeout_at().
template <class F>
class [[nodiscard("a timeout does nothing until it is awaited")]] timeout_future
    : public future_ops<timeout_future<F>> {
public:
    using output_type = std::expected<output_t<F>, elapsed>;
    static constexpr bool took_closure = detail::is_marked<F>;

    timeout_future(F&& inner, sleep_future deadline) : inner_(std::move(inner)), deadline_(std::move(deadline)) {}
    /// The future is made of `parts` where it stays.
    template <class... Parts>
    timeout_future(std::in_place_t, sleep_future deadline, Parts&&... parts)
        : inner_(std::in_place, std::forward<Parts>(parts)...), deadline_(std::move(deadline)) {}

    poll_result<output_type> poll(context& cx) {
        if (!inner_.has_value()) eddy::detail::throw_has_ended("a timeout", cx.where());
        try {
            return is_elapsed_ ? poll_end(cx) : poll_both(cx);
        } catch (...) {
            end();
            throw;
        }
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_.has_value() && !inner_->poll_cancel(cx).is_ready()) return not_ready;
        end();
        return poll_result<void>::ready();
    }

private:
    template <class G>
    friend class eddy::with_deadline_future;

    poll_result<output_type> poll_both(context& cx) {
        auto answer = inner_->poll(cx);
        if (answer.is_ready()) {
            end();
            if constexpr (std::is_void_v<output_t<F>>) {
                return output_type();
            } else {
                return poll_result<output_type>(std::in_place, std::in_place, *std::move(answer));
            }
        }
        if (!poll_deadline(cx)) return not_ready;
        is_elapsed_ = true;
        return poll_end(cx);
    }

    bool poll_deadline(context& cx) {
        if (cx.budget() != 0) return deadline_->poll(cx).is_ready();
        // The future has used the budget up, perhaps in every poll: the deadline has one of its own, or would never
        // come.
        context own(cx.waker());
        return deadline_->poll(own).is_ready();
    }

    poll_result<output_type> poll_end(context& cx) {
        if (!detail::poll_cancel_child(&*inner_, cx)) return not_ready;
        end();
        return output_type(std::unexpect);
    }

    /// Takes everything down now: somebody may have named this object, and it must not keep the future alive.
    void end() noexcept {
        inner_.reset();
        deadline_.reset();
    }

    std::optional<F> inner_;
    std::optional<sleep_future> deadline_;
    bool is_elapsed_ = false;
};

/// Runs `work` until it is ready or `deadline` has been reached. Gives its output, or `elapsed`.
///
/// If both are ready in the same poll, the output counts. When the deadline has been reached, `work` is cancelled: by
/// its poll_cancel() if it has one, which may take time, and by its destructor. Either way it is gone when this is
/// ready. What `work` throws passes through. Cancel safety: that of `work`. Lifetime: `work` is moved in; use std::ref
/// to lend it, and to go on with it after the deadline. Cost: that of a sleep; no allocation.
///     auto answer = co_await eddy::time::timeout(5s, client.get("/"));
///     if (!answer) ...                                                     // elapsed
template <class F>
[[nodiscard]] auto timeout_at(time_point deadline, F&& work,
                              std::source_location where = std::source_location::current()) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return timeout_future<detail::owned_t<F>>(detail::own(std::forward<F>(work)), sleep_until(deadline, where));
    }
}

/// As timeout_at(), with a deadline `d` from this call. Zero and less give `work` one poll; a duration that is too long
/// for the clock is no limit.
template <class Rep, class Period, class F>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, F&& work,
                           std::source_location where = std::source_location::current()) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return timeout_future<detail::owned_t<F>>(detail::own(std::forward<F>(work)), sleep(d, where));
    }
}

}  // namespace eddy::time
