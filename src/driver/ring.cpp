// SPDX-License-Identifier: MIT
#include "driver/ring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <eddy/detail/atomic.hpp>

#include "core/this_thread.hpp"
#include "sys/fd.hpp"

namespace eddy::detail {
namespace {

// The kernel adds the time that it is now, and does not look whether there is room for both. Who wakes early waits
// again.
constexpr std::chrono::nanoseconds longest_wait = std::chrono::hours(24 * 365);

// Counts the rings that were closed. The kernel maps a new ring where an old one was, of another thread perhaps, and
// orders the two; ThreadSanitizer does not see that, since liburing does not call the C library's mmap(3).
constinit atomic<std::uint64_t> closed_rings{0};

std::error_code error_of(int negative) noexcept { return {-negative, std::generic_category()}; }

}  // namespace

std::error_code ring::open(sizes wanted) noexcept {
    io_uring_params params{};
    // SUBMIT_ALL: one bad entry does not hold up those behind it. TASKRUN_FLAG: has_work() can tell without a system
    // call.
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                   IORING_SETUP_SUBMIT_ALL | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE;
    params.cq_entries = wanted.completions;
    // io_uring_queue_init_params(3) is not used: from liburing 2.5 on it leaves out the submission array whenever the
    // kernel allows that, and next_entry() is faster with it.
    const int fd = ::io_uring_setup(wanted.submissions, &params);
    if (fd < 0) return error_of(fd);
    if (const int error = ::io_uring_queue_mmap(fd, &params, &ring_); error < 0) {
        ::close(fd);
        return error_of(error);
    }
    // Not every version of liburing sets these.
    ring_.flags = params.flags;
    ring_.features = params.features;
    // Later calls use this descriptor; the mappings are not affected.
    ring_.ring_fd = ring_.enter_ring_fd = sys::above_standard(fd);
    if (ring_.ring_fd < 0) {
        const int error = errno;
        ::io_uring_queue_exit(&ring_);
        return error_of(-error);
    }
    // acquire: pairs with the release in close().
    static_cast<void>(closed_rings.load(std::memory_order_acquire));
    is_open_ = true;
    enter_flags_ = 0;
    tail_ = next_ = 0;
    // A child of fork() has neither use for the queues nor a right to them.
    static_cast<void>(::io_uring_ring_dontfork(&ring_));
    return {};
}

std::error_code ring::enable() noexcept {
    if (const int error =
            ::io_uring_register(static_cast<unsigned>(ring_.ring_fd), IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
        error < 0)
        return error_of(error);
    owner_ = this_thread_mark();
    // Saves a look-up of the descriptor at each enter(). A thread has places for 16 rings: those beyond do without.
    if (::io_uring_register_ring_fd(&ring_) == 1) enter_flags_ = IORING_ENTER_REGISTERED_RING;
    return {};
}

void ring::close() noexcept {
    if (!is_open_) return;
    is_open_ = false;
    if (process_.is_parent()) {
        // The queues were left out of this child, and what lies in their place is somebody else's: most likely those of
        // a ring of its own, since the kernel fills the same gap.
        ::close(ring_.ring_fd);
        return;
    }
    // That of this thread may be another ring's.
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
    const unsigned index = next_index();
    ++tail_;
    io_uring_sqe* const entry = &ring_.sq.sqes[index];
    std::memset(entry, 0, sizeof *entry);  // entries are used again: what is not set must not be another operation's
    return entry;
}

unsigned ring::next_index() noexcept {
    const unsigned position = tail_ & ring_.sq.ring_mask;
    if (!has_array()) return position;
    // The kernel copies an entry when it takes it. So each batch starts again at entry 0, in cache lines that the
    // processor still has. Going round through all entries cost 0.1 us per entry when the caches were cold.
    if (waiting_entries() == 0) next_ = 0;
    const unsigned index = next_++ & ring_.sq.ring_mask;
    ring_.sq.array[position] = index;
    return index;
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
        argument.ts = reinterpret_cast<std::uintptr_t>(&limit);
        flags |= IORING_ENTER_EXT_ARG;
    }
    const int done =
        ::io_uring_enter2(static_cast<unsigned>(ring_.enter_ring_fd), submitted, waits ? 1 : 0, flags,
                          (flags & IORING_ENTER_EXT_ARG) != 0 ? reinterpret_cast<sigset_t*>(&argument) : nullptr,
                          (flags & IORING_ENTER_EXT_ARG) != 0 ? sizeof argument : _NSIG / 8);
    switch (done < 0 ? -done : 0) {
    case 0:
    case ETIME:
    case EINTR:
    case EAGAIN:  // no memory for an operation at the moment
    case EBUSY:   // completions have to be taken out first
        return {};
    default: return error_of(done);
    }
}

}  // namespace eddy::detail
