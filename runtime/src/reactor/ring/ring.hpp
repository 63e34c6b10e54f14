// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <system_error>

#include <eddy/detail/export.hpp>

#include "reactor/drivers/driver.hpp"
#include "reactor/ring/uring_abi.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// The kernel's report about one operation.
struct ring_completion {
    std::uint64_t user_data = 0;
    std::int32_t result = 0;
    std::uint32_t flags = 0;

    [[nodiscard]] bool has_more() const noexcept { return (flags & IORING_CQE_F_MORE) != 0; }
};

/// A ring of io_uring(7). Operations are submitted as entries and reported as completions; one system call does both.
/// This class does not interpret the operations.
///
/// This class creates the ring and accesses its queues itself, since liburing's helpers do not report whether the
/// kernel has taken a certain entry.
///
/// Thread safety: open() and close() may run on any thread. From enable() on, the ring belongs to the thread that has
/// called it (SINGLE_ISSUER). The kernel runs deferred work of operations only while that thread is in enter()
/// (DEFER_TASKRUN).
class ring : immovable {
public:
    /// The sizes of the two queues, in entries. The kernel rounds them up to powers of two.
    struct sizes {
        unsigned submissions;
        unsigned completions;
    };

    ~ring() { close(); }

    /// Creates the ring in disabled state.
    /// Errors: what io_uring_setup(2) and mmap(2) report, for example operation_not_permitted or not_enough_memory.
    [[nodiscard]] std::error_code open(sizes wanted) noexcept;
    /// Makes this thread the owner of the ring.
    /// Errors: what io_uring_register(2) reports.
    [[nodiscard]] std::error_code enable() noexcept;
    /// Closes the ring. The kernel cancels the operations in flight some time later. In a forked child it only
    /// closes the child's descriptor. Callable on any thread.
    void close() noexcept;

    // ---- The owner ----

    /// Returns a cleared entry to fill in. The next enter() submits it. Returns null if the queue is full and the
    /// kernel takes no entries now.
    [[nodiscard]] io_uring_sqe* next_entry() noexcept;

    /// Returns the position of the entry that next_entry() returned last, for is_before().
    [[nodiscard]] unsigned position() const noexcept { return tail_ - 1; }
    /// Returns the position of the first entry that the kernel has not taken. An operation at an earlier position
    /// that never waits is complete. acquire: pairs with the kernel's release of the head.
    [[nodiscard]] unsigned taken() const noexcept { return io_uring_smp_load_acquire(ring_.sq.khead); }
    /// Compares positions, which wrap around.
    [[nodiscard]] static bool is_before(unsigned position, unsigned other) noexcept {
        return static_cast<int>(other - position) > 0;
    }
    /// Returns whether there are entries that the kernel has not taken.
    [[nodiscard]] bool has_entries() const noexcept { return waiting_entries() != 0; }

    /// Submits all entries and runs the deferred work of this thread. If `waits`, waits until there is a completion,
    /// for at most `timeout`; a signal ends the wait. One system call.
    /// Errors: errors of the ring itself, never of an operation. device_or_resource_busy if the kernel has answered it
    /// many times in a row although the caller had consumed all completions.
    [[nodiscard]] std::error_code enter(bool waits, max_wait timeout) noexcept;

    /// Removes the next completion. Returns false if there is none.
    [[nodiscard]] bool next(ring_completion& found) noexcept {
        // acquire: pairs with the kernel's release of the tail, which publishes the completion.
        const unsigned head = *ring_.cq.khead;
        if (head == io_uring_smp_load_acquire(ring_.cq.ktail)) return false;
        const io_uring_cqe& entry = ring_.cq.cqes[head & ring_.cq.ring_mask];
        found = {entry.user_data, entry.res, entry.flags};
        // release: pairs with the kernel's acquire of the head, so that it reuses the entry after it was copied.
        io_uring_smp_store_release(ring_.cq.khead, head + 1);
        return true;
    }
    /// Returns whether next() would return true. acquire: see next().
    [[nodiscard]] bool has_completion() const noexcept {
        return *ring_.cq.khead != io_uring_smp_load_acquire(ring_.cq.ktail);
    }
    /// Returns whether the kernel keeps completions that did not fit into the queue. The next enter() delivers them.
    [[nodiscard]] bool has_overflown() const noexcept { return (flags() & IORING_SQ_CQ_OVERFLOW) != 0; }
    /// Returns whether an enter() without new entries would do work.
    [[nodiscard]] bool has_work() const noexcept {
        return (flags() & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    /// Returns whether an accept can check for a connection first and report that more are waiting (Linux 6.10).
    [[nodiscard]] bool has_accept_hints() const noexcept { return (ring_.features & IORING_FEAT_RECVSEND_BUNDLE) != 0; }

    /// liburing's ring, for registrations.
    [[nodiscard]] ::io_uring& native() noexcept { return ring_; }

private:
    /// Returns the number of entries that the kernel has not taken yet. acquire: pairs with the kernel's release of
    /// the head, so that a taken entry is overwritten only after the kernel has copied it.
    [[nodiscard]] unsigned waiting_entries() const noexcept {
        return tail_ - io_uring_smp_load_acquire(ring_.sq.khead);
    }
    /// acquire: pairs with the kernel's release of the flags.
    [[nodiscard]] unsigned flags() const noexcept { return io_uring_smp_load_acquire(ring_.sq.kflags); }

    ::io_uring ring_{};
    const sys::process_mark process_;
    bool is_open_ = false;
    const void* owner_ = nullptr;
    unsigned tail_ = 0;  // of the submission queue
    unsigned next_ = 0;  // the index of the next entry
    unsigned enter_flags_ = 0;
    unsigned refusals_ = 0;  // answers EBUSY in a row without a completion to consume
};

}  // namespace eddy::detail
