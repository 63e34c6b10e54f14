// SPDX-License-Identifier: MIT
#include "executor/local/local_tasks.hpp"

#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/task_local.hpp>

#include "executor/task/owner_guard.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy::detail {
namespace {

/// Maximum number of polls in one poll of the set. Then the driving task yields.
constexpr unsigned polls_in_a_row = 61;

}  // namespace

// ---- inside_local ----

inside_local::inside_local(local_tasks& tasks) noexcept
    : tasks_(tasks),
      outer_(std::exchange(this_thread.local_set, &tasks)),
      outer_polled_(std::exchange(this_thread.polled_local_set, &tasks)),
      // relaxed, here and below: one thread at a time stores it. Other threads only compare it, to detect misuse.
      outer_polled_on_(tasks.polled_on_.load(std::memory_order_relaxed)) {
    tasks.polled_on_.store(this_thread_mark(), std::memory_order_relaxed);
}

inside_local::~inside_local() {
    tasks_.polled_on_.store(outer_polled_on_, std::memory_order_relaxed);
    this_thread.polled_local_set = outer_polled_;
    this_thread.local_set = outer_;
}

// ---- Any thread ----

void local_tasks::release() noexcept {
    if (!references_.drop()) return;
    // A thread that has notified a task may not have called schedule() yet.
    await_wakers_outside();
    delete this;
}

std::size_t local_tasks::load() const noexcept {
    // The ended tasks are read first, and their starts are visible then, so the difference cannot be negative.
    const std::uint64_t ended = tasks_.ended();
    return sent_.load(std::memory_order_relaxed) + tasks_.spawned() - ended;  // relaxed: a statistic
}

void local_tasks::adopt(spawned_task& task) noexcept {
    number_task(task.id);
    this_thread.polled_local_set == this ? watch_.spawned(task) : local_watch::spawned_elsewhere(task);
    if (this_thread.polled_local_set == this && !is_closing_) {
        enlist(task);
        return queue_.push(task);
    }
    // relaxed: a statistic. Counted before send(), and so before the task can end.
    sent_.fetch_add(1, std::memory_order_relaxed);
    if (this_thread.polled_local_set != this && inbox_.send(task)) return;
    // The set is closed, or closes at this moment and one of its tasks spawns this task. So the task is destroyed. The
    // references of the list and of the queue are released.
    sent_.fetch_sub(1, std::memory_order_relaxed);
    static_cast<void>(state_of(task).transition_to_running());
    destroy_task(*this, task, 2);
}

void local_tasks::schedule(spawned_task& task) noexcept {
    if (this_thread.polled_local_set == this) return queue_.push(task);
    // A closed set refuses the task. Its tasks have been destroyed, and only the queue's reference is left.
    if (!inbox_.send(task)) give_up_task(*this, task);
}

// ---- Drivers ----

void local_tasks::leave(local_driver& driver) noexcept {
    inbox_.leave(driver);
    // Another driver must poll these tasks: this driver may be the only one that was woken for them, or its own poll
    // may have woken the tasks.
    if (has_queued()) inbox_.wake_drivers();
}

bool local_tasks::has_queued() noexcept { return !inbox_.is_empty() || !queue_.is_empty(); }

// relaxed: the value is only compared. A thread that polls the set reads its own store.
bool local_tasks::is_polled() const noexcept { return polled_on_.load(std::memory_order_relaxed) != nullptr; }

void local_tasks::check_driver(std::source_location where) const {
    // relaxed: the value is only compared. Misuse on another thread is not always detected.
    const void* const polled_on = polled_on_.load(std::memory_order_relaxed);
    if (polled_on == nullptr || polled_on == this_thread_mark()) return;
    throw misuse(
        "a local_set was driven although it is driven by another thread at this moment: its tasks belong to one thread "
        "at a time, so drive it by one task, or by several of one loop (core)",
        where);
}

void local_tasks::drive(local_driver& driver, context& cx) noexcept {
    if (is_polled()) return;  // called by one of the set's own tasks; the set is being driven
    poll_some();
    if (tasks_.is_empty()) inbox_.wake_all_at_end(nullptr);
    if (!queue_.is_empty() || !inbox_.wait(driver, cx.waker())) cx.waker().wake_by_ref();
}

bool local_tasks::drive_to_end(context& cx) {
    check_driver(cx.where());
    if (is_polled()) {
        throw misuse(
            "a local_set was awaited by one of its own tasks, which would wait for itself: await it outside, and the "
            "join handles of single tasks here",
            cx.where());
    }
    poll_some();
    if (tasks_.is_empty()) {
        // Wakes the other futures that wait for the end. This one is ready, unless more tasks have been sent meanwhile.
        inbox_.wake_all_at_end(&cx.waker());
        if (!has_queued()) return true;
    } else if (queue_.is_empty() && inbox_.wait(inbox_.end_driver_for(cx.waker()), cx.waker())) {
        return false;
    }
    // Other drivers are woken as well, because this future may be dropped before its next poll.
    inbox_.wake_drivers();
    cx.waker().wake_by_ref();
    return false;
}

