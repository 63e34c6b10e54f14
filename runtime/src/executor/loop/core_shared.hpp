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
#include "executor/loop/loop_view.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"
#include "io/buffer_pool.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {

/// The implementation of an event loop (`core`), at a stable address: an executor, and the parts that do the work.
///
///     part          what it does
///     loop_tasks    knows the tasks, and queues them
///     loop_park     waits: the driver, the timers, other threads
///     loop_view     counts, measures and records
///
/// A loop_run runs the loop, with a loop_poller, which polls the tasks.
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
        std::unique_ptr<const observer> observes;  ///< moves into the loop_view
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
        tasks_.enlist(task);
        return true;
    }
    void launch_child(spawned_task& task, bool is_listed) noexcept override {
        if (!is_listed) [[unlikely]]
            return refuse(task);
        tasks_.queues().children().push(task);
    }
    void wake_scope_parent(waker&& parent) noexcept override { tasks_.wake_scope_parent(std::move(parent)); }
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    [[nodiscard]] bool remove(spawned_task& task) noexcept { return tasks_.remove(task); }
    void destroy(spawned_task& task, std::uint64_t references) noexcept override;
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override;

    // ---- The loop's thread ----
    /// Makes this the loop that runs on the thread, and ends that. For loop_run.
    void begin_run(const std::source_location& where) noexcept;
    void end_run() noexcept;
    /// Destroys all tasks, then shuts down the driver. ~core calls this.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept { return view_.counted.is_closed; }
    [[nodiscard]] bool is_running() const noexcept { return this_thread.running_loop == this; }
    /// Returns whether this is the copy of a parent's loop in a forked child. Such a copy cannot run, because its
    /// driver belongs to the parent. A loop without I/O can continue to run, so this returns false for it.
    [[nodiscard]] bool is_copy_in_child() const noexcept { return io() != nullptr && io()->is_in_child(); }

    // ---- Parts ----
    [[nodiscard]] const settings& chosen() const noexcept { return settings_; }
    [[nodiscard]] io_handle* io() const noexcept { return settings_.io.get(); }
    [[nodiscard]] io_handle* io_for_new_source() noexcept override { return io(); }
    [[nodiscard]] io_handle* io_here() const noexcept override { return io(); }
    [[nodiscard]] io_handle* any_io() const noexcept override { return io(); }
    [[nodiscard]] io_metrics io_metrics_now() const noexcept {
        return io() != nullptr ? io()->metrics() : io_metrics();
    }
    [[nodiscard]] const observer* observed_by() const noexcept override { return view_.observes.get(); }
    [[nodiscard]] loop_view& view() noexcept { return view_; }
    [[nodiscard]] loop_tasks& tasks() noexcept { return tasks_; }
    [[nodiscard]] loop_park& parking() noexcept { return park_; }
    [[nodiscard]] buffer_pool& buffers() const noexcept { return *buffers_; }

private:
    ~core_shared();

    [[nodiscard]] bool send(spawned_task& task) noexcept;
    void refuse(spawned_task& task) noexcept;

    settings settings_;
    loop_view view_;
    loop_park park_;
    std::unique_ptr<buffer_pool, closing> buffers_;  // its last lease frees it
    const void* const owner_;
    ref_count<> references_;
    std::optional<random_numbers> random_;  // exchanged with random_here while the loop runs; empty without a seed
    std::source_location run_at_;           // the last call that has run the loop
    loop_tasks tasks_;                      // last: readers of the program's memory see it, so it is destroyed first
};

}  // namespace eddy::detail
