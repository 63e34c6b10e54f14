// SPDX-License-Identifier: MIT
#include "core/core_shared.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/core_spawn.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>
#include <eddy/runtime/core_answer.hpp>

#include "driver/tick_error.hpp"
#include "runtime/pool.hpp"
#include "runtime/run_task.hpp"
#include "runtime/runtime_context.hpp"
#include "runtime/uncaught.hpp"
#include "sys/fork.hpp"

namespace eddy::inline v0_1::detail {
namespace {

// Maximum number of polls before the loop checks its inbound list while tasks are queued. It also runs a driver tick
// and fires timers then if the last driver tick is at least core_look_interval ago.
constexpr std::size_t polls_between_ticks = 64;
constexpr auto core_look_interval = std::chrono::microseconds(20);

// While both queues hold tasks, one of this many polls takes a task from the run queue, the others from the child
// queue.
constexpr unsigned core_child_fairness = 2;

atomic<std::uint64_t> next_core_id{1};

// ---- The waker of a core's task ----

// SAFETY: `data` is the core_task of a waker with the vtable below. The waker holds a reference, or borrows that of the
// loop during a poll.
core_task& core_task_of(void* data) noexcept { return *static_cast<core_task*>(data); }

/// Returns whether the task's loop runs on this thread now. Between two runs, the loop's thread uses the remote half of
/// the task like other threads: the two counts are added at the end, and wake-ups wait in the inbound list.
bool is_local(const core_task& task) noexcept { return task.shared == this_thread.running_loop; }

/// Releases a reference that is counted in the remote word. The last one frees the memory.
void drop_remote(core_task& task) noexcept {
    // acq_rel: pairs with itself and with merge(). The thread that frees sees all that other threads did before their
    // release, and the merge.
    const std::int64_t before = task.remote.fetch_sub(core_task::one_ref, std::memory_order_acq_rel);
    if ((before & core_task::merged) == 0 || before / core_task::one_ref != 1) return;
    core_shared* const loop = task.shared;
    task.ops().free_memory(task);
    if (loop != nullptr) loop->release();  // taken by the merge
}

bool counts_here(const core_task& task) noexcept { return is_local(task) && !task.is_merged; }

void* clone_waker(void* data) noexcept {
    core_task& task = core_task_of(data);
    if (counts_here(task)) {
        ++task.local_refs;
    } else {
        // relaxed: the caller holds a reference already, so nothing is published.
        task.remote.fetch_add(core_task::one_ref, std::memory_order_relaxed);
    }
    return data;
}

void drop_waker(void* data) noexcept {
    core_task& task = core_task_of(data);
    if (counts_here(task)) {
        --task.local_refs;
    } else {
        drop_remote(task);
    }
}

[[gnu::noinline]] void notify_remotely(core_task& task, std::int64_t marks) noexcept {
    // release: pairs with the acquire in task_arrives(). The task sees what was done before each wake-up, so this is a
    // read-modify-write even if a wake-up is due already. acquire: pairs with the release there: the loop no longer
    // uses the link of the inbound list.
    const std::int64_t before = task.remote.fetch_or(core_task::notified | marks, std::memory_order_acq_rel);
    if ((before & (core_task::notified | core_task::merged)) != 0) return;
    // The reference of the inbound list. relaxed: the caller holds a reference already.
    task.remote.fetch_add(core_task::one_ref, std::memory_order_relaxed);
    if (!task.shared->send(task)) drop_remote(task);
}

void wake_by_ref(void* data) noexcept {
    core_task& task = core_task_of(data);
    if (!is_local(task)) return notify_remotely(task, 0);
    if (task.state == core_task::phase::waiting) task.shared->schedule(task);
}

void wake_and_drop(void* data) noexcept {
    wake_by_ref(data);
    drop_waker(data);
}

}  // namespace

constinit const waker_vtable core_waker{&clone_waker, &wake_and_drop, &wake_by_ref, &drop_waker};

void core_task_ops::task_arrives(inbound_node& self, core_shared& loop, bool) noexcept {
    // SAFETY: only core tasks have these operations. The inbound list holds a reference, which drop_remote() releases.
    auto& task = static_cast<core_task&>(self);
    // acq_rel: pairs with notify_remotely(). From here on a wake-up on another thread sends the task again.
    const std::int64_t before = task.remote.fetch_and(~core_task::notified, std::memory_order_acq_rel);
    if ((before & core_task::cancelled) != 0) task.is_cancelled = true;
    if (task.state == core_task::phase::waiting) loop.schedule(task);
    drop_remote(task);
}

// ---- The loop ----

/// Marks the loop as running on this thread. Hides the task-local values of the code that runs the loop, because the
/// loop's tasks are not part of it.
class core_shared::entered {
public:
    entered(core_shared& loop, std::source_location where, ends when) : checked_((check_entry(loop, where), &loop)) {
        loop.run_at_ = where;
        this_thread.running_loop = &loop;
        this_thread.poll_entry = this;  // the polls use native stack below this object
        this_thread.stops_other_loops = when == ends::with_work;
        if (loop.random_) std::swap(random_here, *loop.random_);
    }
    entered(const entered&) = delete;
    entered& operator=(const entered&) = delete;
    ~entered() {
        // Submits what the tasks have written, because the thread may not run the loop again soon.
        if (checked_->io_ != nullptr) checked_->io_->flush_ring();
        this_thread.running_loop = nullptr;
        this_thread.poll_entry = nullptr;
        this_thread.stops_other_loops = stopped_before_;
        if (checked_->random_) std::swap(random_here, *checked_->random_);
    }

private:
    core_shared* const checked_;
    const executor_scope executor_{{.core = checked_, .time = checked_->time_.get()}};
    const without_task_locals unbound_;
    const bool stopped_before_ = this_thread.stops_other_loops;  // inside wait()
};

core_shared::core_shared(settings&& chosen)
    : io_(std::move(chosen.io)),
      place_(new sleeping_place(io_.get())),
      time_(time_driver::make(place_->waker())),
      buffers_(new buffer_pool),
      owner_(this_thread_mark()),
      fork_generation_(sys::fork_generation()),
      // relaxed: the numbers must only be distinct.
      id_(next_core_id.fetch_add(1, std::memory_order_relaxed)),
      observes_(std::move(chosen.observes)),
      spin_(chosen.spin),
      driver_(chosen.driver),
      why_driver_(chosen.why_driver),
      made_at_(chosen.made_at),
      on_uncaught_(std::move(chosen.on_uncaught)),
      on_unobserved_error_(std::move(chosen.on_unobserved_error)) {
    if (chosen.start_paused) time_->pause();
    if (chosen.seed) random_.emplace(*chosen.seed);
    looks_at_spawns_ = observes_ != nullptr;
    if (io_ != nullptr) io_->belong_to(*this);
}

core_shared::~core_shared() = default;

bool core_shared::send(inbound_node& node) noexcept {
    // In a forked child no thread runs this copy of the loop, and a wake-up would reach the parent's loop.
    if (sys::fork_generation() != fork_generation_) return false;
    const auto pushed = inbound_.push(node);
    if (pushed == inbound_list::pushed::loop_is_parked) place_->unpark();
    return pushed != inbound_list::pushed::refused;
}

core_metrics core_shared::metrics() const noexcept {
    return {live_.size(), polls_, turns_, io_ != nullptr ? io_->metrics() : io_metrics(),
            observes_ != nullptr ? observes_->poll_times : duration_histogram()};
}

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

void core_shared::run_until(core_task& main, const bool& done, std::source_location where) try {
    const entered guard(*this, where, ends::with_work);
    while (!done) {
        drain_inbound();
        run_some(polls_between_ticks, done);
        if (done) break;
        if (!has_queued()) {
            park(std::nullopt);
        } else {
            look_if_due();
        }
    }
} catch (...) {
    finish(main);  // its future refers to the caller's stack
    throw;
}

void core_shared::run_until_idle(std::source_location where) {
    const entered guard(*this, where, ends::with_work);
    const bool never = false;
    for (;;) {
        drain_inbound();
        run_some(polls_between_ticks, never);
        drain_inbound();  // the last task may have sent something
        if (live_.size() == 0) return;
        park(!has_queued() ? max_wait() : std::chrono::nanoseconds::zero());
    }
}

void core_shared::cancel_all(std::chrono::steady_clock::time_point deadline, std::source_location where) {
    const entered guard(*this, where, ends::by_itself);
    const bool never = false;
    is_ending_ = true;
    looks_at_spawns_ = true;
    for (core_task* task = live_.front(); task != nullptr; task = live_.after(*task)) {
        task->is_cancelled = true;
        if (task->state == core_task::phase::waiting) schedule(*task);
    }
    for (;;) {
        drain_inbound();
        run_some(polls_between_ticks, never);
        drain_inbound();  // the last task may have sent something
        const auto now = std::chrono::steady_clock::now();
        if (live_.size() == 0 || now >= deadline) return;
        park(has_queued() ? std::chrono::nanoseconds::zero() : deadline - now);
    }
}

void core_shared::turn(max_wait limit, std::source_location where) {
    const entered guard(*this, where, ends::by_itself);
    drain_inbound();
    park(!has_queued() ? limit : std::chrono::nanoseconds::zero());
    drain_inbound();
    run_queued();
}

std::optional<std::chrono::steady_clock::time_point> core_shared::next_deadline() noexcept {
    const auto now = std::chrono::steady_clock::now();
    const bool may_wait = io_ == nullptr || io_->may_wait_outside();  // may queue tasks: call it first
    if (has_queued() || !may_wait || !inbound_.mark_parked()) return now;
    auto next = time_->next_deadline();
    const auto linger = io_ != nullptr ? io_->linger_deadline() : std::nullopt;
    if (linger && (!next || *linger < *next)) next = linger;
    return next;
}

/// Waits for an event of the driver, the next timer, an inbound node or the end of `limit`, whichever is first.
void core_shared::park(max_wait limit) {
    if (limit == std::chrono::nanoseconds::zero()) return look_at_driver(limit);
    if (time_->is_paused()) return park_paused(limit);
    if (spin(limit)) return;
    if (call_before_park()) return look_at_driver(std::chrono::nanoseconds::zero());
    if (const auto next = time_->next_deadline()) {
        // The comparison comes before the subtraction, which would overflow for a deadline at the minimum of the clock.
        const auto now = time_->now();
        const auto left = *next <= now ? time_driver::duration::zero() : *next - now;
        limit = limit ? std::min<std::chrono::nanoseconds>(*limit, left) : left;
    }
    sleep(limit);
    call_after_unpark();
}

/// Calls the hook of a loop that is about to park. Returns whether the hook has queued a task.
bool core_shared::call_before_park() noexcept {
    if (observes_ == nullptr || !observes_->hooks.before_park) return false;
    observes_->hooks.before_park();
    return has_queued();
}

void core_shared::call_after_unpark() noexcept {
    if (observes_ != nullptr && observes_->hooks.after_unpark) observes_->hooks.after_unpark();
}

/// park() while the clock is paused: advances the clock to the next timer instead of waiting for it. It does so only if
/// there is nothing else to do, and no blocking job whose end could give the tasks something to do.
void core_shared::park_paused(max_wait limit) {
    blocking_jobs& jobs = place_->jobs();
    // any() is called before the checks below, so that they find all wake-ups of the jobs that have ended.
    const bool may_advance = !jobs.any();
    look_at_driver(std::chrono::nanoseconds::zero());
    drain_inbound();
    if (has_queued() || call_before_park()) return;
    if (may_advance) {
        if (time_->auto_advance()) {
            static_cast<void>(time_->fire());
        } else {
            sleep(limit);
        }
        return call_after_unpark();
    }
    // All due timers have fired, and no later one becomes due before the clock advances.
    sleep(jobs.wait() ? limit : std::chrono::nanoseconds::zero());
    jobs.wait_ended();
    call_after_unpark();
}

/// Waits for an event of the driver, an inbound node or the end of `limit`, whichever is first.
void core_shared::sleep(max_wait limit) {
    flush_freed_blocks();
    if (!inbound_.mark_parked()) limit = std::chrono::nanoseconds::zero();
    look_at_driver(limit);
}

/// Spins for up to spin_ before the thread parks. Returns whether a task is queued. Subtracts the time from `limit`.
bool core_shared::spin(max_wait& limit) {
    const auto most = std::min(spin_, limit.value_or(spin_));
    if (most <= most.zero()) return false;
    const auto begin = std::chrono::steady_clock::now();
    do {
        look_at_driver(std::chrono::nanoseconds::zero());
        drain_inbound();
        if (has_queued()) return true;
    } while (std::chrono::steady_clock::now() - begin < most);
    if (limit) *limit -= most;
    return false;
}

/// Runs a driver tick while tasks are queued, but not more often than once in core_look_interval, because a driver tick
/// costs as much as many polls.
void core_shared::look_if_due() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_look_ < core_look_interval) return;
    last_look_ = now;
    look_at_driver(std::chrono::nanoseconds::zero());
}

