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

#include "core/this_thread.hpp"
#include "driver/turn_error.hpp"
#include "runtime/current_executor.hpp"
#include "runtime/pool.hpp"
#include "runtime/uncaught.hpp"
#include "runtime/worker_here.hpp"
#include "sys/fork.hpp"
#include "task/poll_root.hpp"
#include "task/task_locals_here.hpp"

namespace eddy::detail {
namespace {

// After so many polls in a row, though tasks remain, the loop looks at its inbound list, and at its driver and timers
// if the last look at those is this long ago.
constexpr std::size_t polls_between_turns = 64;
constexpr auto look_interval = std::chrono::microseconds(20);

// So often the queue comes before the children of scopes, if it holds any task: every other time.
constexpr unsigned fork_fairness = 2;

atomic<std::uint64_t> next_id{1};

// ---- The waker of a core's task ----

core_task& task_of(void* data) noexcept { return *static_cast<core_task*>(data); }

/// Whether the task's loop runs on this thread now. On its thread between two runs the remote half serves as well: the
/// counts are added in the end, and wakes wait in the inbound list.
bool is_local(const core_task& task) noexcept { return task.shared == running_here; }

/// Gives up a reference that is counted in the remote word; frees the memory with the last.
void drop_remote(core_task& task) noexcept {
    // acq_rel: whoever frees sees what all the others did before they let go, the merge in finish() included.
    const std::int64_t before = task.remote.fetch_sub(core_task::one_ref, std::memory_order_acq_rel);
    if ((before & core_task::merged) == 0 || before / core_task::one_ref != 1) return;
    core_shared* const loop = task.shared;
    task.operations().free_memory(task);
    if (loop != nullptr) loop->release();  // taken by the merge
}

bool counts_here(const core_task& task) noexcept { return is_local(task) && !task.is_merged; }

void* clone_waker(void* data) noexcept {
    core_task& task = task_of(data);
    if (counts_here(task)) {
        ++task.local_refs;
    } else {
        // relaxed: whoever makes a reference has one already.
        task.remote.fetch_add(core_task::one_ref, std::memory_order_relaxed);
    }
    return data;
}

void drop_waker(void* data) noexcept {
    core_task& task = task_of(data);
    if (counts_here(task)) {
        --task.local_refs;
    } else {
        drop_remote(task);
    }
}

[[gnu::noinline]] void notify_remotely(core_task& task, std::int64_t marks) noexcept {
    // A read-modify-write also when a wake is due already: so that the task, when it runs, sees what was done before
    // this wake, too. acq_rel: pairs with task_arrives().
    const std::int64_t before = task.remote.fetch_or(core_task::notified | marks, std::memory_order_acq_rel);
    if ((before & (core_task::notified | core_task::merged)) != 0) return;
    // The list's own reference. relaxed: the caller has one.
    task.remote.fetch_add(core_task::one_ref, std::memory_order_relaxed);
    if (!task.shared->send(task)) drop_remote(task);
}

void wake_by_ref(void* data) noexcept {
    core_task& task = task_of(data);
    if (!is_local(task)) return notify_remotely(task, 0);
    if (task.state == core_task::phase::waiting) task.shared->schedule(task);
}

void wake_and_drop(void* data) noexcept {
    wake_by_ref(data);
    drop_waker(data);
}

constexpr waker_vtable task_waker{&clone_waker, &wake_and_drop, &wake_by_ref, &drop_waker};

}  // namespace

void core_task_ops::task_arrives(inbound_node& self, core_shared& loop, bool) noexcept {
    auto& task = static_cast<core_task&>(self);
    // acq_rel: pairs with notify_remotely(). From here on a foreign wake sends the task again.
    const std::int64_t before = task.remote.fetch_and(~core_task::notified, std::memory_order_acq_rel);
    if ((before & core_task::cancelled) != 0) task.is_cancelled = true;
    if (task.state == core_task::phase::waiting) loop.schedule(task);
    drop_remote(task);
}

// ---- The loop ----

/// Marks the loop as the one that runs on this thread. What it polls is not part of what runs it, and so does not see
/// the task-local values that are bound there.
class core_shared::entered {
public:
    entered(core_shared& loop, std::source_location where) : checked_((check_entry(loop, where), &loop)) {
        running_here = &loop;
        outer_time_ = exchange_current_time_driver(loop.time_.get());
    }
    entered(const entered&) = delete;
    entered& operator=(const entered&) = delete;
    ~entered() {
        // What its tasks have written goes out before the thread does something else.
        if (checked_->io_ != nullptr) checked_->io_->flush_ring();
        running_here = nullptr;
        exchange_current_time_driver(outer_time_);
    }

private:
    core_shared* const checked_;
    const executor_scope executor_{{.core = checked_}};
    const without_task_locals unbound_;
    time_driver* outer_time_ = nullptr;
};

core_shared::core_shared(settings&& chosen)
    : io_(std::move(chosen.io)),
      place_(new sleeping_place(io_.get())),
      time_(time_driver::make(place_->waker())),
      buffers_(new buffer_pool),
      owner_(this_thread_mark()),
      fork_generation_(sys::fork_generation()),
      // relaxed: only distinct numbers are wanted.
      id_(next_id.fetch_add(1, std::memory_order_relaxed)),
      spin_(chosen.spin),
      driver_(chosen.driver),
      why_driver_(chosen.why_driver),
      on_uncaught_(std::move(chosen.on_uncaught)) {
    if (chosen.start_paused) time_->pause();
}

core_shared::~core_shared() = default;

void core_shared::retain() noexcept {
    // relaxed: whoever makes a reference has one already.
    references_.fetch_add(1, std::memory_order_relaxed);
}

void core_shared::release() noexcept {
    // acq_rel: the last one out sees all that the others did before they let go.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

bool core_shared::send(inbound_node& node) noexcept {
    // In a forked child the loop is a copy that nobody runs, and its wake-up would reach the parent's.
    if (sys::fork_generation() != fork_generation_) return false;
    const auto pushed = inbound_.push(node);
    if (pushed == inbound_list::pushed::loop_sleeps) place_->unpark();
    return pushed != inbound_list::pushed::refused;
}

core_metrics core_shared::metrics() const noexcept {
    return {live_.size(), polls_, turns_, io_ != nullptr ? io_->metrics() : io_metrics()};
}

void core_shared::adopt(core_task& task) noexcept {
    live_.push(task);
    queue_.push(task);
}

void core_shared::destroy(core_task& task) noexcept {
    const without_task_locals unbound;
    finish(task);
}

void core_shared::adopt_fork(core_task& task) noexcept {
    live_.push(task);
    forks_.push(task);
}

void core_shared::wake_fork(waker&& parent) noexcept {
    wakes_forks_ = true;
    std::move(parent).wake();
    wakes_forks_ = false;
}

/// Precondition: has_queued(). In turns, so that children that start further ones, newest first, do not overtake what
/// was queued before them.
core_task& core_shared::pop_queued() noexcept {
    const bool takes_fork = !forks_.is_empty() && (queue_.is_empty() || ++fork_streak_ % fork_fairness != 0);
    return takes_fork ? forks_.pop() : queue_.pop();
}

void core_shared::run_until(core_task& main, const bool& done, std::source_location where) try {
    const entered guard(*this, where);
    while (!done) {
        drain_inbound();
        run_some(polls_between_turns, done);
        if (done) break;
        if (!has_queued()) {
            park(std::nullopt);
        } else {
            look_if_due();
        }
    }
} catch (...) {
    finish(main);  // it refers to the caller's stack
    throw;
}

void core_shared::run_until_idle(std::source_location where) {
    const entered guard(*this, where);
    const bool never = false;
    for (;;) {
        drain_inbound();
        run_some(polls_between_turns, never);
        drain_inbound();  // what the last task may have sent
        if (live_.size() == 0) return;
        park(!has_queued() ? max_wait() : std::chrono::nanoseconds::zero());
    }
}

void core_shared::turn(max_wait limit, std::source_location where) {
    const entered guard(*this, where);
    drain_inbound();
    park(!has_queued() ? limit : std::chrono::nanoseconds::zero());
    drain_inbound();
    run_queued();
}

/// Waits for the driver, the next timer, an inbound node or `limit`, whichever is first.
void core_shared::park(max_wait limit) {
    const bool may_block = limit != std::chrono::nanoseconds::zero();
    if (may_block && time_->is_paused()) {
        // Paused time moves only when nothing else can: so look first, and only then go to the next timer.
        look_at_driver(std::chrono::nanoseconds::zero());
        drain_inbound();
        if (has_queued() || time_->auto_advance()) {
            static_cast<void>(time_->fire());
            return;
        }
    }
    if (may_block) {
        if (!time_->is_paused() && spin(limit)) return;
        if (const auto next = time_->next_deadline()) {
            // Compared first: a deadline at the clock's first instant is too far back to be subtracted from.
            const auto now = time_->now();
            const auto left = *next <= now ? time_driver::duration::zero() : *next - now;
            limit = limit ? std::min<std::chrono::nanoseconds>(*limit, left) : left;
        }
        flush_freed_blocks();
        if (!inbound_.fall_asleep()) limit = std::chrono::nanoseconds::zero();
    }
    look_at_driver(limit);
}

/// Looks for a while before the thread sleeps, at the cost of `limit`: whether something is to be done now.
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

/// A look at the driver while tasks are queued: not before some time has passed since the last, since a look costs as
/// much as many polls.
void core_shared::look_if_due() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_look_ < look_interval) return;
    last_look_ = now;
    look_at_driver(std::chrono::nanoseconds::zero());
}

