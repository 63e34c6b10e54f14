// SPDX-License-Identifier: MIT
#include "executor/pool/pool.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "executor/reports/dump_on_signal.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/task/hook.hpp"
#include "executor/task/owner_guard.hpp"
#include "executor/task/registry.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/uncaught.hpp"
#include "reactor/choose.hpp"
#include "reactor/io_handle.hpp"
#include "sys/affinity.hpp"
#include "sys/this_process.hpp"

namespace eddy::detail {
namespace {

constexpr unsigned most_workers = 0x7fff;  // idle_workers counts workers in 16 bits

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
    worker_drivers drivers;
    drivers.each.resize(*count);
    if (chosen.enable_io_) {
        const auto choice = choose_and_make(
            chosen.driver_, [&](driver_kind kind) { return drivers.make(kind, chosen.max_io_events_); });
        if (!choice) return std::unexpected(choice.error());
        drivers.kind = choice->kind;
        drivers.why = choice->why;
    }
    pool* const made = new pool(chosen, drivers);
    if (auto started = made->threads().start_all(); !started) {
        made->shutdown().wait(std::nullopt);
        made->release();
        return std::unexpected(started.error());
    }
    return made;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

pool::pool(const runtime_builder& chosen, worker_drivers& drivers)
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
      watch_(settings_.observes.get()),
      // relaxed: the numbers must only be distinct.
      id_(next_pool_id.fetch_add(1, std::memory_order_relaxed)),
      workers_(drivers),
      threads_(*this, drivers.each.size()),
      tasks_(id_, static_cast<unsigned>(drivers.each.size())) {
    start_dumps_on_signal();
    const stall_settings stalls{chosen.stall_limit_, chosen.on_stall_, 2 * id_};
    workers_.add_workers(*this, drivers, chosen.seed_.value_or(0x9e3779b97f4a7c15U), stalls);
    forget_wakers_in_children();
    if (chosen.report_deadlocks_) deadlocks_.emplace();
    blocking_pool::settings blocking;
    blocking.max_threads = chosen.max_blocking_threads_;
    blocking.keep_alive = chosen.keep_alive_;
    blocking.stack_size = chosen.stack_size_;
    blocking.name_thread = settings_.name_thread;
    if (const runtime_hooks* const hooks = settings_.hooks()) {
        blocking.on_thread_start = hooks->thread_start;
        blocking.on_thread_stop = hooks->thread_stop;
    }
    blocking_ = blocking_pool::make(std::move(blocking));
    tasks_.show_metrics(*this);
}

pool::~pool() {
    // A thread that has notified a task may not have called schedule() yet.
    await_wakers_outside();
}

void pool::release() noexcept {
    if (references_.drop()) delete this;
}

// ---- Tasks ----

namespace {

/// Destroys a task that a closing pool does not accept. Releases the references of the list and of the queue.
void refuse(pool& closing, spawned_task& task) noexcept {
    release(task);
    closing.give_up(task);
}

}  // namespace

void pool::adopt(spawned_task& task) noexcept {
    prepare(task);
    if (!enlist(task)) return refuse(*this, task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->tasks().schedule(task) : inject(task);
}

void pool::prepare(spawned_task& task) noexcept {
    worker* const here = worker_of(*this);
    number_task(task.id);
    static_assert(most_workers + pool_tasks::lists_for_others <= task_flags::most_lists);
    if (here == nullptr) {
        tasks_.choose_list_for_others(task);
        return watch_.spawned(task);
    }
    pool_tasks::choose_list_of_worker(task, here->index());
    here->spawned(task);
}

void pool::launch_child(spawned_task& task, bool is_listed) noexcept {
    if (!is_listed) return refuse(*this, task);
    worker* const here = worker_of(*this);
    here != nullptr ? here->tasks().schedule_child(task) : inject(task);
}

void pool::wake_scope_parent(waker&& parent) noexcept {
    worker* const here = worker_of(*this);
    here != nullptr ? here->tasks().wake_scope_parent(std::move(parent)) : std::move(parent).wake();
}

void pool::schedule(spawned_task& task) noexcept {
    worker* const here = worker_of(*this);
    if (here != nullptr) return here->schedule_woken(task);
    watch_.woken(task);
    inject(task);
}

void pool::inject(spawned_task& task) noexcept {
    // A forked child has no thread to run the task. It must not be destroyed either, because it may have been in the
    // middle of a poll at the fork.
    if (is_in_child()) return;
    if (workers_.injected().push(task)) {
        workers_.notify_one();
    } else {
        give_up(task);
    }
}

[[gnu::always_inline]] inline bool pool::remove(spawned_task& task) noexcept {
    watch_.ended(task);
    return !is_in_child() && tasks_.remove(task);
}

void pool::complete(spawned_task& task, std::uint64_t references) noexcept {
    complete_task(*this, task, references);
    idleness_.note_end();
}

void pool::destroy(spawned_task& task, std::uint64_t references) noexcept { destroy_task(*this, task, references); }

void pool::give_up(spawned_task& task) noexcept { give_up_task(*this, task); }

void pool::report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    const bool was_thrown = failure.thrown != nullptr && !is_of_shutdown(failure);
    pass_on(failure, where, name, settings_.on_uncaught, settings_.on_unobserved_error);
    if (was_thrown && settings_.shuts_down_on_uncaught) shutdown_.begin();
}

// ---- I/O ----

io_handle* pool::io_for_new_source() noexcept { return workers_.io_for_new_source(worker_of(*this)); }

// ---- Metrics ----

runtime_metrics pool::metrics() const {
    std::vector<worker_metrics> workers;
    workers.reserve(workers_.size());
    const io_handle* last_io = nullptr;
    for (const auto& each : workers_) {
        worker_metrics one;
        each->watch().add_to_metrics(one);
        one.queued = each->tasks().size();
        if (each->events().io() != last_io) {  // workers that share a driver follow each other
            last_io = each->events().io();
            one.sources = last_io->load();
            one.io = last_io->metrics();
        }
        workers.push_back(one);
    }
    runtime_metrics all(std::move(workers));
    all.driver = workers_.driver();
    all.why_driver = workers_.why_driver();
    std::uint64_t ended = 0;
    for (const task_list& each : tasks_.lists()) ended += each.ended();
    for (const task_list& each : tasks_.lists()) all.spawned_tasks += each.spawned();
    all.alive_tasks = all.spawned_tasks - ended;
    all.injection_queue_depth = workers_.injected().size();
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