/// Runs one driver tick that waits for at most `limit`, and fires the timers.
void core_shared::look_at_driver(max_wait limit) {
    ++turns_;
    if (io_ == nullptr) {
        place_->park(limit);
    } else if (const auto turned = io_->turn(limit); !turned) {
        throw std::system_error(turned.error(), std::string("eddy: ") + tick_failed(driver_, turned.error()));
    }
    static_cast<void>(time_->fire());
}

void core_shared::drain_inbound() noexcept {
    for (inbound_node* node = inbound_.take(); node != nullptr;) arrive(*std::exchange(node, node->next_inbound));
}

void core_shared::arrive(inbound_node& node) noexcept { node.inbound->arrive(node, *this, !is_closed_); }

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

/// Polls up to `limit` queued tasks, or until `stop`.
void core_shared::run_some(std::size_t limit, const bool& stop) noexcept {
    poller with;
    core_task* next = nullptr;
    if (observes_ != nullptr) [[unlikely]] {
        for (std::size_t left = limit; left > 0 && !stop && (next = pop_queued()); --left) run_observed(*next, with);
    } else {
        for (std::size_t left = limit; left > 0 && !stop && (next = pop_queued()); --left) run_task(*next, with);
    }
    polls_ += with.polls();
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
    if (task.root == nullptr) return task.is_joined ? poll_joined_future(task, cx) : poll_future(task, cx);
    // SAFETY: is_joined is set only by the constructor of core_joined.
    if (task.is_joined) return poll_joined(static_cast<core_joined&>(task), cx);
    if (advance_root(*task.root, with.outcome(), cx)) finish_frames(task, with);
}

