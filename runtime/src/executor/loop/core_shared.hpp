// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string_view>

#include <eddy/detail/core_loop.hpp>
#include <eddy/detail/executor.hpp>
#include <eddy/detail/inbound_list.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/core.hpp>

#include "executor/loop/task_queue.hpp"
#include "executor/park/sleeping_place.hpp"
#include "executor/reports/endless_wait.hpp"
#include "executor/reports/event_log.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/spawn_time.hpp"
#include "io/buffer_pool.hpp"
#include "reactor/io_handle.hpp"
#include "time/time_driver.hpp"

namespace eddy::detail {

/// The implementation of an event loop (`core`), at a stable address.
/// core_shared.cpp runs and waits, core_tasks.cpp starts, polls and ends tasks.
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
        std::unique_ptr<const observer> observes;  ///< null if there are no hooks and no measurements
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
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    /// Queues a woken task: as schedule_here() if the loop runs on this thread, otherwise in the inbound list.
    void schedule(spawned_task& task) noexcept override;
    /// Sends a new task to the loop. Returns false if the loop is closed: then the task was destroyed.
    [[nodiscard]] bool send_new(spawned_task& task) noexcept;
    [[nodiscard]] bool may_destroy_here() const noexcept override { return is_on_own_thread(); }
    /// See endless_wait.
    [[nodiscard]] endless_wait::state sleep_state() noexcept;

    // ---- The loop's thread: tasks ----
    void adopt(spawned_task& task) noexcept override;
    void prepare(spawned_task& task) noexcept override {
        const std::uint64_t first = local_word::divide(task);
        // A task without a join handle has no number, and no hook is called for it.
        if ((first & task_flags::join_interest) != 0) number_task(task.id);
    }
    [[nodiscard]] bool enlist(spawned_task& task) noexcept override {
        if (looks_at_spawns_) [[unlikely]]
            look_at_spawn(task);
        spawn_time_.store_in(task);
        live_.push(task);
        return true;
    }
    void launch_child(spawned_task& task, bool is_listed) noexcept override;
    void wake_scope_parent(waker&& parent) noexcept override;
    void schedule_here(spawned_task& task) noexcept {
        if (woken_ == 0) return queue_.push(task);
        if (woken_ == are_children) return children_.push(task);
        note_woken(task);
    }
    void note_forced_yield() noexcept {
        if (std::exchange(forced_yield_in_, counters_.polls) != counters_.polls) ++counters_.forced_yields;
    }
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    [[nodiscard]] bool remove(spawned_task& task) noexcept;
    void destroy(spawned_task& task, std::uint64_t references) noexcept override;
    void report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept override;

    // ---- The loop's thread ----
    /// Runs the loop until `done`, which `main` sets. If this throws, `main` is destroyed.
    void run_until(spawned_task& main, const bool& done, std::source_location where);
    /// Runs the loop until no task is alive.
    void run_until_idle(std::source_location where);
    /// Cancels all tasks gracefully, and runs the loop until no task is alive or until `deadline`. Tasks that are
    /// spawned later are cancelled, too.
    void cancel_all(std::chrono::steady_clock::time_point deadline, std::source_location where);
    /// Waits once, for at most `limit`, and polls the tasks that are queued then.
    void turn(max_wait limit, std::source_location where);
    /// Returns the descriptor that is readable when turn() has work; -1 without I/O.
    [[nodiscard]] int native_handle() const noexcept { return io() != nullptr ? io()->native_handle() : -1; }
    /// Returns the time of the next turn(), and marks the loop as parked. See core::next_deadline().
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() noexcept;
    /// Destroys all tasks, then shuts down the driver. ~core calls this.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept { return counters_.is_closed; }
    [[nodiscard]] bool is_running() const noexcept { return this_thread.running_loop == this; }
    /// Returns whether this is the copy of a parent's loop in a forked child. Such a copy cannot run, because its
    /// driver belongs to the parent. A loop without I/O can continue to run, so this returns false for it.
    [[nodiscard]] bool is_copy_in_child() const noexcept { return io() != nullptr && io()->is_in_child(); }
    [[nodiscard]] io_handle* io() const noexcept { return settings_.io.get(); }
    [[nodiscard]] io_handle* io_for_new_source() noexcept override { return io(); }
    [[nodiscard]] io_handle* io_here() const noexcept override { return io(); }
    [[nodiscard]] io_handle* any_io() const noexcept override { return io(); }
    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    [[nodiscard]] sleeping_place& place() const noexcept { return *place_; }
    [[nodiscard]] buffer_pool& buffers() const noexcept { return *buffers_; }
    [[nodiscard]] core_metrics metrics() const noexcept { return metrics_of(counters_, live_.size()); }
    [[nodiscard]] const observer* observed_by() const noexcept override { return settings_.observes.get(); }
    /// Thread safety: any thread. The counters are plain memory, which only the loop's thread changes. They are read as
    /// by a reader of another program's memory.
    void add_metrics_to(all_metrics& all) const override;
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept { return settings_.driver; }
    [[nodiscard]] std::string_view why_driver() const noexcept { return settings_.why_driver; }

private:
    /// When a run of the loop ends: when its work has ended, or by itself, so that other loops of the thread can run.
    enum class ends : bool { with_work, by_itself };
    class entered;
    class poller;
    class noting_poller;
    struct counters {
        std::uint64_t polls = 0;
        std::uint64_t turns = 0;
        std::uint64_t forced_yields = 0;
        bool is_closed = false;
    };

