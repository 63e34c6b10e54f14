// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/detail/local_share.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>

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
    task_builder() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Sets the name of the task, for messages. current_task_name() returns it. It is printed with an exception that
    /// leaves the task and that no join handle takes.
    task_builder& name(std::string text) {
        name_ = std::move(text);
        return *this;
    }
    /// Sets whether the task is a background task: a runtime is idle although the task is alive, so eddy::run and
    /// similar functions cancel it and do not wait for it. An event loop ignores the setting. The default is false.
    task_builder& background(bool is_background) noexcept {
        is_background_ = is_background;
        return *this;
    }

    /// Spawns a task on the current runtime; see eddy::spawn.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        detail::executor& here =
            detail::current_executor_or_throw("task_builder::spawn", "use spawn_on() with a handle", where);
        return on(here, std::forward<W>(work), where, is_background_);
    }

    /// Spawns a task on the given runtime.
    template <class W>
    auto spawn_on(const handle& runtime, W&& work, std::source_location where = std::source_location::current()) const {
        return on(detail::executor_of(runtime), std::forward<W>(work), where, is_background_);
    }

    /// Spawns a task that stays on this thread; see eddy::spawn_local.
    template <class W>
    auto spawn_local(W&& work, std::source_location where = std::source_location::current()) const {
        return on(detail::current_local_owner(where), std::forward<W>(work), where, false);
    }

private:
    template <class Runs, class W>
    auto on(Runs& runs, W&& work, std::source_location where, bool is_background) const {
        if (name_.empty()) return detail::spawn_on(runs, std::forward<W>(work), where, is_background);
        return detail::spawn_on(runs, std::forward<W>(work), where, is_background, name_);
    }

    std::string name_;
    bool is_background_ = false;
};

}  // namespace eddy
