// SPDX-License-Identifier: MIT
#include "runtime/pool.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include <eddy/error.hpp>

#include "driver/choose.hpp"
#include "runtime/current_executor.hpp"
#include "runtime/polled_task.hpp"
#include "runtime/uncaught.hpp"
#include "runtime/worker_here.hpp"
#include "task/task_locals_here.hpp"

namespace eddy::detail {
namespace {

constexpr unsigned most_workers = 0x7fff;  // idle_workers counts workers in 16 bits

// A worker registers a new socket with its own driver, unless its driver has too many sources. That is the case if it
// has more sources than another driver, even after this number and an eighth of its sources are subtracted.
constexpr std::size_t clearly_more = 8;

result<unsigned> worker_count(std::optional<unsigned> chosen) noexcept {
    if (!chosen) {
        chosen = sys::processor_count();
        // NOLINTNEXTLINE(concurrency-mt-unsafe): read only
        if (const char* const named = std::getenv("EDDY_WORKER_THREADS"); named != nullptr && *named != '\0') {
            char* end = nullptr;
            const unsigned long count = std::strtoul(named, &end, 10);
            if (*end != '\0' || count == 0 || count > most_workers) {
                return std::unexpected(make_error_code(errc::bad_worker_count));
            }
            chosen = static_cast<unsigned>(count);
        }
    }
    if (*chosen == 0 || *chosen > most_workers)
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return *chosen;
}

/// The job that makes a thread of the blocking pool run an offered worker.
class handed_worker final : public blocking_job {
public:
    handed_worker(pool& owner, worker& which) noexcept
        : blocking_job(&run_it, &leave_it), pool_(owner), worker_(which) {
        // Not one of the worker's cached references: the worker is offered, so another thread may already run it.
        pool_.retain(1);
    }
    handed_worker(const handed_worker&) = delete;
    handed_worker& operator=(const handed_worker&) = delete;
    ~handed_worker() { pool_.release(1); }

private:
    static void run_it(blocking_job& job) noexcept {
        // SAFETY: the blocking pool calls the functions of a job with that job, once. hand_over() allocated it as a
        // handed_worker and gave up the ownership.
        const std::unique_ptr<handed_worker> mine(static_cast<handed_worker*>(&job));
        static_cast<void>(mine->worker_.thread_comes());
        if (!mine->worker_.accept_offer()) return;
        // The previous thread of the worker ends and does not become a blocking thread. So the blocking pool must be
        // able to replace this one, or it would have one thread less from now on.
        const bool has_left = mine->pool_.blocking().leave_for_long();
        mine->worker_.run();
        worker::leave_thread();
        if (has_left) mine->pool_.blocking().come_back();
    }
    static void leave_it(blocking_job& job) noexcept {
        // SAFETY: as in run_it().
        const std::unique_ptr<handed_worker> mine(static_cast<handed_worker*>(&job));
        mine->pool_.continue_without_blocking_threads(mine->worker_);
    }

