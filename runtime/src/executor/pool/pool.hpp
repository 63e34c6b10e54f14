// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>

#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/detail/executor.hpp>

#include "executor/blocking/blocking_pool.hpp"
#include "executor/pool/pool_idleness.hpp"
#include "executor/pool/pool_settings.hpp"
#include "executor/pool/pool_shutdown.hpp"
#include "executor/pool/pool_tasks.hpp"
#include "executor/pool/worker.hpp"
#include "executor/pool/worker_set.hpp"
#include "executor/pool/worker_threads.hpp"
#include "executor/reports/endless_wait.hpp"
#include "executor/task/run_task.hpp"
#include "executor/watch/executor_watch.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// The implementation of a work-stealing runtime: an executor, and the parts that it connects.
///
///     part           what it is
///     workers()      the workers, which of them are parked, and the injection queue
///     threads()      the threads that run them, and hand-over
///     tasks()        the lists of all tasks
///     idleness()     how many tasks are alive; waiting until there are none
///     shutdown()     the phases of the end
///     blocking()     the threads for blocking work
///
/// In a forked child the pool is a copy without threads. A lock that another thread held at the fork is never released
/// there. So in a child no function takes a lock or waits: new tasks are refused, a shutdown does nothing, and the
/// memory is never freed.
///
/// Thread safety: any thread.
/// Lifetime: reference-counted. The runtime, its handles and the threads of the pool hold references.
class pool final : public executor {
public:
    using word = shared_word;  // of run_task.hpp

    /// Creates a pool with one reference and starts its threads.
    /// Errors: bad_worker_count, not_enough_memory, and what the driver or the start of a thread reports.
    [[nodiscard]] static result<pool*> make(const runtime_builder& chosen) noexcept;

    // ---- The executor ----
    void retain() noexcept override { references_.add(); }
    void release() noexcept override;
    void adopt(spawned_task& task) noexcept override;
    /// Sets the task's id and the list it will belong to.
    void prepare(spawned_task& task) noexcept override;
    [[nodiscard]] bool enlist(spawned_task& task) noexcept override { return !is_in_child() && tasks_.add(task); }
    void launch_child(spawned_task& task, bool is_listed) noexcept override;
    void wake_scope_parent(waker&& parent) noexcept override;
    void schedule(spawned_task& task) noexcept override;
    [[nodiscard]] bool may_destroy_here() const noexcept override { return true; }
    void destroy(spawned_task& task, std::uint64_t references) noexcept override;
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override;
    [[nodiscard]] io_handle* io_for_new_source() noexcept override;
    [[nodiscard]] io_handle* io_here() const noexcept override {
        return this_thread.worker != nullptr ? this_thread.worker->events().io() : nullptr;
    }
    [[nodiscard]] io_handle* any_io() const noexcept override { return workers_.at(0).events().io(); }
    void add_metrics_to(all_metrics& all) const override;
    [[nodiscard]] const observer* observed_by() const noexcept override { return settings_.observes.get(); }

    // See the functions and the policy in run_task.hpp.
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    [[nodiscard]] bool remove(spawned_task& task) noexcept;
    /// Consumes a queue's reference to a task of a closing pool. Destroys the task if that has not happened yet.
    void give_up(spawned_task& task) noexcept;
    /// Adds a task to the injection queue: one from another thread, or one that did not fit into a run queue.
    void inject(spawned_task& task) noexcept;

    // ---- The parts ----
    [[nodiscard]] const pool_settings& settings() const noexcept { return settings_; }
    [[nodiscard]] worker_set& workers() noexcept { return workers_; }
    [[nodiscard]] worker_threads& threads() noexcept { return threads_; }
    [[nodiscard]] pool_tasks& tasks() noexcept { return tasks_; }
    [[nodiscard]] pool_idleness& idleness() noexcept { return idleness_; }
    [[nodiscard]] pool_shutdown& shutdown() noexcept { return shutdown_; }
    [[nodiscard]] blocking_pool& blocking() noexcept { return *blocking_; }
    /// Returns a number that is unique among the pools of this process.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_from_parent(); }
    [[nodiscard]] runtime_metrics metrics() const;

private:
    explicit pool(const runtime_builder& chosen, worker_drivers& drivers);
    ~pool();

    const pool_settings settings_;
    const outside_watch watch_;
    const std::uint64_t id_;
    const sys::process_mark process_;
    ref_count<> references_;
    pool_shutdown shutdown_{*this};
    pool_idleness idleness_{tasks_, shutdown_};
    worker_set workers_;
    worker_threads threads_;
    blocking_pool::share blocking_;
    // Last: they are destroyed first.
    pool_tasks tasks_;
    std::optional<endless_wait::reports> deadlocks_;
};

/// Returns the worker that this thread runs, or null if it runs none of `owner`.
[[nodiscard]] inline worker* worker_of(const pool& owner) noexcept {
    worker* const here = this_thread.worker;
    return here != nullptr && &here->owner() == &owner ? here : nullptr;
}

}  // namespace eddy::detail
