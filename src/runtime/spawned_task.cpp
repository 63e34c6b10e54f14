// SPDX-License-Identifier: MIT
#include <eddy/detail/spawned_task.hpp>

#include <array>
#include <functional>
#include <utility>

#include <eddy/detail/yield_thread.hpp>

#include "core/this_thread.hpp"
#include "runtime/local_here.hpp"
#include "runtime/polled_task.hpp"
#include "runtime/uncaught.hpp"
#include "runtime/worker_here.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {
namespace {

// ---- Announcements of wakes from outside ----

struct alignas(64) guard_count {
    atomic<std::uint32_t> value{0};
};
// Several, so that threads that wake at the same time seldom share a cache line.
constinit std::array<guard_count, 16> guards;

atomic<std::uint32_t>& guard_of_this_thread() noexcept {
    // Thread-local storage of threads lies pages apart.
    const auto where = reinterpret_cast<std::uintptr_t>(this_thread_mark());
    return guards[(where >> 12) % guards.size()].value;
}

/// Whether the owner of `task` is the pool that this thread is a worker of, or the local set that is polled on it: then
/// it outlives this call.
bool is_mine(const spawned_task& task) noexcept {
    return worker_owner_here == task.owner || local_polled_here == task.owner;
}

// ---- The waker ----

spawned_task& task_of(void* data) noexcept { return *static_cast<spawned_task*>(data); }

void submit(task_state::wake_action action, spawned_task& task) noexcept {
    if (action == task_state::wake_action::submit) task.owner->schedule(task);
    if (action == task_state::wake_action::free) task.ops().free_memory(task);
}

struct task_waker {
    static void* clone(void* data) noexcept {
        task_of(data).state.add_reference();
        return data;
    }
    static void wake_by_ref(void* data) noexcept {
        spawned_task& task = task_of(data);
        if (is_mine(task)) {
            if (!polled_task::wakes_itself(task)) submit(task.state.wake_by_ref(), task);
            return;
        }
        const owner_guard guard;
        submit(task.state.wake_by_ref(), task);
    }
    static void wake(void* data) noexcept {
        spawned_task& task = task_of(data);
        if (is_mine(task)) return submit(task.state.wake_and_release(), task);
        const owner_guard guard;
        submit(task.state.wake_and_release(), task);
    }
    static void drop(void* data) noexcept { release(task_of(data)); }
};

spawned_task& task_of(joinable& task) noexcept {
    // SAFETY: these operations are in the tables of spawned tasks only.
    return static_cast<spawned_task&>(task);
}
const spawned_task& task_of(const joinable& task) noexcept { return static_cast<const spawned_task&>(task); }

}  // namespace

constinit const waker_vtable spawned_task_waker{&task_waker::clone, &task_waker::wake, &task_waker::wake_by_ref,
                                                &task_waker::drop};

owner_guard::owner_guard() noexcept : mine_(guard_of_this_thread()) {
    // seq_cst, and so before the change of the task's word that follows: if that finds the task not complete, then
    // whoever completes it later, and frees the owner after that, sees this.
    mine_.fetch_add(1, std::memory_order_seq_cst);
}

owner_guard::~owner_guard() {
    // release: pairs with the load in await_wakers_outside(): what the guard was for is done.
    mine_.fetch_sub(1, std::memory_order_release);
}

void await_wakers_outside() noexcept {
    for (auto& guard : guards) {
        // acquire: pairs with the release above. A read-modify-write, so that it is ordered after the announcements
        // that came before the last task was complete.
        while (guard.value.fetch_add(0, std::memory_order_acq_rel) != 0) yield_thread();
    }
}

void forget_wakers_in_children() noexcept {
    // The thread that forks is in none: it is not in the midst of waking.
    [[maybe_unused]] static const bool installed = [] {
        sys::call_in_children([] {
            // relaxed: there is one thread.
            for (auto& guard : guards) guard.value.store(0, std::memory_order_relaxed);
        });
        return true;
    }();
}

void abort_batch::add(spawned_task& task) noexcept {
    if (task.state.transition_to_cancelled() != task_state::wake_action::submit) return;
    // SAFETY: it was waiting, and the queue's reference that has just been made is ours: nobody else may queue it.
    task.next_queued = std::exchange(first_, &task);
}

abort_batch::~abort_batch() {
    while (spawned_task* const task = first_) {
        first_ = task->next_queued;
        task->owner->schedule(*task);
    }
}

void release(spawned_task& task, std::uint64_t count) noexcept {
    if (task.state.release(count)) task.ops().free_memory(task);
}

// ---- What a join handle does ----

bool poll_join(joinable& joined, const waker& wake) {
    spawned_task& task = task_of(joined);
    if (task.state.is_complete()) return true;
    // Taken back even to be compared: whoever completes the task moves the waker out.
    if (task.state.has_join_waker() && !task.state.take_join_waker_back()) return true;
    // SAFETY: the bit is clear, and only this handle sets it: the field is nobody else's.
    task.join_waker = wake;
    if (task.state.publish_join_waker()) return false;
    task.join_waker = waker();
    return true;
}

void drop_join_handle(joinable& joined) noexcept {
    spawned_task& task = task_of(joined);
    const auto ended = task.state.drop_interest();
    if (ended.owns_the_waker) task.join_waker = waker();
    if (ended.was_complete) {
        if (auto thrown = task.ops().exception(task))
            report_uncaught(*task.owner, std::move(thrown), task.spawned_at, task.ops().name(task));
        task.ops().destroy_output(task);
    }
    release(task);
}

void abort_task(joinable& joined) noexcept {
    spawned_task& task = task_of(joined);
    const owner_guard guard;
    submit(task.state.transition_to_cancelled(), task);
}

bool is_task_finished(const joinable& joined) noexcept { return task_of(joined).state.is_complete(); }
void add_task_reference(joinable& joined) noexcept { task_of(joined).state.add_reference(); }
void release_task(joinable& joined) noexcept { release(task_of(joined)); }
std::uint64_t id_of_task(const joinable& joined) noexcept { return task_of(joined).id; }

std::uint64_t next_task_id() noexcept {
    static constinit atomic<std::uint64_t> next_block{0};
    constexpr std::uint64_t block = 1024;
    static constinit thread_local std::uint64_t next = 0;
    // relaxed: only distinct numbers are wanted. The first block begins at 1, since 0 stands for no task.
    if (next % block == 0) next = next_block.fetch_add(block, std::memory_order_relaxed) + 1;
    return next++;
}

}  // namespace eddy::detail
