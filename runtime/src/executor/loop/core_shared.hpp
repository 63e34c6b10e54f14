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
#include <eddy/detail/inbound_list.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/core.hpp>

#include "executor/loop/task_queue.hpp"
#include "executor/park/sleeping_place.hpp"
#include "io/buffer_pool.hpp"
#include "reactor/io_handle.hpp"
#include "time/time_driver.hpp"

namespace eddy::detail {

struct core_joined;

/// The vtable of wakers of an event loop's tasks. `data` is the core_task, of which each waker has a reference.
extern const waker_vtable core_waker;

/// The implementation of an event loop (`core`), at a stable address.
/// Thread safety: used only on the event loop's thread, except where a section says "any thread".
/// Lifetime: reference-counted. Handles, remotes and the wakers of finished tasks may outlive the `core`.
class core_shared : immovable {
public:
    /// The hooks and the histogram that observe the tasks of the loop.
    struct observer {
        runtime_hooks hooks;
        bool counts_poll_times = false;
        duration_histogram poll_times;
    };

    struct settings {
        std::source_location made_at;
        std::unique_ptr<io_handle, releasing> io;  ///< null without I/O
        bool start_paused = false;                 ///< whether the clock is paused
        std::chrono::nanoseconds spin{0};          ///< how long to spin before the thread parks
        std::optional<driver_kind> driver;         ///< the kind of `io`
        std::string_view why_driver;
        core_builder::uncaught_handler on_uncaught;
        unobserved_error_handler on_unobserved_error;
        std::unique_ptr<observer> observes;  ///< null if there are no hooks and no histogram
        std::optional<std::uint64_t> seed;   ///< of the random numbers of the tasks
    };

    explicit core_shared(settings&& chosen);

    // ---- Any thread ----
    /// Takes or releases one reference. While the loop runs on this thread, it is one of the cached references, because
    /// each scope takes one.
    void retain() noexcept { is_running() ? cached_references_.take(references_) : references_.add(); }
    void release() noexcept {
        if (is_running()) {
            cached_references_.put_back(references_);
        } else if (references_.drop()) {
            delete this;
        }
    }
    /// Returns whether the calling thread is the loop's thread.
    [[nodiscard]] bool is_on_own_thread() const noexcept { return owner_ == this_thread_mark(); }
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    /// Adds `node` to the inbound list, and wakes the loop if it is parked. Returns false if the loop is closed.
    [[nodiscard]] bool send(inbound_node& node) noexcept;

