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

constexpr unsigned most_workers = 0x7fff;

// A worker's driver may hold so much more than another before new sockets go there.
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

/// A worker that a thread of the blocking pool goes on with.
class handed_worker final : public blocking_job {
public:
    handed_worker(pool& owner, worker& which) noexcept
        : blocking_job(&run_it, &leave_it), pool_(owner), worker_(which) {
        // Not out of the worker's stock: the worker is offered already, and may run on another thread.
        pool_.retain(1);
    }
    handed_worker(const handed_worker&) = delete;
    handed_worker& operator=(const handed_worker&) = delete;
    ~handed_worker() { pool_.release(1); }

private:
    static void run_it(blocking_job& job) noexcept {
        const std::unique_ptr<handed_worker> mine(static_cast<handed_worker*>(&job));
        static_cast<void>(mine->worker_.thread_comes());
        if (!mine->worker_.accept_offer()) return;
        // The thread that had it before ends: without this, there would be one thread less for blocking work, for good.
        const bool has_left = mine->pool_.blocking().leave_for_long();
        mine->worker_.run();
        worker::leave_thread();
        if (has_left) mine->pool_.blocking().come_back();
    }
    static void leave_it(blocking_job& job) noexcept {
        const std::unique_ptr<handed_worker> mine(static_cast<handed_worker*>(&job));
        mine->pool_.go_on_without_blocking_threads(mine->worker_);
    }

    pool& pool_;
    worker& worker_;
};

}  // namespace

// ---- Making it ----

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
    for (auto& driver : drivers) driver.reset();  // what an attempt with another kind has made
    for (auto& driver : drivers) {
        const auto made = io_handle::make(kind);
        if (!made) return std::unexpected(made.error());
        driver.reset(*made);
        // For its time as sentry; a single worker has nobody to watch.
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
    // A thread that has woken a task may still be on its way into schedule().
    await_wakers_outside();
}

result<void> pool::start_threads() noexcept {
    for (const auto& each : workers_) {
        auto started = start_thread(*each);
        if (started) {
            threads_.push_back(std::move(*started));  // reserved
            continue;
        }
        // Those without a thread are out before they begin.
        begin_shutdown();
        workers_are_out(size() - static_cast<unsigned>(threads_.size()));
        return std::unexpected(started.error());
    }
    return {};
}

