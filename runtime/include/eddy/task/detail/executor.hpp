// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

class io_handle;
class pool;
class time_driver;
struct all_metrics;
struct observer;
struct spawned_task;

/// What owns tasks: the pool, an event loop, a local set, or the process for blocking work that event loops start.
class spawned_task_owner : immovable {
public:
    /// Starts a new task, on a thread that runs tasks of this owner or, if the owner is not an event loop, on any
    /// thread. If the owner is closing, the task is cancelled immediately.
    virtual void adopt(spawned_task& task) noexcept = 0;
    /// Queues a task that was woken. The queue takes over the reference of its `notified` bit.
    /// Thread safety: any thread.
    virtual void schedule(spawned_task& task) noexcept = 0;
    /// Passes a failure that no join handle takes to the handler of the owner, or prints it.
    virtual void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept = 0;

protected:
    ~spawned_task_owner() = default;
};

/// The pool or an event loop: what a thread's spawn(), scopes, sockets and timers ask (runtime_context::executor).
/// Thread safety: the functions for an event loop are called on its thread.
class executor : public spawned_task_owner {
public:
    /// Whether this is an event loop. Its tasks stay on its thread, so scopes need no lock there.
    [[nodiscard]] bool is_loop() const noexcept { return is_loop_; }

    /// Takes or releases one reference.
    virtual void retain() noexcept = 0;
    virtual void release() noexcept = 0;

    // ---- Children of scopes: the steps of adopt(). The scope links the child under its own lock, with enlist() ----
    /// Sets what the task needs before another thread can see it.
    virtual void prepare(spawned_task& task) noexcept = 0;
    /// Adds the task to a list of tasks. Returns false if the executor is closing.
    [[nodiscard]] virtual bool enlist(spawned_task& task) noexcept = 0;
    /// Queues the task as a child of a scope: the newest runs first. Or destroys it if it is not listed.
    virtual void launch_child(spawned_task& task, bool is_listed) noexcept = 0;
    /// Wakes the parent of a scope that has ended, so that it runs before other tasks of its tree begin. This keeps the
    /// memory use of a tree of scopes low.
    virtual void wake_scope_parent(waker&& parent) noexcept = 0;
    /// Returns whether this thread may destroy tasks. Only an event loop's own thread may destroy its tasks, apart from
    /// a task that it has refused: the sender destroys that.
    [[nodiscard]] virtual bool may_destroy_here() const noexcept = 0;
    /// Destroys a task that has the running bit, and releases `references` references and the list's reference.
    virtual void destroy(spawned_task& task, std::uint64_t references) noexcept = 0;

    // ---- I/O; null without I/O ----
    /// Returns the driver in which this thread should register a new socket.
    [[nodiscard]] virtual io_handle* io_for_new_source() noexcept = 0;
    /// Returns the driver that this thread runs; null on a thread that runs none.
    [[nodiscard]] virtual io_handle* io_here() const noexcept = 0;
    /// Returns some driver, for properties that all drivers share.
    [[nodiscard]] virtual io_handle* any_io() const noexcept = 0;

    // ---- Measurements; any thread ----
    /// Adds the counters of this executor, unless it is closed.
    virtual void add_metrics_to(all_metrics& all) const = 0;
    /// Returns what its builder has asked to observe; null if that is nothing.
    [[nodiscard]] virtual const observer* observed_by() const noexcept = 0;

protected:
    explicit executor(bool is_loop) noexcept : is_loop_(is_loop) {}
    ~executor() = default;

private:
    const bool is_loop_;
};

[[nodiscard]] inline spawned_task_owner& owner_of(spawned_task_owner& owner) noexcept { return owner; }

// ---- The functions of the pool (src/executor/pool) that templates call ----

/// Adds or gives up a reference to the pool. The last release() frees it.
EDDY_API void retain(pool& shared) noexcept;
EDDY_API void release(pool& shared) noexcept;
/// Returns the pool as the owner of its tasks.
[[nodiscard]] EDDY_API spawned_task_owner& owner_of(pool& shared) noexcept;

/// Returns the pool in which spawn() spawns on this thread; null on an event loop, and without an executor.
[[nodiscard]] EDDY_API pool* pool_here() noexcept;

/// Checks that the current thread may block. `what` is the caller's name.
/// Errors: throws `nested_runtime` on a thread that runs tasks, which would be blocked too.
EDDY_API void check_may_block(const char* what, std::source_location where);
/// Same as above, for a caller that is about to wait for `shared`.
/// Errors: also throws `misuse` in a forked child process, which has none of the pool's workers.
EDDY_API void check_may_block(const pool& shared, const char* what, std::source_location where);
/// Same as above, for a caller that waits until `awaited` is idle.
/// Errors: also throws `nested_runtime` if `awaited` cannot become idle before the calling task has ended.
EDDY_API void check_may_await_idle(const pool& awaited, const char* what, std::source_location where);

}  // namespace eddy::detail
