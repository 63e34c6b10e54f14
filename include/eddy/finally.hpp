// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/bound_deadline.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>

namespace eddy {

/// A future with a cleanup: see `finally`.
///
///               first poll            its end: output, exception, or cancelled
///     fresh ─────────────────> work ──────────────────────────────────────────> cleanup ──────────> ended
///       └── cancelled: the cleanup does not run ─────────────────────────────────────────────────────^
template <class F, class Fn, bool Marked>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] finally_future
    : public future_ops<finally_future<F, Fn, Marked>> {
    using cleanup = std::invoke_result_t<Fn&>;

public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = Marked;

    template <class G>
    finally_future(F&& work, G&& f) : work_(std::in_place, std::move(work)), f_(std::in_place, std::forward<G>(f)) {}

    poll_result<output_type> poll(context& cx) {
        if (stage_ == stage::ended) detail::throw_has_ended("finally", cx.where());
        if (stage_ == stage::fresh) stage_ = stage::work;
        if (stage_ == stage::work) {
            if (!poll_work(cx)) return not_ready;
            begin_cleanup();
        }
        if (!poll_cleanup(cx)) return not_ready;
        if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
        if constexpr (std::is_void_v<output_type>) {
            return poll_result<void>::ready();
        } else {
            return poll_result<output_type>(*std::move(output_));
        }
    }

    poll_result<void> poll_cancel(context& cx) {
        if (stage_ == stage::fresh) end();
        if (stage_ == stage::work) {
            try {
                if (!detail::poll_cancel_child(&*work_, cx)) return not_ready;
            } catch (...) {  // NOLINT(bugprone-empty-catch): the cleanup is to run all the same
            }
            begin_cleanup();
        }
        if (stage_ == stage::cleanup && !poll_cleanup(cx)) return not_ready;
        return poll_result<void>::ready();
    }

private:
    enum class stage : unsigned char { fresh, work, cleanup, ended };

    /// True if the work has ended.
    bool poll_work(context& cx) {
        try {
            auto answer = work_->poll(cx);
            if (!answer.is_ready()) return false;
            output_.emplace(detail::take_output(std::move(answer)));
        } catch (...) {
            thrown_ = std::current_exception();
        }
        return true;
    }

    /// The work is gone when the cleanup begins.
    void begin_cleanup() noexcept {
        work_.reset();
        stage_ = stage::cleanup;
    }

    /// True if the cleanup has ended, and all is gone but the outcome.
    bool poll_cleanup(context& cx) {
        try {
            const detail::no_deadline_here here;
            if (!cleanup_) cleanup_.emplace(std::invoke(*f_));
            if (!cleanup_->poll(cx).is_ready()) return false;
        } catch (...) {
            if (!thrown_) thrown_ = std::current_exception();
        }
        end();
        return true;
    }

    void end() noexcept {
        stage_ = stage::ended;
        cleanup_.reset();
        f_.reset();
        work_.reset();
    }

    std::optional<F> work_;
    std::optional<Fn> f_;
    std::optional<cleanup> cleanup_;  // may borrow the callable
    std::optional<detail::stored_t<output_type>> output_;
    std::exception_ptr thrown_;
    stage stage_ = stage::fresh;
};

/// Runs `work`, and after it `cleanup`, a function that returns a future: a destructor that can wait. The output is
/// that of `work`, once the cleanup has ended.
///
///     auto session = co_await eddy::try_(log_in(server));
///     co_return co_await eddy::finally(use(session), [&] { return session.log_out(); });
///
/// When the cleanup runs: as soon as `work` has ended and is destroyed, by an output (an error is one), by an
/// exception, or by the orderly cancellation of the task around it (abort, a failing or cancelled scope, an elapsed
/// timeout, a select or join that ends its losers, a shutdown that has time): `work` is ended by its poll_cancel(), if
/// it has one, and the task waits for the cleanup. Nothing but its own end ends the cleanup: it is shielded, also from
/// deadlines (with_deadline); so give it a timeout, if it may take long. What it borrows of the coroutine that awaits
/// this is still there. When it does not run: if `work` has never been polled; and if this is destroyed outright, since
/// a destructor cannot wait: a shutdown that has no time left, or a poll by hand that drops it; or, where it was only
/// lent to whoever is cancelled, with the coroutine that has it: lent by std::ref, or inside a stream of which a loop
/// awaits next() (for_each() and its like end the stream in order; a loop does if it is itself the work, with `[&] {
/// return items.cancel(); }` as its cleanup). What must be done even then belongs into a destructor. A cleanup in a
/// shutdown spawns nothing any more, nor in a scope. Several of them nest: the innermost runs first. Errors: what the
/// cleanup gives is dropped; what it throws is thrown, unless `work` has thrown, or was cancelled. Cancel safety: that
/// of `work`. Lifetime: both are moved in; std::ref lends the work. Captures live until the cleanup has ended. Cost:
/// none of its own.
template <class F, class Fn>
[[nodiscard]] auto finally(F&& work, Fn&& cleanup) {
    if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        constexpr bool is_callable = std::is_invocable_v<std::decay_t<Fn>&>;
        static_assert(is_callable,
                      "eddy: finally takes a function without parameters that returns a future: [&] { return f(); }");
        if constexpr (!is_callable) {
            return detail::broken_future();
        } else {
            constexpr bool makes_future = future<std::remove_cvref_t<std::invoke_result_t<std::decay_t<Fn>&>>>;
            static_assert(
                makes_future,
                "eddy: the cleanup of finally must return a future; what does not wait belongs into a destructor");
            if constexpr (!makes_future) {
                return detail::broken_future();
            } else {
                constexpr bool is_marked = detail::is_fragile<Fn> || detail::is_marked<F>;
                using made = finally_future<detail::owned_t<F>, std::decay_t<Fn>, is_marked>;
                return made(detail::own(std::forward<F>(work)), std::forward<Fn>(cleanup));
            }
        }
    }
}

}  // namespace eddy
