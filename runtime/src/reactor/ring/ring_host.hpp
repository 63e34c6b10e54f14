// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

class ring_reactor;
class uring;

/// The ring of a ring_reactor and the thread that owns it. Creates the ring; nothing else does.
///
///                     acquire()               retire()
///     no owner ---------------------> owned ------------> no owner
///        | the kernel refuses a ring,
///        | or give_up()
///        +-------------------------> given up, for good
///
///     member         accessed by
///     ring_          the owner; while there is no owner, the holder of the driver lock
///     is_given_up_   written by the holder of the driver lock
///     is_lost_       written by the owner, read during the shutdown
class ring_host : immovable {
public:
    ring_host() noexcept;
    ~ring_host();

    /// Creates the ring before it has an owner. Called by the thread that builds the event loop, and not by the thread
    /// that will own the ring, so that build() can report an error of the kernel.
    /// Errors: same as uring::make().
    [[nodiscard]] result<void> create(ring_reactor& owner) noexcept;

    /// Returns the ring if this thread owns it, else null.
    [[nodiscard]] uring* own() const noexcept {
        // relaxed: compared with this thread's own mark, which only this thread stores.
        return owner_.load(std::memory_order_relaxed) == this_thread_mark() ? ring_.get() : nullptr;
    }
    /// Returns whether acquire() may succeed.
    [[nodiscard]] bool can_be_acquired() const noexcept {
        // acquire: pairs with the release in retire(): the former owner no longer accesses ring_.
        return owner_.load(std::memory_order_acquire) == nullptr && !is_given_up_;
    }
    /// In the tick: makes this thread the owner. A failed attempt is not repeated: an attempt in each tick would cost
    /// more than a ring saves.
    /// Preconditions: can_be_acquired().
    void acquire(ring_reactor& owner, int driver_fd, int waker_fd) noexcept;
    /// Submits the queued sends and destroys the ring.
    /// Preconditions: this thread owns it.
    void retire() noexcept;
    /// Destroys a ring that has no owner, and makes can_be_acquired() return false.
    void give_up() noexcept;
    /// Destroys a ring that has no owner. Called when no tick runs anymore.
    void destroy_unowned() noexcept;

    [[nodiscard]] bool is_given_up() const noexcept { return is_given_up_; }
    /// Returns whether a ring could not be retired, so that its operations end without a completion.
    [[nodiscard]] bool is_lost() const noexcept { return is_lost_; }

private:
    std::unique_ptr<uring> ring_;
    atomic<const void*> owner_{nullptr};  // the mark of a thread
    bool is_given_up_ = false;
    bool is_lost_ = false;
};

}  // namespace eddy::detail
