// SPDX-License-Identifier: MIT
#include <eddy/task/join_set.hpp>

#include <source_location>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

/// One task of a join_list. It is queued when the task has ended.
struct join_entry : woken_node {
    spawned_task* task = nullptr;

    static void free(woken_node& node) noexcept { pool_delete(&of(node)); }
    // SAFETY: all nodes of the list's set are entries.
    static join_entry& of(woken_node& node) noexcept { return static_cast<join_entry&>(node); }

    /// Returns whether the task has ended. If not, its end will queue the entry.
    bool watch() noexcept {
        const borrowed_waker borrowed = make_waker();
        return poll_join(*task, borrowed.get(), std::source_location());
    }
};

join_list& join_list::operator=(join_list&& other) noexcept {
    join_list taken(std::move(other));
    entries_.swap(taken.entries_);
    std::swap(spare_, taken.spare_);
    return *this;
}

join_list::~join_list() {
    release_all(true);
    if (spare_ != nullptr) pool_delete(spare_);
}

void join_list::reserve() {
    entries_.open(&join_entry::free);
    if (spare_ == nullptr) spare_ = pool_new<join_entry>();
}

void join_list::add(spawned_task& task) noexcept {
    EDDY_ASSERT(spare_ != nullptr, "join_list: add() without reserve()");
    join_entry& entry = *std::exchange(spare_, nullptr);
    entry.task = &task;
    entries_.hold_unqueued(entry);
    if (entry.watch()) woken_queue::wake(entry);
}

spawned_task* join_list::take_ended(const context* cx) noexcept {
    do {
        while (woken_node* const node = entries_.next_to_poll()) {
            join_entry& entry = join_entry::of(*node);
            if (entry.watch()) return remove(entry);
        }
    } while (cx == nullptr ? entries_.fetch() : entries_.fetch(cx->waker()));
    return nullptr;
}

/// Removes an entry, and returns its task with the join handle's reference.
spawned_task* join_list::remove(join_entry& entry) noexcept {
    spawned_task* const task = entry.task;
    entries_.take_out(entry);
    woken_queue::drop_reference(entry);
    return task;
}

void join_list::abort_all() noexcept {
    for (woken_node* node = entries_.first(); node != nullptr; node = node->next) {
        spawned_task& task = *join_entry::of(*node).task;
        abort_task(task);
    }
}

void join_list::release_all(bool with_abort) noexcept {
    while (woken_node* const node = entries_.first()) {
        spawned_task& task = *remove(join_entry::of(*node));  // removed first: the calls below may run user code
        if (with_abort) abort_task(task);
        drop_join_handle(task);
    }
    // A task that waits for the next entry finds that there is none.
    entries_.wake_owner();
}

}  // namespace eddy::detail
