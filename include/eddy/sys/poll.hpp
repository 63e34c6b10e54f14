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
#include <eddy/io/ready.hpp>
#include <eddy/result.hpp>

/// The selector below the runtime, for whoever wants an event loop without futures: descriptors are added to a
/// registry under a token, and wait() says which tokens became ready.
///
///     eddy::sys::poll poll;
///     eddy::sys::events events(64);
///     poll.registry().add(fd, eddy::sys::token{7}, eddy::io::interest::readable).value();
///     for (;;) {
///         poll.wait(events, std::nullopt);
///         for (const auto& event : events) handle(event.token());
///     }
///
/// Events are edge-triggered: each reports a change once, so read (or write) until the call says that it would block.
namespace eddy::sys {

/// A number of the user's choice that names a source in its events.
struct token {
    std::uint64_t value;

    friend constexpr auto operator<=>(const token&, const token&) noexcept = default;
};

/// What one source reported. A plain value: it may be copied out of its `events`.
class event {
public:
    /// An event of token 0 that reports nothing.
    constexpr event() noexcept = default;

    [[nodiscard]] constexpr sys::token token() const noexcept { return {std::bit_cast<std::uint64_t>(data_)}; }

    [[nodiscard]] constexpr bool is_readable() const noexcept { return has(in | pri); }
    [[nodiscard]] constexpr bool is_writable() const noexcept { return has(out); }
    [[nodiscard]] constexpr bool is_priority() const noexcept { return has(pri); }
    [[nodiscard]] constexpr bool is_error() const noexcept { return has(err); }
    /// The peer will send no more: it closed its writing half (a FIN), or the connection is gone altogether.
    [[nodiscard]] constexpr bool is_read_closed() const noexcept { return has(hup) || (has(in) && has(rdhup)); }
    /// The peer takes no more. A FIN alone does not say so: the peer may still be reading.
    [[nodiscard]] constexpr bool is_write_closed() const noexcept {
        // An error and nothing else is how the writing end of a pipe hears that the reading end is closed.
        return has(hup) || (has(out) && has(err)) || bits_ == err;
    }

    /// All of the above in one value.
    [[nodiscard]] constexpr io::ready readiness() const noexcept;

private:
    // The bits of epoll(7), repeated so that users need no system header; poll.cpp checks them.
    static constexpr std::uint32_t in = 0x001;
    static constexpr std::uint32_t pri = 0x002;
    static constexpr std::uint32_t out = 0x004;
    static constexpr std::uint32_t err = 0x008;
    static constexpr std::uint32_t hup = 0x010;
    static constexpr std::uint32_t rdhup = 0x2000;

    [[nodiscard]] constexpr bool has(std::uint32_t mask) const noexcept { return (bits_ & mask) != 0; }

    // The kernel fills this in: it is laid out as epoll_event(3type) is, which poll.cpp checks, too. Two halves for the
    // data, since on x86 the kernel puts its 64 bits at offset 4.
    friend struct event_layout;
#if defined(__x86_64__) || defined(__i386__)
    std::uint32_t bits_ = 0;
#else
    alignas(std::uint64_t) std::uint32_t bits_ = 0;
    std::uint32_t gap_ = 0;
#endif
    std::array<std::uint32_t, 2> data_{};
};

/// The buffer that `poll::wait` fills: the events of one call, at most `capacity()` of them.
class EDDY_API events {
public:
    using value_type = event;
    using const_iterator = const event*;

    /// A buffer for `capacity` events. What does not fit waits in the kernel for the next call.
    /// Errors: misuse if `capacity` is 0.
    explicit events(std::size_t capacity, std::source_location where = std::source_location::current());