namespace {

/// Returns the number of a task, or 0 if it has none.
task_id id_of(const core_task& task) noexcept {
    // SAFETY: is_joined is set only by the constructor of core_joined.
    return task.is_joined ? static_cast<const core_joined&>(task).id : 0;
}

/// Marks a task with a join handle as the one whose future the event loop of this thread cancels or destroys.
class ended_loop_task {
public:
    explicit ended_loop_task(const core_task& task) noexcept : outer_(this_thread.loop_task) {
        // SAFETY: is_joined is set only by the constructor of core_joined.
        if (task.is_joined) this_thread.loop_task = static_cast<const core_joined*>(&task);
    }
    ended_loop_task(const ended_loop_task&) = delete;
    ended_loop_task& operator=(const ended_loop_task&) = delete;
    ~ended_loop_task() { this_thread.loop_task = outer_; }

private:
    const core_joined* const outer_;  // not null if a task destroys another event loop
};

void destroy_work(core_task& task) noexcept {
    if (task.root != nullptr) destroy_root(*std::exchange(task.root, nullptr));
    task.ops().destroy_future(task);
}

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
    if (!task.is_joined) return;
    // SAFETY: is_joined is set only by the constructor of core_joined.
    auto& joined = static_cast<core_joined&>(task);
    number_task(joined.id);
    if (observes_ != nullptr && observes_->hooks.task_spawn) observes_->hooks.task_spawn(joined.id);
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
[[gnu::always_inline]] inline void core_shared::complete(core_task& task) noexcept {
    if (observes_ != nullptr && observes_->hooks.task_terminate) [[unlikely]] {
        if (const task_id id = id_of(task); id != 0) observes_->hooks.task_terminate(id);
    }
    // If complete() returns true, the memory now belongs to the join handle, which may have freed it.
    if (task.is_joined && task.ops().complete(task)) return;
    if (task.state == core_task::phase::ended) merge(task);
}

/// Polls a task whose future is not a coroutine, and that has no join handle.
void core_shared::poll_future(core_task& task, context& cx) noexcept {
    if (eddy::detail::poll_future(task, cx)) finish(task);
}

/// Polls a task whose future is not a coroutine, and that has a join handle.
void core_shared::poll_joined_future(core_task& task, context& cx) noexcept {
    // SAFETY: is_joined is set only by the constructor of core_joined.
    auto& joined = static_cast<core_joined&>(task);
    this_thread.loop_task = &joined;
    joined.has_ended = eddy::detail::poll_future(task, cx);
    this_thread.loop_task = nullptr;  // a thread polls the tasks of one event loop at a time
    if (joined.has_ended) finish(task);
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
    remove(task);
    complete(task);
}

/// Polls the cancellation of an aborted task, and destroys the task once that has finished. Or merges a task that has
/// ended while it was queued.
void core_shared::run_cancelled(core_task& task, poller& with) noexcept {
    if (std::exchange(task.state, core_task::phase::waiting) == core_task::phase::ended_in_queue) {
        task.state = core_task::phase::ended;
        return merge(task);
    }
    {
        const ended_loop_task here(task);
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
    if (!task.is_joined) {
        destroy_work(task);
    } else if (task.root != nullptr || task.ops().poll != nullptr) {  // not a coroutine that has ended
        const ended_loop_task here(task);
        destroy_work(task);
    }
    complete(task);
}

void core_shared::merge_references(core_task& task) noexcept {
    task.is_merged = true;
    retain();  // for the remaining references, which access the loop through the task
    // The extra reference keeps the count above zero until the drop_remote() below, which frees the task if it was the
    // only one. acq_rel: pairs with drop_remote().
    task.remote.fetch_add(core_task::merged + core_task::one_ref * (std::int64_t{task.local_refs} + 1),
                          std::memory_order_acq_rel);
    drop_remote(task);
}

void core_shared::report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    pass_on(failure, where, name, on_uncaught_, on_unobserved_error_);
}

void core_shared::close() noexcept {
    if (!is_on_own_thread()) {
        const bool has_run = *run_at_.file_name() != '\0';
        std::string text =
            "a core was destroyed on another thread than the one that made it, to which its tasks belong: destroy it "
            "on that thread, or use a core_thread, which may be destroyed on any thread. The core was ";
        text += has_run ? "last run" : "made";
        fatal_misuse(text, has_run ? run_at_ : made_at_);
    }
    if (is_running()) {
        fatal_misuse(
            "a core was destroyed by work that it runs: own the core outside of its tasks, and destroy it after run() "
            "has returned; to end the loop from a task, let the future of run() end, for example one that waits for a "
            "sync::cancellation_token. The loop was run",
            run_at_);
    }
    is_closed_ = true;
    // The loop counts as running on this thread, so that destructors of tasks use the owner halves of the reference
    // counts, as inside a run.
    core_shared* const outer = std::exchange(this_thread.running_loop, this);
    const executor_scope executor({.core = this, .time = time_.get()});
    const without_task_locals unbound;
    for (inbound_node* node = inbound_.close(); node != nullptr;) arrive(*std::exchange(node, node->next_inbound));
    const auto destroy_tasks = [this] {
        while (core_task* const task = live_.front()) finish(*task);
        while (core_task* const task = pop_queued()) merge(*task);  // all queued tasks have ended
    };
    destroy_tasks();
    time_->shutdown();
    if (io_ != nullptr) io_->shut_down();
    // Destroys the handlers on this thread, and not on the thread that releases the last reference.
    on_uncaught_ = nullptr;
    on_unobserved_error_ = nullptr;
    destroy_tasks();  // the destructors of the handlers or of wakers may have spawned tasks
    this_thread.running_loop = outer;
    return_references(cached_references_);
    buffers_.reset();
}

// ---- Entry points for templates and other files ----

void retain_core_task(core_task& task) noexcept { clone_waker(&task); }
void release_core_task(core_task& task) noexcept { drop_waker(&task); }
void cancel_core_task(core_task& task) noexcept {
    if (!is_local(task)) return notify_remotely(task, core_task::cancelled);
    task.is_cancelled = true;
    if (task.state == core_task::phase::waiting) task.shared->schedule(task);
}

void report_thrown(core_task& task, std::exception_ptr thrown) noexcept {
    task.shared->report(unread_failure(std::move(thrown)), task.spawned_at);
}

void retain(core_shared& loop) noexcept { loop.retain(); }
void release(core_shared& loop) noexcept { loop.release(); }
bool is_closed(const core_shared& loop) noexcept { return loop.is_closed() || loop.is_copy_in_child(); }
void adopt_task(core_shared& loop, core_task& task) noexcept { loop.adopt(task); }
void adopt_task(core_shared& loop, core_joined& task) noexcept { loop.adopt(task); }
void report_failure(core_shared& loop, unread_failure failure, const std::source_location& where,
                    std::string_view name) noexcept {
    loop.report(std::move(failure), where, name);
}
bool send_job(core_shared& loop, inbound_node& job) noexcept { return loop.send(job); }

void check_thread(const core_shared& loop, std::source_location where) {
    if (!loop.is_on_own_thread()) {
        throw wrong_thread(
            "a core and its core_handle belong to the thread that made the core: from other threads send work through "
            "a core_remote (handle.remote())",
            where);
    }
}

void check_entry(const core_shared& loop, std::source_location where) {
    check_thread(loop, where);
    if (this_thread.running_loop == &loop) {
        throw nested_runtime(
            "cannot recursively call into core: run() or turn() was called from work of the same loop; spawn the work, "
            "or await it",
            where);
    }
    if (this_thread.running_loop != nullptr || this_thread.worker != nullptr) {
        throw nested_runtime(
            "a loop was run inside another loop or a runtime, which it would block: use a separate thread "
            "(core_thread)",
            where);
    }
    if (loop.is_copy_in_child()) {
        throw misuse("this loop belongs to the parent process: after a fork, make a new core in the child", where);
    }
}

void check_may_await_answer(const core_shared& loop, bool has_arrived, std::source_location where) {
    if (this_thread.runs_tasks()) {
        throw nested_runtime(
            "get() of core_remote::call() was called on a thread that runs an event loop or a runtime's tasks, which "
            "it would block: spawn() the work there, let it send its result through a sync::oneshot, and await that",
            where);
    }
    if (loop.is_on_own_thread() && !has_arrived) {
        throw misuse(
            "get() of core_remote::call() was called on the thread of the event loop, which does not run meanwhile, so "
            "the work would never end: run the loop, core.run(), before get(), or call get() on another thread",
            where);
    }
}

void run_until_done(core_shared& loop, core_task& main, const bool& done, std::source_location where) {
    loop.run_until(main, done, where);
}

void run_until_idle(core_shared& loop, std::source_location where) { loop.run_until_idle(where); }

buffer_pool* current_buffer_pool() noexcept {
    core_shared* const loop = this_thread.running_loop;
    return loop == nullptr ? nullptr : &loop->buffers();
}

}  // namespace eddy::detail
