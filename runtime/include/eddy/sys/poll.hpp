// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/result.hpp>

/// The selector that the runtime uses, for programs that need an event loop without futures. Descriptors are added to a
/// registry with a token. wait() returns the tokens that became ready.
///
///     eddy::sys::poll poll;
///     eddy::sys::events events(64);
///     poll.registry().add(fd, eddy::sys::token{7}, eddy::io::interest::readable).value();
///     for (;;) {
///         poll.wait(events, std::nullopt);
///         for (const auto& event : events) handle(event.token());
///     }
///
/// Events are edge-triggered: each change is reported once. Read or write until the call returns EAGAIN.
namespace eddy::sys {

/// A user-defined number that identifies a source in its events.
struct token {
    std::uint64_t value;  ///< chosen by the user

    friend constexpr auto operator<=>(const token&, const token&) noexcept = default;
};

/// An event of one source. A copy is independent of its `events`.
/// Thread safety: a plain value.
class event {
public:
    /// An event of token 0 that reports nothing.
    constexpr event() noexcept = default;

    /// Returns the token of the source.
    [[nodiscard]] constexpr sys::token token() const noexcept { return {std::bit_cast<std::uint64_t>(data_)}; }

    /// Return whether the source is ready for an operation, or has an error.
    [[nodiscard]] constexpr bool is_readable() const noexcept { return has(in | pri); }
    [[nodiscard]] constexpr bool is_writable() const noexcept { return has(out); }
    [[nodiscard]] constexpr bool is_priority() const noexcept { return has(pri); }
    [[nodiscard]] constexpr bool is_error() const noexcept { return has(err); }
    /// Returns whether the peer will send no more data: it has shut down its writing half (FIN) or closed the
    /// connection.
    [[nodiscard]] constexpr bool is_read_closed() const noexcept { return has(hup) || (has(in) && has(rdhup)); }
    /// Returns whether the peer will receive no more data. A FIN alone does not mean that.
    [[nodiscard]] constexpr bool is_write_closed() const noexcept {
        // The writing end of a pipe gets only EPOLLERR when the reading end is closed.
        return has(hup) || (has(out) && has(err)) || bits_ == err;
    }

    /// Returns all of the above in one value.
    [[nodiscard]] constexpr io::ready readiness() const noexcept;

private:
    // The bits of epoll(7), defined here so that users need no system header. sys/linux/poll.cpp checks them.
    static constexpr std::uint32_t in = 0x001;
    static constexpr std::uint32_t pri = 0x002;
    static constexpr std::uint32_t out = 0x004;
    static constexpr std::uint32_t err = 0x008;
    static constexpr std::uint32_t hup = 0x010;
    static constexpr std::uint32_t rdhup = 0x2000;

    [[nodiscard]] constexpr bool has(std::uint32_t mask) const noexcept { return (bits_ & mask) != 0; }

    // Written by the kernel: the layout is the layout of epoll_event(3type), which sys/linux/poll.cpp checks. The data
    // are two halves, because the kernel places the 64 bits at offset 4 on x86.
    friend struct event_layout;
#if defined(__x86_64__) || defined(__i386__)
    std::uint32_t bits_ = 0;
#else
    alignas(std::uint64_t) std::uint32_t bits_ = 0;
    std::uint32_t gap_ = 0;
#endif
    std::array<std::uint32_t, 2> data_{};
};

/// The buffer that poll::wait() fills: the events of one call.
/// Thread safety: one thread at a time.
class EDDY_API events {
public:
    /// The types of a container.
    using value_type = event;
    using const_iterator = const event*;

    /// Makes a buffer for `capacity` events. Further events stay in the kernel until the next call.
    /// Errors: throws misuse if `capacity` is 0.
    explicit events(std::size_t capacity, std::source_location where = std::source_location::current());

    /// The events of the last wait(), as a container.
    [[nodiscard]] const event* begin() const noexcept { return buffer_.data(); }
    [[nodiscard]] const event* end() const noexcept { return buffer_.data() + size_; }
    [[nodiscard]] const event& operator[](std::size_t index) const noexcept { return buffer_[index]; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Returns the maximum number of events per call.
    [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.size(); }
    /// Returns whether there are no events.
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    /// Removes the events.
    void clear() noexcept { size_ = 0; }

private:
    friend class poll;
    std::vector<event> buffer_;
    std::size_t size_ = 0;
};

class waker;

/// Adds sources to a `poll` and removes them. A small value that refers to the poll's descriptor.
/// Thread safety: any thread, also while another thread waits.
/// Lifetime: must not be used after its `poll` is destroyed.
class EDDY_API registry {
public:
    /// Registers `fd`. Its events are reported with the token `name`, starting with its present readiness.
    /// Errors: file_exists if `fd` is registered already; operation_not_permitted if it is a regular file or directory,
    /// which are always ready; not_supported for io::interest::priority alone, on systems that cannot report it
    /// (FreeBSD, NetBSD); bad_file_descriptor; other errors of epoll_ctl(2) or kevent(2). After an error `fd` is not
    /// registered.
    /// Lifetime: call remove() before `fd` is closed. Otherwise a duplicate of it, for example in a child process,
    /// would keep the registration alive.
    [[nodiscard]] result<void> add(int fd, token name, io::interest wanted) const noexcept;

