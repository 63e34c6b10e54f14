// SPDX-License-Identifier: MIT
#include "executor/pool/worker.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/scope_all.hpp>

#include "executor/park/sleeping_place.hpp"
#include "executor/pool/pool.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"
#include "sys/pause_briefly.hpp"

namespace eddy::detail {
namespace {

// The LIFO slot is used at most this many times in a row. The tasks of such a sequence share one coop budget.
constexpr unsigned lifo_limit = 3;

// One of this many polls checks the run queue before the child queue.
constexpr unsigned child_fairness = 2;

// Estimated time from the wake-up of another worker to its first poll.
constexpr std::uint64_t wake_up_cost_ns = 20'000;

}  // namespace

worker::worker(pool& owner, unsigned index, io_share io, bool shares_io, std::uint64_t seed,
               const stall_settings& stalls)
    : pool_(owner),
      index_(index),
      io_(std::move(io)),
      place_(new sleeping_place(io_.get(), shares_io)),
      time_(time_driver::make(place_->waker())),
      statistics_(owner.observed_by() != nullptr),
      log_("worker " + std::to_string(index) + " of runtime " + std::to_string(owner.id())),
      polls_to_look_(owner.event_interval()),
      polls_to_injected_(owner.global_interval()),
      random_(seed + index),
      seed_(seed + index),
      stalls_(stalls, &statistics_.counters().polls) {
    update_observed();
}

worker::~worker() = default;

void worker::shut_drivers() noexcept {
    time_->shutdown();
    if (io_ != nullptr) io_->shut_down();
}

void worker::enter_thread() noexcept {
    this_thread.worker = this;
    this_thread.runs_here = &pool_;
    this_thread.executor = {&pool_, time_.get()};
    this_thread.poll_entry = __builtin_frame_address(0);
    place_->set_owner();
    // The thread that ran the worker before may still arm a timer here in the rest of its poll. synchronize() takes the
    // lock of the timers. So either this thread sees that timer in next_deadline(), or the other thread sees the new
    // owner and unparks it. Without the lock each thread could miss the store of the other.
    time_->synchronize();
    random_here = random_numbers(seed_++);
    stalls_.watch_this_thread();
    stalls_.begin_run();
}

void worker::leave_thread() noexcept {
    this_thread.worker = nullptr;
    this_thread.runs_here = nullptr;
    this_thread.executor = {};
    this_thread.poll_entry = nullptr;
}

void worker::run() noexcept {
    enter_thread();
    statistics_.note_start(std::chrono::steady_clock::now());
    for (;;) {
        spawned_task* task = next_task();
        if (task == nullptr) task = search();
        // This check follows the choice of a task: a task that shuts the pool down and then yields is not polled again,
        // not even by a worker that steals it.
        if (pool_.is_closing()) {
            stop_searching();
            if (task != nullptr) push_back(*task);  // given up below, with the rest of the queue
            break;
        }
        if (task == nullptr) {
            park();
            continue;
        }
        stop_searching();
        is_observed_ ? run_observed(*task) : run_task(*this, *task);
        if (this_thread.worker != this) return pool_.end_in_place();  // block_in_place has handed the worker over
    }
    is_ending_ = true;
    for (unsigned i = 0; i < pool_.list_count(); ++i) {
        while (spawned_task* const task = pool_.list(i).pop()) {
            if (state_of(*task).transition_to_shutdown()) {
                pool_.destroy(*task, 1);
            } else {
                release(*task);  // the worker that polls it sees `cancelled` and destroys it
            }
        }
    }
    give_up_queue();
    if (io_ != nullptr) io_->retire_ring();
    flush_freed_blocks();
    stalls_.end_run();
    leave_thread();
    pool_.workers_have_left(1);
}

void worker::give_up_queue() noexcept {
    // acquire: pairs with the exchange in schedule(), which may have run on another thread.
    if (spawned_task* const task = lifo_.exchange(nullptr, std::memory_order_acquire)) pool_.give_up(*task);
    while (spawned_task* const task = children_.pop()) pool_.give_up(*task);
    while (spawned_task* const task = queue_.pop()) pool_.give_up(*task);
}

// ---- Queues ----

void worker::schedule(spawned_task& task) noexcept {
    if (!pool_.has_lifo_slot()) [[unlikely]] {
        push_back(task);
        if (!is_parking_) pool_.notify_if_useful();
        return;
    }
    // relaxed: only this thread stores tasks here, so an empty slot stays empty. release: pairs with the acquire in
    // service_stalled() and give_up_queue(), which read the task.
    if (lifo_.load(std::memory_order_relaxed) == nullptr) return lifo_.store(&task, std::memory_order_release);
    if (is_parking_) return push_back(task);  // the tasks that a tick has woken run in its order
    // An exchange, because the watchdog worker may take the task in between. acquire: not needed, because the thread
    // that runs the worker has stored `former` itself.
    spawned_task* const former = lifo_.exchange(&task, std::memory_order_release);
    // A single task stays here. To wake another worker for it would probably take longer than to run it.
    if (former != nullptr) push_back(*former);
}

void worker::push_back(spawned_task& task) noexcept {
    if (!queue_.push(&task)) {
        add_to(counters().overflows, 1);
        pool_.inject(task);
        return;
    }
    if (!is_parking_ && is_enough_for_two()) pool_.notify_if_useful();
}

/// Returns whether the queued tasks will probably take longer than the wake-up of another worker. The estimate uses the
/// mean duration of recent polls.
bool worker::is_enough_for_two() const noexcept { return queue_.size() * statistics_.mean_poll_ns() > wake_up_cost_ns; }

void worker::schedule_child(spawned_task& task) noexcept {
    if (!children_.push(&task)) return push_back(task);
    if (!is_parking_ && children_.size() > 1) pool_.notify_if_useful();
}

void worker::schedule_woken(spawned_task& task) noexcept {
    if (is_observed_) [[unlikely]]
        return note_woken(task);
    wakes_children_ ? schedule_child(task) : schedule(task);
}

/// The part of schedule_woken() for a worker that is observed.
[[gnu::cold, gnu::noinline]] void worker::note_woken(spawned_task& task) noexcept {
    log_.note(trace::event_kind::wake, task.id);
    pool_.note_woken(task);
    wakes_children_ ? schedule_child(task) : schedule(task);
}

bool worker::offer_child(offered_child& child) noexcept {
    if (!offers_.push(child)) return false;
    if (offers_.should_wake() && pool_.notify_if_useful()) offers_.note_wake();
    return true;
}

void worker::start_offered_children() noexcept {
    while (offered_child* const child = offers_.pop()) child->start(*child);
}

/// Takes a child of a scope from another worker.
spawned_task* worker::steal_child(worker& victim) noexcept {
    if (spawned_task* const task = victim.children_.steal()) return task;
    offered_child* const child = victim.offers_.steal();
    if (child == nullptr) return nullptr;
    child->start(*child);  // puts the new task into `children_`
    return children_.pop();
}

spawned_task* worker::next_local() noexcept {
    // relaxed: only this thread stores tasks here, and the exchange decides.
    if (lifo_.load(std::memory_order_relaxed) != nullptr) {
        // An exchange, because the watchdog worker may take the task in between. acquire: pairs with schedule().
        spawned_task* const task = lifo_.exchange(nullptr, std::memory_order_acquire);
        if (task != nullptr) {
            if (lifo_streak_ < lifo_limit && (lifo_streak_ == 0 || budget_left_ != 0)) {
                ++lifo_streak_;
                return task;
            }
            // The limit is reached. The task goes to the end of the queue, so that the queued tasks are not starved.
            push_back(*task);
        }
    }
    lifo_streak_ = 0;
    // Alternates between the two queues. Otherwise children that start more children (newest first) would overtake all
    // tasks that were queued before.
    if (tick_ % child_fairness == 0) {
        if (spawned_task* const task = queue_.pop()) return task;
    }
    if (spawned_task* const task = children_.pop()) return task;
    return queue_.pop();
}

spawned_task* worker::next_injected() noexcept {
    injection_queue& from = pool_.injected();
    const std::size_t waiting = from.size();
    if (waiting == 0) return nullptr;
    // A fair share, limited to half of the ring's spare capacity. The added 1 is the task that is returned.
    const std::size_t share = std::min(waiting / pool_.size() + 1, queue_.room() / 2 + 1);
    spawned_task* first = nullptr;
    std::size_t count = 0;
    from.pop(share, [&](spawned_task& task) {
        if (first == nullptr) {
            first = &task;
        } else {
            ++count;
            EDDY_ASSERT(queue_.push(&task), "worker: the ring had less spare capacity than room() returned");
        }
    });
    if (count > 0) pool_.notify_one();
    return first;
}

spawned_task* worker::next_task() noexcept {
    ++tick_;
    // Countdowns, because a division by a variable takes longer than the rest of this function.
    if (--polls_to_look_ == 0) [[unlikely]] {
        polls_to_look_ = pool_.event_interval();
        update_observed();
        look_if_due();
    }
    if (--polls_to_injected_ == 0) [[unlikely]] {
        polls_to_injected_ = pool_.global_interval();
        if (spawned_task* const task = next_injected()) return task;
    }
    if (spawned_task* const task = next_local()) return task;
    return next_injected();
}

void worker::note_steal(const spawned_task& task, const worker& victim) noexcept {
    if (is_observed_) log_.note(trace::event_kind::steal, task.id, victim.index());
}

spawned_task* worker::steal() noexcept {
    const unsigned count = pool_.size();
    const auto start = static_cast<unsigned>(random_.below(count));
    for (unsigned i = 0; i < count; ++i) {
        worker& victim = pool_.at((start + i) % count);
        if (&victim == this) continue;
        if (spawned_task* const task = steal_child(victim)) {
            add_to(counters().steals, 1);
            note_steal(*task, victim);
            return task;
        }
        if (spawned_task* const task = victim.queue_.steal_into(queue_)) {
            add_to(counters().steals, 1 + queue_.size());
            note_steal(*task, victim);
            return task;
        }
    }
    return next_injected();
}

spawned_task* worker::search() noexcept {
    if (pool_.size() > 1) {
        if (!is_searching_) is_searching_ = pool_.idle().transition_to_searching();
        if (!is_searching_) return nullptr;
    }
    spawned_task* found = steal();
    // The last wake-up came soon after the park, so the next task will probably arrive before a wake-up would take
    // effect. A thread that injects it sees a searching worker and makes no system call.
    for (unsigned spins = std::exchange(spins_, 0); found == nullptr && spins > 0; --spins) {
        sys::pause_briefly();
        if (!pool_.injected().is_empty()) found = next_injected();
    }
    return found;
}

void worker::stop_searching() noexcept {
    if (!is_searching_) return;
    is_searching_ = false;
    // A thread that pushed while this worker searched has woken no worker. If more tasks are queued, wake one now.
    if (pool_.idle().transition_from_searching() && pool_.has_queued_work()) pool_.notify_one();
}

// ---- Running a task ----

// Forced inlining: see run_task.hpp.
[[gnu::always_inline]] inline poll_end worker::poll(spawned_task& task) noexcept {
    add_to(counters().polls, 1);
    // SAFETY: the worker holds a reference to the task during the poll, so the borrowed waker needs none.
    const borrowed_waker waker(&spawned_task_waker, &task);
    context cx(waker.get(), lifo_streak_ > 1 ? budget_left_ : context::default_budget);
    const poll_end ended = poll_once(task, cx);
    if (this_thread.worker == this) budget_left_ = cx.budget();
    return ended;
}

/// The policy of run_task() for a worker that is observed: calls the hooks, measures the poll, and notes events.
class worker::observed {
public:
    using word = worker::word;

