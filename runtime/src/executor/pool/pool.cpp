// SPDX-License-Identifier: MIT
#include "executor/pool/pool.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "executor/reports/dump_on_signal.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/task/all_metrics.hpp"
#include "executor/task/hook.hpp"
#include "executor/task/owner_guard.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/spawn_time.hpp"
#include "executor/task/uncaught.hpp"
#include "reactor/choose.hpp"
#include "sys/affinity.hpp"
#include "sys/this_process.hpp"

namespace eddy::detail {
namespace {

constexpr unsigned most_workers = 0x7fff;  // idle_workers counts workers in 16 bits

// A worker registers a new socket with its driver, unless its driver has too many sources. A driver has too many
// sources if it has more than another driver, even after this number and an eighth of its own sources are subtracted.
constexpr std::size_t clearly_more = 8;

/// Returns how many workers share a driver. One of them that has nothing to do waits in the driver while the others
/// run. So few connections cause few context switches (compare/NOTES.md). More workers would contend for the driver
/// lock. A ring belongs to one thread, and the other drivers were not measured.
unsigned workers_per_driver(driver_kind kind) noexcept { return kind == driver_kind::epoll ? 8 : 1; }

atomic<std::uint64_t> next_pool_id{1};

result<unsigned> worker_count(std::optional<unsigned> chosen) noexcept {
    if (!chosen) {
        chosen = std::min(sys::processor_count(), most_workers);
        if (const char* const named = sys::environment("EDDY_WORKER_THREADS"); *named != '\0') {
            char* end = nullptr;
            const unsigned long count = std::strtoul(named, &end, 10);
            if (*end != '\0' || count == 0 || count > most_workers) {
                return std::unexpected(make_error_code(errc::bad_worker_count));
            }
            chosen = static_cast<unsigned>(count);
        }
    }
    return *chosen;
}

}  // namespace

// ---- Construction ----

result<pool*> pool::make(const runtime_builder& chosen) noexcept try {
    static_assert(runtime_builder::most_workers == most_workers);
    if (chosen.is_one_each_ || !chosen.processors_.empty()) {
        if (const auto known = sys::processors_of_this_thread(); !known) return std::unexpected(known.error());
    }
    const auto count = worker_count(chosen.worker_threads_);
    if (!count) return std::unexpected(count.error());
    std::vector<worker_events::io_share> drivers(*count);
    used_driver used;
    if (chosen.enable_io_) {
        const auto choice = choose_and_make(
            chosen.driver_, [&](driver_kind kind) { return make_drivers(drivers, kind, chosen.max_io_events_); });
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

result<void> pool::make_drivers(std::vector<worker_events::io_share>& drivers, driver_kind kind,
                                std::size_t max_events) noexcept {
    for (auto& driver : drivers) driver.reset();  // left by an attempt with another kind
    for (std::size_t i = 0; i < drivers.size(); ++i) {
        auto& driver = drivers[i];
        if (i % workers_per_driver(kind) != 0) {
            drivers[i - 1]->retain();
            driver.reset(drivers[i - 1].get());
            continue;
        }
        const auto made = io_handle::make(kind, max_events);
        if (!made) return std::unexpected(made.error());
        driver.reset(*made);
        // The alarm is for the watchdog worker. A pool with one worker has no watchdog.
        if (drivers.size() == 1) continue;
        if (auto alarm = driver->make_alarm(); !alarm) return std::unexpected(alarm.error());
    }
    return ok();
}

pool::pool(const runtime_builder& chosen, std::vector<worker_events::io_share>& drivers, const used_driver& used)
    : executor(false),
      settings_{observer::make(chosen.hooks_, chosen.poll_time_histogram_, chosen.task_statistics_),
                chosen.on_uncaught_,
                chosen.on_unobserved_error_,
                chosen.on_leaks_ ? *chosen.on_leaks_ : leak_handler_by_environment(),
                chosen.shutdown_on_uncaught_,
                chosen.global_interval_,
                chosen.event_interval_,
                chosen.has_lifo_slot_,
                chosen.thread_name_,
                guarded("thread_name()", chosen.name_thread_),
                chosen.stack_size_,
                chosen.processors_,
                chosen.is_one_each_},
      // relaxed: the numbers must only be distinct.
      id_(next_pool_id.fetch_add(1, std::memory_order_relaxed)),
      driver_(used),
      idle_(static_cast<unsigned>(drivers.size())),
      lists_(std::make_unique<task_list[]>(drivers.size() + lists_for_others)),
      listed_(inspect::executor_kind::pool, id_, lists_[0].ring(), drivers.size() + lists_for_others,
              sizeof(task_list)) {
    start_dumps_on_signal();
    const bool shares_io = drivers.size() > 1 && drivers[0] != nullptr && drivers[0] == drivers[1];
    const stall_settings stalls{chosen.stall_limit_, chosen.on_stall_, 2 * id_};
    const std::uint64_t seed = chosen.seed_.value_or(0x9e3779b97f4a7c15U);
    for (auto& driver : drivers) {
        const auto index = static_cast<unsigned>(workers_.size());
        workers_.push_back(std::make_unique<worker>(*this, index, std::move(driver), shares_io, seed, stalls));
    }
    forget_wakers_in_children();
    if (chosen.report_deadlocks_) deadlocks_.emplace();
    threads_.reserve(workers_.size());
    blocking_pool::settings blocking;
    blocking.max_threads = chosen.max_blocking_threads_;
    blocking.keep_alive = chosen.keep_alive_;
    blocking.stack_size = chosen.stack_size_;
    blocking.name_thread = settings_.name_thread;
    if (hooks() != nullptr) {
        blocking.on_thread_start = hooks()->thread_start;
        blocking.on_thread_stop = hooks()->thread_stop;
    }
    blocking_ = blocking_pool::make(std::move(blocking));
    listed_.show_metrics_of(*this);
}

pool::~pool() {
    // A thread that has notified a task may not have called schedule() yet.
    await_wakers_outside();
}

result<void> pool::start_threads() noexcept {
    for (const auto& each : workers_) {
        auto started = start_thread(*each, false);
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

/// Starts a thread that runs a worker: one of the pool's own threads, or a late one, for a worker that is offered.
result<sys::thread> pool::start_thread(worker& which, bool is_late) noexcept try {
    // Without a name, the thread names itself below.
    std::string name = settings_.name_thread ? std::string() : settings_.thread_name + std::to_string(which.index());
    retain();  // the thread's reference
    auto started = sys::start_thread(std::move(name), settings_.stack_size, [this, &which, is_late]() noexcept {
        const sys::thread_binding bound(settings_.processors_of(which.index()));
        if (settings_.name_thread) sys::name_this_thread(settings_.name_thread());
        if (hooks() != nullptr && hooks()->thread_start) hooks()->thread_start();
        is_late ? run_offered(which) : which.run();
        if (hooks() != nullptr && hooks()->thread_stop) hooks()->thread_stop();
        worker::leave_thread();
        is_late ? one_less(late_threads_) : thread_has_left();
        release();
    });
    if (!started) release();
    return started;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

void pool::release() noexcept {
    if (references_.drop()) delete this;
}

// ---- Tasks ----

void pool::adopt(spawned_task& task) noexcept {
    prepare(task);
    if (!enlist(task)) return refuse(task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->tasks().schedule(task) : inject(task);
}

void pool::prepare(spawned_task& task) noexcept {
    worker* const here = worker_of(*this);
    number_task(task.id);
    static_assert(most_workers + lists_for_others <= task_flags::most_lists);
    task.add_constant((here != nullptr ? here->index() : size() + task.id % lists_for_others) * task_flags::list_one);
    if (here == nullptr) return prepare_elsewhere(task);
    if (here->notes().looks_at_spawns() && here->notes().look_at_spawns()) [[unlikely]] {
        observe_spawn(task);
        here->notes().log().note_spawn(task);
    }
    here->notes().time_of_spawns().store_in(task);
}

/// The part of prepare() for a thread that is no worker of this pool.
void pool::prepare_elsewhere(spawned_task& task) noexcept {
    spawn_time::now().store_in(task);
    observe_spawn(task);
    if (is_noted_elsewhere()) [[unlikely]]
        note_spawn_elsewhere(task);
}

void pool::observe_spawn(const spawned_task& task) const noexcept {
    note_woken(task);
    if (hooks() != nullptr && hooks()->task_spawn) hooks()->task_spawn(task.id);
}

void pool::launch_child(spawned_task& task, bool is_listed) noexcept {
    if (!is_listed) return refuse(task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->tasks().schedule_child(task) : inject(task);
}

void pool::wake_scope_parent(waker&& parent) noexcept {
    worker* const here = this_thread.worker;
    here != nullptr ? here->tasks().wake_scope_parent(std::move(parent)) : std::move(parent).wake();
}

/// Destroys a task that a closing pool does not accept. Releases the references of the list and of the queue.
void pool::refuse(spawned_task& task) noexcept {
    detail::release(task);
    give_up(task);
}

void pool::schedule(spawned_task& task) noexcept {
    worker* const here = worker_of(*this);
    if (here != nullptr) {
        if (here->notes().is_observed()) [[unlikely]]
            here->notes().note_woken(task);
        return here->tasks().schedule_woken(task);
    }
    if (is_noted_elsewhere()) [[unlikely]]
        note_elsewhere(trace::event_kind::wake, task.id);
    note_woken(task);
    inject(task);
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
    if (const auto sleeper = idle_.worker_to_notify()) workers_[*sleeper]->events().unpark();
}

bool pool::has_queued_work() const noexcept {
    if (!injected_.is_empty()) return true;
    return std::any_of(workers_.begin(), workers_.end(),
                       [](const auto& each) { return each->tasks().can_be_stolen(); });
}

void pool::wake_watchdog() noexcept {
    // seq_cst: the load of a store-load pair with watchdog::resign(). The word of idle_workers already
    // counts this worker as awake. See idle_workers::awake().
    for (const auto& watchdog : watchdogs_) {
        if (watchdog.load(std::memory_order_seq_cst) >= 0) return;
    }
    if (idle_.all_awake()) return;
    if (const auto sleeper = idle_.any_sleeper()) workers_[*sleeper]->events().call_as_watchdog();
}

[[gnu::always_inline]] inline bool pool::remove(spawned_task& task) noexcept {
    if (settings_.observes != nullptr) [[unlikely]]
        observe_end(task);
    return !is_in_child() && list_of(task).remove(task);
}

[[gnu::cold]] void pool::observe_end(spawned_task& task) const noexcept {
    if (settings_.observes->hooks.task_terminate) settings_.observes->hooks.task_terminate(task.id);
    if (settings_.observes->accounts != nullptr) settings_.observes->accounts->forget(task);
}

void pool::complete(spawned_task& task, std::uint64_t references) noexcept {
    complete_task(*this, task, references);
    // acquire: pairs with the store in notify_on_each_end(). The lock of the list orders them: if remove() came after
    // synchronize(), this load sees the flag; otherwise the waiter counts the task as ended.
    if (idleness_.is_awaited.load(std::memory_order_acquire)) [[unlikely]]
        after_end();
}

void pool::destroy(spawned_task& task, std::uint64_t references) noexcept { destroy_task(*this, task, references); }

void pool::give_up(spawned_task& task) noexcept { give_up_task(*this, task); }

void pool::report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    const bool was_thrown = failure.thrown != nullptr;
    pass_on(failure, where, name, settings_.on_uncaught, settings_.on_unobserved_error);
    if (was_thrown && settings_.shuts_down_on_uncaught) begin_shutdown();
}

// ---- I/O and time ----

io_handle* pool::io_for_new_source() noexcept {
    if (workers_[0]->events().io() == nullptr) return nullptr;
    const worker* const here = worker_of(*this);
    const unsigned workers_per = workers_per_driver(*driver_.kind);
    const unsigned drivers = (size() + workers_per - 1) / workers_per;
    const auto driver = [&](unsigned i) { return workers_[i % drivers * workers_per]->events().io(); };
    // Compares with at most two other drivers, chosen in rotation. This keeps the balance ("the power of two choices",
    // Mitzenmacher 1996) at a cost that does not depend on the number of workers.
    // relaxed: any number will do.
    const unsigned start = next_driver_.fetch_add(1, std::memory_order_relaxed);
    io_handle* best = here != nullptr ? here->events().io() : driver(start);
    std::size_t best_load = best->load();
    if (here != nullptr) best_load -= std::min(best_load, best_load / 8 + clearly_more);
    for (unsigned i = 1; i <= std::min(2u, drivers - 1); ++i) {
        io_handle* const other = driver(start + i);
        if (const std::size_t load = other->load(); other != best && load < best_load) {
            best = other;
            best_load = load;
        }
    }
    return best;
}

time_driver& pool::any_time_driver() noexcept {
    // relaxed: any number will do.
    return workers_[next_driver_.fetch_add(1, std::memory_order_relaxed) % size()]->events().time();
}

// ---- Metrics ----

runtime_metrics pool::metrics() const {
    std::vector<worker_metrics> workers;
    workers.reserve(size());
    const io_handle* last_io = nullptr;
    for (const auto& each : workers_) {
        const auto& counted = each->notes().statistics().counters();  // relaxed loads: see worker_counters
        worker_metrics one;
        one.polls = counted.polls.load(std::memory_order_relaxed);
        one.steals = counted.steals.load(std::memory_order_relaxed);
        one.overflows = counted.overflows.load(std::memory_order_relaxed);
        one.parks = counted.parks.load(std::memory_order_relaxed);
        one.forced_yields = counted.forced_yields.load(std::memory_order_relaxed);
        one.busy = each->notes().statistics().busy();
        one.queued = each->tasks().size();
        if (const auto* const durations = each->notes().statistics().durations()) {
            one.poll_times = durations->poll_times.read();
            one.schedule_latencies = durations->schedule_latencies.read();
        }
        const stall_counters stalls = each->notes().stalls().counters();
        one.stalls = stalls.stalls;
        one.stall_times = stalls.times;
        if (each->events().io() != last_io) {  // workers that share a driver follow each other
            last_io = each->events().io();
            one.sources = last_io->load();
            one.io = last_io->metrics();
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

void pool::add_metrics_to(all_metrics& all) const { all.pools.emplace_back(id_, metrics()); }

// ---- Entry points for templates and other files ----

void retain(pool& shared) noexcept { shared.retain(); }
void release(pool& shared) noexcept { shared.release(); }
spawned_task_owner& owner_of(pool& shared) noexcept { return shared; }

}  // namespace eddy::detail
