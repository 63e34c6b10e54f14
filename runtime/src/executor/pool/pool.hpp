// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/executor.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/runtime/runtime.hpp>

#include "executor/blocking/blocking_pool.hpp"
#include "executor/pool/idle_workers.hpp"
#include "executor/pool/injection_queue.hpp"
#include "executor/pool/worker.hpp"
#include "executor/reports/endless_wait.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/task_list.hpp"
#include "sys/fork.hpp"
#include "sys/thread.hpp"

namespace eddy::detail {

/// The implementation of a work-stealing runtime.
///
///     open ──begin_shutdown()──> closing ──the last worker has left run()──> closed
///
///     closing   New tasks are refused. Each worker leaves its loop, destroys the tasks that it finds in the lists, and
///               empties its queues. The last worker empties the injection queue and shuts the drivers down.
///     closed    All workers have left run(). Polls that have handed their worker over may still run.
///
/// In a forked child the pool is a copy without threads. A lock that another thread held at the fork is never released
/// there. So in a child no function takes a lock or waits: new tasks are refused, a shutdown does nothing, and the
/// memory is never freed.
///
/// The atomics; a comment at each access names the partner of its memory order:
///
///     atomic             changed by                     meaning
///     phase_             begin_shutdown(), the last     see above
///                        worker
///     watchdogs_         watchdog::volunteer(),         two roles: the index of the worker that has it, or -1
///                        resign()
///     next_driver_       io_for_new_source() and        any number: which driver or timers come next
///                        any_time_driver()
///     has_reported_...   begin_shutdown()              the leaked tasks were reported, or will be
///     idleness_          (see pool_shutdown.cpp)
///       blocking_begun,  count_blocking()               the blocking jobs of all time. The beginnings and ends of
///       blocking_ended                                  tasks are counted in the lists of tasks; alive() adds up both
///       is_awaited       notify_on_each_end()           from now on, each end calls after_end()
///       ends             after_end()                    orders concurrent calls; its value is unused
///       caller_of_cancel cancel_all()                   1 if its caller is blocking work of this pool, else 0
///
/// Thread safety: any thread, except where a section says otherwise.
/// Lifetime: reference-counted. The runtime, its handles and the threads of the pool hold references.
class pool final : public executor {
public:
    using word = shared_word;  // of run_task.hpp

    /// Creates a pool with one reference and starts its threads.
    /// Errors: bad_worker_count, not_enough_memory, and what the driver or the start of a thread reports.
    [[nodiscard]] static result<pool*> make(const runtime_builder& chosen) noexcept;

    /// Takes or releases one reference.
    void retain() noexcept override { references_.add(); }
    void release() noexcept override;

    // ---- Tasks; any thread ----
    void adopt(spawned_task& task) noexcept override;
    /// Sets the task's id and the list it will belong to.
    void prepare(spawned_task& task) noexcept override;
    /// Adds the task to its task list, under the list's spin lock. Returns false if the pool is closing.
    [[nodiscard]] bool enlist(spawned_task& task) noexcept override {
        return !is_in_child() && list_of(task).add(task);
    }
    void launch_child(spawned_task& task, bool is_listed) noexcept override;
    void wake_scope_parent(waker&& parent) noexcept override;
    void schedule(spawned_task& task) noexcept override;
    [[nodiscard]] bool may_destroy_here() const noexcept override { return true; }
    /// Wakes a parked worker if no worker is searching. Call it after a push to a queue that other workers can reach.
    void notify_one() noexcept;
    /// Like notify_one(), for a worker that has pushed to its own queue and will run the task itself. This is cheaper,
    /// but can miss a worker that is about to park. Then the next push wakes that worker, or the watchdog worker takes
    /// the task if this worker stalls.
    /// Returns whether it has called notify_one().
    bool notify_if_useful() noexcept {
        const bool is_useful = !idle_.all_awake() && !idle_.any_searching();
        if (is_useful) notify_one();
        return is_useful;
    }
    // See the functions and the policy in run_task.hpp.
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    void destroy(spawned_task& task, std::uint64_t references) noexcept override;
    [[nodiscard]] bool remove(spawned_task& task) noexcept;
    /// Passes an exception that no join handle takes to the handler of the runtime, or prints it.
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override;
    /// Calls a parked worker as the watchdog if there is none. A worker that starts to run calls this.
    void wake_watchdog() noexcept;
    /// Adds a task to the injection queue: one from another thread, or one that did not fit into a run queue.
    void inject(spawned_task& task) noexcept;
    /// Consumes a queue's reference to a task of a closing pool. Destroys the task if that has not happened yet.
    void give_up(spawned_task& task) noexcept;

