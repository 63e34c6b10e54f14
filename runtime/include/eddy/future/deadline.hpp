// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/bound_deadline.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/timeout.hpp>

// Inherited deadlines: a request has a deadline, and each step of the request sees it.

namespace eddy {

/// Returns the deadline of the innermost with_deadline() that surrounds the current poll, or nullopt if there is none.
/// The deadline is visible to everything that is awaited inside, and to the children of scopes that begin inside, on
/// any thread. It is not visible to spawned tasks, which can outlive the deadline, nor inside shielded() and the
/// cleanup of finally(), which continue after the deadline.
/// Thread safety: any thread.
/// Cost: the same as task_local::try_get().
[[nodiscard]] inline std::optional<time::time_point> current_deadline() noexcept {
    const time::time_point found = detail::deadline_here();
    return found == detail::no_deadline ? std::nullopt : std::optional(found);
}

namespace detail {

/// A future that is polled and cancelled with a deadline visible to it.
template <class F>
class sees_deadline {
public:
    using output_type = output_t<F>;

    sees_deadline(time::time_point own, F&& inner) : deadline_(own), inner_(std::move(inner)) {}

    /// Replaces the deadline with the one that surrounds this call, if that is earlier. Returns the deadline that
    /// applies.
    time::time_point settle_deadline() noexcept { return deadline_ = detail::lesser(deadline_, deadline_here()); }

    poll_result<output_type> poll(context& cx) {
        const bound_deadline here(deadline_);
        return inner_.poll(cx);
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        const bound_deadline here(deadline_);
        return inner_.poll_cancel(cx);
    }

    friend auto awaited_objects(const sees_deadline& me) noexcept { return awaited_objects_of(me.inner_); }

    static constexpr auto wait_shape() { return inspect::waits_as(&sees_deadline::inner_); }

private:
    time::time_point deadline_;
    F inner_;
};

}  // namespace detail

/// The future that with_deadline() returns.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] with_deadline_future
    : public future_ops<with_deadline_future<F>> {
public:
    using output_type = std::expected<output_t<F>, time::elapsed>;

    /// Takes ownership of `inner`. `where` is named in errors.
    with_deadline_future(F&& inner, time::time_point deadline, std::source_location where)
        : work_(std::in_place, time::sleep_until(deadline, where), deadline, std::move(inner)) {}

    friend auto awaited_objects(const with_deadline_future& me) noexcept {
        return detail::awaited_objects_of(me.work_);
    }

    poll_result<output_type> poll(context& cx) {
        if (!std::exchange(has_begun_, true)) {  // the surrounding deadline is known only now
            work_.deadline_->reset(work_.inner_->settle_deadline());
        }
        return work_.poll(cx);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&with_deadline_future::work_); }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        has_begun_ = true;
        return work_.poll_cancel(cx);
    }

private:
    time::timeout_future<detail::sees_deadline<F>> work_;
    bool has_begun_ = false;
};

/// Runs `work` until it is ready or `deadline` is reached. As with timeout_at(), the output is `work`'s output, or
/// time::elapsed. In addition, `work` and the children of its scopes see the deadline as current_deadline().
///
/// A nested with_deadline() can only make the deadline earlier. If its deadline is later than the outer one, the outer
/// deadline applies to it, too. Then the inner or the outer with_deadline() returns time::elapsed, depending on which
/// is polled first. The surrounding deadlines are looked up at the first poll.
///
/// When the deadline is reached, `work` is cancelled. If `work` has poll_cancel(), that runs until it is ready, so
/// shielded() and finally() get the time that they need. Then `work` is destroyed.
/// Errors: awaiting it without an event loop throws `misuse`, as a sleep does.
/// Cancel safety: same as `work`.
/// Lifetime: `work` is moved in; use std::ref to borrow it.
/// Cost: same as a sleep; no allocation.
template <class F>
[[nodiscard]] auto with_deadline(time::time_point deadline, F&& work,
                                 std::source_location where = std::source_location::current()) {
    return detail::make_adaptor<with_deadline_future<detail::owned_t<F>>>(std::forward<F>(work), deadline, where);
}

/// Same as above, with a deadline that is `d` after this call.
template <class Rep, class Period, class F>
[[nodiscard]] auto with_deadline(std::chrono::duration<Rep, Period> d, F&& work,
                                 std::source_location where = std::source_location::current()) {
    return eddy::with_deadline(time::deadline_after(d), std::forward<F>(work), where);
}

}  // namespace eddy