    explicit observed(worker& runs) noexcept : worker_(runs) {}

    [[nodiscard]] poll_end poll(spawned_task& task) noexcept {
        const runtime_hooks* const hooks = worker_.pool_.hooks();
        const task_id id = task.id;
        if (hooks != nullptr && hooks->before_task_poll) hooks->before_task_poll(id);
        worker_.log_.note(trace::event_kind::poll_begin, id);
        const poll_end ended = observer::measured(
            worker_.pool_.observed_by(), task, worker_.statistics_.durations(), [&] { return worker_.poll(task); },
            [&] { return is_here(); });
        if (is_here()) worker_.log_.note(trace::event_kind::poll_end, id, ended == poll_end::has_ended ? 1 : 0);
        if (hooks != nullptr && hooks->after_task_poll) hooks->after_task_poll(id);
        return ended;
    }
    void queue_again(spawned_task& task) noexcept {
        if (is_here()) worker_.log_.note(trace::event_kind::wake, task.id);
        worker_.queue_again(task);
    }
    [[nodiscard]] bool destroys_cancelled() const noexcept { return worker_.destroys_cancelled(); }
    [[nodiscard]] pool& owner() noexcept { return worker_.pool_; }

private:
    /// Returns whether this thread still runs the worker. If not, another thread writes its statistics and its log, and
    /// most of the time of the poll was blocking work.
    [[nodiscard]] bool is_here() const noexcept { return this_thread.worker == &worker_; }