    /// Replaces the token and the interest of `fd`, and reports its present readiness again.
    /// Errors: no_such_file_or_directory if `fd` is not registered here; not_supported, see add().
    [[nodiscard]] result<void> modify(int fd, token name, io::interest wanted) const noexcept;

    /// Unregisters `fd`. Events that wait() has returned before are not removed.
    /// Errors: no_such_file_or_directory if `fd` is not registered here.
    result<void> remove(int fd) const noexcept;

private:
    friend class poll;
    friend class waker;
    constexpr explicit registry(int poll_fd) noexcept : poll_fd_(poll_fd) {}

    int poll_fd_;
};

/// A set of descriptors to wait for: an event queue of the operating system (epoll, kqueue). With kqueue, a source that
/// is both readable and writable causes two events, and wait() returns at most 64 events.
/// Thread safety: any thread may call wait() and registry(); the other members are for one thread at a time.
class EDDY_API poll {
public:
    /// Makes an empty set.
    /// Errors: throws std::system_error if the process or the system has too many open descriptors.
    poll();

    /// Same as the constructor, but returns the error.
    [[nodiscard]] static result<poll> make() noexcept;

    poll(poll&& other) noexcept : fd_(std::exchange(other.fd_, -1)), fork_generation_(other.fork_generation_) {}
    poll& operator=(poll&& other) noexcept {
        poll taken(std::move(other));
        std::swap(fd_, taken.fd_);
        std::swap(fork_generation_, taken.fork_generation_);
        return *this;
    }
    ~poll();

    /// Returns the registry of this set.
    [[nodiscard]] sys::registry registry() const noexcept { return sys::registry(fd_); }

    /// Waits until a source has an event or `timeout` has elapsed. Stores the events in `into` and returns their
    /// number, which is 0 after a timeout. Without a timeout it waits forever. If the timeout is zero or negative, it
    /// returns immediately. A signal does not end the wait.
    /// Errors: see epoll_wait(2) or kevent(2), which all mean misuse, for example of a moved-from object.
    /// Thread safety: several threads may wait, each with its own `events`. Each event goes to one of them.
    /// Cost: one system call, no allocation. The timeout has a resolution of nanoseconds, or of milliseconds, rounded
    /// up, where epoll_pwait2(2) is not available.
    result<std::size_t> wait(events& into, std::optional<std::chrono::nanoseconds> timeout);

    /// Returns the descriptor of the event queue, which is readable while there are events. This object still owns it.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    explicit poll(int fd) noexcept;

    int fd_;
    std::uint64_t fork_generation_;  // of the process that made this object
};

/// Ends the wait of a `poll` from another thread: the poll gets a readable event with the waker's token. Several calls
/// of wake() may result in one event. The waker does not have to be drained.
/// Thread safety: wake() may be called on any thread. The other members: one thread at a time.
class EDDY_API waker {
public:
    /// Makes a waker for the poll of `where`.
    /// Errors: the errors of eventfd(2) and registry::add(). On systems with kqueue(2), the errors of fcntl(2) and
    /// kevent(2); not_supported if the system has no EVFILT_USER.
    [[nodiscard]] static result<waker> make(const registry& where, token name) noexcept;

    waker(waker&& other) noexcept
        : registry_(other.registry_),
          fd_(std::exchange(other.fd_, -1)),
          fork_generation_(other.fork_generation_),
          name_(other.name_) {}
    waker& operator=(waker&& other) noexcept {
        waker taken(std::move(other));
        std::swap(registry_, taken.registry_);
        std::swap(fd_, taken.fd_);
        std::swap(fork_generation_, taken.fork_generation_);
        std::swap(name_, taken.name_);
        return *this;
    }
    ~waker();

    /// Wakes the current or else the next wait of the poll.
    /// Errors: bad_file_descriptor if this object was moved from.
    /// Thread safety: any thread. It does not synchronize memory: use an atomic or a lock to pass data to the woken
    /// thread.
    /// Cost: one system call.
    result<void> wake() const noexcept;

    /// Returns a descriptor that is readable after wake(), for edge-triggered use in another event queue; -1 if moved
    /// from. Do not read or close it. On Linux it is an eventfd(2). On other systems it is a duplicate of the poll's
    /// kqueue(2), so it is also readable while there are other events.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    waker(const registry& where, int fd, token name) noexcept;

    registry registry_;
    int fd_;
    std::uint64_t fork_generation_;  // of the process that made this object
    token name_;
};

// ---- Implementation ----

constexpr io::ready event::readiness() const noexcept {
    // Branchless, because a driver calls this for every event.
    const unsigned readable = is_readable();
    const unsigned writable = is_writable();
    const unsigned gone = has(hup);
    const unsigned error = has(err);
    const unsigned read_closed = gone | (unsigned{has(in)} & unsigned{has(rdhup)});
    const unsigned write_closed = gone | (error & (writable | unsigned{bits_ == err}));
    return io::ready::from_bits(static_cast<std::uint8_t>(readable | writable << 1 | read_closed << 2 |
                                                          write_closed << 3 | error << 4 | unsigned{has(pri)} << 5));
}

}  // namespace eddy::sys
