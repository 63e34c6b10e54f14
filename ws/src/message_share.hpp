// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::detail {

/// A share of the memory for large compressed messages. A few bytes can stand for a message of many megabytes, so the
/// WebSockets of a process take turns: they decompress messages with at most most_shared bytes at the same time.
///
///     none ──poll_acquire()──> waiting ──in the order of the requests──> held ──release()──> none
///      ^                                                                  │
///      └────────────────── not used for unused_limit, and others wait ────┘
///
/// A task may stop polling its connection in the middle of a message. Its share is taken back, so that it does not
/// prevent others.
/// Thread safety: different objects may be used on different threads.
/// Lifetime: an object that waits or is held is in a list of the process; its destructor releases it.
class message_share : public waiter {
public:
    static constexpr std::size_t most_shared = 32 << 20;
    static constexpr std::chrono::seconds unused_limit{1};

    message_share() = default;
    ~message_share();

    /// Returns whether the share is held, for a message of up to `bytes` bytes. Otherwise the task of `cx` is woken
    /// when that may have changed; on a thread without timers, only when others have released their shares. Call it
    /// before each step of work. A message that is larger than most_shared gets all.
    [[nodiscard]] bool poll_acquire(std::size_t bytes, context& cx);
    /// Takes the share without a wait, for a message that is in memory already, even if the sum exceeds most_shared.
    /// Call it before each step of work.
    void take(std::size_t bytes) noexcept;
    /// Gives the share back, or ends the wait. Returns whether there was one.
    bool release() noexcept;
    /// Wakes the tasks whose shares are now held. Call it after poll_acquire() and release(), without a lock: this may
    /// run user-provided code.
    static void wake_holders() noexcept;

private:
    struct shares;
    enum class state : unsigned char { none, waiting, held };

    static shares& all() noexcept;

    // Guarded by the lock of the shares.
    state state_ = state::none;
    std::size_t bytes_ = 0;
    std::chrono::steady_clock::time_point used_at_;

    bool is_used_ = false;  // since release()
    pool_box<time::sleep_future> look_again_;
};

}  // namespace eddy::detail
