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

#include <eddy/detail/error_access.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy {
template <class F>
class with_deadline_future;
}  // namespace eddy

namespace eddy::time {

/// The error of a timeout: the deadline passed first. `try_` converts it to errc::timed_out.
/// Thread safety: a value type; concurrent reads are safe.
class elapsed {
public:
    /// Constructs the error.
    constexpr elapsed() noexcept {}  // NOLINT(modernize-use-equals-default): must not be an aggregate

    /// Returns errc::timed_out.
    [[nodiscard]] std::error_code to_error_code() const noexcept { return make_error_code(errc::timed_out); }
    /// Returns the text "deadline has elapsed".
    [[nodiscard]] std::string message() const { return "deadline has elapsed"; }

    friend constexpr bool operator==(elapsed, elapsed) noexcept { return true; }
};

/// A future with a deadline. Created by timeout() and timeout_at(). Moving it while its sleep waits terminates the
/// program.
/// Cancel safety: same as the inner future.
template <class F>
class [[nodiscard("a timeout does nothing until it is awaited")]] timeout_future
    : public future_ops<timeout_future<F>> {
public:
    using output_type = std::expected<output_t<F>, elapsed>;

    timeout_future(F&& inner, sleep_future&& deadline) : inner_(std::move(inner)), deadline_(std::move(deadline)) {}
    /// Constructs the inner future in place from `parts`.
    template <class... Parts>
    timeout_future(std::in_place_t, sleep_future deadline, Parts&&... parts)
        : inner_(std::in_place, std::forward<Parts>(parts)...), deadline_(std::move(deadline)) {}

    friend auto awaited_objects(const timeout_future& me) noexcept {
        return eddy::detail::awaited_objects_of(me.inner_ ? std::addressof(*me.inner_) : nullptr);
    }

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

    static constexpr auto wait_shape() {
        return inspect::first_of(&timeout_future::inner_, inspect::child(&timeout_future::deadline_, "deadline"));
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
        return eddy::detail::poll_with_budget(cx, [this](context& own) { return deadline_->poll(own).is_ready(); });
    }

    poll_result<output_type> poll_end(context& cx) {
        if (!detail::poll_cancel_child(&*inner_, cx)) return not_ready;
        end();
        return output_type(std::unexpect);
    }

    /// Destroys both futures now. This object may live longer, for example as a named variable, and must not keep the
    /// inner future alive.
    void end() noexcept {
        inner_.reset();
        deadline_.reset();
    }

    std::optional<F> inner_;
    std::optional<sleep_future> deadline_;
    bool is_elapsed_ = false;
};

/// Returns a future that runs `work` until it is ready or `deadline` has passed. Its output is a std::expected of the
/// output of `work`.
///     auto answer = co_await eddy::time::timeout(5s, client.get("/"));
///     if (!answer) ...                                                     // elapsed
///
/// If both are ready in the same poll, the output of `work` is returned. After the deadline, `work` is ended by its
/// poll_cancel(), if it has one, and then destroyed. A poll_cancel() may take several polls. `work` is destroyed before
/// the future is ready.
/// Errors: `elapsed` if the deadline has passed. Exceptions of `work` pass through.
/// Cancel safety: same as `work`.
/// Lifetime: `work` is moved in; pass std::ref to refer to an existing future, which can then continue after the
/// deadline.
/// Cost: same as a sleep; no allocation.
template <class F>
[[nodiscard]] auto timeout_at(time_point deadline, F&& work,
                              std::source_location where = std::source_location::current()) {
    return detail::make_adaptor<timeout_future<detail::owned_t<F>>>(std::forward<F>(work),
                                                                    sleep_until(deadline, where));
}

/// Same as timeout_at(), with a deadline `d` from this call. A `d` of zero or less gives `work` one poll. A `d` that
/// exceeds the clock's range is no limit.
template <class Rep, class Period, class F>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> d, F&& work,
                           std::source_location where = std::source_location::current()) {
    return detail::make_adaptor<timeout_future<detail::owned_t<F>>>(std::forward<F>(work), sleep(d, where));
}

template <class N, class F>
    requires std::is_arithmetic_v<N>
eddy::detail::broken_future timeout(N, F&&) EDDY_DELETED(EDDY_NEEDS_UNIT);
template <class F, class Rep, class Period>
    requires(future<std::remove_cvref_t<F>> || std::is_invocable_v<F&>)
eddy::detail::broken_future timeout(F&&, std::chrono::duration<Rep, Period>) EDDY_DELETED(EDDY_LIMIT_FIRST);

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::time

namespace eddy::detail {

template <>
struct explains_access<eddy::time::elapsed> : std::true_type {};

}  // namespace eddy::detail