    // ---- The loop's thread ----
    /// Takes over a new task and queues it.
    void adopt(core_task& task) noexcept;
    void adopt(core_joined& task) noexcept;
    /// Queues a task in state `waiting`.
    void schedule(core_task& task) noexcept {
        task.state = core_task::phase::queued;
        wakes_children_ ? children_.push(task) : queue_.push(task);
    }
    /// Like adopt(), for a child of a scope. The newest child runs first, so a tree of scopes is walked depth first and
    /// few of its nodes are alive at a time.
    void adopt_child(core_task& task) noexcept {
        live_.push(task);
        children_.push(task);
        if (looks_at_spawns_) [[unlikely]]
            look_at_spawn(task);
    }
    /// Wakes the parent of a scope that has ended, so that it runs before the queued tasks of its tree.
    void wake_scope_parent(waker&& parent) noexcept {
        wakes_children_ = true;
        wake(std::move(parent));
        wakes_children_ = false;
    }
    /// Returns the task of this loop that `wake` wakes, if its references may be counted in `local_refs` now. Otherwise
    /// returns null.
    [[nodiscard]] core_task* task_of(const waker& wake) const noexcept {
        if (!borrowed_waker::is_of(core_waker, wake)) return nullptr;
        // SAFETY: the data of a core_waker is a core_task.
        auto* const task = static_cast<core_task*>(borrowed_waker::data_of(wake));
        return task->shared == this && !task->is_merged && is_running() ? task : nullptr;
    }
    /// Stores the waker of a task that task_of() returned in `kept`, which is empty before.
    static void keep_waker_of(core_task& task, waker& kept) noexcept {
        ++task.local_refs;
        borrowed_waker(&core_waker, &task).give_to(kept);
    }
    /// Same as `wakes.wake()`, in fewer steps for a task of this loop.
    void wake(waker&& wakes) noexcept {
        if (core_task* const task = task_of(wakes)) {
            borrowed_waker::forget(wakes);
            if (task->state == core_task::phase::waiting) schedule(*task);
            --task->local_refs;
        } else {
            std::move(wakes).wake();
        }
    }
    /// Returns whether `task` is the next one that the loop will poll.
    [[nodiscard]] bool is_next(const core_task& task) const noexcept {
        return queue_.front() == &task && children_.is_empty();
    }
    /// Stores the waker of `joiner`, a task of the same loop, in `task`. Returns false: the joiner must wait.
    static bool keep_joiner(core_joined& task, core_task& joiner) noexcept;
    /// Whether poll_within() may poll `next`: it is the next task of the loop, and waits for no leaf. `by` and `root`
    /// are the waker of the joiner, and the root of the coroutine that awaits, or null.
    [[nodiscard]] bool may_poll_within(const core_joined& next, const waker& by, const frame* root) const noexcept;
    /// Polls `next`, the first task in the queue, inside of the current poll, which is that of its joiner. Returns true
    /// if the joiner may continue without a suspension; otherwise it waits for `next`, or is queued. The tasks run in
    /// the same order as otherwise:
    ///
    ///     `next` is polled ── not ready ──> the joiner waits; returns false
    ///      v
    ///     `next` has ended ── other tasks are queued ──> the joiner is queued behind them; returns false
    ///      v
    ///     the joiner would be the next task, and continues; returns true
    // Not inlined, for the reason of core_joined::wait_for_end().
    [[nodiscard, gnu::noinline]] bool poll_within(core_joined& next) noexcept;
    /// Destroys a task that is not being polled.
    void destroy(core_task& task) noexcept;
    /// Runs the loop until `done`, which `main` sets. If this throws, `main` is destroyed.
    void run_until(core_task& main, const bool& done, std::source_location where);
    /// Runs the loop until no task is alive.
    void run_until_idle(std::source_location where);
    /// Cancels all tasks gracefully, and runs the loop until no task is alive or until `deadline`. Tasks that are
    /// spawned later are cancelled, too.
    void cancel_all(std::chrono::steady_clock::time_point deadline, std::source_location where);
    /// Waits once, for at most `limit`, and polls the tasks that are queued then.
    void turn(max_wait limit, std::source_location where);
    /// Returns the descriptor that is readable when turn() has work; -1 without I/O.
    [[nodiscard]] int native_handle() const noexcept { return io_ != nullptr ? io_->native_handle() : -1; }
    /// Returns the time of the next turn(), and marks the loop as parked. See core::next_deadline().
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() noexcept;
    /// Passes an exception that no join handle takes to the handler of the loop, or prints it.
    void report(unread_failure failure, const std::source_location& where, std::string_view name = {}) noexcept;
    /// Destroys all tasks, then shuts down the driver. ~core calls this.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    [[nodiscard]] bool is_running() const noexcept { return this_thread.running_loop == this; }
    /// Returns whether this is the copy of a parent's loop in a forked child. Such a copy cannot run, because its
    /// driver belongs to the parent. A loop without I/O can continue to run, so this returns false for it.
    [[nodiscard]] bool is_copy_in_child() const noexcept { return io_ != nullptr && io_->is_in_child(); }
    [[nodiscard]] io_handle* io() const noexcept { return io_.get(); }
    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    [[nodiscard]] sleeping_place& place() const noexcept { return *place_; }
    [[nodiscard]] buffer_pool& buffers() const noexcept { return *buffers_; }
    [[nodiscard]] core_metrics metrics() const noexcept;
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept { return driver_; }
    [[nodiscard]] std::string_view why_driver() const noexcept { return why_driver_; }

private:
    /// When a run of the loop ends: when its work has ended, or by itself, so that other loops of the thread can run.
    enum class ends : bool { with_work, by_itself };
    class entered;
    class poller;

