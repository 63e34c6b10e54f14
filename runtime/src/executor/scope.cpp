// SPDX-License-Identifier: MIT
#include <eddy/task/detail/scope_base.hpp>

#include <mutex>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task_owner.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy::detail {
namespace {

// Used by destructors of scopes to wait for a child that is being polled. This wait is rare, so all scopes share one
// lock and one condition.
struct destroyers {
    mutex lock;
    condition_variable child_has_ended;
};
destroyers& waiting_destroyers() {
    static auto* const never_destroyed = new destroyers;
    return *never_destroyed;
}

[[noreturn]] void destroyed_by_child() noexcept {
    fatal_misuse(
        "a scope or task_owner was destroyed by one of its own children, which would wait for itself: destroy it in a "
        "task that is not one of its children");
}

}  // namespace

/// Locks a scope, and has the head of its list of children meanwhile. On an event loop, where one thread uses the
/// scope, it takes no lock.
class scope_base::guard : immovable {
public:
    explicit guard(scope_base& scope) noexcept
        : children_(scope.children_),
          taken_(scope.taken_),
          takes_lock_(scope.runs_ != nullptr && !scope.runs_->is_loop()),
          first_(takes_lock_ ? children_.lock() : children_.get()) {}
    ~guard() { takes_lock_ ? children_.unlock(first_) : children_.set(first_); }

    /// Returns the newest child, null if there are none.
    [[nodiscard]] scope_link* first() const noexcept { return first_; }
    /// Returns whether there are no children, and none that workers have taken and not spawned yet.
    [[nodiscard]] bool all_ended() const noexcept { return first_ == nullptr && taken_ == 0; }
    void count_taken(int more) noexcept { taken_ += more; }
    void link(scope_link& child) noexcept {
        child.next = first_;
        if (first_ != nullptr) first_->previous = &child;
        first_ = &child;
    }
    void unlink(scope_link& child) noexcept {
        (child.previous != nullptr ? child.previous->next : first_) = child.next;
        if (child.next != nullptr) child.next->previous = child.previous;
    }

private:
    locked_head<scope_link>& children_;
    int& taken_;
    const bool takes_lock_;
    scope_link* first_;
};

scope_base::~scope_base() {
    if (runs_ != nullptr) runs_->release();
    // For a scope_handle that is used too late. The scope is a part of a coroutine's frame, whose memory often stays.
    // volatile: a compiler may omit other writes to an object that ends.
    executor* volatile& last = runs_;
    last = nullptr;
}

void scope_base::throw_scope_has_ended(std::source_location where) {
    throw misuse(
        "a scope_handle was used after its scope had ended: spawn inside the scope's body or in a child of the scope",
        where);
}

void scope_base::bind(std::source_location where) {
    runs_ = &current_executor_or_throw("scope", "enter a runtime before (runtime::enter)", where);
    runs_->retain();
    had_task_locals_ = this_thread.task_locals != nullptr;
    if (had_task_locals_) deadline_ = deadline_here();
}

bool scope_base::may_be_destroyed_here() const noexcept {
    return runs_ == nullptr || !has_children() || runs_->may_destroy_here();
}

void scope_base::start_child(spawned_task& task, scope_link& link, bool was_taken) noexcept {
    executor& on = *runs_;  // the scope may be destroyed after the unlock if a worker has taken the child
    link.task = &task;
    on.prepare(task);
    bool is_listed = false;
    {
        // Adds the task to both lists under one lock. From here on the task may be destroyed by the thread that
        // destroys the scope or by the thread that closes the pool.
        guard locked(*this);
        locked.link(link);
        if (was_taken) locked.count_taken(-1);
        is_listed = on.enlist(task);
        // A new task is queued already, so nothing is left to do. A task that is not listed is destroyed.
        if (is_cancelled() && is_listed)
            static_cast<void>(with_state(task, [](auto state) { return state.transition_to_cancelled(); }));
    }
    on.launch_child(task, is_listed);
}

void scope_base::note_taken() noexcept { guard(*this).count_taken(1); }

/// Removes a child whose future was destroyed. Null is a child that could not be spawned.
void scope_base::child_ended(scope_link* child) noexcept {
    executor& on = *runs_;
    waker parent;
    bool is_watched = false;
    {
        guard locked(*this);
        child != nullptr ? locked.unlink(*child) : locked.count_taken(-1);
        if (locked.all_ended() && waits_for_children_) parent = std::move(waker_);
        is_watched = is_awaited_;
    }
    // After the unlock the scope may be destroyed. Only local variables are used below.
    if (!parent.is_noop()) on.wake_scope_parent(std::move(parent));
    if (is_watched) {
        destroyers& waiting = waiting_destroyers();
        const std::lock_guard lock(waiting.lock);
        waiting.child_has_ended.notify_all();
    }
}