    pool& pool_;
    worker& worker_;
};

}  // namespace

// ---- Construction ----

result<pool*> pool::make(const runtime_builder& chosen) noexcept try {
    const auto count = worker_count(chosen.worker_threads_);
    if (!count) return std::unexpected(count.error());
    std::vector<worker::io_share> drivers(*count);
    used_driver used;
    if (chosen.enable_io_) {
        const auto choice =
            choose_and_make(chosen.driver_, [&](driver_kind kind) { return make_drivers(drivers, kind); });
        if (!choice) return std::unexpected(choice.error());
        used = {choice->kind, choice->why};
    }
    pool* const made = new pool(chosen, drivers, used);
    if (auto started = made->start_threads(); !started) {
        made->wait_until_closed(std::nullopt);
        made->release();
        return std::unexpected(started.error());
    }
    return made;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> pool::make_drivers(std::vector<worker::io_share>& drivers, driver_kind kind) noexcept {
    for (auto& driver : drivers) driver.reset();  // left by an attempt with another kind
    for (auto& driver : drivers) {
        const auto made = io_handle::make(kind);
        if (!made) return std::unexpected(made.error());
        driver.reset(*made);
        // The alarm is for the watchdog worker. A single worker never is one.
        if (drivers.size() == 1) continue;
        if (auto alarm = driver->make_alarm(); !alarm) return std::unexpected(alarm.error());
    }
    return ok();
}

std::unique_ptr<const runtime_hooks> pool::used_hooks(const runtime_hooks& hooks) {
    const bool any = hooks.thread_start || hooks.thread_stop || hooks.before_park || hooks.after_unpark ||
                     hooks.task_spawn || hooks.task_terminate || hooks.before_task_poll || hooks.after_task_poll;
    return any ? std::make_unique<const runtime_hooks>(hooks) : nullptr;
}

pool::pool(const runtime_builder& chosen, std::vector<worker::io_share>& drivers, const used_driver& used)
    : hooks_(used_hooks(chosen.hooks_)),
      on_uncaught_(chosen.on_uncaught_),
      shuts_down_on_uncaught_(chosen.shutdown_on_uncaught_),
      global_interval_(std::max(1u, chosen.global_interval_)),
      event_interval_(std::max(1u, chosen.event_interval_)),
      thread_name_(chosen.thread_name_),
      stack_size_(chosen.stack_size_),
      driver_(used),
      idle_(static_cast<unsigned>(drivers.size())),
      lists_(std::make_unique<task_list[]>(drivers.size() + lists_for_others)) {
    for (auto& driver : drivers) {
        const auto index = static_cast<unsigned>(workers_.size());
        workers_.push_back(
            std::make_unique<worker>(*this, index, std::move(driver), chosen.seed_, chosen.poll_time_histogram_));
    }
    forget_wakers_in_children();
    threads_.reserve(workers_.size());
    blocking_pool::settings blocking;
    blocking.max_threads = std::max<std::size_t>(1, chosen.max_blocking_threads_);
    blocking.keep_alive = chosen.keep_alive_;
    blocking.stack_size = chosen.stack_size_;
    blocking.on_thread_start = chosen.hooks_.thread_start;
    blocking.on_thread_stop = chosen.hooks_.thread_stop;
    blocking_ = blocking_pool::make(std::move(blocking));
}

pool::~pool() {
    // A thread that has notified a task may not have called schedule() yet.
    await_wakers_outside();
}

result<void> pool::start_threads() noexcept {
    for (const auto& each : workers_) {
        auto started = start_thread(*each);
        if (started) {
            threads_.push_back(std::move(*started));  // does not throw: the capacity is reserved
            continue;
        }
        // Workers without a thread count as having left run().
        begin_shutdown();
        workers_have_left(size() - static_cast<unsigned>(threads_.size()));
        return std::unexpected(started.error());
    }
    return {};
}

result<sys::thread> pool::start_thread(worker& which) noexcept try {
    std::string name = thread_name_ + std::to_string(which.index());
    retain();  // the thread's reference
    auto started = sys::start_thread(std::move(name), stack_size_, [this, &which]() noexcept {
        if (hooks_ != nullptr && hooks_->thread_start) hooks_->thread_start();
        which.run();
        if (hooks_ != nullptr && hooks_->thread_stop) hooks_->thread_stop();
        worker::leave_thread();
        thread_has_left();
        release();
    });
    if (!started) release();
    return started;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

void pool::retain(std::uint32_t count) noexcept {
    // relaxed: the caller holds a reference already, so nothing is published.
    references_.fetch_add(count, std::memory_order_relaxed);
}

void pool::release(std::uint32_t count) noexcept {
    // acq_rel: pairs with itself. The thread that deletes sees all that other threads did before their release.
    if (references_.fetch_sub(count, std::memory_order_acq_rel) == count) delete this;
}

/// Returns the worker that this thread runs, or null if it runs none of `owner`.
static worker* worker_of(const pool& owner) noexcept {
    worker* const here = worker_here;
    return here != nullptr && &here->owner() == &owner ? here : nullptr;
}

void pool::retain() noexcept {
    if (worker* const here = worker_of(*this)) return here->retain_pool();
    retain(1);
}

void pool::release() noexcept {
    // The thread of a worker holds a reference, so this never releases the last one.
    if (worker* const here = worker_of(*this)) return here->release_pool();
    release(1);
}

// ---- Tasks ----

void pool::start(spawned_task& task) noexcept {
    number(task);
    if (!enlist(task)) return refuse(task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->schedule(task) : inject(task);
}

void pool::number(spawned_task& task) noexcept {
    const worker* const here = worker_of(*this);
    task.id = next_task_id();
    task.shard = here != nullptr ? here->index() : size() + static_cast<unsigned>(task.id % lists_for_others);
    if (hooks_ != nullptr && hooks_->task_spawn) [[unlikely]]
        hooks_->task_spawn(task.id);
}

void pool::launch_child(spawned_task& task, bool is_listed) noexcept {
    if (!is_listed) return refuse(task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->schedule_child(task) : inject(task);
}

/// Destroys a task that a closing pool does not accept. Releases the references of the list and of the queue.
void pool::refuse(spawned_task& task) noexcept {
    detail::release(task);
    give_up(task);
}

void pool::schedule(spawned_task& task) noexcept {
    worker* const here = worker_of(*this);
    if (here == nullptr) return inject(task);
    here->wakes_children() ? here->schedule_child(task) : here->schedule(task);
}

void pool::inject(spawned_task& task) noexcept {
    // A forked child has no thread to run the task. It must not be destroyed either, because it may have been in the
    // middle of a poll at the fork.
    if (is_in_child()) return;
    if (injected_.push(task)) {
        notify_one();
    } else {
        give_up(task);
    }
}

void pool::notify_one() noexcept {
    if (const auto sleeper = idle_.worker_to_notify()) workers_[*sleeper]->unpark();
}

bool pool::has_queued_work() const noexcept {
    if (!injected_.is_empty()) return true;
    return std::any_of(workers_.begin(), workers_.end(), [](const auto& each) { return each->has_queued(); });
}

void pool::wake_watchdog() noexcept {
    // seq_cst: the load of a store-load pair with worker::stop_being_watchdog(). The word of idle_workers already
    // counts this worker as awake. See idle_workers::awake().
    for (const auto& watchdog : watchdogs_) {
        if (watchdog.load(std::memory_order_seq_cst) >= 0) return;
    }
    if (idle_.all_awake()) return;
    if (const auto sleeper = idle_.any_sleeper()) workers_[*sleeper]->unpark();
}

void pool::complete(spawned_task& task, std::uint64_t references) noexcept {
    bool has_output = true;
    const auto drop_output = [&] {
        if (auto thrown = task.ops().exception(task)) report(std::move(thrown), task.spawned_at, task.ops().name(task));
        task.ops().destroy_output(task);
    };
    if (!task.state.has_join_interest()) {
        drop_output();
        has_output = false;
    }
    if (hooks_ != nullptr && hooks_->task_terminate) [[unlikely]]
        hooks_->task_terminate(task.id);
    if (!is_in_child() && lists_[task.shard].remove(task)) ++references;
    switch (task.state.transition_to_complete(references, has_output)) {
    case task_state::end_action::none: break;
    case task_state::end_action::free: task.ops().free_memory(task); break;
    case task_state::end_action::drop_output:
        drop_output();
        detail::release(task, references);
        break;
    case task_state::end_action::wake_joiner: {
        // SAFETY: the completed task had the join_waker bit, so the field belongs to this thread.
        waker joiner = std::move(task.join_waker);
        detail::release(task, references);
        std::move(joiner).wake();
        break;
    }
    }
    // acquire: pairs with the store in notify_on_each_end(). The lock of the list orders them: if remove() came after
    // synchronize(), this sees the flag; otherwise the waiter counts the task as ended.
    if (is_awaiting_idle_.load(std::memory_order_acquire)) [[unlikely]]
        after_end();
}

void pool::destroy(spawned_task& task, std::uint64_t references) noexcept {
    {
        const polled_task here(task);
        const without_task_locals unbound;  // this thread may be inside the poll of another task
        if (task.root != nullptr) destroy_root(*std::exchange(task.root, nullptr));
        task.ops().destroy_future(task);
    }
    task.ops().fail(task, nullptr);
    complete(task, references);
}

void pool::give_up(spawned_task& task) noexcept {
    switch (task.state.transition_to_running()) {
    case task_state::run_action::poll:
    case task_state::run_action::cancel: return destroy(task, 1);
    case task_state::run_action::drop_reference: return;
    case task_state::run_action::free: return task.ops().free_memory(task);
    }
}

void pool::report(std::exception_ptr thrown, const std::source_location& where, std::string_view name) noexcept {
    if (on_uncaught_) {
        on_uncaught_(std::move(thrown), where);
    } else {
        print_uncaught(thrown, where, name);
    }
    if (shuts_down_on_uncaught_) begin_shutdown();
}

// ---- I/O and time ----

io_handle* pool::io_for_new_source() noexcept {
    if (workers_[0]->io() == nullptr) return nullptr;
    const worker* const here = worker_here;
    const bool is_mine = here != nullptr && &here->owner() == this;
    // Compares with at most two other drivers, chosen in rotation. This keeps the balance ("the power of two choices",
    // Mitzenmacher 1996) at a cost that does not depend on the number of workers.
    // relaxed: any number will do.
    const unsigned start = next_driver_.fetch_add(1, std::memory_order_relaxed);
    io_handle* best = is_mine ? here->io() : workers_[start % size()]->io();
    std::size_t best_load = best->load();
    if (is_mine) best_load -= std::min(best_load, best_load / 8 + clearly_more);
    for (unsigned i = 1; i <= std::min(2u, size() - 1); ++i) {
        io_handle* const other = workers_[(start + i) % size()]->io();
        if (const std::size_t load = other->load(); other != best && load < best_load) {
            best = other;
            best_load = load;
        }
    }
    return best;
}

time_driver& pool::any_time_driver() noexcept {
    // relaxed: any number will do.
    return workers_[next_driver_.fetch_add(1, std::memory_order_relaxed) % size()]->time();
}

// ---- Blocking work and workers that are handed over because of it ----

bool pool::hand_over(worker& which) noexcept {
    // A worker that destroys the remaining tasks of a closing pool stays on its thread.
    if (which.is_ending() || is_in_child()) return false;
    {
        // Counted before the worker is offered, so that the pool cannot become closed during this poll.
        const std::lock_guard guard(lock_);
        ++in_place_;
    }
    // No other thread can use the io_uring ring of this thread, and the blocking call may wait for data that arrives
    // there. The next thread that runs a driver tick makes a new ring, and the sockets move to it.
    if (which.io() != nullptr) which.io()->retire_ring();
    in_place_of = this;
    which.offer();
    // A job of an earlier call may still be queued although the worker was taken back. It takes the worker this time.
    if (which.has_thread_coming()) return true;
    auto* const job = new (std::nothrow) handed_worker(*this, which);
    if (job != nullptr && blocking_->submit(*job)) return true;
    delete job;
    // The blocking pool accepts no jobs during a shutdown. A task may still block then, and other tasks of the worker
    // must not wait for it.
    if (is_closing() && start_late_thread(which)) return true;
    static_cast<void>(which.thread_comes());
    if (!which.accept_offer()) return true;
    end_in_place(&which);
    return false;
}

void pool::end_in_place(worker* taken_back) noexcept {
    in_place_of = nullptr;
    if (is_in_child()) return;
    if (taken_back != nullptr) forget_left(*taken_back);
    one_less(in_place_);
}

/// Records that a thread runs this worker again, if no thread could be started for it before.
void pool::forget_left(worker& which) noexcept {
    const std::lock_guard guard(lock_);
    if (std::exchange(which.is_left_, false)) --left_;
}

/// Decrements in_place_ or late_threads_, for which the close of the pool waits in addition to its workers.
void pool::one_less(unsigned& counted) noexcept {
    std::vector<waker> wakers;
    {
        const std::lock_guard guard(lock_);
        --counted;
        if (!is_closing()) return;
        if (is_closed()) wakers.swap(closed_wakers_);
        changed_.notify_all();
    }
    for (auto& each : wakers) std::move(each).wake();
}

/// Returns whether the close of the pool waits for nothing but the caller's poll, which is in block_in_place.
/// Preconditions: lock_ is held.
bool pool::waits_for_this_poll() const noexcept {
    if (workers_out_ == size()) return false;
    unsigned others = size() - workers_out_ - left_ + in_place_ - 1;
    for (const held_up* one = held_up_; one != nullptr; one = one->next_) {
        if (one->is_waiting_(one->argument_)) --others;
    }
    return others == 0;
}

/// Returns whether all workers have left run(), no task is polled, and no thread will call a hook.
/// Preconditions: lock_ is held.
bool pool::is_closed() const noexcept {
    // relaxed: phase_ is set to `closed` under lock_, which the caller holds.
    return phase_.load(std::memory_order_relaxed) == phase::closed && in_place_ == 0 && late_threads_ == 0;
}

void pool::continue_without_blocking_threads(worker& which) noexcept {
    // The caller has begun the shutdown, possibly inside a poll and with locks held. So this thread must not run the
    // worker, which destroys tasks. Without another thread the poll takes the worker back after its block_in_place.
    static_cast<void>(which.thread_comes());
    if (!which.is_offered() || start_late_thread(which)) return;
    const std::lock_guard guard(lock_);
    // If the poll takes the worker back at this moment, end_in_place() takes lock_ after this and resets is_left_.
    if (!which.is_offered()) return;
    which.is_left_ = true;
    ++left_;
    changed_.notify_all();
}

pool::held_up::held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept
    : pool_(worker_of(in) != nullptr || in_place_of == &in || ends_worker_of == &in ? &in : nullptr),
      is_waiting_(is_waiting),
      argument_(argument) {
    if (pool_ == nullptr) return;
    const std::lock_guard guard(pool_->lock_);
    next_ = std::exchange(pool_->held_up_, this);
    pool_->changed_.notify_all();
}

pool::held_up::~held_up() {
    if (pool_ == nullptr) return;
    const std::lock_guard guard(pool_->lock_);
    held_up** link = &pool_->held_up_;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
}

/// Starts a detached thread for an offered worker. Returns false if that fails.
bool pool::start_late_thread(worker& which) noexcept try {
    std::string name = thread_name_ + std::to_string(which.index());
    retain(1);  // the thread's reference
    {
        const std::lock_guard guard(lock_);
        ++late_threads_;
    }
    auto started = sys::start_thread(std::move(name), stack_size_, [this, &which]() noexcept {
        if (hooks_ != nullptr && hooks_->thread_start) hooks_->thread_start();
        static_cast<void>(which.thread_comes());
        if (which.accept_offer()) {
            forget_left(which);
            which.run();
        }
        if (hooks_ != nullptr && hooks_->thread_stop) hooks_->thread_stop();
        worker::leave_thread();
        one_less(late_threads_);
        release(1);
    });
    if (started) {
        started->detach();
        return true;
    }
    one_less(late_threads_);
    release(1);
    return false;
} catch (const std::bad_alloc&) {
    return false;
}

void pool::count_blocking(bool begins) noexcept {
    // seq_cst: a store-load pair. This counts an end, then loads is_awaiting_idle_. A waiter stores is_awaiting_idle_
    // in notify_on_each_end(), then loads the counters in alive(). If both loads read the old values, the waiter would
    // not be notified of the last end.
    (begins ? blocking_begun_ : blocking_ended_).fetch_add(1, std::memory_order_seq_cst);
    if (!begins && is_awaiting_idle_.load(std::memory_order_seq_cst)) after_end();
}

void pool::end_blocking(std::chrono::steady_clock::time_point deadline) noexcept {
    // The thread that has begun the shutdown may not have called this yet.
    blocking_->shutdown();
    static_cast<void>(blocking_->join_until(deadline));
}

// ---- Idle ----

/// Returns how many tasks and blocking jobs are alive. If the result is zero, it was exact at some moment during the
/// call, because the ends are read before the beginnings and no counter ever decreases.
/// Source: Mattern, "Algorithms for distributed termination detection" (Distributed Computing 2, 1987).
std::uint64_t pool::alive(bool with_background) const noexcept {
    // seq_cst: see count_blocking(). The acquire loads of the lists keep the order of ends and beginnings.
    std::uint64_t ended = blocking_ended_.load(std::memory_order_seq_cst);
    for (unsigned i = 0; i < list_count(); ++i) {
        ended += with_background ? lists_[i].ended() : lists_[i].foreground_ended();
    }
    std::uint64_t begun = blocking_begun_.load(std::memory_order_seq_cst);
    for (unsigned i = 0; i < list_count(); ++i) {
        begun += with_background ? lists_[i].spawned() : lists_[i].foreground_spawned();
    }
    return begun - ended;
}

bool pool::is_idle() noexcept { return alive(false) == 0; }

bool pool::does_blocking_work_here() const noexcept { return in_place_of == this || blocking_work_of == this; }

bool pool::keeps_busy_here() const noexcept {
    if (worker_of(*this) != nullptr || blocking_work_of == this || ends_worker_of == this) return true;
    if (in_place_of != this) return false;
    const spawned_task* const task = polled_task::outermost();
    return task == nullptr || !task->is_background;
}

/// Makes each later end of a task or of blocking work call after_end().
void pool::notify_on_each_end() noexcept {
    // seq_cst: see count_blocking().
    is_awaiting_idle_.store(true, std::memory_order_seq_cst);
    // For tasks the locks of the lists have this effect. A task removed before this is counted as ended; a thread that
    // removes one later sees the flag.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].synchronize();
}

void pool::after_end() noexcept {
    if (is_in_child()) return;
    // acq_rel: pairs with itself. Of two threads that end the last two tasks, the second one also sees the counter that
    // the first one has changed. Without this, each could see a task alive.
    ends_.fetch_add(1, std::memory_order_acq_rel);
    // seq_cst: a store-load pair with cancel_all(), which stores this and then loads the counters. See
    // count_blocking().
    if (alive(false) != 0 && alive(true) > caller_of_cancel_.load(std::memory_order_seq_cst)) return;
    bool closes = false;
    {
        const std::lock_guard guard(lock_);
        changed_.notify_all();
        closes = closes_when_idle_ && alive(false) == 0;
    }
    if (closes) begin_shutdown();
}

void pool::wait_until_idle() noexcept {
    notify_on_each_end();
    std::unique_lock guard(lock_);
    // relaxed: `closed` is stored under lock_.
    changed_.wait(guard, [this] { return is_idle() || phase_.load(std::memory_order_relaxed) == phase::closed; });
}

void pool::close_when_idle() noexcept {
    if (is_in_child()) return;
    {
        const std::lock_guard guard(lock_);
        closes_when_idle_ = true;
    }
    notify_on_each_end();
    after_end();
}

// ---- The end ----

void pool::cancel_all(std::chrono::steady_clock::time_point deadline) noexcept {
    if (is_in_child()) return;
    // If the caller is blocking work of this pool, it does not wait for itself.
    const std::uint64_t self = does_blocking_work_here() ? 1 : 0;
    // seq_cst: see after_end().
    caller_of_cancel_.store(self, std::memory_order_seq_cst);
    // Closed first, because a task that is added after the loop below would not be cancelled.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].close();
    for (unsigned i = 0; i < list_count(); ++i) {
        abort_batch tasks;  // its destructor queues the tasks, after the list's lock is released
        lists_[i].for_each([&](spawned_task& task) { tasks.add(task); });
    }
    notify_on_each_end();
    std::unique_lock guard(lock_);
    changed_.wait_until(guard, deadline, [&] { return alive(true) <= self; });
}

void pool::begin_shutdown() noexcept {
    if (is_in_child()) return;
    phase expected = phase::open;
    // release: pairs with the acquire in is_closing(). The acquire half has no partner.
    if (!phase_.compare_exchange_strong(expected, phase::closing, std::memory_order_acq_rel)) return;
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].close();
    for (const auto& each : workers_) each->unpark();
    blocking_->shutdown();
}

void pool::close_queues() noexcept {
    // All workers have left run() and all tasks have ended, so the queues hold only references. The injection queue is
    // closed first, because a thread that notified a task before its end may push it only now.
    injected_.close();
    for (;;) {
        spawned_task* left = nullptr;
        injected_.pop(1, [&](spawned_task& task) { left = &task; });
        if (left == nullptr) break;
        give_up(*left);
    }
    for (const auto& each : workers_) {
        each->give_up_queue();
        each->shut_drivers();
    }
}

void pool::workers_have_left(unsigned count) noexcept {
    std::vector<waker> wakers;
    {
        const std::lock_guard guard(lock_);
        workers_out_ += count;
        if (workers_out_ < size()) {
            changed_.notify_all();  // waits_for_this_poll() may be true now
            return;
        }
    }
    close_queues();
    {
        const std::lock_guard guard(lock_);
        // release: pairs with the acquire in is_closing().
        phase_.store(phase::closed, std::memory_order_release);
        if (is_closed()) wakers.swap(closed_wakers_);
        changed_.notify_all();
    }
    for (auto& each : wakers) std::move(each).wake();
}

void pool::thread_has_left() noexcept {
    const std::lock_guard guard(lock_);
    ++threads_out_;
    changed_.notify_all();
}

void pool::wait_until_closed(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
    // A worker that destroys the remaining tasks must not wait for itself. in_place_ does not count it.
    if (is_in_child() || ends_worker_of == this) return detach_threads();
    // A task in block_in_place may end its own runtime. It does not wait for itself.
    const unsigned self = in_place_of == this ? 1 : 0;
    const auto has_ended = [&] {
        // relaxed: `closed` is stored under lock_.
        return phase_.load(std::memory_order_relaxed) == phase::closed && in_place_ == self && late_threads_ == 0;
    };
    bool in_time = true;
    {
        std::unique_lock guard(lock_);
        // If the caller is the child of a scope that is being destroyed, another poll waits for the caller. Then this
        // returns early, and the pool closes after the caller's poll.
        const auto is_stuck = [&] { return self == 1 && waits_for_this_poll(); };
        if (deadline) {
            // A thread that has handed its worker over ends with its task, which may be after the deadline. So the
            // threads are joined only if all of them have ended.
            const auto own = std::count_if(threads_.begin(), threads_.end(),
                                           [](const sys::thread& each) { return each.is_this_thread(); });
            const std::size_t others = threads_.size() - static_cast<std::size_t>(own);
            in_time = changed_.wait_until(guard, *deadline,
                                          [&] { return (has_ended() && threads_out_ == others) || is_stuck(); });
        } else {
            changed_.wait(guard, [&] { return has_ended() || is_stuck(); });
        }
        in_time = in_time && !is_stuck();
    }
    if (!in_time) return detach_threads();
    for (auto& thread : threads_) {
        if (!thread.is_joinable()) continue;
        thread.is_this_thread() ? thread.detach() : thread.join();
    }
}

void pool::detach_threads() noexcept {
    for (auto& thread : threads_) {
        if (thread.is_joinable()) thread.detach();
    }
}

bool pool::poll_closed(const waker& wake) {
    if (is_in_child()) return true;
    waker copy = wake;  // cloned before the lock is taken and dropped after it: may run user code
    const std::lock_guard guard(lock_);
    if (is_closed()) return true;
    const bool is_known = std::any_of(closed_wakers_.begin(), closed_wakers_.end(),
                                      [&](const waker& other) { return other.will_wake(copy); });
    if (!is_known) closed_wakers_.push_back(std::move(copy));
    return false;
}

runtime_metrics pool::metrics() const {
    std::vector<worker_metrics> workers;
    workers.reserve(size());
    for (const auto& each : workers_) {
        const auto& counted = each->counters();  // relaxed loads: see worker_counters
        worker_metrics one;
        one.polls = counted.polls.load(std::memory_order_relaxed);
        one.steals = counted.steals.load(std::memory_order_relaxed);
        one.overflows = counted.overflows.load(std::memory_order_relaxed);
        one.parks = counted.parks.load(std::memory_order_relaxed);
        one.busy = std::chrono::nanoseconds(counted.busy_ns.load(std::memory_order_relaxed));
        one.queued = each->queued();
        one.poll_times = each->poll_times();
        if (each->io() != nullptr) {
            one.sources = each->io()->load();
            one.io = each->io()->metrics();
        }
        workers.push_back(one);
    }
    runtime_metrics all(std::move(workers));
    all.driver = driver_.kind;
    all.why_driver = driver_.why;
    std::uint64_t ended = 0;
    for (unsigned i = 0; i < list_count(); ++i) ended += lists_[i].ended();
    for (unsigned i = 0; i < list_count(); ++i) all.spawned_tasks += lists_[i].spawned();
    all.alive_tasks = all.spawned_tasks - ended;
    all.injection_queue_depth = injected_.size();
    const auto blocking = blocking_->count();
    all.blocking_threads = blocking.threads;
    all.idle_blocking_threads = blocking.idle;
    all.blocking_queue_depth = blocking.queued;
    return all;
}

// ---- Entry points for templates and other files ----

void retain(pool& shared) noexcept { shared.retain(); }
void release(pool& shared) noexcept { shared.release(); }
task_owner& owner_of(pool& shared) noexcept { return shared; }
void start(pool& shared, spawned_task& task) noexcept { shared.start(task); }

}  // namespace eddy::detail
