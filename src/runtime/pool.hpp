// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/pool.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/runtime.hpp>

#include "runtime/blocking_pool.hpp"
#include "runtime/idle_workers.hpp"
#include "runtime/injection_queue.hpp"
#include "runtime/task_list.hpp"
#include "runtime/worker.hpp"
#include "sys/fork.hpp"
#include "sys/thread.hpp"

namespace eddy::detail {

/// All of a work-stealing runtime but its public face. Counted: by the runtime, its handles, and its threads.
///
///     open ──begin_shutdown()──> closing ──the last worker is out──> closed
///
///     closing   nothing is spawned any more. Each worker, when it next looks, destroys what tasks it finds in the
///     lists
///               and gives up its queue; the last one empties the injection queue and shuts the drivers
///     closed    no thread of the pool runs; tasks have ended, all of them
///
/// In the child of a fork it is none of these: a copy whose threads are not there, and whose locks may be held by one
/// of them for good. So nothing is waited for and no lock is taken: a new task is refused, a shutdown does nothing, and
/// what the pool holds is never freed.
class pool final : public task_owner {
public:
    [[nodiscard]] static result<pool*> make(const runtime_builder& chosen) noexcept;

    void retain() noexcept;
    void release() noexcept;
    /// Several at once, by the pool's own counter.
    void retain(std::uint32_t count) noexcept;
    void release(std::uint32_t count) noexcept;

    // ---- Tasks; any thread ----
    /// Begins a new task. If the pool is closing, it is cancelled at once.
    void start(spawned_task& task) noexcept;
    // The same in steps, for a scope, which links the task at the moment of the second:
    /// Gives it its number.
    void number(spawned_task& task) noexcept;
    /// Takes it into the list of all tasks. False if the pool is closing. Takes a small lock, and calls nothing.
    [[nodiscard]] bool enlist(spawned_task& task) noexcept { return !is_in_child() && lists_[task.shard].add(task); }
    /// Queues it as a child of a scope, or, if it was not taken in, destroys it.
    void launch_fork(spawned_task& task, bool is_listed) noexcept;
    void schedule(spawned_task& task) noexcept override;
    /// A task was put where another worker can take it: wakes a sleeper, if nobody looks for work.
    void notify_one() noexcept;
    /// The same for a worker that has put it into its own queue, and so will come to it: cheaper, and a sleeper that is
    /// just lying down may be missed. Then the next push wakes it, or the sentry.
    void notify_if_useful() noexcept {
        if (!idle_.all_awake() && !idle_.anybody_searches()) notify_one();
    }
    /// A task has ended, and its future is gone: gives its output to whoever wants it, and up to two references away.
    void complete(spawned_task& task, std::uint64_t references) noexcept;
    /// Destroys the future of a task whose running bit the caller has, and completes it as cancelled.
    void destroy(spawned_task& task, std::uint64_t references) noexcept;
    void report(std::exception_ptr thrown, const std::source_location& where, std::string_view name = {}) noexcept;
    /// A worker begins to run: wakes a sleeper to watch over it, if none does.
    void wake_sentry() noexcept;
    /// Queues a task that is woken for the second time, or where no worker is.
    void inject(spawned_task& task) noexcept;
    /// For a queue's reference, when the pool closes: destroys the task if nobody has.
    void give_up(spawned_task& task) noexcept;

    // ---- Workers ----
    [[nodiscard]] unsigned size() const noexcept { return static_cast<unsigned>(workers_.size()); }
    [[nodiscard]] worker& at(unsigned index) noexcept { return *workers_[index]; }
    /// One for each worker, and some for tasks that come from elsewhere.
    [[nodiscard]] task_list& list(unsigned index) noexcept { return lists_[index]; }
    [[nodiscard]] unsigned list_count() const noexcept { return size() + lists_for_others; }
    /// Whether any queue but a LIFO slot holds a task.
    [[nodiscard]] bool has_queued_work() const noexcept;
    [[nodiscard]] injection_queue& injected() noexcept { return injected_; }
    [[nodiscard]] idle_workers& idle() noexcept { return idle_; }
    /// The posts of the sentries: who holds each, or -1. See worker::take_post().
    [[nodiscard]] std::array<atomic<int>, 2>& posts() noexcept { return posts_; }
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_parent(); }
    [[nodiscard]] bool is_closing() const noexcept { return phase_.load(std::memory_order_acquire) != phase::open; }
    /// That many workers have ended their run(), since the pool closes.
    void workers_are_out(unsigned count) noexcept;
    /// Hands a worker on to another thread, which goes on with it. False if there is none.
    [[nodiscard]] bool hand_over(worker& which) noexcept;
    /// For a worker that was offered, when there are no threads for blocking work any more: starts one for it. Without
    /// one it stays where it is, and is taken back by the poll that has offered it.
    void go_on_without_blocking_threads(worker& which) noexcept;
    /// The poll that handed its worker over has ended, or has the worker back. On the thread that called hand_over().
    void end_in_place(worker* taken_back = nullptr) noexcept;
    class held_up;
    [[nodiscard]] const runtime_hooks* hooks() const noexcept { return hooks_.get(); }
    [[nodiscard]] unsigned global_interval() const noexcept { return global_interval_; }
    [[nodiscard]] unsigned event_interval() const noexcept { return event_interval_; }

    // ---- I/O and time for others than workers ----
    /// Where a socket is registered that a future on this thread waits for: with this worker, or, if that has clearly
    /// more than its share, or this thread is none, with the one that has least.
    [[nodiscard]] io_handle* io_for_new_source() noexcept;
    /// Null if there is no I/O: for what is the same for all workers.
    [[nodiscard]] io_handle* any_io() const noexcept { return workers_[0]->io(); }
    [[nodiscard]] time_driver& any_time_driver() noexcept;

