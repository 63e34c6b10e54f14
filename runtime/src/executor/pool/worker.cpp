// SPDX-License-Identifier: MIT
#include "executor/pool/worker.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/scope_all.hpp>

#include "executor/park/sleeping_place.hpp"
#include "executor/pool/pool.hpp"
#include "executor/task/run_task.hpp"
#include "reactor/drivers/tick_error.hpp"
#include "sys/pause_briefly.hpp"
#include "sys/thread.hpp"

namespace eddy::detail {
namespace {

using std::chrono::steady_clock;

// The LIFO slot is used at most this many times in a row. The tasks of such a sequence share one coop budget.
constexpr unsigned lifo_limit = 3;

// One of this many polls checks the run queue before the child queue.
constexpr unsigned child_fairness = 2;

// Maximum of worker::offers_in_vain_: each 1,024th offer still wakes a worker.
constexpr unsigned most_offers_in_vain = 10;

// Minimum time between two driver ticks while tasks are queued. A driver tick costs as much as many polls.
constexpr auto look_interval = std::chrono::microseconds(20);

// The interval at which the second watchdog worker checks the other workers. That of the first one is in the header.
constexpr auto second_watchdog_interval = std::chrono::milliseconds(8);

// A watchdog continues after the last activity for as long as the activity has lasted, and at most for this time.
constexpr auto watchdog_lingers = std::chrono::milliseconds(100);

// Two activities that are further apart than this are separate, as those of a timer that fires each 50 ms.
constexpr auto longest_pause = std::chrono::milliseconds(10);

// The value of a watchdog role that no worker holds.
constexpr int vacant = -1;

// Estimated time from the wake-up of another worker to its first poll.
constexpr std::uint64_t wake_up_cost_ns = 20'000;

// A worker that is notified within this time after it parked spins for about 5 us before it parks again.
constexpr auto soon = std::chrono::microseconds(50);
const unsigned spin_limit = sys::processor_count() > 1 ? 200 : 0;

}  // namespace

worker::worker(pool& owner, unsigned index, io_share io, bool shares_io, std::uint64_t seed, bool counts_poll_times)
    : pool_(owner),
      index_(index),
      io_(std::move(io)),
      place_(new sleeping_place(io_.get(), shares_io)),
      time_(time_driver::make(place_->waker())),
      poll_times_(counts_poll_times ? std::make_unique<poll_time_counters>() : nullptr),
      polls_to_look_(owner.event_interval()),
      polls_to_injected_(owner.global_interval()),
      random_(seed + index),
      seed_(seed + index) {}

worker::~worker() = default;

void worker::shut_drivers() noexcept {
    time_->shutdown();
    if (io_ != nullptr) io_->shut_down();
}

void worker::enter_thread() noexcept {
    this_thread.worker = this;
    this_thread.worker_owner = &pool_;
    this_thread.executor = {nullptr, &pool_, time_.get()};
    this_thread.poll_entry = __builtin_frame_address(0);
    place_->set_owner();
    // The thread that ran the worker before may still arm a timer here in the rest of its poll. synchronize() takes the
    // lock of the timers. So either this thread sees that timer in next_deadline(), or the other thread sees the new
    // owner and unparks it. Without the lock each thread could miss the store of the other.
    time_->synchronize();
    random_here = random_numbers(seed_++);
}

void worker::leave_thread() noexcept {
    this_thread.worker = nullptr;
    this_thread.worker_owner = nullptr;
    this_thread.executor = {};
    this_thread.poll_entry = nullptr;
}

void worker::run() noexcept {
    enter_thread();
    woke_at_ = steady_clock::now();
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
        run_task(*this, *task);
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
    leave_thread();
    pool_.release(pool_references_.take_all());
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
        worker_counters::add(counters_.overflows, 1);
        pool_.inject(task);
        return;
    }
    if (!is_parking_ && is_enough_for_two()) pool_.notify_if_useful();
}

/// Returns whether the queued tasks will probably take longer than the wake-up of another worker. The estimate uses the
/// mean duration of recent polls.
bool worker::is_enough_for_two() const noexcept { return queue_.size() * mean_poll_ns_ > wake_up_cost_ns; }

void worker::schedule_child(spawned_task& task) noexcept {
    if (!children_.push(&task)) return push_back(task);
    if (!is_parking_ && children_.size() > 1) pool_.notify_if_useful();
}

void schedule_woken(worker& here, spawned_task& task) noexcept {
    here.wakes_children_ ? here.schedule_child(task) : here.schedule(task);
}

