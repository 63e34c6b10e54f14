// SPDX-License-Identifier: MIT
#include <chrono>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/uncaught.hpp"

// The part of an event loop that starts, queues, polls and ends its tasks.

namespace eddy::detail {

// While both queues hold tasks, one of this many polls takes one from the run queue, the others from the child queue.
constexpr unsigned core_child_fairness = 2;

// ---- New tasks ----

/// The part of enlist() for the first spawn after a driver tick, for all that are made while the loop does not run, and
/// for a loop that is observed or cancels all tasks.
[[gnu::cold]] void core_shared::look_at_spawn(spawned_task& task) noexcept {
    spawn_time_ = spawn_time::now();
    looks_at_spawns_ = is_observed_ || is_ending_ || !is_running();
    if (is_ending_) task.local |= task_flags::cancelled;
    if (log_.is_on()) log_.note_spawn(task);
    if (settings_.observes == nullptr) return;
    settings_.observes->note_woken(task);
    if (task.id != 0 && settings_.observes->hooks.task_spawn) settings_.observes->hooks.task_spawn(task.id);
}

void core_shared::adopt(spawned_task& task) noexcept {
    prepare(task);
    static_cast<void>(enlist(task));
    queue_.push(task);
}

void core_shared::launch_child(spawned_task& task, bool) noexcept { children_.push(task); }

bool core_shared::send_new(spawned_task& task) noexcept {
    local_word::divide_for_inbound(task);
    if (send(task)) return true;
    // The references of the list and of the inbound list.
    static_cast<void>(local_state_of(task).transition_to_shutdown());
    destroy(task, 2);
    return false;
}

// ---- Queues ----

void core_shared::schedule(spawned_task& task) noexcept {
    if (is_running()) return schedule_here(task);
    if (settings_.observes != nullptr) settings_.observes->note_woken(task);
    if (!send(task)) detail::release(task);  // the loop is closed: its tasks are destroyed, or will be on its thread
}

void core_shared::wake_scope_parent(waker&& parent) noexcept {
    woken_ |= are_children;
    std::move(parent).wake();
    woken_ &= are_noted;
}

/// The part of schedule_here() for a loop whose log is on, or that measures its tasks.
[[gnu::cold, gnu::noinline]] void core_shared::note_woken(spawned_task& task) noexcept {
    log_.note(trace::event_kind::wake, number_in_log(task));
    if (settings_.observes != nullptr) settings_.observes->note_woken(task);
    (woken_ & are_children) != 0 ? children_.push(task) : queue_.push(task);
}

bool core_shared::send(spawned_task& task) noexcept {
    if (is_copy_in_child()) return false;  // a wake-up would reach the parent's loop
    using pushed = decltype(inbound_)::pushed;
    const pushed how = inbound_.push(task);
    if (how == pushed::owner_is_parked) place_->unpark();
    return how != pushed::refused;
}

/// Queues at most `most` tasks that other threads have sent. The others wait for a later call, so that a timer's task
/// is not queued behind all of them: threads may send faster than the loop polls.
void core_shared::drain_inbound(std::size_t most) noexcept {
    if (arrived_ == nullptr) arrived_ = inbound_.take();
    for (; arrived_ != nullptr && most != 0; --most) arrive(*std::exchange(arrived_, arrived_->next_inbound));
}

/// Queues all tasks that other threads have sent before this call.
void core_shared::drain_all_inbound() noexcept {
    constexpr std::size_t no_limit = -1;
    if (arrived_ != nullptr) drain_inbound(no_limit);
    drain_inbound(no_limit);
}

/// Moves what other threads have recorded in the shared word of a task to its local word: a wake-up, an abort, or both.
/// The inbound list's reference ends.
void core_shared::arrive(spawned_task& task) noexcept {
    if (!live_list::was_added(task)) static_cast<void>(enlist(task));
    const std::uint64_t sent = state_of(task).take_from_inbound();
    if (is_local(task)) {
        auto state = local_state_of(task);
        auto action = task_flags::wake_action::none;
        if ((sent & task_flags::cancelled) != 0) action = state.transition_to_cancelled();
        // The bit stays in the shared word, so it may be that of an earlier abort, or both were sent.
        if (action == task_flags::wake_action::none) action = state.wake_by_ref();
        if (action == task_flags::wake_action::submit) {
            if (is_observed_) log_.note(trace::event_kind::wake, number_in_log(task));
            queue_.push(task);
        }
    }
    detail::release(task);
}

/// Removes the next task; returns null if there is none. Alternates between the two queues. Otherwise children that
/// start more children (newest first) would overtake all tasks that were queued before.
inline spawned_task* core_shared::pop_queued() noexcept {
    if (children_.is_empty()) return queue_.pop();
    const bool takes_child = queue_.is_empty() || ++child_streak_ % core_child_fairness != 0;
    return takes_child ? children_.pop() : queue_.pop();
}

// ---- Polls ----

/// Polls the tasks of a loop, one after the other: the policy of run_task(). Its waker, context and mark of the polled
/// task are made once for many polls.
class core_shared::poller {
public:
    using word = local_word;

    explicit poller(core_shared& loop) noexcept
        : loop_(loop), waker_(&spawned_task_waker, nullptr), context_(waker_.get()) {}