/// One look at the driver, of at most `limit`, and at the timers.
void core_shared::look_at_driver(max_wait limit) {
    ++turns_;
    if (io_ == nullptr) {
        place_->park(limit);
    } else if (const auto turned = io_->turn(limit); !turned) {
        throw std::system_error(turned.error(), std::string("eddy: ") + turn_failed(driver_, turned.error()));
    }
    static_cast<void>(time_->fire());
}

void core_shared::drain_inbound() noexcept {
    for (inbound_node* node = inbound_.take(); node != nullptr;) arrive(*std::exchange(node, node->next_inbound));
}

void core_shared::arrive(inbound_node& node) noexcept { node.ops->arrive(node, *this, !is_closed_); }

/// What a loop polls its tasks with, made once for a number of polls: a waker that borrows the task, and a context. The
/// outcome of tasks, too, since most polls leave none.
class core_shared::poller {
public:
    poller() noexcept : waker_(&task_waker, nullptr), context_(waker_.get()) {}

    [[nodiscard]] context& prepare(core_task& task) noexcept {
        // SAFETY: the loop keeps the task while it is polled, so the waker need not count.
        ++polls_;
        waker_.point_to(&task);
        context_.restore_budget();
        return context_;
    }

    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }

    /// Where a task<void> leaves its outcome. Empty between polls.
    [[nodiscard]] slot<void>& outcome() noexcept { return *outcome_; }
    void forget_outcome() noexcept { outcome_.emplace(); }

