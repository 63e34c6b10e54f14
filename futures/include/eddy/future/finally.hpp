// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/error.hpp>
#include <eddy/future/detail/bound_deadline.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>

namespace eddy {

/// The future that finally() returns.
///
///               first poll          end: output, exception, or cancelled
///     fresh ─────────────────> work ────────────────────────────────────> cleanup ──────────> ended
///       └── cancelled: the cleanup does not run ───────────────────────────────────────────────^
template <class F, class Fn>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] finally_future
    : public future_ops<finally_future<F, Fn>> {
    using cleanup = std::invoke_result_t<Fn&>;

public:
    using output_type = output_t<F>;

    /// Takes ownership of the work, and of the function that makes the cleanup.
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

    static constexpr auto wait_shape() { return inspect::waits_as(&finally_future::work_, &finally_future::cleanup_); }

    /// Cancels the work, then runs the cleanup. Returns ready when the cleanup has ended.
    poll_result<void> poll_cancel(context& cx) {
        if (stage_ == stage::fresh) end();
        if (stage_ == stage::work) {
            try {
                if (!detail::poll_cancel_child(&*work_, cx)) return not_ready;
            } catch (...) {  // NOLINT(bugprone-empty-catch): the cleanup runs in any case
            }
            begin_cleanup();
        }
        if (stage_ == stage::cleanup && !poll_cleanup(cx)) return not_ready;
        return poll_result<void>::ready();
    }

private:
    enum class stage : unsigned char { fresh, work, cleanup, ended };

    /// Polls the work and keeps its outcome. Returns whether the work has ended.
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

    /// Destroys the work, which must be gone before the cleanup begins.
    void begin_cleanup() noexcept {
        work_.reset();
        stage_ = stage::cleanup;
    }

    /// Polls the cleanup. Returns whether it has ended; then only the outcome is left.
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
    std::optional<cleanup> cleanup_;  // may borrow from the callable
    std::optional<detail::stored_t<output_type>> output_;
    std::exception_ptr thrown_;
    stage stage_ = stage::fresh;
};

/// Runs `work`, then an asynchronous cleanup: a destructor that can wait. `cleanup` is a function that returns a
/// future. The output is `work`'s output, available once the cleanup has ended.
///
///     auto session = co_await eddy::try_(log_in(server));
///     co_return co_await eddy::finally(use(session), [&] { return session.log_out(); });
///
/// The cleanup runs after `work` has ended and is destroyed, in each of these cases:
/// - `work` has an output (a value or an error);
/// - `work` throws;
/// - the surrounding task is cancelled gracefully: by an abort, a failed or cancelled scope, an elapsed timeout, a
///   select or join that cancels its other branches, or a shutdown that has time left. Then `work` is ended by its
///   poll_cancel(), if it has one, and the task waits for the cleanup.
///
/// The cleanup is shielded: no cancellation and no deadline (with_deadline) ends it. Give it a timeout if it can take
/// long. Local variables of the awaiting coroutine still exist while the cleanup runs. Nested cleanups run from the
/// innermost to the outermost. During a shutdown, a cleanup cannot spawn tasks, not even in a scope.
///
/// The cleanup does not run in these cases. Put actions that must happen even then into a destructor:
/// - `work` was never polled.
/// - The future is destroyed without poll_cancel(), since a destructor cannot wait: a shutdown has no time left, or the
///   future was polled manually and is dropped.
/// - The cancelled code only borrows the future, which is later destroyed together with its owner: it was passed by
///   std::ref, or it is inside a stream from which a loop awaits next(). for_each() and similar functions end their
///   stream gracefully. For a loop, make the loop itself the work, with `[&] { return items.cancel(); }` as its
///   cleanup.
///
/// Errors: the output of the cleanup is dropped. An exception of the cleanup is thrown, unless `work` has thrown or was
/// cancelled.
/// Cancel safety: same as `work`.
/// Lifetime: `work` and `cleanup` are moved in; use std::ref to borrow the work. Captures of `cleanup` live until the
/// cleanup has ended.
/// Cost: no allocation.
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
            static_assert(makes_future,
                          "eddy: the cleanup of finally must return a future; put a cleanup that does not wait into a "
                          "destructor");
            if constexpr (!makes_future) {
                return detail::broken_future();
            } else {
                using made = finally_future<detail::owned_t<F>, detail::kept_fn_t<Fn>>;
                return made(detail::own(std::forward<F>(work)), std::forward<Fn>(cleanup));
            }
        }
    }
}

}  // namespace eddy
