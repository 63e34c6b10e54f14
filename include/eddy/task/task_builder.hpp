// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/joinable.hpp>
#include <eddy/detail/local_share.hpp>
#include <eddy/detail/pool_spawn.hpp>
#include <eddy/detail/spawned_cell.hpp>
#include <eddy/detail/stored_work.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>

// Spawned work that has a name. Tasks of the pool and of local sets use a separate task cell, and tasks of an event
// loop use a wrapper, so unnamed tasks have no extra cost.

namespace eddy::detail {

/// A task of the pool or of a local set that stores a name with its work.
template <class W>
class named_cell final : public spawned_output<work_output_t<W>> {
    using base = spawned_output<work_output_t<W>>;

public:
    template <class G>
    named_cell(task_owner& runs, std::source_location where, std::string name, G&& work)
        : base(operations, runs, where, true), name_(std::move(name)), work_(std::forward<G>(work), where) {
        this->root = work_.root();
    }

private:
    // SAFETY, here and in name_of(): only named_cell passes `operations` to the base, so `task` is a named_cell.
    static named_cell& of(spawned_task& task) noexcept { return static_cast<named_cell&>(task); }

    static bool poll(spawned_task& task, context& cx) { return of(task).work_.poll(of(task).outcome_, cx); }
    static bool poll_cancel(spawned_task& task, context& cx) {
        if (!of(task).work_.poll_cancel(cx)) return false;
        task.root = nullptr;  // for a coroutine: its frames are destroyed
        return true;
    }
    static void destroy_future(spawned_task& task) noexcept { of(task).work_.destroy(); }
    static void free_memory(spawned_task& task) noexcept { pool_delete(&of(task)); }
    static std::string_view name_of(const spawned_task& task) noexcept {
        return static_cast<const named_cell&>(task).name_;
    }
    static constexpr spawned_ops operations{base::joins,           &poll,        &poll_cancel,
                                            &destroy_future,       &base::fail,  &base::failure_in,
                                            &base::destroy_output, &free_memory, &name_of};

    const std::string name_;
    stored_work<W> work_;
};

/// Sets the name of the event loop's task that is polled on this thread, until the end of the scope.
class naming_loop_task {
public:
    explicit naming_loop_task(std::string_view name) noexcept : outer_(std::exchange(loop_task_here.name, name)) {}
    naming_loop_task(const naming_loop_task&) = delete;
    naming_loop_task& operator=(const naming_loop_task&) = delete;
    ~naming_loop_task() { loop_task_here.name = outer_; }

private:
    const std::string_view outer_;
};

/// A future that is polled and destroyed under a task name.
/// Lifetime: the task owns the name, which must outlive this future.
template <class F>
class named_future {
public:
    using output_type = output_t<F>;

    template <class G>
    named_future(std::string_view name, G&& inner) : name_(name), inner_(std::in_place, std::forward<G>(inner)) {}
    named_future(named_future&&) = default;
    named_future& operator=(named_future&&) = delete;
    ~named_future() {
        const naming_loop_task named(name_);
        inner_.reset();
    }

    poll_result<output_type> poll(context& cx) {
        const naming_loop_task named(name_);
        return inner_->poll(cx);
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        const naming_loop_task named(name_);
        return inner_->poll_cancel(cx);
    }

private:
    std::string_view name_;
    std::optional<F> inner_;
};

/// A callable that is called under a task name; the future that it returns is polled under the same name.
/// Lifetime: the task owns the name, which must outlive this object.
template <class W>
class named_callable {
public:
    template <class G>
    named_callable(std::string_view name, G&& work) : name_(name), work_(std::forward<G>(work)) {}

