// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <utility>

#include <eddy/detail/bound_deadline.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

/// A future that is not cut off: see `shielded`.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] shielded_future
    : public future_ops<shielded_future<F>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = detail::is_marked<F>;

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

    poll_result<void> poll_cancel(context& cx) {
        if (inner_ && has_begun_) {
            try {
                if (!poll_inner(cx).is_ready()) return not_ready;
            } catch (...) {  // NOLINT(bugprone-empty-catch): as its output: nobody is there any more to take it
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

/// Finishes `work` once it has begun, also if whoever awaits it is cancelled meanwhile: a commit, a reply, a message
/// that must not be cut in two.
///
/// When the task around it is cancelled in the orderly way (abort, a failing or cancelled scope, an elapsed timeout, a
/// select or join that ends its losers, a shutdown that has time), the task goes on waiting until `work` is ready, and
/// ends then. What `work` gives or throws after the cancellation is lost. A deadline around it is not in sight
/// (with_deadline), and does not cut it off: if it may take too long, put a timeout inside. It does not help where
/// futures are destroyed outright, as they may be at any time: by a shutdown that has no time left, or by a poll by
/// hand that drops it. Work that has to outlive even that is spawned. Nor does it help in what is only lent to whoever
/// is cancelled: a future given as std::ref, and what runs inside a stream (in a generator, by buffered(), in a
/// futures_unordered) of which a loop awaits next(). Those are destroyed with the coroutine that has them. for_each()
/// and its like have their stream, and end it in order: `co_await std::move(items).for_each(...)`. So does a loop whose
/// finally() awaits `items.cancel()`. The children of a scope in `work` are tasks of their own: a shutdown cancels
/// each, and the scope goes on to its end without them; so shield in them what has to be finished. Nor in a sink, which
/// has no orderly way: the future of with() goes with the forward() that is cancelled. `work` that has not been polled
/// when it is cancelled does not begin. Cancel safety: safe, in the orderly way; destroyed outright, that of `work`.
/// Lifetime: `work` is moved in; use std::ref to lend it.
/// Cost: none of its own.
///     co_await eddy::shielded(transaction.commit());
template <class F>
[[nodiscard]] auto shielded(F&& work) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return shielded_future<detail::owned_t<F>>(detail::own(std::forward<F>(work)));
    }
}

}  // namespace eddy
