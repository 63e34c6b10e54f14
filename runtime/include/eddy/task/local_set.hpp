// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/task/detail/local_share.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>

namespace eddy {

namespace detail {
struct local_access;
}  // namespace detail

/// The future that local_set::run_until() returns: runs a future and drives the set meanwhile.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] run_until_future
    : public future_ops<run_until_future<F>> {
public:
    using output_type = output_t<F>;

    /// For the library.
    run_until_future(F&& inner, detail::local_share tasks)
        : tasks_(std::move(tasks)), inner_(std::in_place, std::move(inner)) {}
    /// Moves the future.
    /// Preconditions: `other` was not polled; otherwise the process ends with a message.
    run_until_future(run_until_future&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : tasks_(std::move(other.tasks_)), inner_(std::move(other.inner_)) {
        if (other.driver_.is_listed) detail::fatal_moved("a run_until()", other.polled_at_);
        other.inner_.reset();
    }
    run_until_future& operator=(run_until_future&&) = delete;
    /// Destroys the future. The tasks of the set stay in the set.
    ~run_until_future() { end(); }

    /// Errors: throws `misuse` if another thread drives the set at this moment.
    poll_result<output_type> poll(context& cx) {
        if (!inner_) detail::throw_has_ended("run_until()", cx.where());
        polled_at_ = detail::call_site_of(cx.where());
        detail::check_driver(*tasks_, cx.where());
        try {
            auto answer = poll_inner(cx);
            if (answer.is_ready()) {
                end();
            } else {
                detail::drive(*tasks_, driver_, cx);
            }
            return answer;
        } catch (...) {
            end();
            throw;
        }
    }

    /// The tasks of the set run meanwhile.
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        if (inner_ && !poll_cancel_inner(cx)) {
            detail::drive(*tasks_, driver_, cx);
            return not_ready;
        }
        end();
        return poll_result<void>::ready();
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&run_until_future::inner_); }

private:
    poll_result<output_type> poll_inner(context& cx) {
        const detail::inside_local inside(*tasks_);
        return inner_->poll(cx);
    }
    bool poll_cancel_inner(context& cx) {
        const detail::inside_local inside(*tasks_);
        return inner_->poll_cancel(cx).is_ready();
    }

    void end() noexcept {
        if (!inner_) return;
        {
            const detail::inside_local inside(*tasks_);
            inner_.reset();
        }
        detail::leave(*tasks_, driver_);
    }

    detail::local_share tasks_;
    std::optional<F> inner_;
    detail::local_driver driver_;
    detail::call_site polled_at_ = nullptr;
};

/// Directs spawn_local() on this thread to a local_set during its lifetime; see local_set::enter().
/// Thread safety: destroy it on the thread that made it.
class [[nodiscard("the set is current while the guard lives")]] EDDY_API local_enter_guard {
public:
    local_enter_guard(const local_enter_guard&) = delete;
    local_enter_guard& operator=(const local_enter_guard&) = delete;
    /// Restores the set that was current before.
    ~local_enter_guard();

private:
    friend class local_set;
    local_enter_guard(detail::local_share entered, std::source_location where) noexcept;

    detail::local_share entered_;
    std::source_location entered_at_;
    detail::local_tasks* outer_;
};

/// A set of tasks that never run in parallel: the future that drives the set polls them one after the other. Therefore
/// they can share objects that are not thread-safe. They may also hold objects that belong to one thread, if the set is
/// driven only on that thread: by a task of a `core` or by eddy::wait. A task of the pool may migrate.
///     eddy::local_set set;
///     co_await set.run_until([]() -> eddy::task<> {
///         auto window = std::make_shared<ui>();                    // no locks
///         co_await eddy::spawn_local(paint(window));
///     }());
///     co_await set;                                                // until all its tasks have ended
///
/// The set is itself a future: it drives the tasks and is ready when no task is left. It yields to other tasks after 61
/// polls. Inside its tasks, eddy::spawn still spawns on the runtime. A moved-from set is empty: spawning into it,
/// driving it and entering it throw `misuse`.
///
/// The destructor destroys the tasks on this thread. A task of the set must not destroy the set. Afterwards, join
/// handles of its tasks report that the tasks were cancelled, and wakers do nothing.
/// Cancel safety: safe. If the future that drives the set is destroyed, the tasks do not run until the set is driven
/// again.
/// Thread safety: spawn_local() and enter() may be called on any thread; wakers and join handles of its tasks may be
/// used on any thread. Several futures may drive the set if one thread, or one task, polls them; all of them are
/// notified when the last task ends. Driving the set on two threads at the same time is incorrect; where it is
/// detected, it throws `misuse`.
/// Cost: one block from the frame pool for each task. A wake-up from another task of the set takes no lock. One small
/// block for each task that awaits the set, except the first.
class local_set : public future_ops<local_set> {
public:
    using output_type = void;