    [[nodiscard, gnu::always_inline]] poll_end poll(spawned_task& task) noexcept {
        ++loop_.counters_.polls;
        // SAFETY: run_task() holds the queue's reference during the poll, so the borrowed waker needs none.
        waker_.point_to(&task);
        context_.restore_budget();
        context_access::set_call_site(context_, nullptr);  // the last co_await of another task
        here_.mark(&task);
        const bool has_ended = poll_work(task, context_);
        here_.mark(nullptr);
        return has_ended ? poll_end::has_ended : poll_end::waits;
    }
    void queue_again(spawned_task& task) noexcept { loop_.queue_.push(task); }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return false; }
    [[nodiscard]] core_shared& owner() noexcept { return loop_; }

private:
    core_shared& loop_;
    borrowed_waker waker_;
    context context_;
    polled_task here_;
};

/// A poller that notes events, and measures the polls.
class core_shared::noting_poller {
public:
    using word = local_word;

    explicit noting_poller(poller& polls) noexcept : polls_(polls), log_(polls.owner().log_) {}

    [[nodiscard]] poll_end poll(spawned_task& task) noexcept {
        log_.note(trace::event_kind::poll_begin, number_in_log(task));
        const poll_end ended = observer::measured(
            owner().observed_by(), task, owner().durations_.get(), [&] { return polls_.poll(task); },
            [] { return true; });
        log_.note(trace::event_kind::poll_end, number_in_log(task), ended == poll_end::has_ended ? 1 : 0);
        return ended;
    }
    void queue_again(spawned_task& task) noexcept {
        log_.note(trace::event_kind::wake, number_in_log(task));
        polls_.queue_again(task);
    }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return poller::destroys_cancelled(); }
    [[nodiscard]] core_shared& owner() noexcept { return polls_.owner(); }

private:
    poller& polls_;
    event_log& log_;
};

/// Runs up to `most` queued tasks, or until `stop`.
void core_shared::run_some(std::size_t most, const bool& stop) noexcept {
    poller with(*this);
    spawned_task* next = nullptr;
    update_observed();
    if (is_observed_) [[unlikely]] {
        for (; most > 0 && !stop && (next = pop_queued()); --most) run_observed(*next, with);
    } else {
        for (; most > 0 && !stop && (next = pop_queued()); --most) run_task(with, *next);
    }
}

/// Runs the tasks that are queued now, but not those that are queued meanwhile.
void core_shared::run_queued() noexcept {
    poller with(*this);
    update_observed();
    while (spawned_task* const child = children_.pop()) queue_.push(*child);
    const spawned_task* const last = queue_.back();
    for (bool more = last != nullptr; more;) {
        spawned_task& task = *queue_.pop();
        more = &task != last;
        is_observed_ ? run_observed(task, with) : run_task(with, task);
    }
}

/// Runs a task, notes events, calls the hooks, and measures the poll.
[[gnu::noinline]] void core_shared::run_observed(spawned_task& task, poller& with) noexcept {
    noting_poller noting(with);
    if (settings_.observes == nullptr) return run_task(noting, task);
    const std::uint64_t unpolled = task_flags::complete | task_flags::cancelled;
    const bool is_polled = (task.local & unpolled) == 0;
    const task_id id = is_polled ? task.id : 0;  // the task may be freed by the poll
    const runtime_hooks& hooks = settings_.observes->hooks;
    if (id != 0 && hooks.before_task_poll) hooks.before_task_poll(id);
    run_task(noting, task);
    if (id != 0 && hooks.after_task_poll) hooks.after_task_poll(id);
}

// ---- The end of tasks ----

[[gnu::always_inline]] inline bool core_shared::remove(spawned_task& task) noexcept {
    if (settings_.observes != nullptr) [[unlikely]]
        observe_end(task);
    return live_.remove(task);
}

[[gnu::cold]] void core_shared::observe_end(spawned_task& task) noexcept {
    if (task.id != 0 && settings_.observes->hooks.task_terminate) settings_.observes->hooks.task_terminate(task.id);
    if (settings_.observes->accounts != nullptr) settings_.observes->accounts->forget(task);
}

void core_shared::complete(spawned_task& task, std::uint64_t references) noexcept {
    complete_task(*this, task, references);
}

void core_shared::destroy(spawned_task& task, std::uint64_t references) noexcept {
    destroy_task(*this, task, references);
}

void core_shared::report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    pass_on(failure, where, name, settings_.on_uncaught, settings_.on_unobserved_error);
}

/// Destroys a task that is not being polled. The caller has no reference.
void core_shared::destroy_listed(spawned_task& task) noexcept {
    auto state = local_state_of(task);
    state.add_reference();  // see task_flags
    EDDY_ASSERT(state.transition_to_shutdown(), "core: a task is destroyed during its poll");
    destroy(task, 1);
}

/// Destroys all tasks of a loop that closes.
void core_shared::destroy_tasks() noexcept {
    while (spawned_task* const task = live_.front()) destroy_listed(*task);
    while (spawned_task* const task = pop_queued()) give_up_task(*this, *task);  // all queued tasks are complete
}

// ---- Entry points for templates and other files ----

spawned_task_owner& owner_of(core_shared& loop) noexcept { return loop; }
bool send_task(core_shared& loop, spawned_task& task) noexcept { return loop.send_new(task); }

}  // namespace eddy::detail
