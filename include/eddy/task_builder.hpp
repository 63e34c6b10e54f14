// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/local_tasks.hpp>
#include <eddy/detail/named_work.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/handle.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/spawn.hpp>

namespace eddy {

/// What the task that is polled on this thread was named by task_builder; empty if it has no name, and outside of
/// tasks. Lifetime: the text lives as long as the task.
[[nodiscard]] EDDY_API std::string_view current_task_name() noexcept;

/// Spawns tasks with more than their work: `eddy::task_builder().name("accept").background(true).spawn(accept_all())`.
/// It can be used again.
/// Cost: a task with a name is larger by that; one without costs what eddy::spawn costs.
class task_builder {
public:
    task_builder() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12

    /// For people: current_task_name() gives it, and it is printed with an exception that leaves the task and that
    /// nobody takes.
    task_builder& name(std::string text) {
        name_ = std::move(text);
        return *this;
    }
    /// Whether a runtime counts as idle although the task is alive: eddy::run and the like end then, and cancel it. (A
    /// loop does not know the difference.)
    task_builder& background(bool is_background) noexcept {
        settings_.is_background = is_background;
        return *this;
    }

    /// As eddy::spawn.
    template <class W>
    auto spawn(W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_spawned<W>()) {
            const detail::spawn_target target =
                detail::current_spawn_target("task_builder::spawn", "use spawn_on() with a handle", where);
            if (target.pool != nullptr) return on_pool(*target.pool, std::forward<W>(work), where);
            return on_core(*target.core, std::forward<W>(work), where);
        } else {
            return detail::broken_future();
        }
    }

    /// The same on a certain runtime.
    template <class W>
    auto spawn_on(const handle& runtime, W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_spawned<W>()) {
            return on_pool(detail::runtime_access::get(runtime), std::forward<W>(work), where);
        } else {
            return detail::broken_future();
        }
    }

    /// As eddy::spawn_local.
    template <class W>
    auto spawn_local(W&& work, std::source_location where = std::source_location::current()) const {
        if constexpr (detail::check_spawned<W>()) {
            const detail::local_target target = detail::current_local_target(where);
            if (target.set == nullptr) return on_core(*target.core, std::forward<W>(work), where);
            if (name_.empty()) return detail::spawn_in(*target.set, std::forward<W>(work), where);
            auto& made = make(detail::owner_of(*target.set), std::forward<W>(work), where);
            detail::start(*target.set, made);
            return detail::join_handle_for<W>(made);
        } else {
            return detail::broken_future();
        }
    }

private:
    template <class W>
    detail::join_handle_for<W> on_pool(detail::pool& pool, W&& work, std::source_location where) const {
        if (name_.empty()) return detail::spawn_on(pool, std::forward<W>(work), where, settings_);
        auto& made = make(detail::owner_of(pool), std::forward<W>(work), where);
        made.is_background = settings_.is_background;
        detail::start(pool, made);
        return detail::join_handle_for<W>(made);
    }

    template <class W>
    detail::join_handle_for<W> on_core(detail::core_shared& loop, W&& work, std::source_location where) const {
        if (name_.empty()) return detail::spawn_on_core(loop, std::forward<W>(work), where);
        return detail::spawn_named_on_core(loop, std::forward<W>(work), where, name_);
    }

    template <class W>
    auto& make(detail::task_owner& owner, W&& work, std::source_location where) const {
        return *detail::pool_new<detail::named_cell<std::decay_t<W>>>(owner, where, name_, std::forward<W>(work));
    }

    std::string name_;
    detail::spawn_settings settings_;
};

}  // namespace eddy