    [[nodiscard]] const event* begin() const noexcept { return buffer_.data(); }
    [[nodiscard]] const event* end() const noexcept { return buffer_.data() + size_; }
    [[nodiscard]] const event& operator[](std::size_t index) const noexcept { return buffer_[index]; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.size(); }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    void clear() noexcept { size_ = 0; }

private:
    friend class poll;
    std::vector<event> buffer_;
    std::size_t size_ = 0;
};

/// Where sources are added to a `poll` and removed from it. A small value that refers to the poll's descriptor.
/// Thread safety: any thread, also while another waits.
/// Lifetime: must not be used after its `poll` is gone.
class EDDY_API registry {
public:
    /// Reports what happens to `fd` as events of `name`, starting with what is the case already.
    /// Errors: file_exists if `fd` is registered here; operation_not_permitted if it is a file or directory, which are
    /// never waited for; bad_file_descriptor; what else epoll_ctl(2) reports. After an error nothing is registered.
    /// Lifetime: call remove() before `fd` is closed: a duplicate elsewhere (in a child, say) would keep it reporting.
    [[nodiscard]] result<void> add(int fd, token name, io::interest wanted) const noexcept;

    /// Replaces the token and the interest of `fd`, and reports anew what is the case now.
    /// Errors: no_such_file_or_directory if `fd` is not registered here.
    [[nodiscard]] result<void> modify(int fd, token name, io::interest wanted) const noexcept;

    /// Ends the reports about `fd`. Events that were handed out already stay where they are.
    /// Errors: no_such_file_or_directory if `fd` is not registered here.
    result<void> remove(int fd) const noexcept;

private:
    friend class poll;
    constexpr explicit registry(int poll_fd) noexcept : poll_fd_(poll_fd) {}

    int poll_fd_;
};

/// A set of descriptors to be waited for: one event queue of the operating system.
class EDDY_API poll {
public:
    /// Errors: throws std::system_error if the process or the system has too many descriptors open.
    poll();

    /// As the constructor, with the error as a value.
    [[nodiscard]] static result<poll> make() noexcept;

    poll(poll&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    poll& operator=(poll&& other) noexcept {
        poll taken(std::move(other));
        std::swap(fd_, taken.fd_);
        return *this;
    }
    ~poll();

    [[nodiscard]] sys::registry registry() const noexcept { return sys::registry(fd_); }

    /// Waits until a source reports or `timeout` is over, whichever is first, puts the events into `into` and returns
    /// how many; 0 if the time is over. Without a timeout it waits for ever; zero or less only looks.
    /// A signal does not end the wait.
    /// Errors: those of epoll_wait(2), which all mean misuse: a poll that was moved from, for example.
    /// Thread safety: several threads may wait, each with its own `events`; each report then goes to one of them.
    /// Cost: one system call, and no allocation. The time is not cut short to milliseconds.
    result<std::size_t> wait(events& into, std::optional<std::chrono::nanoseconds> timeout);

    /// The epoll descriptor: it is readable when events are there. It stays the property of this object.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    constexpr explicit poll(int fd) noexcept : fd_(fd) {}

    int fd_;
};

/// Ends the wait of a `poll` from another thread: it shows up there as a readable event of its token. Several wake()s
/// before the poll looks may show up as one. Nothing has to be drained.
class EDDY_API waker {
public:
    /// A waker for the poll of `where`.
    /// Errors: those of eventfd(2) and of registry::add().
    [[nodiscard]] static result<waker> make(const registry& where, token name) noexcept;

    waker(waker&& other) noexcept
        : registry_(other.registry_), fd_(std::exchange(other.fd_, -1)), fork_generation_(other.fork_generation_) {}
    waker& operator=(waker&& other) noexcept {
        waker taken(std::move(other));
        std::swap(registry_, taken.registry_);
        std::swap(fd_, taken.fd_);
        std::swap(fork_generation_, taken.fork_generation_);
        return *this;
    }
    ~waker();

    /// Wakes the poll: the wait that is going on, or else the next one.
    /// Errors: none while this object is whole; bad_file_descriptor if it was moved from.
    /// Thread safety: any thread. It hands over no data: what the woken thread shall read needs an atomic or a lock.
    /// Cost: one system call.
    result<void> wake() const noexcept;

    /// The eventfd(2), for another queue to watch for edges; -1 if it was moved from. Do not read it or close it.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    waker(const registry& where, int fd) noexcept;

    registry registry_;
    int fd_;
    std::uint64_t fork_generation_;  // of the process that made it
};

// ---- Implementation ----

constexpr io::ready event::readiness() const noexcept {
    // Without branches: a driver does this for every event.
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