    ~core_shared();

    void park(max_wait limit);
    void park_paused(max_wait limit);
    void sleep(max_wait limit);
    [[nodiscard]] bool spin(max_wait& limit);
    void look_if_due();
    void look_at_driver(max_wait limit);
    void run_to_end(std::optional<std::chrono::steady_clock::time_point> deadline);
    [[nodiscard]] bool call_before_park() noexcept;
    void call_after_unpark() noexcept;
    [[nodiscard]] core_metrics metrics_of(const counters& counted, std::size_t alive) const noexcept;

    // core_tasks.cpp
    [[nodiscard]] bool send(spawned_task& task) noexcept;
    void drain_inbound(std::size_t most) noexcept;
    void drain_all_inbound() noexcept;
    void arrive(spawned_task& task) noexcept;
    [[nodiscard]] bool has_queued() const noexcept {
        return !queue_.is_empty() || !children_.is_empty() || arrived_ != nullptr;
    }
    [[nodiscard]] spawned_task* pop_queued() noexcept;
    void run_some(std::size_t most, const bool& stop) noexcept;
    void run_queued() noexcept;
    void run_observed(spawned_task& task, poller& with) noexcept;
    void update_observed() noexcept {
        is_observed_ = settings_.observes != nullptr || log_.is_on();
        looks_at_spawns_ = true;
        if (!is_observed_ && woken_ == 0) return;
        const bool measures_wakes = settings_.observes != nullptr && settings_.observes->accounts != nullptr;
        woken_ = log_.is_on() || measures_wakes ? woken_ | are_noted : woken_ & are_children;
    }
    void note_woken(spawned_task& task) noexcept;
    void look_at_spawn(spawned_task& task) noexcept;
    void observe_end(spawned_task& task) noexcept;
    void destroy_listed(spawned_task& task) noexcept;
    void destroy_tasks() noexcept;

    settings settings_;

    // ---- Any thread ----
    inbound_list<spawned_task, &spawned_task::next_inbound> inbound_;
    const std::unique_ptr<sleeping_place, releasing> place_;
    const std::unique_ptr<time_driver, releasing> time_;
    std::unique_ptr<buffer_pool, closing> buffers_;  // its last lease frees it
    const void* const owner_;
    const std::uint64_t id_;
    ref_count<> references_;

    // ---- The loop's thread ----
    spawned_task* arrived_ = nullptr;  // taken from the inbound list, and not queued yet
    task_queue queue_;
    task_stack children_;  // the child queue: children of scopes, and parents whose scopes have ended
    unsigned child_streak_ = 0;
    // What to do with woken tasks. One word, because schedule_here() is called often.
    static constexpr std::uint8_t are_children = 1;
    static constexpr std::uint8_t are_noted = 2;
    std::uint8_t woken_ = 0;
    bool is_observed_ = false;  // hooks, a histogram or the log want to know what the loop does; updated now and then
    bool looks_at_spawns_ = true;  // look_at_spawn() must be called: the clock may have advanced, or see there
    spawn_time spawn_time_;
    event_log log_{"loop " + std::to_string(id_)};
    live_list live_;
    bool is_ending_ = false;                // cancel_all() was called
    std::optional<random_numbers> random_;  // exchanged with random_here while the loop runs; empty without a seed
    std::chrono::steady_clock::time_point last_look_{};
    counters counters_;
    std::uint64_t forced_yield_in_ = 0;                // the number of the last poll that has used up its budget
    const std::unique_ptr<poll_durations> durations_;  // null if there is no observer
    endless_wait endless_wait_{*this};
    stall_watch stalls_;
    std::optional<endless_wait::reports> deadlocks_;
    std::source_location run_at_;                                              // the last call that has run the loop
    listed_executor listed_{inspect::executor_kind::loop, id_, live_.ring()};  // last: it is destroyed first
};

}  // namespace eddy::detail
