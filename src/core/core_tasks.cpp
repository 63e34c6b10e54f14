// SPDX-License-Identifier: MIT
#include "core/core_shared.hpp"

#include <chrono>
#include <utility>

#include <eddy/detail/await_record.hpp>
#include <eddy/detail/core_spawn.hpp>

#include "runtime/run_task.hpp"
#include "runtime/runtime_context.hpp"

// The part of an event loop that starts, polls and ends its tasks.

namespace eddy::inline v0_1::detail {

// While both queues hold tasks, one of this many polls takes a task from the run queue, the others from the child
// queue.
constexpr unsigned core_child_fairness = 2;

// Maximum depth of tasks that run inside the polls of their joiners, to limit the use of the native stack.
constexpr unsigned most_within = 4;

// SAFETY: is_joined, which the caller has checked, is set only by the constructor of core_joined.
static core_joined& as_joined(core_task& task) noexcept { return static_cast<core_joined&>(task); }

void core_shared::adopt(core_task& task) noexcept {
    live_.push(task);
    queue_.push(task);
    if (looks_at_spawns_) [[unlikely]]
        return look_at_spawn(task);
    if (task.is_joined) number_task(as_joined(task).id);
}

void core_shared::destroy(core_task& task) noexcept {
    const without_task_locals unbound;
    finish(task);
}

/// Removes the next task; returns null if there is none. Alternates between the two queues. Otherwise children that
/// start more children (newest first) would overtake all tasks that were queued before.
inline core_task* core_shared::pop_queued() noexcept {
    if (children_.is_empty()) return queue_.pop();
    const bool takes_child = queue_.is_empty() || ++child_streak_ % core_child_fairness != 0;
    return takes_child ? children_.pop() : queue_.pop();
}

/// The waker, context and result slot with which a loop polls its tasks. Created once for many polls, which saves a
/// construction in each poll. The tasks share the result slot, because most polls produce no outcome.
class core_shared::poller {
public:
    poller() noexcept : waker_(&core_waker, nullptr), context_(waker_.get()) {}

    [[nodiscard]] context& prepare(core_task& task) noexcept {
        ++polls_;
        // SAFETY: the loop keeps the task alive during the poll, so the borrowed waker needs no reference.
        waker_.point_to(&task);
        context_.restore_budget();
        return context_;
    }

    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }

    /// The result slot of a task<void>. Empty between polls.
    [[nodiscard]] slot<void>& outcome() noexcept { return outcome_; }
    void forget_outcome() noexcept {
        std::destroy_at(&outcome_);
        std::construct_at(&outcome_);
    }

private:
    borrowed_waker waker_;
    context context_;
    std::uint64_t polls_ = 0;
    slot<void> outcome_;
};

/// Adds the owner half of the reference count to the remote half, and frees the task if there are no references.
inline void core_shared::merge(core_task& task) noexcept {
    // acquire: pairs with the release in drop_remote(). Usually there are no references, so no thread can make one.
    if (task.local_refs == 0 && task.remote.load(std::memory_order_acquire) == 0) {
        task.ops().free_memory(task);
    } else {
        merge_references(task);
    }
}

/// Polls up to `left` queued tasks, or until `stop`. Polls in run_or_wait() count, too.
void core_shared::run_some(std::size_t left, const bool& stop) noexcept {
    poller with;
    core_task* next = nullptr;
    polls_left_ = &left;
    if (observes_ != nullptr) [[unlikely]] {
        for (; left > 0 && !stop && (next = pop_queued()); --left) run_observed(*next, with);
    } else {
        for (; left > 0 && !stop && (next = pop_queued()); --left) run_task(*next, with);
    }
    polls_left_ = nullptr;
    polls_ += with.polls();
}

bool core_shared::keep_joiner(core_joined& task, core_task& joiner) noexcept {
    keep_waker_of(joiner, task.join_waker);
    // relaxed, both: only the loop, which runs on this thread, also reads the field or changes the word.
    const std::uint8_t word = task.join_word.load(std::memory_order_relaxed);
    task.join_word.store(word | core_joined::has_waker, std::memory_order_relaxed);
    return false;
}