    auto operator()() {
        using made = std::decay_t<std::invoke_result_t<W&>>;
        const naming_loop_task named(name_);
        if constexpr (future<made>) {
            return named_future<made>(name_, std::invoke(work_));
        } else {
            return std::invoke(work_);
        }
    }

private:
    std::string_view name_;
    W work_;
};

/// The type that wraps the work `W` of a named task of an event loop.
template <class W>
using named_loop_work =
    std::conditional_t<future<W>, std::type_identity<named_future<W>>, std::type_identity<named_callable<W>>>::type;

/// Same as spawn_on(), for a task called `name`.
template <class Runs, class W>
auto spawn_named_on(Runs& runs, W&& work, std::source_location where, std::string name, spawn_settings chosen) {
    if constexpr (check_spawned<W>()) {
        using cell = named_cell<std::decay_t<W>>;
        cell& made = *pool_new<cell>(owner_of(runs), where, std::move(name), std::forward<W>(work));
        made.is_background = chosen.is_background;
        start(runs, made);
        return join_handle_for<W>(made);
    } else {
        return broken_future();
    }
}

/// Same as spawn_on_core(), for a task called `name`.
template <class W>
auto spawn_named_on_core(core_shared& loop, W&& work, std::source_location where, std::string name) {
    if constexpr (check_spawned<W>()) {
        using cell = joined_core_task<named_loop_work<std::decay_t<W>>, std::string>;
        cell& made = *pool_new<cell>(loop, where, std::forward<W>(work), std::move(name));
        adopt_task(loop, made);
        return join_handle_for<W>(made);
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail

namespace eddy {

/// Returns the name that task_builder gave to the task that is being polled on this thread. Empty if the task has no
/// name, and outside of tasks.
/// Lifetime: the text lives as long as the task.
[[nodiscard]] EDDY_API std::string_view current_task_name() noexcept;

/// Spawns tasks with additional settings: `eddy::task_builder().name("accept").background(true).spawn(accept_all())`. A
/// builder can spawn several tasks.
/// Thread safety: not synchronized; use one object from one thread at a time.
/// Cost: a named task is larger by its name; an unnamed one has the cost of eddy::spawn.
class task_builder {
public:
    /// Constructs a builder with the default settings.
    task_builder() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    /// Sets the task's name, for people. current_task_name() returns it, and it is printed with an exception that
    /// leaves the task and that no join handle takes.
    task_builder& name(std::string text) {
        name_ = std::move(text);
        return *this;
    }
    /// Sets whether the task is a background task: a runtime is idle although the task is alive, so eddy::run and
    /// similar functions do not wait for it and cancel it. An event loop ignores the setting. The default is false.
    task_builder& background(bool is_background) noexcept {
        settings_.is_background = is_background;
        return *this;
    }

    /// Spawns a task on the current runtime; see eddy::spawn.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        const detail::spawn_target target =
            detail::current_spawn_target("task_builder::spawn", "use spawn_on() with a handle", where);
        if (target.pool != nullptr) return on(*target.pool, std::forward<W>(work), where, settings_);
        return on_core(*target.core, std::forward<W>(work), where);
    }

    /// Spawns a task on the given runtime.
    template <class W>
    auto spawn_on(const handle& runtime, W&& work, std::source_location where = std::source_location::current()) const {
        return on(detail::runtime_access::get(runtime), std::forward<W>(work), where, settings_);
    }

    /// Spawns a task that stays on this thread; see eddy::spawn_local.
    template <class W>
    auto spawn_local(W&& work, std::source_location where = std::source_location::current()) const {
        const detail::local_target target = detail::current_local_target(where);
        if (target.set != nullptr) return on(*target.set, std::forward<W>(work), where, {});
        return on_core(*target.core, std::forward<W>(work), where);
    }

private:
    template <class Runs, class W>
    auto on(Runs& runs, W&& work, std::source_location where, detail::spawn_settings chosen) const {
        if (name_.empty()) return detail::spawn_on(runs, std::forward<W>(work), where, chosen);
        return detail::spawn_named_on(runs, std::forward<W>(work), where, name_, chosen);
    }
    template <class W>
    auto on_core(detail::core_shared& loop, W&& work, std::source_location where) const {
        if (name_.empty()) return detail::spawn_on_core(loop, std::forward<W>(work), where);
        return detail::spawn_named_on_core(loop, std::forward<W>(work), where, name_);
    }

    std::string name_;
    detail::spawn_settings settings_;
};

}  // namespace eddy
