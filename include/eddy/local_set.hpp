// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/local_tasks.hpp>
#include <eddy/detail/owned.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/spawn.hpp>

namespace eddy {

namespace detail {
struct local_access;
}  // namespace detail

/// A future that drives a local_set besides: what local_set::run_until() returns.
template <class F>
class [[nodiscard("a future does nothing until it is awaited, spawned or run")]] run_until_future
    : public future_ops<run_until_future<F>> {
public:
    using output_type = output_t<F>;
    static constexpr bool took_closure = detail::is_marked<F>;

    run_until_future(detail::local_share tasks, F&& inner)
        : tasks_(std::move(tasks)), inner_(std::in_place, std::move(inner)) {}
    run_until_future(run_until_future&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : tasks_(std::move(other.tasks_)), inner_(std::move(other.inner_)) {
        if (other.driver_.is_listed) detail::fatal_misuse("run_until() was moved after its first poll");
        other.inner_.reset();
    }
    run_until_future& operator=(run_until_future&&) = delete;
    ~run_until_future() { end(); }

    poll_result<output_type> poll(context& cx) {
        if (!inner_) detail::throw_has_ended("run_until()", cx.where());
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
};

/// While it lives, spawn_local() on this thread goes to its set. See local_set::enter().
class [[nodiscard("the set is current while the guard lives")]] EDDY_API local_enter_guard {
public:
    local_enter_guard(const local_enter_guard&) = delete;
    local_enter_guard& operator=(const local_enter_guard&) = delete;
    ~local_enter_guard();

private:
    friend class local_set;
    explicit local_enter_guard(detail::local_share entered) noexcept;

    detail::local_share entered_;
    detail::local_tasks* outer_;
};

/// Tasks that never run at the same time as each other: they are polled by whoever drives the set, one after the other.
/// So they can share what is not thread-safe. If the set is driven on one thread (by a task of a `core`, by eddy::wait,
/// and not by a task of the pool, which may move), they may hold what belongs to that thread, too.
///     eddy::local_set set;
///     co_await set.run_until([]() -> eddy::task<> {
///         auto window = std::make_shared<ui>();                    // no locks
///         co_await eddy::spawn_local(paint(window));
///     }());
///     co_await set;                                                // until all its tasks have ended
///
/// The set is itself a future, which drives it and is ready when no task is left. After some polls in a row it lets
/// others run. eddy::spawn inside of its tasks still goes to the runtime. One that was moved from is empty: to spawn
/// into it, to drive or to enter it throws `misuse`. Dropping it destroys its tasks, on this thread; it must not be
/// dropped by one of them. Join handles that are left say that their tasks were cancelled; wakers that are left do
/// nothing. Cancel safety: dropping what drives it lets its tasks stand still until it is driven again. Thread safety:
/// spawn_local() and enter() on any thread. It may be driven by several futures, if these are polled on one thread, or
/// by one task; all who await it are told of the end. Two threads at the same time are misuse, which is thrown where it
/// is noticed. Handles of its tasks, and wakers, on any thread. Cost: one block of the frame pool for each task. To
/// wake a task from another one of the set takes no lock. One small block for each task that awaits the set beside the
/// first.
class local_set : public future_ops<local_set> {
public:
    using output_type = void;

    local_set() : tasks_(detail::make_local_tasks()) {}
    local_set(local_set&&) noexcept = default;
    local_set& operator=(local_set&& other) noexcept {
        local_set taken(std::move(other));
        std::swap(tasks_, taken.tasks_);
        return *this;
    }
    ~local_set() {
        if (tasks_.get() != nullptr) detail::close(*tasks_);
    }

    /// Starts a task of the set: as eddy::spawn. It is polled when the set is driven.
    template <class W>
    auto spawn_local(W&& work, std::source_location where = std::source_location::current()) {
        if constexpr (detail::check_spawned<W>()) {
            return detail::spawn_in(own("local_set::spawn_local()", where), std::forward<W>(work), where);
        } else {
            return detail::broken_future();
        }
    }

    // Only to say in a short error what to write.
    template <class W, detail::argument_of_work A, class... More>
    auto spawn_local(W&&, A&&, More&&...) {
        return detail::refuse_arguments<W>();
    }

    /// Runs a future, and the tasks of the set meanwhile; eddy::spawn_local() in it goes to the set. Tasks that are
    /// left stay in the set, and stand still until it is driven again. Cancel safety: that of the future.
    template <class F>
    [[nodiscard]] auto run_until(F&& work, std::source_location where = std::source_location::current()) {
        if constexpr (!detail::check_futures<F>()) {
            return detail::broken_future();
        } else {
            static_cast<void>(own("local_set::run_until()", where));
            return run_until_future<detail::owned_t<F>>(tasks_, detail::own(std::forward<F>(work)));
        }
    }

    /// eddy::spawn_local() on this thread goes to this set while the guard lives: outside of its tasks, in what they do
    /// not call. Guards must end in the reverse order of their making, and must not live across a co_await.
    [[nodiscard]] local_enter_guard enter(std::source_location where = std::source_location::current()) const {
        static_cast<void>(own("local_set::enter()", where));
        return local_enter_guard(tasks_);
    }

    // As a future: drives the set until no task is left.
    poll_result<void> poll(context& cx) {
        if (!detail::drive_to_end(own("co_await", cx.where()), cx)) return not_ready;
        return poll_result<void>::ready();
    }
    /// Asks the tasks to end in an orderly way, and waits for that.
    poll_result<void> poll_cancel(context& cx) {
        detail::cancel_all(own("co_await", cx.where()));
        return poll(cx);
    }

private:
    friend struct detail::local_access;

    /// The set, for the function `what`.
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

/// Starts a task on this thread, where it stays: a task of the local_set that is driven here, or that was entered;
/// without one, of the loop (`core`) that runs here. Otherwise as spawn(). Errors: throws `misuse` elsewhere, on
/// workers of the pool above all.
template <class W>
auto spawn_local(W&& work, std::source_location where = std::source_location::current()) {
    if constexpr (detail::check_spawned<W>()) {
        const detail::local_target target = detail::current_local_target(where);
        if (target.set != nullptr) return detail::spawn_in(*target.set, std::forward<W>(work), where);
        return detail::spawn_on_core(*target.core, std::forward<W>(work), where);
    } else {
        return detail::broken_future();
    }
}

// Only to say in a short error what to write.
template <class W, detail::argument_of_work A, class... More>
auto spawn_local(W&&, A&&, More&&...) {
    return detail::refuse_arguments<W>();
}

}  // namespace eddy
