// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <type_traits>

namespace eddy::sys {

/// The counter of fork_generation(), which installs the handler that increments it. All accesses are relaxed, since it
/// changes only in a child that has a single thread.
inline constinit std::atomic<std::uint64_t> forks_counted{0};

/// Returns the number of forks between the process in which the library was first used and this process. A driver
/// stores it: if it has changed, the epoll is shared with the parent, and the child must not use it.
/// Cost: one load. (getpid(2) would be a system call.)
[[nodiscard]] std::uint64_t fork_generation() noexcept;

/// Returns whether this process was forked after the library was first used in its parent.
[[nodiscard]] inline bool is_forked_child() noexcept {
    // relaxed: see forks_counted.
    return forks_counted.load(std::memory_order_relaxed) != 0;
}

/// Records the process in which the mark was created. Used by objects that have threads or descriptors, which a forked
/// child does not have or must not use.
class process_mark {
public:
    process_mark() noexcept : generation_(fork_generation()) {}

    /// Returns whether the mark was created in the parent of this process, or in an earlier ancestor.
    /// Cost: an inlined load.
    [[nodiscard]] bool is_from_parent() const noexcept {
        // relaxed: see forks_counted.
        return generation_ != forks_counted.load(std::memory_order_relaxed);
    }

private:
    std::uint64_t generation_;
};

/// Calls `f` in each child that is forked from now on, before fork(2) returns there. This cannot be undone.
void call_in_children(void (*f)()) noexcept;
/// Calls `lock` before each fork(2) from now on, and after it `unlock` in the parent and `unlock_in_child` in the
/// child, so that no other thread has the lock in the child. This cannot be undone.
void hold_during_forks(void (*lock)(), void (*unlock)(), void (*unlock_in_child)()) noexcept;
/// Same as above, for a lock of the process; `in_child` is called with the lock in the child. Returns true, for the
/// initializer of an object of the namespace: a local static has a guard, which another thread may hold during a fork.
template <auto& Lock, class InChild>
bool hold_during_forks(InChild) noexcept {
    // By unique_lock, which Clang's analysis of locks does not follow from one function to another.
    using held = std::unique_lock<std::remove_reference_t<decltype(Lock)>>;
    hold_during_forks([] { static_cast<void>(held(Lock).release()); },
                      [] { const held released(Lock, std::adopt_lock); },
                      [] {
                          const held released(Lock, std::adopt_lock);
                          InChild()();
                      });
    return true;
}

}  // namespace eddy::sys