void local_tasks::cancel_all() noexcept {
    if (is_polled()) return;
    const inside_local guard(*this);
    drain();
    abort_batch tasks;  // its destructor queues the tasks
    tasks_.for_each([&](spawned_task& task) { tasks.add(task); });
}

void local_tasks::close() noexcept {
    if (is_polled())
        polled_task::fatal_misuse_here("a local_set was destroyed by one of its own tasks, or by what they called");
    is_closing_ = true;
    const inside_local guard(*this);
    const hidden_task_locals unbound;
    for (bool is_open = true; is_open;) {
        drain();
        if (spawned_task* const task = tasks_.pop()) {
            EDDY_ASSERT(state_of(*task).transition_to_shutdown(), "local_tasks: a task is polled by another thread");
            destroy_task(*this, *task, 1);
        } else if (spawned_task* const queued = queue_.pop()) {
            give_up_task(*this, *queued);
        } else {
            is_open = !inbox_.close_if_empty();
        }
    }
}

// ---- Tasks ----

/// Moves the tasks of the inbound list to the queue.
void local_tasks::drain() noexcept {
    local_inbox::queue arrived = inbox_.take();
    while (spawned_task* const task = arrived.pop()) {
        if (!task_list::was_added(*task)) {
            enlist(*task);
            sent_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a statistic
        }
        queue_.push(*task);
    }
}

void local_tasks::enlist(spawned_task& task) noexcept {
    static_cast<void>(tasks_.add(task));  // the list is never closed
}

bool local_tasks::remove(spawned_task& task) noexcept { return tasks_.remove(task); }

void local_tasks::poll_some() noexcept {
    const inside_local guard(*this);
    const hidden_task_locals unbound;
    watch_.begin_poll();
    drain();
    for (unsigned i = 0; i < polls_in_a_row; ++i) {
        spawned_task* next = queue_.pop();
        if (next == nullptr) {
            drain();
            next = queue_.pop();
            if (next == nullptr) return;
        }
        run_task(*this, *next);
    }
}

poll_end local_tasks::poll(spawned_task& task) noexcept {
    // SAFETY: run_task() holds the queue's reference during the poll, so the borrowed waker needs none.
    const borrowed_waker waker(&spawned_task_waker, &task);
    context cx(waker.get());
    return poll_once(task, cx);
}

void local_tasks::complete(spawned_task& task, std::uint64_t references) noexcept {
    complete_task(*this, task, references);
}

void local_tasks::report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    report_failure_here(std::move(failure), where, name);
}

// ---- Entry points for templates and other files ----

local_tasks& make_local_tasks() {
    forget_wakers_in_children();
    return *new local_tasks;
}
void retain(local_tasks& tasks) noexcept { tasks.retain(); }
void release(local_tasks& tasks) noexcept { tasks.release(); }
spawned_task_owner& owner_of(local_tasks& tasks) noexcept { return tasks; }
std::size_t load_of(const local_tasks& tasks) noexcept { return tasks.load(); }
void close(local_tasks& tasks) noexcept { tasks.close(); }
void leave(local_tasks& tasks, local_driver& driver) noexcept { tasks.leave(driver); }
void check_driver(const local_tasks& tasks, std::source_location where) { tasks.check_driver(where); }
void drive(local_tasks& tasks, local_driver& driver, context& cx) noexcept { tasks.drive(driver, cx); }
bool drive_to_end(local_tasks& tasks, context& cx) { return tasks.drive_to_end(cx); }
void cancel_all(local_tasks& tasks) noexcept { tasks.cancel_all(); }

spawned_task_owner& current_local_owner(std::source_location where) {
    if (this_thread.local_set != nullptr) return *this_thread.local_set;
    executor* const here = this_thread.executor.runs;
    if (here != nullptr && here->is_loop()) return *here;
    throw misuse(
        "spawn_local needs a local_set, or a loop (core), on this thread: call it inside local_set::run_until() or one "
        "of the set's tasks, or use spawn() if the work may run on any thread",
        where);
}

}  // namespace eddy::detail

namespace eddy {

local_enter_guard::local_enter_guard(detail::local_share entered, std::source_location where) noexcept
    : entered_(std::move(entered)),
      entered_at_(where),
      outer_(std::exchange(detail::this_thread.local_set, entered_.get())) {}

local_enter_guard::~local_enter_guard() {
    if (detail::this_thread.local_set != entered_.get()) {
        detail::fatal_misuse(
            "guards of local_set::enter() were not destroyed in the reverse order of their creation: give each guard "
            "its own scope, without a co_await. The guard of this enter() was destroyed too early",
            entered_at_);
    }
    detail::this_thread.local_set = outer_;
}

}  // namespace eddy
