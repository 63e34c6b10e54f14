// SPDX-License-Identifier: MIT
#include "reactor/ring/ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>

#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

// The kernel adds the timeout to the current time without an overflow check. A thread that wakes early waits again.
constexpr std::chrono::nanoseconds longest_wait = std::chrono::hours(24 * 365);

// Counts the closed rings. The kernel may map a new ring at the addresses of a ring that another thread has closed. The
// close happens before the mapping. ThreadSanitizer does not see that order, since liburing does not call the C
// library's mmap(3).
constinit atomic<std::uint64_t> closed_rings{0};

// The kernel answers EBUSY while completions do not fit into the queue. An empty queue should never cause EBUSY.
// This many such answers in a row are an error: the event loop can neither sleep nor make progress.
constexpr unsigned most_refusals = 1000;

std::error_code error_of(int negative) noexcept { return {-negative, std::generic_category()}; }

/// Calls io_uring_enter(2) without effect, because a seccomp filter may forbid only this system call. Returns 0 or a
/// negative errno; -EBADFD before the ring is enabled.
int try_to_enter(int fd) noexcept { return ::io_uring_enter(static_cast<unsigned>(fd), 0, 0, 0, nullptr); }

}  // namespace

std::error_code ring::open(sizes wanted) noexcept {
    io_uring_params params{};
    // SUBMIT_ALL: an entry with an error does not stop the entries after it.
    // TASKRUN_FLAG: has_work() needs no system call.
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE;
    params.cq_entries = wanted.completions;
    // Does not use io_uring_queue_init_params(3): since liburing 2.5 it omits the submission array if the kernel
    // allows that, and next_entry() is faster with the array.
    const int fd = ::io_uring_setup(wanted.submissions, &params);
    if (fd < 0) return error_of(fd);
    // ring_support() has checked this, but the seccomp filter may have been installed after that check.
    if (const int error = try_to_enter(fd); error < 0 && error != -EBADFD) {
        ::close(fd);
        return error_of(error);
    }
    if (const int error = ::io_uring_queue_mmap(fd, &params, &ring_); error < 0) {
        ::close(fd);
        return error_of(error);
    }
    // Some versions of liburing do not set these fields.
    ring_.flags = params.flags;
    ring_.features = params.features;
    // Later calls use this descriptor. The mappings stay valid.
    ring_.ring_fd = ring_.enter_ring_fd = sys::above_standard(fd);
    if (ring_.ring_fd < 0) {
        const int error = errno;
        ::io_uring_queue_exit(&ring_);
        return error_of(-error);
    }
    // acquire: pairs with the release in close(). Orders this ring after the former ring at the same address.
    static_cast<void>(closed_rings.load(std::memory_order_acquire));
    is_open_ = true;
    // Otherwise an idle thread counts as waiting for a disk, in the iowait of /proc/stat and in /proc/pressure/io.
    enter_flags_ = (ring_.features & IORING_FEAT_NO_IOWAIT) != 0 ? IORING_ENTER_NO_IOWAIT : 0;
    refusals_ = 0;
    tail_ = next_ = 0;
    // A child of fork() must not use the queues, so they are not mapped there.
    static_cast<void>(::io_uring_ring_dontfork(&ring_));
    return {};
}

std::error_code ring::enable() noexcept {
    if (const int error =
            ::io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        error < 0)
        return error_of(error);
    // The filter of this thread may differ from the filter of the thread that called open().
    if (const int error = try_to_enter(ring_.ring_fd); error < 0) return error_of(error);
    owner_ = this_thread_mark();
    // Registers the descriptor, which saves its lookup in each enter(). A thread can register 16 rings. Further rings
    // work without the registration.
    if (::io_uring_register_ring_fd(&ring_) == 1) enter_flags_ |= IORING_ENTER_REGISTERED_RING;
    return {};
}

void ring::close() noexcept {
    if (!is_open_) return;
    is_open_ = false;
    if (process_.is_from_parent()) {
        // The queues are not mapped in this child. Their address range may belong to another mapping, most likely to
        // a ring of the child, so it must not be unmapped.
        ::close(ring_.ring_fd);
        return;
    }
    // The index of the registered descriptor is valid in the owner thread only. Here it may belong to another ring.
    if (owner_ != this_thread_mark()) ring_.int_flags = 0;
    // release: pairs with the acquire in open().
    closed_rings.fetch_add(1, std::memory_order_release);
    ::io_uring_queue_exit(&ring_);
}

io_uring_sqe* ring::next_entry() noexcept {
    if (waiting_entries() == ring_.sq.ring_entries) {
        static_cast<void>(enter(false, max_wait()));
        if (waiting_entries() == ring_.sq.ring_entries) return nullptr;
    }
    // The kernel copies an entry when it takes the entry. So each batch starts again at entry 0, whose cache lines are
    // still in the processor's cache. Cycling through all entries cost 0.1 us per entry with cold caches.
    if (waiting_entries() == 0) next_ = 0;
    const unsigned index = next_++ & ring_.sq.ring_mask;
    ring_.sq.array[tail_++ & ring_.sq.ring_mask] = index;
    io_uring_sqe* const entry = &ring_.sq.sqes[index];
    std::memset(entry, 0, sizeof *entry);  // entries are reused: clear the fields of the former operation
    return entry;
}

std::error_code ring::enter(bool waits, max_wait timeout) noexcept {
    io_uring_smp_store_release(ring_.sq.ktail, tail_);
    const unsigned submitted = waiting_entries();
    unsigned flags = enter_flags_ | IORING_ENTER_GETEVENTS;
    io_uring_getevents_arg argument{};
    __kernel_timespec limit{};
    if (waits && timeout) {
        const auto left = std::clamp(*timeout, std::chrono::nanoseconds::zero(), longest_wait);
        limit.tv_sec = left.count() / 1'000'000'000;
        limit.tv_nsec = left.count() % 1'000'000'000;
        // SAFETY: `limit` lives until the call returns, and only the kernel reads it.
        argument.ts = reinterpret_cast<std::uintptr_t>(&limit);
        flags |= IORING_ENTER_EXT_ARG;
    }
    // SAFETY: with IORING_ENTER_EXT_ARG the kernel reads the pointer as an io_uring_getevents_arg.
    const int done =
        ::io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), submitted, waits ? 1 : 0, flags,
                          (flags & IORING_ENTER_EXT_ARG) != 0 ? reinterpret_cast<sigset_t*>(&argument) : nullptr,
                          (flags & IORING_ENTER_EXT_ARG) != 0 ? sizeof argument : _NSIG / 8);
    if (done == -EBUSY) {  // completions must be consumed first
        if (!has_completion() && ++refusals_ >= most_refusals) return error_of(done);
        return {};
    }
    refusals_ = 0;
    switch (done < 0 ? -done : 0) {
    case 0:
    case ETIME:
    case EINTR:
    case EAGAIN:  // no memory for an operation now
    case ENOMEM:  // no memory for the kernel's state of this thread now; the first call of a thread allocates it
        return {};
    default: return error_of(done);
    }
}

}  // namespace eddy::detail