result<sys::thread> pool::start_thread(worker& which) noexcept try {
    std::string name = thread_name_ + std::to_string(which.index());
    retain();  // the thread's
    auto started = sys::start_thread(std::move(name), stack_size_, [this, &which]() noexcept {
        if (hooks_ != nullptr && hooks_->thread_start) hooks_->thread_start();
        which.run();
        if (hooks_ != nullptr && hooks_->thread_stop) hooks_->thread_stop();
        worker::leave_thread();
        thread_is_out();
        release();
    });
    if (!started) release();
    return started;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

void pool::retain(std::uint32_t count) noexcept {
    // relaxed: whoever makes a reference has one already.
    references_.fetch_add(count, std::memory_order_relaxed);
}

void pool::release(std::uint32_t count) noexcept {
    // acq_rel: the last one out sees all that the others did before they let go.
    if (references_.fetch_sub(count, std::memory_order_acq_rel) == count) delete this;
}

/// The worker that this thread is, if it is one of `owner`.
static worker* worker_of(const pool& owner) noexcept {
    worker* const here = worker_here;
    return here != nullptr && &here->owner() == &owner ? here : nullptr;
}

void pool::retain() noexcept {
    if (worker* const here = worker_of(*this)) return here->retain_pool();
    retain(1);
}

void pool::release() noexcept {
    // A worker's thread has a reference of its own: it never gives up the last one here.
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

void pool::launch_fork(spawned_task& task, bool is_listed) noexcept {
    if (!is_listed) return refuse(task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->schedule_fork(task) : inject(task);
}

/// Closing: nobody will run it. It has both the list's reference and the queue's to give up.
void pool::refuse(spawned_task& task) noexcept {
    detail::release(task);
    give_up(task);
}

void pool::schedule(spawned_task& task) noexcept {
    worker* const here = worker_of(*this);
    if (here == nullptr) return inject(task);
    here->wakes_forks() ? here->schedule_fork(task) : here->schedule(task);
}

void pool::inject(spawned_task& task) noexcept {
    // Nobody will run it; nor may it be destroyed, since it may have been in the midst of a poll when the process
    // forked.
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

void pool::wake_sentry() noexcept {
    // seq_cst: a worker that leaves its post looks for others that run after that, see worker::park().
    for (const auto& post : posts_) {
        if (post.load(std::memory_order_seq_cst) >= 0) return;
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
        waker joiner = std::move(task.join_waker);
        detail::release(task, references);
        std::move(joiner).wake();
        break;
    }
    }
    // acquire: pairs with ask_to_be_told().
    if (is_awaiting_idle_.load(std::memory_order_acquire)) [[unlikely]]
        after_end();
}

void pool::destroy(spawned_task& task, std::uint64_t references) noexcept {
    {
        const polled_task here(task);
        const without_task_locals unbound;  // whoever destroys it may be another task
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

// ---- I/O and time for whoever polls ----

io_handle* pool::io_for_new_source() noexcept {
    if (workers_[0]->io() == nullptr) return nullptr;
    const worker* const here = worker_here;
    const bool is_mine = here != nullptr && &here->owner() == this;
    // Two others at most are looked at, in turn: enough to keep the balance (the power of two choices), and it costs
    // the same however many workers there are. relaxed: any number will do.
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
    return workers_[next_driver_.fetch_add(1, std::memory_order_relaxed) % size()]->time();
}

// ---- Blocking work, and workers that are handed on because of it ----

bool pool::hand_over(worker& which) noexcept {
    // One that destroys what is left when the pool closes goes on with that itself.
    if (which.is_ending() || is_in_child()) return false;
    {
        // Before the worker is offered, so that the pool cannot be closed without knowing of this poll.
        const std::lock_guard guard(lock_);
        ++in_place_;
    }
    // Nobody else can turn its ring, and what this thread is about to wait for may come through that. So who goes on
    // with the worker makes one of his own, to which the sockets move; or this thread itself, if it is the first to
    // turn again.
    if (which.io() != nullptr) which.io()->retire_ring();
    in_place_of = this;
    which.offer();
    // One job of an earlier call may still be on its way, whose worker was taken back: it takes this one.
    if (which.has_thread_coming()) return true;
    auto* const job = new (std::nothrow) handed_worker(*this, which);
    if (job != nullptr && blocking_->submit(*job)) return true;
    delete job;
    // What runs when the pool closes may block as ever, and the others are not to wait for that.
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

/// A worker that nobody was to come for goes on.
void pool::forget_left(worker& which) noexcept {
    const std::lock_guard guard(lock_);
    if (std::exchange(which.is_left_, false)) --left_;
}

/// Counts one of the two kinds of threads down that the end of the pool waits for beside its workers.
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

/// Whether the end of the pool waits for nothing but a poll in block_in_place, that of the caller. With the lock held.
bool pool::waits_for_this_poll() const noexcept {
    if (workers_out_ == size()) return false;
    unsigned others = size() - workers_out_ - left_ + in_place_ - 1;
    for (const held_up* one = held_up_; one != nullptr; one = one->next_) {
        if (one->is_waiting_(one->argument_)) --others;
    }
    return others == 0;
}

/// All workers are out, no task is polled any more, and no thread calls a hook. With the lock held.
bool pool::is_closed() const noexcept {
    return phase_.load(std::memory_order_relaxed) == phase::closed && in_place_ == 0 && late_threads_ == 0;
}

void pool::go_on_without_blocking_threads(worker& which) noexcept {
    // Called by whoever begins the shutdown, in the poll of a task perhaps, with locks of its own: what the worker
    // destroys must not be destroyed here. Without another thread it is taken back at the end of the block_in_place.
    static_cast<void>(which.thread_comes());
    if (!which.is_offered() || start_late_thread(which)) return;
    const std::lock_guard guard(lock_);
    // If it is taken back at this moment, then end_in_place() comes after this.
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

/// Starts a thread for a worker that was offered, which nobody joins. False if there is none.
bool pool::start_late_thread(worker& which) noexcept try {
    std::string name = thread_name_ + std::to_string(which.index());
    retain(1);  // the thread's
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
    // seq_cst: with is_awaiting_idle_, below and in ask_to_be_told(): each side writes, and then reads the other's.
    (begins ? blocking_begun_ : blocking_ended_).fetch_add(1, std::memory_order_seq_cst);
    if (!begins && is_awaiting_idle_.load(std::memory_order_seq_cst)) after_end();
}

void pool::end_blocking(std::chrono::steady_clock::time_point deadline) noexcept {
    // Whoever has begun the shutdown may not have come to this.
    blocking_->shutdown();
    static_cast<void>(blocking_->join_until(deadline));
}

// ---- Idle ----

/// How many tasks and blocking jobs are alive. Zero is exact for some moment during the call: what has ended is counted
/// before what has begun, and neither ever falls (Mattern's counters).
std::uint64_t pool::alive(bool with_background) const noexcept {
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

/// From here on whoever ends a task calls after_end().
void pool::ask_to_be_told() noexcept {
    is_awaiting_idle_.store(true, std::memory_order_seq_cst);
    // Whoever took a task out of a list before this is counted; whoever does so after it sees the mark.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].synchronise();
}

void pool::after_end() noexcept {
    if (is_in_child()) return;
    // acq_rel: of two threads that end the last two tasks, the second here sees the first one's counter, too.
    ends_.fetch_add(1, std::memory_order_acq_rel);
    // seq_cst: pairs with the store in cancel_all(): the one sees the other, as with is_awaiting_idle_.
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
    ask_to_be_told();
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return is_idle() || phase_.load(std::memory_order_relaxed) == phase::closed; });
}

void pool::close_when_idle() noexcept {
    if (is_in_child()) return;
    {
        const std::lock_guard guard(lock_);
        closes_when_idle_ = true;
    }
    ask_to_be_told();
    after_end();
}

// ---- The end ----

void pool::cancel_all(std::chrono::steady_clock::time_point deadline) noexcept {
    if (is_in_child()) return;
    // Work of the pool itself, which blocks in here, is not waited for.
    const std::uint64_t self = does_blocking_work_here() ? 1 : 0;
    caller_of_cancel_.store(self, std::memory_order_seq_cst);
    // What came later nobody would ask to end.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].close();
    for (unsigned i = 0; i < list_count(); ++i) {
        abort_batch tasks;  // queued after the list's lock
        lists_[i].for_each([&](spawned_task& task) { tasks.add(task); });
    }
    ask_to_be_told();
    std::unique_lock guard(lock_);
    changed_.wait_until(guard, deadline, [&] { return alive(true) <= self; });
}

void pool::begin_shutdown() noexcept {
    if (is_in_child()) return;
    phase expected = phase::open;
    // acq_rel: pairs with is_closing().
    if (!phase_.compare_exchange_strong(expected, phase::closing, std::memory_order_acq_rel)) return;
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].close();
    for (const auto& each : workers_) each->unpark();
    blocking_->shutdown();
}

void pool::close_queues() noexcept {
    // All workers are out, and all tasks have ended: what is in a queue is references only. Closed first: a thread that
    // has notified its task before that ended may come with it only now.
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

void pool::workers_are_out(unsigned count) noexcept {
    std::vector<waker> wakers;
    {
        const std::lock_guard guard(lock_);
        workers_out_ += count;
        if (workers_out_ < size()) {
            changed_.notify_all();  // see waits_for_this_poll()
            return;
        }
    }
    close_queues();
    {
        const std::lock_guard guard(lock_);
        phase_.store(phase::closed, std::memory_order_release);
        if (is_closed()) wakers.swap(closed_wakers_);
        changed_.notify_all();
    }
    for (auto& each : wakers) std::move(each).wake();
}

void pool::thread_is_out() noexcept {
    const std::lock_guard guard(lock_);
    ++threads_out_;
    changed_.notify_all();
}

void pool::wait_until_closed(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
    // A worker that destroys what is left does not wait for itself either; it is not a poll that others wait for.
    if (is_in_child() || ends_worker_of == this) return detach_threads();
    // In block_in_place a task may end its own runtime: then it does not wait for itself.
    const unsigned self = in_place_of == this ? 1 : 0;
    const auto has_ended = [&] {
        return phase_.load(std::memory_order_relaxed) == phase::closed && in_place_ == self && late_threads_ == 0;
    };
    bool in_time = true;
    {
        std::unique_lock guard(lock_);
        // Its scopes are destroyed after it, if it is the child of one: then it goes on first, and they end by
        // themselves.
        const auto is_stuck = [&] { return self == 1 && waits_for_this_poll(); };
        if (deadline) {
            // A thread that has handed its worker on is out when its task has ended, which may be later: joining it
            // could take longer than there is time.
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
    waker copy = wake;  // cloned before the lock is taken, and dropped after it
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
        const auto& counted = each->counters();
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

// ---- What templates and other files call ----

void retain(pool& shared) noexcept { shared.retain(); }
void release(pool& shared) noexcept { shared.release(); }
task_owner& owner_of(pool& shared) noexcept { return shared; }
void start(pool& shared, spawned_task& task) noexcept { shared.start(task); }

}  // namespace eddy::detail
