// SPDX-License-Identifier: MIT
#include "executor/loop/core_shared.hpp"

#include <chrono>
#include <utility>

#include <eddy/detail/await_record.hpp>
#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/task_local.hpp>

#include "executor/task/run_task.hpp"

// The part of an event loop that starts, polls and ends its tasks.

namespace eddy::detail {

// While both queues hold tasks, one of this many polls takes one from the run queue, the others from the child queue.
constexpr unsigned core_child_fairness = 2;

// Maximum depth of tasks that run inside the polls of their joiners, to limit the use of the native stack.
constexpr unsigned most_within = 4;

// SAFETY: is_joined, which the caller has checked, is set only by the constructor of core_joined.
static core_joined& as_joined(core_task& task) noexcept { return static_cast<core_joined&>(task); }

void core_shared::adopt(core_task& task) noexcept {
    live_.push(task);
    queue_.push(task);
    if (looks_at_spawns_) [[unlikely]]
        look_at_spawn(task);
}

void core_shared::adopt(core_joined& task) noexcept {
    live_.push(task);
    queue_.push(task);
    if (looks_at_spawns_) [[unlikely]]
        return look_at_spawn(task);
    number_task(task.id);
}

void core_shared::destroy(core_task& task) noexcept {
    const hidden_task_locals unbound;
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
    explicit poller(std::size_t most) noexcept : left_(most), waker_(&core_waker, nullptr), context_(waker_.get()) {}

    [[nodiscard]] context& prepare(core_task& task) noexcept {
        // SAFETY: the loop keeps the task alive during the poll, so the borrowed waker needs no reference.
        waker_.point_to(&task);
        context_.restore_budget();
        return context_;
    }

    /// The number of polls that are left for run_some(), including the current one.
    [[nodiscard]] std::size_t left() const noexcept { return left_; }
    void take_one() noexcept { --left_; }
    /// Takes the current poll back: the task was not polled.
    void give_one_back() noexcept { ++left_; }

    /// Whether the current poll, with the waker `by`, is that of a coroutine with the root `root`, which polls no other
    /// future now, and may contain the poll of another task.
    [[nodiscard]] bool may_poll_within(const waker& by, const frame* root) const noexcept {
        return &by == &waker_.get() && root != nullptr && polled().root == root && left_ > 1 && depth_ < most_within;
    }
    /// The task that is being polled.
    [[nodiscard]] core_task& polled() const noexcept {
        // SAFETY: prepare() has set the data of the waker.
        return *static_cast<core_task*>(borrowed_waker::data_of(waker_.get()));
    }
    /// Begins and ends a poll of `inner` inside of the current poll. begin_within() returns the coop budget that is
    /// left for the outer one.
    [[nodiscard]] std::uint32_t begin_within(core_task& inner) noexcept {
        --left_;
        ++depth_;
        const std::uint32_t left = context_.budget();
        static_cast<void>(prepare(inner));
        return left;
    }
    void end_within(core_task& outer, std::uint32_t budget) noexcept {
        --depth_;
        waker_.point_to(&outer);
        context_.restore_budget(budget);
    }
    [[nodiscard]] context& cx() noexcept { return context_; }

    /// The result slot of a task<void>. Empty between polls.
    [[nodiscard]] slot<void>& outcome() noexcept { return outcome_; }
    void forget_outcome() noexcept {
        std::destroy_at(&outcome_);
        std::construct_at(&outcome_);
    }

private:
    std::size_t left_;
    unsigned depth_ = 0;  // the number of nested polls
    borrowed_waker waker_;
    context context_;
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

/// Polls up to `most` queued tasks, or until `stop`. Polls of poll_within() count, too.
void core_shared::run_some(std::size_t most, const bool& stop) noexcept {
    poller with(most);
    core_task* next = nullptr;
    if (observes_ != nullptr) [[unlikely]] {
        for (; with.left() > 0 && !stop && (next = pop_queued()); with.take_one()) run_observed(*next, with);
    } else {
        poller_ = &with;
        for (; with.left() > 0 && !stop && (next = pop_queued()); with.take_one()) run_task(*next, with);
        poller_ = nullptr;
    }
    polls_ += most - with.left();
}

/// Polls the tasks that are queued now, but not those that are queued meanwhile.
void core_shared::run_queued() noexcept {
    constexpr std::size_t most = ~std::size_t{0};
    poller with(most);
    while (core_task* const child = children_.pop()) queue_.push(*child);
    const core_task* const last = queue_.back();
    for (bool more = last != nullptr; more;) {
        core_task& task = *queue_.pop();
        more = &task != last;
        observes_ != nullptr ? run_observed(task, with) : run_task(task, with);
        with.take_one();
    }
    polls_ += most - with.left();
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
class current_loop_task : immovable {
public:
    explicit current_loop_task(core_task& task) noexcept : outer_(this_thread.loop_task) {
        if (task.is_joined) this_thread.loop_task = &as_joined(task);
    }
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

/// Marks a task whose future does not exist any more. Returns true if the task is not in a queue any more.
[[gnu::always_inline]] inline bool core_shared::mark_ended(core_task& task) noexcept {
    if (task.state != core_task::phase::queued) {
        task.state = core_task::phase::ended;
        return true;
    }
    task.state = core_task::phase::ended_in_queue;
    task.is_cancelled = true;  // for run_task()
    return false;
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

/// Ends a coroutine that has a join handle and whose frames have destroyed themselves. Calls `end_now` first if the
/// task is in no queue and leaves nothing to destroy or to report. If that returns true, the task has been completed.
template <class EndNow>
[[gnu::always_inline]] inline void core_shared::end_joined(core_joined& task, EndNow end_now) noexcept {
    if (!task.ops().ends_plainly || observes_ != nullptr) {
        task.forget_frames();
        return finish(task);
    }
    live_.remove(task);
    if (task.state == core_task::phase::waiting && end_now()) return;
    task.forget_frames();
    static_cast<void>(mark_ended(task));
    complete(task, true);
}

/// Polls a coroutine that has a join handle.
[[gnu::always_inline]] inline void core_shared::poll_joined(core_joined& task, context& cx) noexcept {
    // The end of the task writes join_word. Its cache line loads while the coroutine frames run.
    __builtin_prefetch(&task.join_word, 1);
    this_thread.loop_task = &task;
    const bool has_ended = advance_root(*task.root, task.outcome, cx);
    this_thread.loop_task = nullptr;
    if (has_ended) end_joined(task, [&] { return task.free_unneeded(); });
}

bool core_shared::keep_joiner(core_joined& task, core_task& joiner) noexcept {
    keep_waker_of(joiner, task.join_waker);
    // relaxed, both: only the loop, which runs on this thread, also reads the field or changes the word.
    const std::uint8_t word = task.join_word.load(std::memory_order_relaxed);
    task.join_word.store(word | core_joined::has_waker, std::memory_order_relaxed);
    return false;
}

bool core_joined::poll_join(joinable& joined, const waker& wake, std::source_location where, const frame* root) {
    core_joined& task = of(joined);
    // acquire: pairs with the release in publish() and part(). If `complete` is set, the outcome is visible.
    const std::uint8_t word = task.join_word.load(std::memory_order_acquire);
    if ((word & complete) != 0) return true;
    if ((word & has_waker) == 0) {
        // The usual cases: the first wait of a task of the same loop.
        if (task.shared->may_poll_within(task, wake, root)) return task.shared->poll_within(task);
        core_task* const joiner = task.shared->task_of(wake);
        if (joiner != nullptr && joiner != &task) return core_shared::keep_joiner(task, *joiner);
    }
    return task.wait_for_end(word, wake, where);
}

[[gnu::always_inline]] inline bool core_shared::may_poll_within(const core_joined& next, const waker& by,
                                                                const frame* root) const noexcept {
    // The next task may destroy a scope. So the joiner must not be a child, which would be destroyed while it is
    // polled. The hooks of a loop are called for one task at a time, so there is no poller then. With records of
    // awaits, the joiner suspends first, so that there is a record of its await while the next task runs. relaxed: as
    // in check_not_awaited().
    return is_running() && is_next(next) && poller_ != nullptr && poller_->may_poll_within(by, root) &&
           !next.is_cancelled && next.root != nullptr && next.root->at.is_to_resume(*next.root) &&
           !poller_->polled().ops().is_child && !has_await_records.load(std::memory_order_relaxed);
}

bool core_shared::poll_within(core_joined& next) noexcept {
    core_task& joiner = poller_->polled();
    static_cast<void>(queue_.pop());
    next.state = core_task::phase::waiting;
    const std::uint32_t budget = poller_->begin_within(next);
    // There are no task-local values to hide: they are bound in polls of futures that are not the joiner's own frames.
    const core_joined* const outer = std::exchange(this_thread.loop_task, &next);
    const bool has_ended = resume_root(*next.root, next.outcome, poller_->cx());
    this_thread.loop_task = outer;
    poller_->end_within(joiner, budget);
    if (!has_ended) return keep_joiner(next, joiner);
    end_joined(next, [&] { return next.part_within(); });
    if (!has_queued()) return true;
    if (joiner.state == core_task::phase::waiting) schedule(joiner);
    return false;
}

/// Polls the cancellation of an aborted task, and destroys the task once that has finished. Or merges a task that has
/// ended while it was queued.
void core_shared::run_cancelled(core_task& task, poller& with) noexcept {
    if (std::exchange(task.state, core_task::phase::waiting) == core_task::phase::ended_in_queue) {
        task.state = core_task::phase::ended;
        with.give_one_back();
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
    live_.remove(task);
    const bool is_queued = !mark_ended(task);
    task.ops().destroy_future(task);
    if (!is_queued) merge(task);
}

/// Destroys the future of a task that has ended or whose loop closes, and completes the task.
void core_shared::finish(core_task& task) noexcept {
    live_.remove(task);
    static_cast<void>(mark_ended(task));
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
