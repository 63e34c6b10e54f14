// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "executor/pool/child_queue.hpp"
#include "executor/pool/queue_capacity.hpp"

namespace eddy::detail {

struct offered_child;
class worker_set;

/// The children that the scopes which are being polled on a worker's thread offer to other workers; see known_scope.
/// Short children are mostly taken back before a worker wakes up. So as long as no offer is taken, only each 2nd, then
/// each 4th, 8th ... offer wakes a worker.
/// Thread safety: steal() and is_empty() on any thread, other functions on the thread that runs the worker.
class child_offers {
public:
    [[nodiscard]] bool is_empty() const noexcept { return queue_.is_empty(); }
    /// Returns whether a further scope should offer no children. The children of outer scopes have larger subtrees, so
    /// a few are enough for the other workers, and each taken one is soon replaced. The scope then needs no
    /// read-modify-write.
    [[nodiscard]] bool has_enough() const noexcept { return queue_.size() >= enough; }

    /// Lets the other workers take a child of the scope that is being polled. Returns false if the queue is full.
    [[nodiscard]] bool push(offered_child& child, worker_set& others) noexcept;
    /// Withdraws the newest offer if it offers `child`. Returns false if it was taken, or made a task.
    [[nodiscard]] bool take_back(offered_child& child) noexcept {
        if (queue_.is_newest(&child) && queue_.pop() != nullptr) return true;
        in_vain_ = to_skip_ = 0;
        return false;
    }
    /// Makes the offered children tasks. Called before this thread hands the worker over during a poll.
    void start_all() noexcept;
    [[nodiscard]] offered_child* steal() noexcept { return queue_.steal(); }

private:
    static constexpr std::size_t enough = 4;
    static constexpr unsigned most_in_vain = 10;  // each 1,024th offer still wakes a worker

    child_queue<offered_child, most_queued> queue_{queue_capacity};
    unsigned in_vain_ = 0;  // wake-ups for offers since another worker took one
    unsigned to_skip_ = 0;  // number of further offers that wake no worker
};

}  // namespace eddy::detail