    /// Constructs an empty set.
    local_set() : tasks_(&detail::make_local_tasks()) {}
    /// Moves the tasks. The assignment destroys the tasks that this set had before.
    local_set(local_set&&) noexcept = default;
    local_set& operator=(local_set&& other) noexcept {
        local_set taken(std::move(other));
        std::swap(tasks_, taken.tasks_);
        return *this;
    }
    /// Destroys all tasks; see the class comment.
    ~local_set() {
        detail::check_not_awaited(this, "a local_set");
        if (tasks_.get() != nullptr) detail::close(*tasks_);
    }

    /// Spawns a task into the set and returns a join_handle; see eddy::spawn. The task is polled when the set is
    /// driven.
    template <class W>
    auto spawn_local(W&& work, std::source_location where = std::source_location::current()) {
        return detail::spawn_on(own("local_set::spawn_local()", where), std::forward<W>(work), where);
    }

    detail::broken_future spawn_local(auto&&, detail::argument_of_work auto&&, auto&&...)
        EDDY_DELETED(EDDY_NO_ARGUMENTS);

    /// Runs a future and drives the set until the future is ready. eddy::spawn_local() inside it spawns into this set.
    /// Tasks that have not ended by then stay in the set and do not run until the set is driven again.
    /// Cancel safety: same as the future.
    /// Lifetime: `work` is moved in; use std::ref to borrow it.
    template <class F>
    [[nodiscard]] auto run_until(F&& work, std::source_location where = std::source_location::current()) {
        static_cast<void>(own("local_set::run_until()", where));
        return detail::make_adaptor<run_until_future<detail::owned_t<F>>>(std::forward<F>(work), tasks_);
    }

    /// Directs eddy::spawn_local() on this thread to this set during the lifetime of the guard, for calls from outside
    /// of the set's tasks.
    /// Preconditions: guards end in the reverse order of their construction, and do not live across a co_await.
    [[nodiscard]] local_enter_guard enter(std::source_location where = std::source_location::current()) const {
        static_cast<void>(own("local_set::enter()", where));
        return local_enter_guard(tasks_, where);
    }

    /// Future interface: drives the set until no task is left.
    /// Errors: throws `misuse` inside a task of the set, and if another thread drives the set at this moment.
    poll_result<void> poll(context& cx) {
        if (!detail::drive_to_end(own("co_await", cx.where()), cx)) return not_ready;
        return poll_result<void>::ready();
    }

    /// For readers of the program's memory.
    static constexpr auto wait_shape() {
        return inspect::wait_shape<>{.kind = inspect::wait::local_set, .is_inside = true};
    }

    friend const local_set* awaited_object(const local_set& me) noexcept { return std::addressof(me); }

    /// Cancels all tasks gracefully and waits until they have ended.
    poll_result<void> poll_cancel(context& cx) {
        detail::cancel_all(own("co_await", cx.where()));
        return poll(cx);
    }

private:
    friend struct detail::local_access;

    /// Returns the tasks of the set. Throws `misuse`, with the function name `what` in its text, if the set is empty.
    [[nodiscard]] detail::local_tasks& own(const char* what, std::source_location where) const {
        if (tasks_.get() == nullptr) [[unlikely]]
            detail::throw_empty(what, "local_set", "moved from", where);
        return *tasks_;
    }

    detail::local_share tasks_;
};

namespace detail {

struct local_access {
    static local_share share(const local_set& of) noexcept { return of.tasks_; }
};

}  // namespace detail

/// Spawns a task that stays on this thread, and returns a join_handle. The task belongs to the local_set that is driven
/// or was entered on this thread; without one, to the event loop (`core`) that runs on this thread. Otherwise it is the
/// same as spawn().
/// Errors: throws `misuse` on all other threads, in particular on workers of a runtime.
template <class W>
auto spawn_local(W&& work, std::source_location where = std::source_location::current()) {
    return detail::spawn_on(detail::current_local_owner(where), std::forward<W>(work), where);
}

detail::broken_future spawn_local(auto&&, detail::argument_of_work auto&&, auto&&...) EDDY_DELETED(EDDY_NO_ARGUMENTS);

}  // namespace eddy
