// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/select.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>

namespace eddy {

namespace detail {

/// The state that a task shares with the coroutine that waits for it.
///
///     phase       meaning                                  changed by
///     starting    the task is being spawned                -
///     waiting     the coroutine is suspended               await_suspend()
///     complete    the outcome is set                       the task, which then resumes the coroutine
///     dropped     the task was destroyed before `waiting`  the task; await_suspend() returns false or throws
///     abandoned   the coroutine was destroyed              the awaiter's destructor
template <class T>
class coroutine_wait {
public:
    explicit coroutine_wait(std::coroutine_handle<> waiting) noexcept : waiting_(waiting) {}

    /// Called by the task, after it has set the outcome.
    void complete() {
        // relaxed: spawn() has published the coroutine to this thread, on which it reads the outcome.
        const phase before = phase_.exchange(phase::complete, std::memory_order_relaxed);
        if (before == phase::starting || before == phase::waiting) waiting_.resume();
    }
    /// Called instead of complete() if the task is destroyed early. Does not resume the coroutine while the task is
    /// being spawned: spawn() may throw then, and the exception must leave a coroutine that still exists.
    void drop() {
        phase before = phase::starting;
        // release: publishes the outcome to begin_waiting(). relaxed for failures: complete() decides.
        if (phase_.compare_exchange_strong(before, phase::dropped, std::memory_order_release,
                                           std::memory_order_relaxed))
            return;
        complete();
    }
    /// Called after the task was spawned. Returns false if the task was dropped and the coroutine must continue.
    [[nodiscard]] bool begin_waiting() noexcept {
        phase before = phase::starting;
        // acquire: pairs with the release in drop().
        return phase_.compare_exchange_strong(before, phase::waiting, std::memory_order_acquire) ||
               before != phase::dropped;
    }
    /// Called by the awaiter's destructor.
    // relaxed: the task that sees it accesses nothing of the coroutine.
    void abandon() noexcept { phase_.store(phase::abandoned, std::memory_order_relaxed); }

    kept<T> outcome;

private:
    enum class phase : unsigned char { starting, waiting, complete, dropped, abandoned };

    std::coroutine_handle<> waiting_;
    atomic<phase> phase_{phase::starting};
};

/// The task's reference to the wait. If the task is destroyed early, the coroutine gets an error.
template <class T>
class wait_guard {
public:
    explicit wait_guard(std::shared_ptr<coroutine_wait<T>> wait) noexcept : wait_(std::move(wait)) {}
    wait_guard(wait_guard&&) noexcept = default;
    wait_guard& operator=(wait_guard&&) = delete;
    ~wait_guard() {
        if (!wait_) return;
        wait_->outcome.set_exception(std::make_exception_ptr(
            std::system_error(make_error_code(errc::task_cancelled), "the executor dropped the awaited future")));
        wait_->drop();
    }

    [[nodiscard]] kept<T>& outcome() const noexcept { return wait_->outcome; }
    /// Resumes the coroutine.
    /// Preconditions: the outcome is set, or the coroutine was destroyed.
    void complete() {
        const auto wait = std::exchange(wait_, nullptr);
        wait->complete();
    }

private:
    std::shared_ptr<coroutine_wait<T>> wait_;
};

/// Runs `future` for a coroutine of another library. Cancels it when the sender of `abandoned` is gone.
template <class F>
task<void> run_for_coroutine(F future, sync::oneshot<>::receiver abandoned, wait_guard<output_t<F>> guard) {
    auto& outcome = guard.outcome();
    try {
        auto either = select_biased(std::move(future), std::move(abandoned));
        auto first = co_await either;
        if (first.index() == 0) outcome.set_value(std::get<0>(std::move(first)));
    } catch (...) {
        outcome.set_exception(std::current_exception());
    }
    guard.complete();
}

template <class E>
concept spawns_tasks = requires(const E& executor, task<void> work, std::source_location where) {
    executor.spawn(std::move(work), where);
};

}  // namespace detail

/// The awaitable that as_awaitable() returns.
template <class E, class F>
class [[nodiscard("the future runs when this is awaited")]] future_awaitable {
    using output = output_t<F>;

public:
    /// Stores an executor and a future.
    future_awaitable(const E& executor, F&& future, std::source_location where)
        : executor_(executor), future_(std::move(future)), where_(where) {}
    future_awaitable(const future_awaitable&) = delete;
    future_awaitable& operator=(const future_awaitable&) = delete;
    /// Cancels the future if the awaiting coroutine is destroyed while it waits.
    ~future_awaitable() {
        if (wait_) wait_->abandon();
    }

    /// Awaiter interface.
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    // Not inlined: older versions of Clang then keep the locals in the coroutine frame, which may be destroyed.
    [[nodiscard, gnu::noinline]] bool await_suspend(std::coroutine_handle<> waiting) {
        const auto wait = std::make_shared<detail::coroutine_wait<output>>(waiting);
        wait_ = wait;
        auto ends = sync::oneshot<>::channel();
        alive_.emplace(std::move(ends.sender));
        auto work = detail::run_for_coroutine<F>(std::move(future_), std::move(ends.receiver),
                                                 detail::wait_guard<output>(wait));
        // The task may resume the coroutine before spawn() returns, which destroys this object: only locals from here.
        const E executor = executor_;
        const std::source_location where = where_;
        static_cast<void>(executor.spawn(std::move(work), where));
        return wait->begin_waiting();
    }
    output await_resume() { return wait_->outcome.take(where_); }

private:
    E executor_;
    F future_;
    std::source_location where_;
    std::shared_ptr<detail::coroutine_wait<output>> wait_;
    std::optional<sync::oneshot<>::sender> alive_;  // its destruction cancels the future
};

/// Makes an awaitable of an eddy future, for a coroutine of another library:
///     int answer = co_await eddy::as_awaitable(runtime.handle(), compute());
/// The await spawns the future as a task on `executor`: a handle, a core_handle or a core_remote. The coroutine is
/// resumed by that task, on a thread of the executor; code that follows must not block.
///
/// Errors: throws the exception of the future, or of the executor's spawn(). Throws std::system_error with
/// errc::task_cancelled if the executor shuts down before the future has ended.
/// Cancel safety: if the coroutine is destroyed while it waits, the future is cancelled. Do not destroy the coroutine
/// while a thread of the executor resumes it.
/// Lifetime: the future is moved in. What it refers to must outlive the coroutine's wait and, after the coroutine was
/// destroyed, the cancellation of the future, which other threads carry out.
/// Cost: one allocation, and the allocations of spawn().
template <class E, class F>
[[nodiscard]] auto as_awaitable(const E& executor, F&& future,
                                std::source_location where = std::source_location::current()) {
    constexpr bool can_spawn = detail::spawns_tasks<E>;
    static_assert(can_spawn, "eddy: as_awaitable takes a handle, core_handle or core_remote, and then a future");
    if constexpr (!can_spawn) {
        return detail::broken_future();
    } else if constexpr (!detail::check_futures<F>()) {
        return detail::broken_future();
    } else {
        return future_awaitable<E, detail::owned_t<F>>(executor, detail::own(std::forward<F>(future)), where);
    }
}

}  // namespace eddy
