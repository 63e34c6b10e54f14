// SPDX-License-Identifier: MIT
#include <eddy/detail/scope_base.hpp>

#include <mutex>
#include <utility>

#include <eddy/detail/core_shared.hpp>
#include <eddy/error.hpp>
#include <eddy/spawn.hpp>

#include "core/core_shared.hpp"
#include "runtime/polled_task.hpp"
#include "runtime/pool.hpp"
#include "runtime/worker_here.hpp"

namespace eddy::detail {
namespace {

// For destructors of scopes that wait for a child that is being polled: seldom, so one for all.
constinit mutex destroyers_lock;
condition_variable& child_has_ended() {
    static auto* const never_destroyed = new condition_variable;
    return *never_destroyed;
}

/// The parent of a scope that has ended goes on before others of its tree begin: what they hold of memory stays small.
void wake_parent(waker&& parent, core_shared* core) noexcept {
    if (core != nullptr) {
        core->wake_fork(std::move(parent));
    } else if (worker_here != nullptr) {
        worker_here->wake_fork(std::move(parent));
    } else {
        std::move(parent).wake();
    }
}

[[noreturn]] void destroyed_by_child() noexcept {
    fatal_misuse("a scope was destroyed by one of its own children, which would wait for itself");
}

}  // namespace

class scope_base::guard {
public:
    explicit guard(scope_base& scope) noexcept : lock_(scope.pool_ != nullptr ? &scope.lock_ : nullptr) {
        if (lock_ != nullptr) lock_->lock();
    }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() {
        if (lock_ != nullptr) lock_->unlock();
    }

private:
    spin_lock* const lock_;
};

scope_base::~scope_base() {
    if (pool_ != nullptr) pool_->release();
    if (core_ != nullptr) core_->release();
}

void scope_base::bind(std::source_location where) {
    const spawn_target target = current_spawn_target("scope", "enter a runtime before (runtime::enter)", where);
    pool_ = target.pool;
    core_ = target.core;
    if (pool_ != nullptr) pool_->retain();
    if (core_ != nullptr) core_->retain();
    deadline_ = deadline_here();
}

void scope_base::adopt(scope_link& child) noexcept {
    child.next = first_;
    if (first_ != nullptr) first_->previous = &child;
    first_ = &child;
}

void scope_base::start_pool_child(spawned_task& task, scope_link& link) noexcept {
    link.task.pooled = &task;
    pool_->number(task);
    bool is_listed = false;
    {
        // Both at once: from here on it may be destroyed, by who destroys the scope and by who closes the pool.
        const guard locked(*this);
        adopt(link);
        is_listed = pool_->enlist(task);
        if (is_cancelled()) static_cast<void>(task.state.transition_to_cancelled());
    }
    pool_->launch_fork(task, is_listed);
}

void scope_base::start_core_child(core_task& task, scope_link& link) noexcept {
    link.task.cored = &task;
    adopt(link);
    if (is_cancelled()) task.is_cancelled = true;
    core_->adopt_fork(task);
}

void scope_base::ended(scope_link& child) noexcept {
    waker parent;
    bool is_watched = false;
    core_shared* const core = core_;
    {
        const guard locked(*this);
        (child.previous != nullptr ? child.previous->next : first_) = child.next;
        if (child.next != nullptr) child.next->previous = child.previous;
        if (first_ == nullptr && waits_for_children_) parent = std::move(waker_);
        is_watched = is_awaited_;
    }
    // From here on the scope may be gone.
    if (!parent.is_noop()) wake_parent(std::move(parent), core);
    if (is_watched) {
        const std::lock_guard lock(destroyers_lock);
        child_has_ended().notify_all();
    }
}

void scope_base::fail(scope_failure failure) noexcept {
    waker parent;
    {
        const guard locked(*this);
        if (failure_) return;
        failure_ = std::move(failure);
        // release: pairs with has_failed().
        has_failed_.store(true, std::memory_order_release);
        parent = std::move(waker_);
    }
    cancel();
    std::move(parent).wake();
}

void scope_base::cancel() noexcept {
    if (pool_ == nullptr) {
        is_cancelled_.store(true, std::memory_order_relaxed);
        for (scope_link* child = first_; child != nullptr; child = child->next) cancel_core_task(*child->task.cored);
        return;
    }
    abort_batch children;  // queued after the lock, since that wakes
    const guard locked(*this);
    // From here on each new child is cancelled at once.
    is_cancelled_.store(true, std::memory_order_relaxed);
    for (scope_link* child = first_; child != nullptr; child = child->next) children.add(*child->task.pooled);
}

void scope_base::set_waker(const waker& wake) {
    {
        // Also while there are no children: others than the body may start some.
        const guard locked(*this);
        if (waker_.will_wake(wake)) return;
    }
    waker copy = wake;  // cloned before the lock is taken, and the former one dropped after it
    const guard locked(*this);
    waker_.swap(copy);
}

bool scope_base::poll_empty(const waker& wake) {
    {
        const guard locked(*this);
        if (first_ == nullptr) return true;
        if (waker_.will_wake(wake)) {
            waits_for_children_ = true;
            return false;
        }
    }
    waker copy = wake;
    const guard locked(*this);
    if (first_ == nullptr) return true;
    waits_for_children_ = true;
    waker_.swap(copy);
    return false;
}

/// A child that nobody polls at this moment, with its running bit and a reference; null if there is none. The others
/// are told to end. From the front each time, since the destructor of a child may have started others: no more than one
/// for each thread of the pool is passed by, those that are being polled.
spawned_task* scope_base::take_child_to_destroy() noexcept {
    const guard locked(*this);
    is_cancelled_.store(true, std::memory_order_relaxed);
    for (scope_link* link = first_; link != nullptr; link = link->next) {
        spawned_task& child = *link->task.pooled;
        if (polled_task::is_here(child)) destroyed_by_child();
        // First the reference: the list of the pool may give up the only one, as soon as somebody else has the running
        // bit.
        child.state.add_reference();
        if (child.state.transition_to_shutdown()) return &child;
        // Never the last: who has the running bit has one until ended(), which needs this lock.
        static_cast<void>(child.state.release());
    }
    return nullptr;
}

void scope_base::destroy_children() noexcept {
    if (!is_bound()) return;
    if (pool_ == nullptr) {
        is_cancelled_.store(true, std::memory_order_relaxed);
        while (first_ != nullptr) {
            if (first_->is_polled) destroyed_by_child();
            core_->destroy(*first_->task.cored);
        }
        return;
    }
    is_being_destroyed_.store(true, std::memory_order_release);
    while (spawned_task* const child = take_child_to_destroy()) pool_->destroy(*child, 1);
    {
        const guard locked(*this);
        if (first_ == nullptr) return;
        is_awaited_ = true;
    }
    // What is left is being polled on other workers, and destroyed there as soon as it waits.
    const auto is_waiting = [](void* scope) noexcept {
        auto& self = *static_cast<scope_base*>(scope);
        const guard locked(self);
        return self.first_ != nullptr;
    };
    const pool::held_up here(*pool_, is_waiting, this);
    std::unique_lock lock(destroyers_lock);
    child_has_ended().wait(lock, [this] {
        const guard locked(*this);
        return first_ == nullptr;
    });
}

}  // namespace eddy::detail
