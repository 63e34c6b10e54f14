// SPDX-License-Identifier: MIT
#include <eddy/task/join_queue.hpp>

#include <algorithm>

namespace eddy::detail {

join_fifo& join_fifo::operator=(join_fifo&& other) noexcept {
    join_fifo taken(std::move(other));
    tasks_.swap(taken.tasks_);
    std::swap(first_, taken.first_);
    waiting_.swap(taken.waiting_);
    return *this;
}

void join_fifo::reserve() {
    if (tasks_.size() < tasks_.capacity()) return;
    // Reuses the space of tasks that were taken, before it allocates more memory. It moves at most one task for each
    // task that was taken, so add() and take_ended() are O(1) on average.
    if (first_ >= std::max<std::size_t>(size(), 1)) {
        tasks_.erase(tasks_.begin(), tasks_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    } else {
        tasks_.reserve(std::max<std::size_t>(8, 2 * tasks_.capacity()));
    }
}

spawned_task* join_fifo::take_ended(const context* cx) {
    if (size() == 0) return nullptr;
    spawned_task* const task = tasks_[first_];
    if (cx == nullptr) {
        if (!is_task_finished(*task)) return nullptr;
    } else if (!poll_join(*task, cx->waker(), cx->where())) {
        if (!waiting_.will_wake(cx->waker())) waiting_ = cx->waker();
        return nullptr;
    }
    waiting_ = waker();
    ++first_;
    if (size() == 0) {
        tasks_.clear();
        first_ = 0;
    }
    return task;
}

void join_fifo::abort_all() noexcept {
    for (std::size_t i = first_; i < tasks_.size(); ++i) abort_task(*tasks_[i]);
}

void join_fifo::release_all(bool with_abort) noexcept {
    // The list is emptied first, because the calls below may run user code that uses this list.
    const std::vector<spawned_task*> tasks = std::exchange(tasks_, {});
    waker owner = std::exchange(waiting_, waker());
    for (std::size_t i = std::exchange(first_, 0); i < tasks.size(); ++i) {
        if (with_abort) abort_task(*tasks[i]);
        drop_join_handle(*tasks[i]);
    }
    // A task that waits for the next entry finds that there is none.
    std::move(owner).wake();
}

}  // namespace eddy::detail