bool core_shared::run_or_wait(core_joined& next, core_task& joiner) noexcept {
    // The next task may destroy a scope. So the joiner must not be a child, which would be destroyed while it is
    // polled. The hooks of a loop are called for one task at a time. With records of awaits, the joiner suspends first,
    // so that there is a record of its await while the next task runs. relaxed: as in check_not_awaited().
    if (next.is_cancelled || next.root == nullptr || polls_left_ == nullptr || *polls_left_ == 1 ||
        within_depth_ == most_within || joiner.ops().is_child || observes_ != nullptr ||
        has_await_records.load(std::memory_order_relaxed))
        return keep_joiner(next, joiner);
    static_cast<void>(queue_.pop());
    --*polls_left_;
    ++within_depth_;
    ++polls_;
    // There are no task-local values to hide: they are bound in polls of futures that are not the joiner's own frames.
    const core_joined* const outer = this_thread.loop_task;
    // SAFETY: as in poller::prepare().
    const borrowed_waker waker(&core_waker, static_cast<core_task*>(&next));
    context cx(waker.get());
    next.state = core_task::phase::waiting;
    poll_joined(next, cx);
    this_thread.loop_task = outer;
    --within_depth_;
    if (!core_joined::is_finished(next)) return keep_joiner(next, joiner);
    if (!has_queued()) return true;
    if (joiner.state == core_task::phase::waiting) schedule(joiner);
    return false;
}

/// Polls the tasks that are queued now, but not those that are queued meanwhile.
void core_shared::run_queued() noexcept {
    poller with;
    while (core_task* const child = children_.pop()) queue_.push(*child);
    const core_task* const last = queue_.back();
    for (bool more = last != nullptr; more;) {
        core_task& task = *queue_.pop();
        more = &task != last;
        observes_ != nullptr ? run_observed(task, with) : run_task(task, with);
    }
    polls_ += with.polls();
}

// Forced inlining keeps the members of the poller in registers, which saves a tenth of the cost of a poll.
[[gnu::always_inline]] inline void core_shared::run_task(core_task& task, poller& with) noexcept {
    if (task.is_cancelled) [[unlikely]]
        return run_cancelled(task, with);
    task.state = core_task::phase::waiting;
    context& cx = with.prepare(task);
    if (task.root == nullptr) return poll_future(task, cx);
    if (task.is_joined) return poll_joined(as_joined(task), cx);
    if (advance_root(*task.root, with.outcome(), cx)) finish_frames(task, with);
}

namespace {

/// Returns the number of a task, or 0 if it has none.
task_id id_of(core_task& task) noexcept { return task.is_joined ? as_joined(task).id : 0; }

/// Marks a task with a join handle as the one whose future the event loop of this thread polls, cancels or destroys.
class current_loop_task {
public:
    explicit current_loop_task(core_task& task) noexcept : outer_(this_thread.loop_task) {
        if (task.is_joined) this_thread.loop_task = &as_joined(task);
    }
    current_loop_task(const current_loop_task&) = delete;
    current_loop_task& operator=(const current_loop_task&) = delete;
    ~current_loop_task() { this_thread.loop_task = outer_; }

private:
    const core_joined* const outer_;  // not null if a task destroys another event loop
};

}  // namespace

/// Runs a task, calls the hooks, and measures the poll.
void core_shared::run_observed(core_task& task, poller& with) noexcept {
    if (task.is_cancelled) return run_cancelled(task, with);
    const task_id id = id_of(task);  // the task may be freed by the poll
    const runtime_hooks& hooks = observes_->hooks;
    if (id != 0 && hooks.before_task_poll) hooks.before_task_poll(id);
    if (observes_->counts_poll_times) {
        const auto began = std::chrono::steady_clock::now();
        run_task(task, with);
        const auto taken = std::chrono::steady_clock::now() - began;
        observes_->poll_times.add(duration_histogram::bucket_of(taken), 1);
    } else {
        run_task(task, with);
    }
    if (id != 0 && hooks.after_task_poll) hooks.after_task_poll(id);
}

/// The part of adopt() for a loop that has hooks or cancels all tasks.
[[gnu::cold]] void core_shared::look_at_spawn(core_task& task) noexcept {
    if (is_ending_) task.is_cancelled = true;
    if (task.is_joined) number_task(as_joined(task).id);
    const task_id id = id_of(task);
    if (id != 0 && observes_ != nullptr && observes_->hooks.task_spawn) observes_->hooks.task_spawn(id);
}