    // ---- Workers ----
    [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(workers_.size()); }
    [[nodiscard]] worker& at(unsigned index) noexcept { return *workers_[index]; }
    /// Returns one of the task lists: one for each worker, and `lists_for_others` for tasks spawned on other threads.
    [[nodiscard]] task_list& list(unsigned index) noexcept { return lists_[index]; }
    [[nodiscard]] unsigned list_count() const noexcept { return size() + lists_for_others; }
    /// Returns whether any queue holds a task. LIFO slots do not count.
    [[nodiscard]] bool has_queued_work() const noexcept;
    [[nodiscard]] injection_queue& injected() noexcept { return injected_; }
    [[nodiscard]] idle_workers& idle() noexcept { return idle_; }
    /// Returns the two watchdog roles: the index of the worker that holds each, or -1. See watchdog.
    [[nodiscard]] std::array<atomic<int>, 2>& watchdogs() noexcept { return watchdogs_; }
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_from_parent(); }
    /// Returns whether the shutdown has begun.
    [[nodiscard]] bool is_closing() const noexcept {
        // acquire: pairs with the exchange in begin_shutdown().
        return phase_.load(std::memory_order_acquire) != phase::open;
    }
    /// Records that `count` workers of the closing pool have left run(). The last one closes the pool.
    void workers_have_left(unsigned count) noexcept;
    /// Hands a worker over to another thread, which runs it from then on. Returns false if there is no such thread; the
    /// caller keeps the worker then.
    [[nodiscard]] bool hand_over(worker& which) noexcept;
    /// Starts a thread for an offered worker after the blocking threads have been shut down. If no thread can be
    /// started, the poll that offered the worker takes it back.
    void continue_without_blocking_threads(worker& which) noexcept;
    /// Records that a poll that handed its worker over has ended or has taken the worker back.
    /// Preconditions: called on the thread that called hand_over().
    void end_in_place(worker* taken_back = nullptr) noexcept;
    class held_up;
    [[nodiscard]] const observer* observed_by() const noexcept override { return settings_.observes.get(); }
    [[nodiscard]] const runtime_hooks* hooks() const noexcept {
        return settings_.observes == nullptr ? nullptr : &settings_.observes->hooks;
    }
    /// Records that a task was queued after a wake-up or its spawn.
    void note_woken(const spawned_task& task) const noexcept {
        if (settings_.observes != nullptr) [[unlikely]]
            settings_.observes->note_woken(task);
    }
    [[nodiscard]] unsigned global_interval() const noexcept { return settings_.global_interval; }
    [[nodiscard]] unsigned event_interval() const noexcept { return settings_.event_interval; }
    [[nodiscard]] bool has_lifo_slot() const noexcept { return settings_.has_lifo_slot; }
    /// Returns a number that is unique among the pools of this process.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