    worker& worker_;
};

[[gnu::noinline]] void worker::run_observed(spawned_task& task) noexcept {
    observed with(*this);
    run_task(with, task);
}

void worker::update_observed() noexcept {
    is_observed_ = pool_.observed_by() != nullptr || log_.is_on();
    looks_at_spawns_ = true;
}

void worker::queue_again(spawned_task& task) noexcept {
    // The task woke itself, which is a yield. So it goes to the end of the queue and not into the LIFO slot.
    if (this_thread.worker == this) {
        push_back(task);
    } else {
        pool_.inject(task);
    }
}

bool worker::destroys_cancelled() const noexcept { return pool_.is_closing(); }

void worker::service_stalled(worker& stalled) noexcept {
    // acquire: pairs with the release in schedule(), which published the task.
    if (spawned_task* const task = stalled.lifo_.exchange(nullptr, std::memory_order_acquire)) schedule(*task);
    if (spawned_task* const task = steal_child(stalled)) schedule(*task);
    if (queue_.is_empty()) {
        if (spawned_task* const task = stalled.queue_.steal_into(queue_)) schedule(*task);
    }
    if (stalled.io_ != nullptr) static_cast<void>(stalled.io_->tick_for_busy_owner());
    static_cast<void>(stalled.time_->fire());
}

}  // namespace eddy::detail