    ~core_shared();

    void park(max_wait limit);
    void park_paused(max_wait limit);
    void sleep(max_wait limit);
    [[nodiscard]] bool spin(max_wait& limit);
    void look_if_due();
    void look_at_driver(max_wait limit);
    void drain_inbound() noexcept;
    void arrive(inbound_node& node) noexcept;
    void run_to_end(std::optional<std::chrono::steady_clock::time_point> deadline);
    void run_some(std::size_t most, const bool& stop) noexcept;
    void run_queued() noexcept;
    [[nodiscard]] bool has_queued() const noexcept { return !queue_.is_empty() || !children_.is_empty(); }
    [[nodiscard]] core_task* pop_queued() noexcept;
    void run_task(core_task& task, poller& with) noexcept;
    void run_observed(core_task& task, poller& with) noexcept;
    void look_at_spawn(core_task& task) noexcept;
    [[nodiscard]] bool call_before_park() noexcept;
    void call_after_unpark() noexcept;
    void poll_future(core_task& task, context& cx) noexcept;
    void poll_joined(core_joined& task, context& cx) noexcept;
    template <class EndNow>
    void end_joined(core_joined& task, EndNow end_now) noexcept;
    void run_cancelled(core_task& task, poller& with) noexcept;
    void finish_frames(core_task& task, poller& with) noexcept;
    void finish(core_task& task) noexcept;
    bool mark_ended(core_task& task) noexcept;
    void complete(core_task& task, bool is_joined) noexcept;
    void merge(core_task& task) noexcept;
    void merge_references(core_task& task) noexcept;
    void destroy_tasks() noexcept;

    // ---- Any thread ----
    inbound_list<inbound_node, &inbound_node::next_inbound> inbound_;
    const std::unique_ptr<io_handle, releasing> io_;
    const std::unique_ptr<sleeping_place, releasing> place_;
    const std::unique_ptr<time_driver, releasing> time_;
    std::unique_ptr<buffer_pool, closing> buffers_;  // its last lease frees it
    const void* const owner_;
    const std::uint64_t fork_generation_;
    const std::uint64_t id_;
    ref_count<> references_;

    // ---- The loop's thread ----
    task_queue queue_;
    task_stack children_;  // the child queue: children of scopes, and parents whose scopes have ended
    unsigned child_streak_ = 0;
    cached_references cached_references_;
    bool wakes_children_ = false;
    poller* poller_ = nullptr;  // that of run_some(), unless hooks observe the polls
    live_list live_;
    bool is_closed_ = false;
    bool is_ending_ = false;        // cancel_all() was called
    bool looks_at_spawns_ = false;  // adopt() must call look_at_spawn()
    const std::unique_ptr<observer> observes_;
    std::optional<random_numbers> random_;  // exchanged with random_here while the loop runs; empty without a seed
    std::chrono::steady_clock::time_point last_look_{};
    std::uint64_t polls_ = 0;
    std::uint64_t turns_ = 0;
    const std::chrono::nanoseconds spin_;
    const std::optional<driver_kind> driver_;
    const std::string_view why_driver_;
    const std::source_location made_at_;
    std::source_location run_at_;  // the last call that has run the loop
    core_builder::uncaught_handler on_uncaught_;
    unobserved_error_handler on_unobserved_error_;
};

// The reference count of a task, and its abort. The functions may be called on any thread.
void retain_core_task(core_task& task) noexcept;
void release_core_task(core_task& task) noexcept;
void cancel_core_task(core_task& task) noexcept;

}  // namespace eddy::detail