private:
    borrowed_waker waker_;
    context context_;
    std::uint64_t polls_ = 0;
    std::optional<slot<void>> outcome_{std::in_place};
};

/// Polls up to `limit` queued tasks, or until `stop`.
void core_shared::run_some(std::size_t limit, const bool& stop) noexcept {
    poller with;
    for (std::size_t left = limit; left > 0 && has_queued() && !stop; --left) run_task(pop_queued(), with);
    polls_ += with.polls();
}

/// Polls the tasks that are queued now, and none that come meanwhile.
void core_shared::run_queued() noexcept {
    poller with;
    while (!forks_.is_empty()) queue_.push(forks_.pop());
    const core_task* const last = queue_.back();
    for (bool more = last != nullptr; more;) {
        core_task& task = queue_.pop();
        more = &task != last;
        run_task(task, with);
    }
    polls_ += with.polls();
}

// Inlined by force: the poller's parts then stay in registers, which saves a tenth of a poll.
[[gnu::always_inline]] inline void core_shared::run_task(core_task& task, poller& with) noexcept {
    if (task.state == core_task::phase::ended_in_queue) [[unlikely]] {
        task.state = core_task::phase::ended;
        return merge(task);
    }
    task.state = core_task::phase::waiting;
    context& cx = with.prepare(task);
    if (task.is_cancelled) [[unlikely]]
        return cancel(task, cx);
    if (task.root == nullptr) return poll_future(task, cx);
    if (task.is_joined) return poll_joined(static_cast<core_joined&>(task), cx);
    if (advance_root(*task.root, with.outcome(), cx)) finish_frames(task, with);
}

