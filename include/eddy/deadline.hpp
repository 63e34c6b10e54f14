// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <expected>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/bound_deadline.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/timeout.hpp>

// Deadlines that what is below inherits: a request has one, and each step of it has what is left.

namespace eddy {

/// The deadline of the innermost with_deadline() around what is being polled here; nothing if there is none.
/// It is seen by all that is awaited inside, and by the children of scopes that begin inside, on whatever thread they
/// run. Not by what is spawned: that is not awaited by whom the deadline limits. And not inside shielded() and the
/// cleanup of finally(), which go on after it. Thread safety: any thread. Cost: as to find a task_local.
[[nodiscard]] EDDY_API std::optional<time::time_point> current_deadline() noexcept;

namespace detail {

/// A future that is polled, and ended, with a deadline in sight.
template <class F>
class sees_deadline {
public:
    using output_type = output_t<F>;

    sees_deadline(time::time_point own, F&& inner) : deadline_(own), inner_(std::move(inner)) {}

    /// The earlier of its own and that which is in sight here.
    time::time_point settle_deadline() noexcept { return deadline_ = std::min(deadline_, deadline_here()); }

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

private:
    time::time_point deadline_;
    F inner_;
};

}  // namespace detail

/// A future with a deadline that it hands down: see `with_deadline`.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] with_deadline_future
    : public future_ops<with_deadline_future<F>> {
public:
    using output_type = std::expected<output_t<F>, time::elapsed>;
    static constexpr bool took_closure = detail::is_marked<F>;

    with_deadline_future(F&& inner, time::time_point deadline, std::source_location where)
        : work_(std::in_place, time::sleep_until(deadline, where), deadline, std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        if (!std::exchange(has_begun_, true)) {  // only now is it known what is around it
            work_.deadline_->reset(work_.inner_->settle_deadline());
        }
        return work_.poll(cx);
    }

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

/// Runs `work` until it is ready or `deadline` has been reached, as timeout_at() does: gives its output, or
/// time::elapsed. The work sees the deadline as current_deadline(), and so do the children of its scopes. A
/// with_deadline() inside can only be earlier: if it says later, this one holds for it, too, and it is the inner one
/// that gives `elapsed`, if it is polled first.
///
/// Which deadlines are around it is looked up at the first poll. When the deadline has been reached, `work` is
/// cancelled: by its poll_cancel() if it has one, in which shielded() and finally() have the time that they need; and
/// by its destructor. Errors: awaiting it throws `misuse` without an event loop, as a sleep does. Cancel safety: that
/// of `work`. Lifetime: `work` is moved in; use std::ref to lend it. Cost: that of a sleep; no allocation.
template <class F>
[[nodiscard]] auto with_deadline(time::time_point deadline, F&& work,
                                 std::source_location where = std::source_location::current()) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return with_deadline_future<detail::owned_t<F>>(detail::own(std::forward<F>(work)), deadline, where);
    }
}

/// The same, with a deadline `d` from this call.
template <class Rep, class Period, class F>
[[nodiscard]] auto with_deadline(std::chrono::duration<Rep, Period> d, F&& work,
                                 std::source_location where = std::source_location::current()) {
    return eddy::with_deadline(time::deadline_after(d), std::forward<F>(work), where);
}

}  // namespace eddy