    // ---- I/O and time ----
    /// Returns the driver in which this thread should register a new socket. For a worker, this is its own driver,
    /// unless that has many more sources than another one. Other threads get the driver with the least sources of a
    /// sample. Returns null if there is no I/O.
    [[nodiscard]] io_handle* io_for_new_source() noexcept override;
    [[nodiscard]] io_handle* io_here() const noexcept override {
        return this_thread.worker != nullptr ? this_thread.worker->events().io() : nullptr;
    }
    /// Returns the first worker's driver, for properties that all drivers share. Null if there is no I/O.
    [[nodiscard]] io_handle* any_io() const noexcept override { return workers_[0]->events().io(); }
    /// Returns the timers of some worker, in rotation.
    [[nodiscard]] time_driver& any_time_driver() noexcept;

    // ---- Blocking work ----
    [[nodiscard]] blocking_pool& blocking() noexcept { return *blocking_; }
    /// Returns the list of blocking work that has not ended.
    [[nodiscard]] task_list& blocking_tasks() noexcept { return blocking_tasks_; }
    /// Waits until blocking work has ended, or until `deadline`.
    /// Preconditions: the shutdown has begun, possibly on another thread at this moment.
    void end_blocking(std::chrono::steady_clock::time_point deadline) noexcept;

    // ---- The end ----
    /// Cancels all tasks gracefully, and waits until they have ended or until `deadline`. The drivers keep running.
    void cancel_all(std::chrono::steady_clock::time_point deadline) noexcept;
    /// Begins the shutdown. Does not wait. Later calls do nothing.
    void begin_shutdown() noexcept;
    /// Waits until the pool is closed, and joins the threads. Threads that still run at `deadline` are detached.
    void wait_until_closed(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept;
    void detach_threads() noexcept;
    /// Returns whether the work on this thread keeps the pool from being idle.
    [[nodiscard]] bool keeps_busy_here() const noexcept;
    /// Blocks until the pool is closed, or idle: no task (except background tasks) and no blocking work is alive.
    void wait_until_idle() noexcept;
    /// Begins the shutdown as soon as the pool is idle.
    void close_when_idle() noexcept;
    /// Returns whether the pool is closed. If not, `wake` is woken when it is.
    [[nodiscard]] bool poll_closed(const waker& wake);
    /// Counts the beginning or the end of blocking work, for alive().
    void count_blocking(bool begins) noexcept;

    [[nodiscard]] std::optional<driver_kind> driver() const noexcept { return driver_.kind; }
    [[nodiscard]] std::string_view why_driver() const noexcept { return driver_.why; }
    [[nodiscard]] runtime_metrics metrics() const;
    void add_metrics_to(all_metrics& all) const override;

private:
    static constexpr unsigned lists_for_others = 8;  // used in rotation, so that threads rarely contend for a list

    enum class phase : unsigned char { open, closing, closed };

    /// The kind of driver that all workers use, and the reason for the choice.
    struct used_driver {
        std::optional<driver_kind> kind;  // empty without I/O
        std::string_view why = "none: I/O is not enabled";
    };

    /// What the builder has set.
    struct settings {
        std::unique_ptr<const observer> observes;  // null if there are no hooks and no measurements
        std::function<void(std::exception_ptr, const std::source_location&)> on_uncaught;
        unobserved_error_handler on_unobserved_error;
        leak_handler on_leaks;
        bool shuts_down_on_uncaught;
        unsigned global_interval;
        unsigned event_interval;
        bool has_lifo_slot;
        std::string thread_name;
        std::function<std::string()> name_thread;  // null: thread_name and the worker's number
        std::size_t stack_size;
        std::vector<unsigned> processors;  // empty: workers are not bound
        bool has_one_processor_each;

        /// Returns the processors of a worker.
        [[nodiscard]] std::span<const unsigned> processors_of(unsigned worker) const noexcept {
            const std::span all(processors);
            return has_one_processor_each ? all.subspan(worker % all.size(), 1) : all;
        }
    };

    /// For the detection of an idle pool. See the table above the class.
    struct idleness {
        atomic<std::uint64_t> blocking_begun{0};
        atomic<std::uint64_t> blocking_ended{0};
        atomic<bool> is_awaited{false};
        atomic<std::uint32_t> ends{0};
        atomic<std::uint64_t> caller_of_cancel{0};
    };

    explicit pool(const runtime_builder& chosen, std::vector<worker_events::io_share>& drivers,
                  const used_driver& used);
    ~pool();

    [[nodiscard]] result<void> start_threads() noexcept;
    [[nodiscard]] result<sys::thread> start_thread(worker& which, bool is_late) noexcept;
    [[nodiscard]] bool start_late_thread(worker& which) noexcept;
    void run_offered(worker& which) noexcept;
    void one_less(unsigned& counted) noexcept;
    void notify_end(std::unique_lock<mutex> guard) noexcept;
    void forget_left(worker& which) noexcept;
    [[nodiscard]] static result<void> make_drivers(std::vector<worker_events::io_share>& drivers, driver_kind kind,
                                                   std::size_t max_events) noexcept;
    [[nodiscard]] task_list& list_of(spawned_task& task) noexcept { return lists_[state_of(task).list()]; }
    void refuse(spawned_task& task) noexcept;
    void prepare_elsewhere(spawned_task& task) noexcept;
    void observe_spawn(const spawned_task& task) const noexcept;
    void observe_end(spawned_task& task) const noexcept;
    void thread_has_left() noexcept;
    void after_end() noexcept;
    [[nodiscard]] std::uint64_t alive(bool with_background) const noexcept;
    void notify_on_each_end() noexcept;
    void close_queues() noexcept;
    void report_leaked_descriptors() const noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    [[nodiscard]] bool waits_for_this_poll() const noexcept;

    const settings settings_;
    const std::uint64_t id_;
    const used_driver driver_;
    const sys::process_mark process_;

    ref_count<> references_;
    atomic<phase> phase_{phase::open};
    idleness idleness_;
    std::array<atomic<int>, 2> watchdogs_{-1, -1};
    atomic<std::uint32_t> next_driver_{0};
    atomic<bool> has_reported_leaks_{false};
    idle_workers idle_;
    injection_queue injected_;
    std::unique_ptr<task_list[]> lists_;
    task_list blocking_tasks_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<sys::thread> threads_;
    blocking_pool::share blocking_;

    mutable mutex lock_;
    condition_variable changed_;
    unsigned workers_out_ = 0;
    std::size_t threads_out_ = 0;
    unsigned in_place_ = 0;       // polls that have handed their worker over
    unsigned late_threads_ = 0;   // threads of start_late_thread() that have not ended
    unsigned left_ = 0;           // offered workers without a thread; the polls that offered them take them back
    held_up* held_up_ = nullptr;  // a list, in no order
    bool closes_when_idle_ = false;
    std::vector<waker> closed_wakers_;
    // Last: they are destroyed first.
    std::optional<endless_wait::reports> deadlocks_;
    listed_executor listed_;
    listed_executor listed_blocking_{inspect::executor_kind::blocking, id_, blocking_tasks_.ring()};
};

/// Marks this thread as waiting for other polls to end, so that wait_until_closed() does not wait for it in turn. Does
/// nothing unless the thread runs a worker of the pool or polls after it has handed its worker over. The thread counts
/// as waiting while `is_waiting(argument)` returns true; this is called under the pool's lock.
/// Lifetime: lives on the stack of the waiting thread. `argument` must outlive it.
class pool::held_up : detail::immovable {
public:
    held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept;
    ~held_up();

private:
    friend class pool;
    pool* const pool_;  // null if the thread is not marked
    bool (*const is_waiting_)(void*) noexcept;
    void* const argument_;
    held_up* next_ = nullptr;
};

/// Returns the worker that this thread runs, or null if it runs none of `owner`.
[[nodiscard]] inline worker* worker_of(const pool& owner) noexcept {
    worker* const here = this_thread.worker;
    return here != nullptr && &here->owner() == &owner ? here : nullptr;
}

}  // namespace eddy::detail
