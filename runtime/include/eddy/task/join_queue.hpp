// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/basic_join_set.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

/// The part of a join_queue that does not depend on the output type: tasks in the order in which they were added. Has
/// the members of join_list.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
class EDDY_API join_fifo {
public:
    join_fifo() noexcept = default;
    join_fifo(join_fifo&& other) noexcept
        : tasks_(std::exchange(other.tasks_, {})),
          first_(std::exchange(other.first_, 0)),
          waiting_(std::move(other.waiting_)) {}
    join_fifo& operator=(join_fifo&& other) noexcept;
    /// Aborts and detaches all tasks.
    ~join_fifo() { release_all(true); }

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size() - first_; }

    /// Allocates the memory for one add().
    /// Errors: throws std::bad_alloc.
    void reserve();
    /// Adds a task and takes ownership of its join handle's reference.
    /// Preconditions: reserve() was called for it.
    void add(spawned_task& task) noexcept { tasks_.push_back(&task); }

    /// Removes the first task if it has ended, and returns it with its join handle's reference. Otherwise returns null;
    /// then the waker of `cx`, if `cx` is not null, is woken when that task ends, and replaces the waker of earlier
    /// calls.
    /// Errors: throws `misuse` if the first task is the one that `cx` polls.
    [[nodiscard]] spawned_task* take_ended(const context* cx);

    /// Aborts all tasks. They stay in the list until they have ended.
    void abort_all() noexcept;
    /// Removes all tasks from the list without aborting them.
    void detach_all() noexcept { release_all(false); }

private:
    void release_all(bool with_abort) noexcept;

    std::vector<spawned_task*> tasks_;  // the tasks before index `first_` were taken
    std::size_t first_ = 0;
    waker waiting_;  // of the last take_ended(), for release_all()
};

}  // namespace eddy::detail

namespace eddy {

/// Tasks with outputs of one type, which run in parallel and are joined in the order in which they were spawned. Use it
/// if the order of the outputs matters; a join_set joins the task that ends first. Destroying the queue aborts all
/// tasks and does not wait for their end. A move assignment does the same with the tasks that the queue had before.
///     eddy::join_queue<page> pages;
///     for (auto& each : addresses) pages.spawn(fetch(each));
///     while (auto output = co_await pages.join_next()) print(*output);   // in the order of `addresses`
///
/// It is also a stream of outputs, as join_set is.
/// Errors: a task that was aborted, or that threw, is joined with a `join_error`.
/// Thread safety: not synchronized; use one object from one thread at a time. The tasks may run on other threads.
/// Lifetime: the tasks must own their data; see join_set.
/// Cost: one pointer for each task. Joining the next task is O(1).
template <class T = void>
class join_queue : public basic_join_set<join_queue<T>, T, detail::join_fifo> {
    friend class basic_join_set<join_queue, T, detail::join_fifo>;

    template <bool Fits>
    static constexpr bool check_output() {
        static_assert(Fits,
                      "eddy: a join_queue<T> holds tasks whose output is T, and this work has a different output type");
        return Fits;
    }
};

}  // namespace eddy