bool worker::offer_child(offered_child& child) noexcept {
    if (!offers_.push(&child)) return false;
    if (offers_to_skip_ != 0) {
        --offers_to_skip_;
    } else if (pool_.notify_if_useful()) {
        // Short children are mostly taken back before a worker wakes up. So as long as no offer is taken, only each
        // 2nd, then each 4th, 8th ... offer wakes a worker.
        offers_in_vain_ = std::min(offers_in_vain_ + 1, most_offers_in_vain);
        offers_to_skip_ = (1u << offers_in_vain_) - 1;
    }
    return true;
}

bool worker::take_child_back(offered_child& child) noexcept {
    if (offers_.is_newest(&child) && offers_.pop() != nullptr) return true;
    offers_in_vain_ = offers_to_skip_ = 0;
    return false;
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
        look_if_due();
    }
    if (--polls_to_injected_ == 0) [[unlikely]] {
        polls_to_injected_ = pool_.global_interval();
        if (spawned_task* const task = next_injected()) return task;
    }
    if (spawned_task* const task = next_local()) return task;
    return next_injected();
}

spawned_task* worker::steal() noexcept {
    const unsigned count = pool_.size();
    const auto start = static_cast<unsigned>(random_.below(count));
    for (unsigned i = 0; i < count; ++i) {
        worker& victim = pool_.at((start + i) % count);
        if (&victim == this) continue;
        if (spawned_task* const task = steal_child(victim)) {
            worker_counters::add(counters_.steals, 1);
            return task;
        }
        if (spawned_task* const task = victim.queue_.steal_into(queue_)) {
            worker_counters::add(counters_.steals, 1 + queue_.size());
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

bool worker::has_work() const noexcept {
    // relaxed: only this thread stores tasks into the LIFO slot. next_local() finds out if the watchdog took the task.
    return lifo_.load(std::memory_order_relaxed) != nullptr || !queue_.is_empty() || !children_.is_empty();
}

// ---- Running a task ----

// Forced inlining: see run_task.hpp.
[[gnu::always_inline]] inline poll_end worker::poll(spawned_task& task) noexcept {
    worker_counters::add(counters_.polls, 1);
    const runtime_hooks* const hooks = pool_.hooks();
    const task_id id = task.id;
    if (hooks != nullptr && hooks->before_task_poll) [[unlikely]]
        hooks->before_task_poll(id);
    const poll_end ended = poll_times_ == nullptr ? poll_with_budget(task) : poll_and_time(task);
    if (hooks != nullptr && hooks->after_task_poll) [[unlikely]]
        hooks->after_task_poll(id);
    return ended;
}

poll_end worker::poll_with_budget(spawned_task& task) noexcept {
    // SAFETY: the worker holds a reference to the task during the poll, so the borrowed waker needs none.
    const borrowed_waker waker(&spawned_task_waker, &task);
    context cx(waker.get(), lifo_streak_ > 1 ? budget_left_ : context::default_budget);
    const poll_end ended = poll_once(task, cx);
    if (this_thread.worker == this) budget_left_ = cx.budget();
    return ended;
}

poll_end worker::poll_and_time(spawned_task& task) noexcept {
    const auto began = steady_clock::now();
    const poll_end ended = poll_with_budget(task);
    // If the worker was handed over, another thread writes its counters, and most of the time was blocking work.
    if (this_thread.worker == this) {
        const auto bucket = duration_histogram::bucket_of(steady_clock::now() - began);
        worker_counters::add((*poll_times_)[bucket], 1);
    }
    return ended;
}

duration_histogram worker::poll_times() const noexcept {
    duration_histogram found;
    if (poll_times_ == nullptr) return found;
    // relaxed: see worker_counters.
    for (std::size_t i = 0; i < poll_times_->size(); ++i)
        found.add(i, (*poll_times_)[i].load(std::memory_order_relaxed));
    return found;
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

// ---- Waiting ----

void worker::look_if_due() noexcept {
    const auto now = steady_clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    if (!place_->shares_driver()) return look_at_driver(std::chrono::nanoseconds::zero());
    // If another worker waits in the driver, it gets the events.
    static_cast<void>(io_->tick_for_busy_owner());
    static_cast<void>(time_->fire());
}

/// Runs one driver tick, or parks if there is no I/O, and fires the timers. Waits for `limit` or `alarm` at most,
/// whichever is shorter. An alarm costs more to set than `limit`, but stays set if an event ends the wait earlier.
void worker::look_at_driver(max_wait limit, max_wait alarm) noexcept {
    if (io_ == nullptr) {
        place_->park(shorter(limit, alarm));
    } else {
        const auto turned = place_->shares_driver() ? place_->wait(limit, alarm) : io_->tick(limit, alarm);
        if (!turned) end_without_events(pool_.driver(), turned.error());
    }
    static_cast<void>(time_->fire());
}

max_wait worker::time_to_sleep() const noexcept {
    const auto next = time_->next_deadline();
    if (!next) return std::nullopt;
    const auto now = time_->now();
    return *next <= now ? time_driver::duration::zero() : *next - now;
}

void worker::unpark() noexcept { place_->unpark(); }

void worker::park() noexcept {
    idle_workers& idle = pool_.idle();
    flush_freed_blocks();
    const runtime_hooks* const hooks = pool_.hooks();
    if (hooks != nullptr && hooks->before_park) hooks->before_park();
    if (has_work()) return;  // the hook has queued a task

    const bool none_searches = idle.transition_to_parked(index_, std::exchange(is_searching_, false));
    if (none_searches && pool_.has_queued_work()) pool_.notify_one();
    const auto parked_at = steady_clock::now();
    note_busy_period(parked_at);
    note_activity(parked_at);

    is_parking_ = true;
    auto now = parked_at;  // read once per wait: under load, reading the clock was a tenth of the time in user mode
    while (!pool_.is_closing()) {
        if (!is_watchdog() && pool_.size() > 1) become_watchdog(now);
        // The clock decides, and not the end of a wait, because the worker's own events may end a wait earlier.
        if (is_watchdog() && watch_if_due(now)) {
            stop_being_watchdog();
            // A worker that began to run before this store has woken no watchdog. become_watchdog() checks for it.
            continue;
        }
        if (!has_work()) {
            worker_counters::add(counters_.parks, 1);
            look_at_driver(time_to_sleep(), is_watchdog() ? max_wait(time_to_watch(now)) : std::nullopt);
            now = steady_clock::now();
        }
        if (has_work()) {
            // If another thread has notified the worker too, it counts as searching.
            is_searching_ = !idle.unpark_itself(index_);
            break;
        }
        if (!idle.is_parked(index_)) {
            is_searching_ = true;
            if (now - parked_at < soon) spins_ = spin_limit;
            break;
        }
    }
    is_parking_ = false;
    if (is_watchdog()) stop_being_watchdog();
    woke_at_ = now;
    last_look_ = now;
    if (hooks != nullptr && hooks->after_unpark) hooks->after_unpark();
    if (pool_.is_closing()) return;
    pool_.wake_watchdog();
    // One driver tick may have woken enough tasks for two workers.
    if (queue_.size() > 0 && is_enough_for_two()) pool_.notify_one();
}

void worker::note_busy_period(time_point now) noexcept {
    const auto busy = static_cast<std::uint64_t>((now - woke_at_).count());
    worker_counters::add(counters_.busy_ns, busy);
    // relaxed: written by this thread.
    const std::uint64_t polls = counters_.polls.load(std::memory_order_relaxed) - polls_when_woken_;
    polls_when_woken_ += polls;
    if (polls != 0) mean_poll_ns_ = (3 * mean_poll_ns_ + busy / polls) / 4;
}

// ---- The watchdog worker ----
//
// A parked worker watches the running workers. A worker that is stalled in a long poll can neither process the events
// of its driver nor fire its timers, and no other worker takes tasks from its LIFO slot. The watchdog does this for it.
//
// There are two watchdog roles. A worker that parks takes the first vacant one. The second watchdog checks less often,
// and takes the first role when that becomes vacant. So when the first watchdog gets tasks of its own, no worker has to
// be woken. With one role, two workers with sockets would wake each other at each event, which took a fifth of the
// processor time at 100 connections.
//
// If both roles are vacant, a worker that starts to run calls a parked worker. If that worker waits in a driver, an
// alarm wakes it half an interval later. Otherwise it is unparked at once. If no worker runs any more, it parks again;
// this is usual after a timer in an idle pool. Otherwise it becomes the watchdog and makes its first check half an
// interval later. A worker that stalls before this wake-up is serviced within one interval of its start. Any other
// stalled worker is serviced within two intervals: one check sees progress, the next one does not.

void worker::call_as_watchdog() noexcept { place_->unpark_within(watchdog_interval / 2); }

/// Makes this worker a watchdog if a role is vacant and there is, or was recently, something to watch.
void worker::become_watchdog(time_point now) noexcept {
    // The second condition keeps the watchdog for a while after activity. Workers that start to run then see it and
    // wake no other worker.
    if (pool_.idle().awake() == 0 && now - last_activity_ >= lingering()) return;
    // Without memory this worker does not become a watchdog. It tries again at its next wake-up.
    if (seen_ == nullptr) seen_.reset(new (std::nothrow) sight[pool_.size()]);
    if (seen_ == nullptr) return;
    auto& watchdogs = pool_.watchdogs();
    for (std::size_t i = 0; i < watchdogs.size() && !is_watchdog(); ++i) {
        int before = vacant;
        // seq_cst: a store-load pair. This worker has left `awake` in park(), then loads the role. A watchdog that gets
        // tasks stores `vacant` in stop_being_watchdog(), then loads `awake` in wake_watchdog(). If both loads read the
        // old values, this worker would park without a role, and the other would run unwatched.
        if (watchdogs[i].load(std::memory_order_seq_cst) != vacant) continue;
        // seq_cst: one total order for all accesses to the roles. A failure means that another worker has the role.
        if (watchdogs[i].compare_exchange_strong(before, static_cast<int>(index_), std::memory_order_seq_cst))
            watchdog_slot_ = i;
    }
    if (!is_watchdog() || last_watch_ == now) return;
    if (last_activity_ == now) {                           // it has just parked
        if (now - last_watch_ < watchdog_lingers) return;  // a recent `seen_` is still good
        last_watch_ = now;
    } else {  // it was called half an interval ago
        last_watch_ = now - watchdog_interval / 2;
    }
    for (unsigned i = 0; i < pool_.size(); ++i) seen_[i] = look_at(pool_.at(i));
}

void worker::stop_being_watchdog() noexcept {
    // seq_cst: the store of two store-load pairs. The load that follows is awake() in become_watchdog() if the watchdog
    // resigns, and all_awake() in wake_watchdog() if it starts to run. See idle_workers::awake() and become_watchdog().
    pool_.watchdogs()[std::exchange(watchdog_slot_, no_watchdog_slot)].store(vacant, std::memory_order_seq_cst);
}

void worker::note_activity(time_point now) noexcept {
    if (now - last_activity_ > longest_pause) activity_began_ = now;
    last_activity_ = now;
}

/// Returns for how long a watchdog continues after the last activity. A running pool keeps its watchdogs, which saves a
/// wake-up at each start of a worker. A pool that only fires a timer from time to time does not: its watchdogs would
/// wake up 30 times for a timer of 50 ms.
std::chrono::nanoseconds worker::lingering() const noexcept {
    return std::min<std::chrono::nanoseconds>(last_activity_ - activity_began_, watchdog_lingers);
}

std::chrono::nanoseconds worker::watch_interval() const noexcept {
    return watchdog_slot_ == 0 ? watchdog_interval : second_watchdog_interval;
}

std::chrono::nanoseconds worker::time_to_watch(time_point now) const noexcept {
    constexpr std::chrono::nanoseconds at_once{1};  // zero would disarm the alarm
    return std::max<std::chrono::nanoseconds>(last_watch_ + watch_interval() - now, at_once);
}

/// Checks the other workers if the interval has passed. Returns true if nothing has happened for lingering(), so that
/// no watchdog is needed.
bool worker::watch_if_due(time_point now) noexcept {
    if (now - last_watch_ < watch_interval()) return false;
    last_watch_ = now;
    watch_others(now);
    // relaxed: a hint. become_watchdog() loads the role again.
    if (watchdog_slot_ != 0 && pool_.watchdogs()[0].load(std::memory_order_relaxed) == vacant) {
        stop_being_watchdog();
        become_watchdog(now);  // probably the first role. If another worker is faster, that worker watches
        if (!is_watchdog()) return false;
    }
    return !has_work() && pool_.idle().awake() == 0 && now - last_activity_ >= lingering();
}

worker::sight worker::look_at(const worker& other) noexcept {
    // relaxed: see worker_counters.
    return {other.counters_.polls.load(std::memory_order_relaxed),
            other.counters_.parks.load(std::memory_order_relaxed)};
}

void worker::watch_others(time_point now) noexcept {
    for (unsigned i = 0; i < pool_.size(); ++i) {
        worker& other = pool_.at(i);
        if (&other == this) continue;
        const sight seen = std::exchange(seen_[i], look_at(other));
        const bool is_parked = pool_.idle().is_parked(i);
        // A park alone is no activity: the other worker may be a watchdog, too.
        if (!is_parked || seen.polls != seen_[i].polls) note_activity(now);
        if (!is_parked && seen == seen_[i]) service_stalled(other);
    }
}

/// Services a stalled worker: takes some of its tasks, runs a driver tick for it, and fires its timers.
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
