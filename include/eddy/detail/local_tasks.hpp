// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <utility>

#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/detail/spawned_cell.hpp>
#include <eddy/future.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

// What the templates of local_set.hpp call; the class itself is in src/runtime.

class local_tasks;

/// With one reference. Throws std::bad_alloc.
[[nodiscard]] EDDY_API local_tasks& make_local_tasks();
EDDY_API void retain(local_tasks& tasks) noexcept;
EDDY_API void release(local_tasks& tasks) noexcept;
[[nodiscard]] EDDY_API task_owner& owner_of(local_tasks& tasks) noexcept;

/// Begins a new task; if the set is gone, it is cancelled at once. Any thread.
EDDY_API void start(local_tasks& tasks, spawned_task& task) noexcept;
/// About how many tasks are alive. Any thread.
[[nodiscard]] EDDY_API std::size_t load_of(const local_tasks& tasks) noexcept;

/// Destroys all tasks, and refuses those that come later. Not while they are polled.
EDDY_API void close(local_tasks& tasks) noexcept;

/// A reference.
class local_share {
public:
    /// Takes over one.
    explicit local_share(local_tasks& tasks) noexcept : tasks_(&tasks) {}
    local_share(const local_share& other) noexcept : tasks_(other.tasks_) {
        if (tasks_ != nullptr) retain(*tasks_);
    }
    local_share(local_share&& other) noexcept : tasks_(std::exchange(other.tasks_, nullptr)) {}
    local_share& operator=(local_share other) noexcept {
        std::swap(tasks_, other.tasks_);
        return *this;
    }
    ~local_share() {
        if (tasks_ != nullptr) release(*tasks_);
    }

    [[nodiscard]] local_tasks* get() const noexcept { return tasks_; }
    [[nodiscard]] local_tasks& operator*() const noexcept { return *tasks_; }

private:
    local_tasks* tasks_;
};

/// Someone who polls a set, and is to be woken when one of its tasks is. In the set's list while it waits, under its
/// lock.
struct local_driver {
    waker wake;
    local_driver* previous = nullptr;
    local_driver* next = nullptr;
    bool is_listed = false;
};

/// Takes the driver out of the list. Whoever else drives the set is woken if there is something to do.
EDDY_API void leave(local_tasks& tasks, local_driver& driver) noexcept;

/// Throws `misuse` if another thread drives the set at this moment.
EDDY_API void check_driver(const local_tasks& tasks, std::source_location where);

/// Polls some tasks, each with a budget of its own; `driver` is woken when there are more.
EDDY_API void drive(local_tasks& tasks, local_driver& driver, context& cx) noexcept;

/// The same for whoever waits until no task is left: true then. Throws `misuse` inside one of the set's own tasks,
/// or if another thread drives the set at this moment.
[[nodiscard]] EDDY_API bool drive_to_end(local_tasks& tasks, context& cx);
/// Asks all tasks to end.
EDDY_API void cancel_all(local_tasks& tasks) noexcept;

/// While it lives, the set is the one of this thread: for the polls of whoever drives it.
class EDDY_API inside_local {
public:
    explicit inside_local(local_tasks& tasks) noexcept;
    inside_local(const inside_local&) = delete;
    inside_local& operator=(const inside_local&) = delete;
    ~inside_local();

private:
    local_tasks& tasks_;
    local_tasks* const outer_;
    const task_owner* const outer_polled_;
    const void* const outer_polled_on_;
};

/// Where spawn_local() goes on this thread: exactly one is not null. Throws `misuse` if there is neither.
struct local_target {
    local_tasks* set;
    core_shared* core;
};
[[nodiscard]] EDDY_API local_target current_local_target(std::source_location where);

template <class W>
join_handle_for<W> spawn_in(local_tasks& tasks, W&& work, std::source_location where) {
    using cell = spawned_cell<std::decay_t<W>>;
    cell& made = *pool_new<cell>(owner_of(tasks), where, true, std::forward<W>(work));
    start(tasks, made);
    return join_handle_for<W>(made);
}

}  // namespace eddy::detail