    // ---- Blocking work ----
    [[nodiscard]] blocking_pool& blocking() noexcept { return *blocking_; }
    /// In a shutdown that has begun, perhaps just now by another thread: waits for blocking work until `deadline`.
    void end_blocking(std::chrono::steady_clock::time_point deadline) noexcept;

    // ---- The end ----
    /// Asks all tasks to end in an orderly way, and waits for that until `deadline`. (With drivers turning.)
    void cancel_all(std::chrono::steady_clock::time_point deadline) noexcept;
    void begin_shutdown() noexcept;
    /// Waits until all workers are out, and joins their threads. At `deadline` it lets those go that are not.
    void wait_until_closed(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept;
    /// Lets the threads go on by themselves.
    void detach_threads() noexcept;
    /// Whether no task is alive but background ones, and no blocking work.
    [[nodiscard]] bool is_idle() noexcept;
    /// Whether what runs on this thread is blocking work of the pool, or block_in_place.
    [[nodiscard]] bool does_blocking_work_here() const noexcept;
    /// Whether the pool cannot be idle before what runs on this thread has ended.
    [[nodiscard]] bool keeps_busy_here() const noexcept;
    void wait_until_idle() noexcept;
    /// Begins the shutdown as soon as the pool is idle.
    void close_when_idle() noexcept;
    /// Ready once the pool is closed.
    [[nodiscard]] bool poll_closed(const waker& wake);
    /// Blocking work begins or ends, as far as is_idle() is concerned.
    void count_blocking(bool begins) noexcept;

    [[nodiscard]] std::optional<driver_kind> driver() const noexcept { return driver_.kind; }
    [[nodiscard]] std::string_view why_driver() const noexcept { return driver_.why; }
    [[nodiscard]] runtime_metrics metrics() const;

private:
    static constexpr unsigned lists_for_others = 8;  // used in turn: who spawns and who ends tasks seldom meet

    enum class phase : unsigned char { open, closing, closed };

    /// What all workers wait with.
    struct used_driver {
        std::optional<driver_kind> kind;  // none without I/O
        std::string_view why = "none: I/O is not enabled";
    };

    explicit pool(const runtime_builder& chosen, std::vector<worker::io_share>& drivers, const used_driver& used);
    ~pool();

    [[nodiscard]] result<void> start_threads() noexcept;
    [[nodiscard]] result<sys::thread> start_thread(worker& which) noexcept;
    [[nodiscard]] bool start_late_thread(worker& which) noexcept;
    void one_less(unsigned& counted) noexcept;
    void forget_left(worker& which) noexcept;
    [[nodiscard]] static result<void> make_drivers(std::vector<worker::io_share>& drivers, driver_kind kind) noexcept;
    [[nodiscard]] static std::unique_ptr<const runtime_hooks> used_hooks(const runtime_hooks& hooks);
    void refuse(spawned_task& task) noexcept;
    void thread_is_out() noexcept;
    void after_end() noexcept;
    [[nodiscard]] std::uint64_t alive(bool with_background) const noexcept;
    void ask_to_be_told() noexcept;
    void close_queues() noexcept;
    [[nodiscard]] bool is_closed() const noexcept;
    [[nodiscard]] bool waits_for_this_poll() const noexcept;

    const std::unique_ptr<const runtime_hooks> hooks_;
    const std::function<void(std::exception_ptr, const std::source_location&)> on_uncaught_;
    const bool shuts_down_on_uncaught_;
    const unsigned global_interval_;
    const unsigned event_interval_;
    const std::string thread_name_;
    const std::size_t stack_size_;
    const used_driver driver_;
    const sys::process_mark process_;

    atomic<std::uint32_t> references_{1};
    atomic<phase> phase_{phase::open};
    atomic<bool> is_awaiting_idle_{false};
    atomic<std::uint32_t> ends_{0};  // counts nothing of interest: see after_end()
    std::array<atomic<int>, 2> posts_{-1, -1};
    atomic<std::uint32_t> next_driver_{0};
    idle_workers idle_;
    injection_queue injected_;
    std::unique_ptr<task_list[]> lists_;
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<sys::thread> threads_;
    blocking_pool::share blocking_;

    atomic<std::uint64_t> blocking_begun_{0};
    atomic<std::uint64_t> blocking_ended_{0};
    atomic<std::uint64_t> caller_of_cancel_{0};  // 1 if that is alive itself

    mutable mutex lock_;
    condition_variable changed_;
    unsigned workers_out_ = 0;
    std::size_t threads_out_ = 0;
    unsigned in_place_ = 0;       // polls that have handed their worker over
    unsigned late_threads_ = 0;   // see start_late_thread()
    unsigned left_ = 0;           // workers without a thread, that are taken back by the polls that have offered them
    held_up* held_up_ = nullptr;  // in no order
    bool closes_when_idle_ = false;
    std::vector<waker> closed_wakers_;
};

/// While it lives, this thread, if it runs a worker of the pool or polls in place of one, waits for the end of other
/// polls: as long as `is_waiting` says so, which is called under the pool's lock.
class pool::held_up {
public:
    held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept;
    held_up(const held_up&) = delete;
    held_up& operator=(const held_up&) = delete;
    ~held_up();

private:
    friend class pool;
    pool* const pool_;  // null: not counted
    bool (*const is_waiting_)(void*) noexcept;
    void* const argument_;
    held_up* next_ = nullptr;
};

}  // namespace eddy::detail
