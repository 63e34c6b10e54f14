// SPDX-License-Identifier: MIT
#include "executor/loop/core_shared.hpp"

#include <eddy/detail/runtime_context.hpp>

// The wakers of the tasks of an event loop, and the references that they hold.

namespace eddy::detail {
namespace {

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

void retain_core_task(core_task& task) noexcept { clone_waker(&task); }
void release_core_task(core_task& task) noexcept { drop_waker(&task); }
void cancel_core_task(core_task& task) noexcept {
    if (!is_local(task)) return notify_remotely(task, core_task::cancelled);
    task.is_cancelled = true;
    if (task.state == core_task::phase::waiting) task.shared->schedule(task);
}

}  // namespace eddy::detail
