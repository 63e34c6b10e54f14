// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string_view>

#include <eddy/detail/random.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/detail/core_loop.hpp>
#include <eddy/task/detail/executor.hpp>

#include "executor/loop/loop_park.hpp"
#include "executor/loop/loop_tasks.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"
#include "executor/watch/loop_watch.hpp"
#include "io/buffer_pool.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {

/// The implementation of an event loop (`core`), at a stable address: an executor, and the parts that do the work.
///
///     part          what it does
///     loop_tasks    knows the tasks, and queues them
///     loop_park     waits: the driver, the timers, other threads
///     loop_watch    counts, and is told what happens
///
/// The parts do not know the loop. Its functions that run it are in loop_run.cpp.
/// A wake from another thread changes the task's shared word (task_state.hpp), and pushes the task onto the inbound
/// list (loop_queues.hpp); loop_tasks::arrive() passes it on to the local word. What if the task or the loop ends
/// meanwhile: the README of executor.
/// Thread safety: used only on the event loop's thread, except where a section says "any thread".
/// Lifetime: reference-counted. Handles and remotes may outlive the `core`. Tasks have no reference: another
/// thread that wakes one announces it (owner_guard).
class core_shared final : public executor {
public:
    using word = local_word;  // of run_task.hpp, as are `complete`, `remove` and `report`

    struct settings {
        std::source_location made_at;
        std::unique_ptr<io_handle, releasing> io;  ///< null without I/O
        bool start_paused = false;                 ///< whether the clock is paused
        std::chrono::nanoseconds spin{0};          ///< how long to spin before the thread parks
        bool reports_deadlocks = false;
        std::optional<driver_kind> driver;  ///< the kind of `io`
        std::string_view why_driver;
        core_builder::uncaught_handler on_uncaught;
        unobserved_error_handler on_unobserved_error;
        leak_handler on_leaks;
        std::unique_ptr<const observer> observes;  ///< for the loop_watch; null if there is nothing to observe
        std::optional<std::uint64_t> seed;         ///< of the random numbers of the tasks
        stall_settings stalls;
    };

    explicit core_shared(settings&& chosen);

    // ---- Any thread ----
    /// Takes or releases one reference.
    void retain() noexcept override { references_.add(); }
    void release() noexcept override;
    /// Returns whether the calling thread is the loop's thread.
    [[nodiscard]] bool is_on_own_thread() const noexcept { return owner_ == this_thread_mark(); }
    /// Queues a woken task: as loop_tasks::schedule_here() if the loop runs on this thread, otherwise in the inbound
    /// list.
    void schedule(spawned_task& task) noexcept override;
    /// Sends a new task to the loop. Returns false if the loop is closed: then the task was destroyed.
    [[nodiscard]] bool send_new(spawned_task& task) noexcept;
    [[nodiscard]] bool may_destroy_here() const noexcept override { return is_on_own_thread(); }
    /// The counters are plain memory, which only the loop's thread changes. They are read as by a reader of another
    /// program's memory.
    void add_metrics_to(all_metrics& all) const override;

    // ---- The loop's thread: tasks ----
    void adopt(spawned_task& task) noexcept override;
    void prepare(spawned_task& task) noexcept override {
        const std::uint64_t first = local_word::divide(task);
        // A task without a join handle has no number, and no hook is called for it.
        if ((first & task_flags::join_interest) != 0) number_task(task.id);
    }
    [[nodiscard]] bool enlist(spawned_task& task) noexcept override {
        // A task_owner may outlive its loop. close() destroys what the destructors of tasks spawn.
        if (is_closed() && !is_running()) [[unlikely]]
            return false;
        watch_.spawned(task);
        tasks_.enlist(task);
        return true;
    }
    void launch_child(spawned_task& task, bool is_listed) noexcept override {
        if (!is_listed) [[unlikely]]
            return refuse(task);
        tasks_.push_child(task);
    }
    void wake_scope_parent(waker&& parent) noexcept override { tasks_.wake_scope_parent(std::move(parent)); }
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    [[nodiscard, gnu::always_inline]] bool remove(spawned_task& task) noexcept {
        watch_.ended(task);
        return tasks_.remove(task);
    }
    void destroy(spawned_task& task, std::uint64_t references) noexcept override;
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override;

    // ---- The loop's thread: runs ----
    // Errors: all throw what check_entry() throws.
    /// Runs the loop until `done`, which a task sets.
    void run(const bool& done, std::source_location where);
    /// Runs the loop until no task is alive.
    void run_until_idle(std::source_location where);
    /// Waits once, for at most `limit`, and polls the tasks that are queued then.
    void turn(max_wait limit, std::source_location where);
    /// Cancels all tasks, and runs the loop until none is alive, or until `deadline`.
    void cancel_all(std::chrono::steady_clock::time_point deadline, std::source_location where);
    /// Returns the time of the next turn(), and marks the loop as parked. See core::next_deadline().
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() noexcept {
        return park_.next_deadline();
    }
    /// Destroys a task that is not being polled. The caller has no reference.
    void destroy_listed(spawned_task& task) noexcept;
    /// Destroys all tasks, then shuts down the driver. ~core calls this.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept { return watch_.counters().is_closed; }
    [[nodiscard]] bool is_running() const noexcept { return this_thread.running_loop == this; }
    /// Returns whether this is the copy of a parent's loop in a forked child. Such a copy cannot run, because its
    /// driver belongs to the parent. A loop without I/O can continue to run, so this returns false for it.
    [[nodiscard]] bool is_copy_in_child() const noexcept { return io() != nullptr && io()->is_in_child(); }

    // ---- What others ask ----
    [[nodiscard]] const settings& chosen() const noexcept { return settings_; }
    [[nodiscard]] std::uint64_t id() const noexcept { return watch_.id(); }
    [[nodiscard]] core_metrics metrics() const noexcept;
    [[nodiscard]] io_handle* io() const noexcept { return settings_.io.get(); }
    [[nodiscard]] io_handle* io_for_new_source() noexcept override { return io(); }
    [[nodiscard]] io_handle* io_here() const noexcept override { return io(); }
    [[nodiscard]] io_handle* any_io() const noexcept override { return io(); }
    [[nodiscard]] const observer* observed_by() const noexcept override { return watch_.by(); }
    [[nodiscard]] buffer_pool& buffers() const noexcept { return *buffers_; }
    /// The coop budget of the present poll is used up.
    void budget_used_up() noexcept { watch_.budget_used_up(); }
    /// Begins a job that the paused clock waits for. See held_clock.
    [[nodiscard]] sleeping_place* begin_job() noexcept { return park_.begin_job(); }

private:
    ~core_shared();

    class loop_run;

    void begin_run(const std::source_location& where) noexcept;
    void end_run() noexcept;
    [[nodiscard]] bool send(spawned_task& task) noexcept;
    void schedule_elsewhere(spawned_task& task) noexcept;
    void refuse(spawned_task& task) noexcept;
    void destroy_all() noexcept;
    [[nodiscard]] io_metrics io_metrics_now() const noexcept {
        return io() != nullptr ? io()->metrics() : io_metrics();
    }

    settings settings_;
    loop_watch watch_;
    loop_park park_;
    std::unique_ptr<buffer_pool, closing> buffers_;  // its last lease frees it
    const void* const owner_;
    ref_count<> references_;
    std::optional<random_numbers> random_;  // exchanged with random_here while the loop runs; empty without a seed
    std::source_location run_at_;           // the last call that has run the loop
    loop_tasks tasks_;                      // last: readers of the program's memory see it, so it is destroyed first
};

}  // namespace eddy::detail
