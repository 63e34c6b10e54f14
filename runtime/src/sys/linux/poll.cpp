// SPDX-License-Identifier: MIT
#include <eddy/sys/poll.hpp>

#include <linux/time_types.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <system_error>
#include <type_traits>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>

#include "sys/countdown.hpp"
#include "sys/fd.hpp"
#include "sys/fork.hpp"
#include "sys/linux/event_fds.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

using std::chrono::nanoseconds;

/// Checks the layout of `event` against the kernel's record.
struct event_layout {
    static_assert(event::in == EPOLLIN && event::pri == EPOLLPRI && event::out == EPOLLOUT);
    static_assert(event::err == EPOLLERR && event::hup == EPOLLHUP && event::rdhup == EPOLLRDHUP);
    static_assert(std::is_standard_layout_v<event> && std::is_trivially_copyable_v<event>);
    static_assert(sizeof(event) == sizeof(epoll_event) && alignof(event) >= alignof(epoll_event));
    static_assert(offsetof(event, bits_) == offsetof(epoll_event, events));
    static_assert(offsetof(event, data_) == offsetof(epoll_event, data));
};

namespace {

// ---- Waiting ----

#if defined(__SANITIZE_THREAD__)
constexpr bool under_tsan = true;
#elif defined(__has_feature)
constexpr bool under_tsan = __has_feature(thread_sanitizer);
#else
constexpr bool under_tsan = false;
#endif

#if defined(SYS_epoll_pwait2)
constexpr long pwait2_number = SYS_epoll_pwait2;
#else
constexpr long pwait2_number = 441;  // the same on all architectures
#endif

/// False if epoll_pwait2(2) is known to be missing (it exists since Linux 5.11) or is not used. TSan does not intercept
/// the call, and would miss that the registration of a descriptor happens before its event. It intercepts
/// epoll_wait(2).
detail::atomic<bool> has_pwait2{!under_tsan};

/// Makes the system call directly, since glibc has a wrapper only since 2.35. Returns what epoll_wait(2) returns.
int call_pwait2(int poll_fd, epoll_event* into, int capacity, std::optional<nanoseconds> left) noexcept {
    __kernel_timespec limit{};
    if (left) {
        const auto seconds = std::chrono::floor<std::chrono::seconds>(*left);
        limit.tv_sec = seconds.count();
        limit.tv_nsec = (*left - seconds).count();
    }
    const long count =
        ::syscall(pwait2_number, poll_fd, into, capacity, left ? &limit : nullptr, nullptr, std::size_t{0});
    return static_cast<int>(count);
}

int wait_once(int poll_fd, epoll_event* into, int capacity, std::optional<nanoseconds> left) noexcept {
    // relaxed: only a hint. A thread that reads the old value gets the same answer from the kernel.
    if (has_pwait2.load(std::memory_order_relaxed)) {
        const int count = call_pwait2(poll_fd, into, capacity, left);
        // Seccomp filters that are older than the call refuse it with EPERM. The call itself never returns EPERM.
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        has_pwait2.store(false, std::memory_order_relaxed);
    }
    return ::epoll_wait(poll_fd, into, capacity, to_milliseconds(left));
}

// ---- Registering ----

std::uint32_t to_epoll(io::interest wanted) noexcept {
    std::uint32_t bits = EPOLLET;
    if (wanted.is_readable()) bits |= EPOLLIN | EPOLLRDHUP;
    if (wanted.is_writable()) bits |= EPOLLOUT;
    if (wanted.is_priority()) bits |= EPOLLPRI;
    return bits;
}

result<void> control(int poll_fd, int operation, int fd, token name, io::interest wanted) noexcept {
    epoll_event wish{};
    wish.events = to_epoll(wanted);
    wish.data.u64 = name.value;
    if (::epoll_ctl(poll_fd, operation, fd, &wish) != 0) return std::unexpected(last_error());
    return ok();
}

}  // namespace

