// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/woken_set.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/basic_join_set.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

struct join_entry;

/// The part of a join_set that does not depend on the output type. Each task has an entry, whose waker is registered
/// with the task. When the task ends, the waker queues the entry, so that ended tasks are found without checking the
/// rest.
/// Thread safety: not synchronized; distinct objects may be used on different threads. The wakers of its entries are
/// used on any thread, also after its destruction.
class EDDY_API join_list {
public:
    join_list() noexcept = default;
    join_list(join_list&& other) noexcept
        : entries_(std::move(other.entries_)), spare_(std::exchange(other.spare_, nullptr)) {}
    join_list& operator=(join_list&& other) noexcept;
    /// Aborts and detaches all tasks.
    ~join_list();

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

    /// Allocates the memory for one add().
    /// Errors: throws std::bad_alloc.
    void reserve();
    /// Adds a task and takes ownership of its join handle's reference.
    /// Preconditions: reserve() was called for it.
    void add(spawned_task& task) noexcept;

    /// Removes the task that ended first and returns it with its join handle's reference. Returns null if no task has
    /// ended; then the waker of `cx`, if `cx` is not null, is woken when a task ends, and replaces the waker of earlier
    /// calls.
    [[nodiscard]] spawned_task* take_ended(const context* cx) noexcept;

    /// Aborts all tasks. They stay in the list until they have ended.
    void abort_all() noexcept;
    /// Removes all tasks from the list without aborting them.
    void detach_all() noexcept { release_all(false); }

private:
    void release_all(bool with_abort) noexcept;
    spawned_task* remove(join_entry& entry) noexcept;

    woken_set entries_;
    join_entry* spare_ = nullptr;  // allocated by reserve() for the next add()
};

}  // namespace eddy::detail

namespace eddy {

/// A set of tasks with outputs of one type, which are joined in the order in which they end. Destroying the set aborts
/// all tasks and does not wait for their end. A move assignment does the same with the tasks that the set had before.
///     eddy::join_set<int> set;
///     for (auto& each : parts) set.spawn(work_on(each));
///     while (auto output = co_await set.join_next()) use(*output);
/// For child tasks that borrow from their parent, use eddy::scope. To join in the order of the spawns, use join_queue.
///
/// It is also a stream of outputs. The stream ends when the set is empty, and continues if a task is spawned after
/// that:
///     co_await std::move(set).for_each([](int output) { use(output); });
/// Stream operations on an rvalue take ownership of the set: if such a future or adaptor is dropped early, the tasks
/// are aborted. Use by_ref() to borrow the set.
/// Errors: a task that was aborted, or that threw, is joined with a `join_error`.
/// Thread safety: not synchronized; use one object from one thread at a time. The tasks may run on other threads.
/// Lifetime: the tasks must own their data, because they can outlive the set: a task that another worker polls while
/// the set is destroyed runs until its next suspension. Await shutdown() first, or use eddy::scope.
/// Cost: one small block from the frame pool for each task. Finding an ended task is O(1).
template <class T = void>
class join_set : public basic_join_set<join_set<T>, T, detail::join_list> {
    friend class basic_join_set<join_set, T, detail::join_list>;

    template <bool Fits>
    static constexpr bool check_output() {
        static_assert(Fits,
                      "eddy: a join_set<T> holds tasks whose output is T, and this work has a different output type");
        return Fits;
    }
};

}  // namespace eddy
