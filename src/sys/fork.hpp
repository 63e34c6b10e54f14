// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>

namespace eddy::sys {

/// Use fork_generation(), which sees to it that it counts. Relaxed wherever it is touched: it changes only in a child
/// that has one thread yet.
inline constinit std::atomic<std::uint64_t> forks_counted{0};

/// Counts the forks that lie between this process and the one in which the library was first used. A driver notes it:
/// in a child it differs, and the epoll there is the parent's, shared, so the child must not touch it.
/// Cost: a load. (getpid(2) is a system call.)
[[nodiscard]] std::uint64_t fork_generation() noexcept;

/// Notes in which process it was made: for what has threads, of which a forked child has none.
class process_mark {
public:
    process_mark() noexcept : generation_(fork_generation()) {}

    /// Whether that was the parent of this one, or an earlier one.
    /// Cost: an inlined load.
    [[nodiscard]] bool is_parent() const noexcept {
        return generation_ != forks_counted.load(std::memory_order_relaxed);
    }

private:
    std::uint64_t generation_;
};

/// From now on `f` is called in each forked child, before fork(2) returns there. There is no way back.
void call_in_children(void (*f)()) noexcept;

}  // namespace eddy::sys