/// Polls a task that is no coroutine.
void core_shared::poll_future(core_task& task, context& cx) noexcept {
    try {
        if (!task.operations().poll(task, cx)) return;
    } catch (...) {
        report(std::current_exception(), task.spawned_at);
    }
    finish(task);
}

/// Polls a coroutine that has a join handle.
void core_shared::poll_joined(core_joined& task, context& cx) noexcept {
    {
        // What the end of the task changes: it comes while the frames run.
        __builtin_prefetch(&task.join_word, 1);
        const polled_loop_task here(task.id);
        task.has_ended = advance_root(*task.root, task.outcome, cx);
    }
    if (!task.has_ended) return;
    task.root = nullptr;  // its frames have destroyed themselves
    finish(task);
}

/// The task was aborted: its future is asked to end in an orderly way, as often as it takes, and then destroyed.
void core_shared::cancel(core_task& task, context& cx) noexcept {
    try {
        if (!task.operations().poll_cancel(task, cx)) return;
    } catch (...) {  // NOLINT(bugprone-empty-catch): it cannot end in an orderly way, so it is destroyed outright
    }
    finish(task);
}

void core_shared::finish_frames(core_task& task, poller& with) noexcept {
    task.root = nullptr;
    try {
        with.outcome().take(task.spawned_at);
    } catch (...) {
        report(std::current_exception(), task.spawned_at);
    }
    with.forget_outcome();
    finish(task);
}

/// The task has ended, or the loop is closing: destroys its future, and merges its counts once no queue has it.
void core_shared::finish(core_task& task) noexcept {
    const bool in_queue = task.state == core_task::phase::queued;
    task.state = in_queue ? core_task::phase::ended_in_queue : core_task::phase::ended;
    live_.remove(task);
    if (task.root != nullptr) destroy_root(*std::exchange(task.root, nullptr));
    task.operations().destroy_future(task);
    // Parted, it is gone from here on.
    if (task.operations().complete != nullptr && task.operations().complete(task, !in_queue)) return;
    if (!in_queue) merge(task);
}

void core_shared::merge(core_task& task) noexcept {
    // acquire: pairs with drop_remote(). Mostly nobody else has a reference, and so nobody can make one any more.
    if (task.local_refs == 0 && task.remote.load(std::memory_order_acquire) == 0) {
        return task.operations().free_memory(task);
    }
    task.is_merged = true;
    retain();  // for the references that remain: they reach the loop through the task
    // acq_rel: pairs with drop_remote(). One extra reference, so that this thread is the one that finds zero.
    task.remote.fetch_add(core_task::merged + core_task::one_ref * (std::int64_t{task.local_refs} + 1),
                          std::memory_order_acq_rel);
    drop_remote(task);
}