void scope_base::fail(scope_failure failure) noexcept {
    waker parent;
    {
        const guard locked(*this);
        if (failure_) return;
        failure_ = std::move(failure);
        // release: pairs with the acquire in has_failed(), after which failure_ is read.
        has_failed_.store(true, std::memory_order_release);
        parent = std::move(waker_);
    }
    cancel();
    std::move(parent).wake();
}

void scope_base::cancel() noexcept {
    abort_batch children;  // its destructor queues the tasks, after the lock is released
    const guard locked(*this);
    // From here on each new child is cancelled immediately.
    // relaxed: start_child() loads the flag under the same lock. Other readers need only the value.
    is_cancelled_.store(true, std::memory_order_relaxed);
    for (scope_link* child = locked.first(); child != nullptr; child = child->next) children.add(*child->task);
}

void scope_base::set_waker(const waker& wake) { static_cast<void>(keep_waker(wake, false)); }

bool scope_base::wait_for_children(const waker& wake) { return keep_waker(wake, true); }

/// Stores `wake`. If `for_children`, returns whether there are no children, and stores nothing
/// then; otherwise returns false.
bool scope_base::keep_waker(const waker& wake, bool for_children) {
    if (std::exchange(has_had_waker_, true)) {
        // Takes the lock even if there are no children, because any thread may start one.
        const guard locked(*this);
        if (for_children && locked.all_ended()) return true;
        if (waker_.will_wake(wake)) {
            waits_for_children_ |= for_children;
            return false;
        }
    }
    waker copy = wake;  // cloned before the lock is taken; the previous one dropped after it: both may run user code
    const guard locked(*this);
    if (for_children && locked.all_ended()) return true;
    waits_for_children_ |= for_children;
    waker_.swap(copy);
    return false;
}

/// Returns a child that is not being polled, with its running bit and a reference; null if there is none. Skips
/// children that are being polled, and marks them as cancelled.
/// Each call starts at the front of the list, because the destructor of a child may have started more children. The
/// number of skipped children is at most the number of the pool's threads.
spawned_task* scope_base::take_child_to_destroy() noexcept {
    const guard locked(*this);
    // relaxed: as in cancel().
    is_cancelled_.store(true, std::memory_order_relaxed);
    for (scope_link* link = locked.first(); link != nullptr; link = link->next) {
        spawned_task& child = *link->task;
        if (polled_task::is_here(child)) destroyed_by_child();
        // The reference is taken before the running bit. Once the bit is set, a closing pool releases the reference of
        // its list, which may be the only one.
        with_state(child, [](auto state) { state.add_reference(); });
        if (with_state(child, [](auto state) { return state.transition_to_shutdown(); })) return &child;
        // This is never the last reference. The thread with the running bit holds one until it has called ended(),
        // which needs the lock of this scope.
        release(child);
    }
    return nullptr;
}

void scope_base::destroy_children() noexcept {
    if (!is_bound()) return;
    // release: pairs with the acquire in is_being_destroyed().
    is_being_destroyed_.store(true, std::memory_order_release);
    while (spawned_task* const child = take_child_to_destroy()) runs_->destroy(*child, 1);
    {
        const guard locked(*this);
        if (locked.all_ended()) return;
        is_awaited_ = true;
    }
    // The remaining children are being polled on other threads, which destroy them after the poll.
    EDDY_ASSERT(!runs_->is_loop(), "scope: a child of an event loop is polled, but not on this thread");
    const auto is_waiting = [](void* scope) noexcept {
        // SAFETY: `scope` is the `this` passed to held_up below. It outlives `here`.
        auto& self = *static_cast<scope_base*>(scope);
        return !guard(self).all_ended();
    };
    const held_up here(static_cast<pool&>(*runs_), is_waiting, this);
    destroyers& waiting = waiting_destroyers();
    std::unique_lock lock(waiting.lock);
    waiting.child_has_ended.wait(lock, [this] { return guard(*this).all_ended(); });
}

void report_background_failure(unread_failure&& failure, const std::source_location& where) noexcept {
    report_failure_here(std::move(failure), where);
}

}  // namespace eddy::detail

namespace eddy {

task_owner::~task_owner() {
    if (!base_.may_be_destroyed_here()) {
        detail::fatal_misuse(
            "a task_owner was destroyed on another thread than that of the event loop of its tasks: await its close() "
            "in that loop before");
    }
    base_.destroy_children();
}

}  // namespace eddy