events::events(std::size_t capacity, std::source_location where) : buffer_(capacity) {
    if (capacity == 0) throw misuse("sys::events(0) cannot store any event: use a capacity of at least 1", where);
}

result<void> registry::add(int fd, token name, io::interest wanted) const noexcept {
    return control(poll_fd_, EPOLL_CTL_ADD, fd, name, wanted);
}

result<void> registry::modify(int fd, token name, io::interest wanted) const noexcept {
    return control(poll_fd_, EPOLL_CTL_MOD, fd, name, wanted);
}

result<void> registry::remove(int fd) const noexcept {
    if (::epoll_ctl(poll_fd_, EPOLL_CTL_DEL, fd, nullptr) != 0) return std::unexpected(last_error());
    return ok();
}

poll::poll() : poll(above_standard(::epoll_create1(EPOLL_CLOEXEC))) {
    if (fd_ < 0) throw std::system_error(last_error(), "epoll_create1");
}

result<poll> poll::make() noexcept {
    const int fd = above_standard(::epoll_create1(EPOLL_CLOEXEC));
    if (fd < 0) return std::unexpected(last_error());
    return poll(fd);
}

poll::poll(int fd) noexcept : fd_(fd), fork_generation_(fork_generation()) {}

poll::~poll() {
    // A forked child closes its descriptor of the epoll, which it shares with the parent.
    if (fd_ >= 0) ::close(fd_);
}

result<std::size_t> poll::wait(events& into, std::optional<nanoseconds> timeout) {
    // SAFETY: event_layout checks that an event has the layout of an epoll_event. The kernel writes whole records into
    // the vector's own elements and keeps no pointer. No epoll_event is read or written here.
    auto* const records = reinterpret_cast<epoll_event*>(into.buffer_.data());
    const int capacity = static_cast<int>(std::min(into.capacity(), std::size_t{INT_MAX} / sizeof(epoll_event)));

    into.clear();
    for (countdown time(timeout);;) {
        const int count = wait_once(fd_, records, capacity, time.left());
        if (count < 0 && errno != EINTR) return std::unexpected(last_error());
        if (count > 0) return into.size_ = static_cast<std::size_t>(count);
        // A signal has interrupted the wait, the longest possible wait has ended, or the time is over.
        time.update();
        if (time.is_over()) return 0;
    }
}

result<waker> waker::make(const sys::registry& where, token name) noexcept {
    auto counter = make_eventfd();
    if (!counter) return std::unexpected(counter.error());
    if (auto added = where.add(counter->get(), name, io::interest::readable); !added) {
        return std::unexpected(added.error());
    }
    return waker(where, counter->release(), name);
}

waker::waker(const sys::registry& where, int fd, token name) noexcept
    : registry_(where), fd_(fd), fork_generation_(fork_generation()), name_(name) {}

waker::~waker() {
    if (fd_ < 0) return;
    // Remove the eventfd from the epoll before the close: a child between fork and exec has a duplicate, which would
    // keep the registration alive. (If the poll is already closed, no other epoll contains this descriptor, and the
    // call does nothing.) Do not remove the eventfd in a forked child: the epoll is shared with the parent, which still
    // needs the wake-ups.
    if (fork_generation_ == fork_generation()) static_cast<void>(registry_.remove(fd_));
    ::close(fd_);
}

result<void> waker::wake() const noexcept {
    // Each write(2) causes an edge-triggered event, whatever the value of the counter is. So the counter needs no read
    // until it is full, which takes 2^64 - 2 wake-ups.
    constexpr std::uint64_t one = 1;
    while (::write(fd_, &one, sizeof one) < 0) {
        if (errno != EAGAIN) return std::unexpected(last_error());
        std::uint64_t discarded = 0;
        // EAGAIN: another thread has reset the counter first, with the same effect.
        if (::read(fd_, &discarded, sizeof discarded) < 0 && errno != EAGAIN) return std::unexpected(last_error());
    }
    return ok();
}

}  // namespace eddy::sys