void core_shared::report(std::exception_ptr thrown, const std::source_location& where, std::string_view name) noexcept {
    if (on_uncaught_) {
        on_uncaught_(std::move(thrown), where);
    } else {
        print_uncaught(thrown, where, name);
    }
}

void core_shared::close() noexcept {
    if (owner_ != this_thread_mark()) {
        fatal_misuse(
            "a core was destroyed on another thread than the one that made it: its tasks belong to that thread");
    }
    if (is_running()) fatal_misuse("a core was destroyed by work that it runs");
    is_closed_ = true;
    // As if it ran: what its tasks' destructors do is refused, or stays local, as inside a run.
    core_shared* const outer = std::exchange(running_here, this);
    time_driver* const outer_time = exchange_current_time_driver(time_.get());
    const executor_scope executor({.core = this});
    const without_task_locals unbound;
    for (inbound_node* node = inbound_.close(); node != nullptr;) arrive(*std::exchange(node, node->next_inbound));
    const auto destroy_tasks = [this] {
        while (core_task* const task = live_.front()) finish(*task);
        while (has_queued()) merge(pop_queued());  // all have ended
    };
    destroy_tasks();
    time_->shutdown();
    if (io_ != nullptr) io_->shut_down();
    on_uncaught_ = nullptr;  // what it holds is destroyed on this thread, and not with the last remote
    destroy_tasks();         // what its end has spawned, or a waker's
    running_here = outer;
    exchange_current_time_driver(outer_time);
    buffers_.reset();
}

// ---- What templates and other files call ----

void retain_core_task(core_task& task) noexcept { clone_waker(&task); }
void release_core_task(core_task& task) noexcept { drop_waker(&task); }
void cancel_core_task(core_task& task) noexcept {
    if (!is_local(task)) return notify_remotely(task, core_task::cancelled);
    task.is_cancelled = true;
    if (task.state == core_task::phase::waiting) task.shared->schedule(task);
}

void retain(core_shared& loop) noexcept { loop.retain(); }
void release(core_shared& loop) noexcept { loop.release(); }
bool on_loop_thread(const core_shared& loop) noexcept { return loop.owner() == this_thread_mark(); }
bool is_closed(const core_shared& loop) noexcept { return loop.is_closed() || loop.is_parents(); }
void adopt_task(core_shared& loop, core_task& task) noexcept { loop.adopt(task); }
void report_uncaught(core_shared& loop, std::exception_ptr thrown, const std::source_location& where,
                     std::string_view name) noexcept {
    loop.report(std::move(thrown), where, name);
}
bool send_job(core_shared& loop, inbound_node& job) noexcept { return loop.send(job); }

void check_thread(const core_shared& loop, std::source_location where) {
    if (!on_loop_thread(loop)) {
        throw wrong_thread(
            "a core and its core_handle belong to the thread that made the core: from other threads send work through "
            "a core_remote (handle.remote())",
            where);
    }
}

void check_entry(const core_shared& loop, std::source_location where) {
    check_thread(loop, where);
    if (running_here == &loop) {
        throw nested_runtime(
            "cannot recursively call into core: run() or turn() was called from work of the same loop; spawn the work, "
            "or await it",
            where);
    }
    if (running_here != nullptr || worker_here != nullptr) {
        throw nested_runtime(
            "a loop was run from inside another one, which would block that: use a thread of its own (core_thread)",
            where);
    }
    if (loop.is_parents()) {
        throw misuse("this loop belongs to the parent process: after a fork, make a new core in the child", where);
    }
}

void run_until_done(core_shared& loop, core_task& main, const bool& done, std::source_location where) {
    loop.run_until(main, done, where);
}

void run_until_idle(core_shared& loop, std::source_location where) { loop.run_until_idle(where); }

core_shared* current_loop() noexcept { return running_here; }

buffer_pool* current_buffer_pool() noexcept { return running_here == nullptr ? nullptr : &running_here->buffers(); }

}  // namespace eddy::detail