/// Removes a task from the list of those whose futures exist.
[[gnu::always_inline]] inline void core_shared::remove(core_task& task) noexcept {
    live_.remove(task);
    const bool in_queue = task.state == core_task::phase::queued;
    task.state = in_queue ? core_task::phase::ended_in_queue : core_task::phase::ended;
    if (in_queue) task.is_cancelled = true;  // for run_task()
}

/// Completes a task whose future was destroyed. Merges the reference counts unless the task is still queued; then the
/// merge happens when it is removed from the queue.
[[gnu::always_inline]] inline void core_shared::complete(core_task& task, bool is_joined) noexcept {
    if (observes_ != nullptr && observes_->hooks.task_terminate) [[unlikely]] {
        if (const task_id id = id_of(task); id != 0) observes_->hooks.task_terminate(id);
    }
    // If complete() returns true, the memory belongs to the join handle, or is freed.
    if (is_joined && task.ops().complete(task)) return;
    if (task.state == core_task::phase::ended) merge(task);
}

/// Polls a task whose future is not a coroutine.
void core_shared::poll_future(core_task& task, context& cx) noexcept {
    bool has_ended = false;
    {
        const current_loop_task here(task);
        has_ended = eddy::detail::poll_future(task, cx);
    }
    if (!has_ended) return;
    if (task.is_joined) as_joined(task).has_ended = true;
    finish(task);
}

/// Polls a coroutine that has a join handle.
[[gnu::always_inline]] inline void core_shared::poll_joined(core_joined& task, context& cx) noexcept {
    // The end of the task writes join_word. Its cache line loads while the coroutine frames run.
    __builtin_prefetch(&task.join_word, 1);
    this_thread.loop_task = &task;
    task.has_ended = advance_root(*task.root, task.outcome, cx);
    this_thread.loop_task = nullptr;
    if (!task.has_ended) return;
    task.root = nullptr;  // the coroutine frames have destroyed themselves
    if (task.ops().poll != nullptr) [[unlikely]]
        return finish(task);  // the cell still has the callable that has made the frames
    remove(task);
    complete(task, true);
}

/// Polls the cancellation of an aborted task, and destroys the task once that has finished. Or merges a task that has
/// ended while it was queued.
void core_shared::run_cancelled(core_task& task, poller& with) noexcept {
    if (std::exchange(task.state, core_task::phase::waiting) == core_task::phase::ended_in_queue) {
        task.state = core_task::phase::ended;
        return merge(task);
    }
    {
        const current_loop_task here(task);
        if (!poll_cancel(task, with.prepare(task))) return;
    }
    finish(task);
}

/// Ends a coroutine without a join handle, whose frames have destroyed themselves.
void core_shared::finish_frames(core_task& task, poller& with) noexcept {
    task.root = nullptr;
    if (with.outcome().has_exception()) [[unlikely]]
        task.ops().fail(task, std::move(with.outcome().exception()));
    with.forget_outcome();
    remove(task);
    task.ops().destroy_future(task);
    if (task.state == core_task::phase::ended) merge(task);
}

/// Destroys the future of a task that has ended or whose loop closes, and completes the task.
void core_shared::finish(core_task& task) noexcept {
    remove(task);
    {
        const current_loop_task here(task);
        if (task.root != nullptr) destroy_root(*std::exchange(task.root, nullptr));
        task.ops().destroy_future(task);
    }
    complete(task, task.is_joined);
}

void core_shared::merge_references(core_task& task) noexcept {
    task.is_merged = true;
    retain();  // for the remaining references, which access the loop through the task
    // The extra reference keeps the count above zero until the release below, which frees the task if it was the
    // only one. acq_rel: pairs with drop_remote().
    task.remote.fetch_add(core_task::merged + core_task::one_ref * (std::int64_t{task.local_refs} + 1),
                          std::memory_order_acq_rel);
    release_core_task(task);
}

/// Destroys all tasks of a loop that closes.
void core_shared::destroy_tasks() noexcept {
    while (core_task* const task = live_.front()) finish(*task);
    while (core_task* const task = pop_queued()) merge(*task);  // all queued tasks have ended
}

}  // namespace eddy::detail
