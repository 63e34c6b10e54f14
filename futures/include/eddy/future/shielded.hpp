// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/bound_deadline.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy {

/// The future that shielded() returns.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] shielded_future
    : public future_ops<shielded_future<F>> {
public:
    using output_type = output_t<F>;

    /// Takes ownership of `inner`.
    explicit shielded_future(F&& inner) : inner_(std::in_place, std::move(inner)) {}

    poll_result<output_type> poll(context& cx) {
        if (!inner_) detail::throw_has_ended("shielded", cx.where());
        has_begun_ = true;
        try {
            auto answer = poll_inner(cx);
            if (answer.is_ready()) inner_.reset();
            return answer;
        } catch (...) {
            inner_.reset();
            throw;
        }
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&shielded_future::inner_); }

    /// Waits until the work is ready, and drops its output. Returns ready immediately if the work was not polled
    /// before.
    poll_result<void> poll_cancel(context& cx) {
        if (inner_ && has_begun_) {
            try {
                if (!poll_inner(cx).is_ready()) return not_ready;
            } catch (...) {  // NOLINT(bugprone-empty-catch): dropped like its output; there is no receiver any more
            }
        }
        inner_.reset();
        return poll_result<void>::ready();
    }

private:
    poll_result<output_type> poll_inner(context& cx) {
        const detail::no_deadline_here here;
        return inner_->poll(cx);
    }

    std::optional<F> inner_;
    bool has_begun_ = false;
};

/// Completes `work` once it has begun, even if the awaiting task is cancelled meanwhile. Use it for a commit, a reply,
/// or a message that must not be cut in two.
///     co_await eddy::shielded(transaction.commit());
///
/// When the surrounding task is cancelled gracefully, it waits until `work` is ready, and ends then. Causes of a
/// graceful cancellation are: an abort, a failed or cancelled scope, an elapsed timeout, a select or join that cancels
/// its other branches, and a shutdown that has time left. The output or exception of `work` after the cancellation is
/// lost. `work` that was not polled before the cancellation does not begin. Surrounding deadlines (with_deadline) are
/// not visible to `work`; if it can take too long, put a timeout inside.
///
/// It does not protect `work` in these cases:
/// - The future is destroyed without poll_cancel(), which can happen at any time: a shutdown has no time left, or the
///   future was polled manually and is dropped. Spawn work that must survive even that.
/// - The cancelled code only borrows the future, which is later destroyed together with its owner: a future that is
///   passed by std::ref, and a future inside a stream (in a generator, in buffered(), in a futures_unordered) from
///   which a loop awaits next(). for_each() and similar functions own their stream and end it gracefully. A loop does
///   the same if a finally() around it awaits `items.cancel()`.
/// - Children of a scope inside `work` are separate tasks: a shutdown cancels each of them, and the scope continues
///   without them. Use shielded() inside the children as well.
/// - Sinks have no graceful cancellation: the future of with() is destroyed with the forward() that is cancelled.
///
/// Cancel safety: safe if the future is cancelled gracefully. If it is destroyed without a graceful cancellation, it is
/// as cancel safe as `work`.
/// Lifetime: `work` is moved in; use std::ref to borrow it.
/// Cost: no allocation.
template <class F>
[[nodiscard]] auto shielded(F&& work) {
    return detail::make_adaptor<shielded_future<detail::owned_t<F>>>(std::forward<F>(work));
}

}  // namespace eddy
