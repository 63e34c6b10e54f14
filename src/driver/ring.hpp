// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <system_error>

#include "driver/driver.hpp"
#include "driver/uring_abi.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// What the kernel says of one operation.
struct ring_completion {
    std::uint64_t user_data = 0;
    std::int32_t result = 0;
    std::uint32_t flags = 0;

    [[nodiscard]] bool has_more() const noexcept { return (flags & IORING_CQE_F_MORE) != 0; }
};

/// One ring of io_uring(7): entries go in, completions come out, and one call does both. Nothing here knows what an
/// operation is for.
///
/// liburing sets it up; the queues are filled and emptied here, since what is to be known (whether the kernel has taken
/// a certain entry) its helpers do not tell.
///
/// Thread safety: made on any thread; from enable() on it belongs to the thread that has called it (SINGLE_ISSUER). The
/// kernel does what operations wait for only while that thread is in enter() (DEFER_TASKRUN).
class ring {
public:
    struct sizes {
        unsigned submissions;
        unsigned completions;
    };

    ring() noexcept = default;
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { close(); }

    /// Makes it, disabled. Errors: what the kernel refuses: operation_not_permitted, not_enough_memory, ...
    [[nodiscard]] std::error_code open(sizes wanted) noexcept;
    /// This thread is its owner from now on.
    [[nodiscard]] std::error_code enable() noexcept;
    /// Operations in flight are cancelled by the kernel, some time later; by a forked child they are not. Any thread.
    void close() noexcept;

    // ---- The owner ----

    /// An empty entry, to be filled in; it goes to the kernel with the next enter(). Null if the queue is full and the
    /// kernel takes nothing at the moment.
    [[nodiscard]] io_uring_sqe* next_entry() noexcept;

    /// Where the entry that next_entry() has given last stands, for is_before().
    [[nodiscard]] unsigned position() const noexcept { return tail_ - 1; }
    /// Where the first entry stands that the kernel has not taken. An operation before it that never waits is over.
    [[nodiscard]] unsigned taken() const noexcept { return io_uring_smp_load_acquire(ring_.sq.khead); }
    [[nodiscard]] static bool is_before(unsigned position, unsigned other) noexcept {
        return static_cast<int>(other - position) > 0;  // they wrap around
    }
    [[nodiscard]] bool has_entries() const noexcept { return waiting_entries() != 0; }

    /// Submits what there is, and runs what the kernel has put off for this thread. Waits, if that is wanted, until
    /// there is a completion, for `timeout` at most; a signal ends the wait. One system call. Errors: of the ring
    /// itself, never of an operation.
    [[nodiscard]] std::error_code enter(bool waits, max_wait timeout) noexcept;

    /// Takes the next completion out.
    [[nodiscard]] bool next(ring_completion& found) noexcept {
        const unsigned head = *ring_.cq.khead;
        if (head == io_uring_smp_load_acquire(ring_.cq.ktail)) return false;
        const io_uring_cqe& entry = ring_.cq.cqes[head & ring_.cq.ring_mask];
        found = {entry.user_data, entry.res, entry.flags};
        io_uring_smp_store_release(ring_.cq.khead, head + 1);
        return true;
    }
    [[nodiscard]] bool has_completion() const noexcept {
        return *ring_.cq.khead != io_uring_smp_load_acquire(ring_.cq.ktail);
    }
    /// Whether the kernel keeps completions that the queue had no room for: the next enter() brings them.
    [[nodiscard]] bool has_overflown() const noexcept { return (flags() & IORING_SQ_CQ_OVERFLOW) != 0; }
    /// Whether an enter() would find something to do even if nothing is submitted.
    [[nodiscard]] bool has_work() const noexcept {
        return (flags() & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    /// Whether accepts can look first, and tell whether others wait (Linux 6.10).
    [[nodiscard]] bool has_accept_hints() const noexcept { return (ring_.features & IORING_FEAT_RECVSEND_BUNDLE) != 0; }

    [[nodiscard]] ::io_uring& native() noexcept { return ring_; }

private:
    /// Whether the submission queue is an array of indices of entries. Without it (IORING_SETUP_NO_SQARRAY) the kernel
    /// takes the entries in the order in which they lie. open() asks for the array; a kernel, or a test, may leave it
    /// out.
    [[nodiscard]] bool has_array() const noexcept { return (ring_.flags & IORING_SETUP_NO_SQARRAY) == 0; }
    /// Returns the index of the entry for position tail_, and puts it into the array if there is one.
    [[nodiscard]] unsigned next_index() noexcept;
    /// How many the kernel has not taken yet.
    [[nodiscard]] unsigned waiting_entries() const noexcept {
        return tail_ - io_uring_smp_load_acquire(ring_.sq.khead);
    }
    [[nodiscard]] unsigned flags() const noexcept { return io_uring_smp_load_acquire(ring_.sq.kflags); }

    ::io_uring ring_{};
    const sys::process_mark process_;
    bool is_open_ = false;
    const void* owner_ = nullptr;
    unsigned tail_ = 0;  // of the submission queue
    unsigned next_ = 0;  // with an array: the index of the next entry
    unsigned enter_flags_ = 0;
};

}  // namespace eddy::detail
