// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy {

namespace detail {
class io_handle;
struct reactor_access;
}  // namespace detail

class background_reactor;
class core_handle;

/// The event queues of operating systems that eddy can drive. The environment's EDDY_DRIVER names them for a whole
/// process, by the same words; `auto` there is `automatic`, since C++ keeps that word for itself.
enum class driver_kind {
    epoll,
    io_uring,   ///< Linux 6.1 and later; often forbidden in containers
    automatic,  ///< io_uring where it is allowed and has what is needed, else epoll; a wish, and never what something
                ///< has
};

/// What a driver has counted since it was made; but `operations_given_up` is a figure of now.
struct io_metrics {
    std::uint64_t fds_registered = 0;    ///< sockets and other descriptors, at their first wait
    std::uint64_t fds_deregistered = 0;  ///< of these: closed, or given up
    std::uint64_t ready_events = 0;      ///< what the system has reported: readiness, and with io_uring bytes and ends
    std::uint64_t operations_given_up = 0;  ///< of io_uring: cancelled, and the kernel has not ended them yet

    io_metrics() noexcept = default;
    io_metrics(std::uint64_t registered, std::uint64_t deregistered, std::uint64_t events,
               std::uint64_t given_up) noexcept
        : fds_registered(registered),
          fds_deregistered(deregistered),
          ready_events(events),
          operations_given_up(given_up) {}
};

/// What one turn of a reactor did.
struct turn_info {
    std::size_t events = 0;  ///< sources that reported something

    turn_info() noexcept = default;
    explicit turn_info(std::size_t count) noexcept : events(count) {}
};

/// A reference to a reactor, for whatever registers with it. It does not keep the reactor turning: once that is gone,
/// operations answer errc::runtime_shutdown.
/// Thread safety: any thread.
class EDDY_API reactor_handle {
public:
    reactor_handle(const reactor_handle& other) noexcept;
    reactor_handle(reactor_handle&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
    reactor_handle& operator=(reactor_handle other) noexcept {
        std::swap(io_, other.io_);
        return *this;
    }
    ~reactor_handle();

    /// The reactor that an operation registers with which is polled on this thread: that of the loop that runs here,
    /// else the fall-back. Errors: misuse if there is neither; io_disabled if the loop was built without I/O;
    /// runtime_shutdown if the fall-back is gone.
    [[nodiscard]] static result<reactor_handle> current(std::source_location where = std::source_location::current());

    /// Makes `handle` the reactor for threads that run no loop: an operation that is polled there (by `eddy::wait`, or
    /// by somebody else's executor) registers with it. For the whole process and for good: the first one wins, also
    /// when its reactor is gone; then such operations answer runtime_shutdown. A thread must turn it: see
    /// reactor::background(). Errors: fallback_is_set. Thread safety: any thread.
    static result<void> set_fallback(const reactor_handle& handle) noexcept;

    /// Ends the turn in progress, or the next one. Wakes before the reactor looks count as one.
    /// Cost: one system call, or one atomic exchange if a wake is due already.
    void wake() const noexcept;

    [[nodiscard]] io_metrics metrics() const noexcept;

private:
    friend class reactor;
    friend class background_reactor;
    friend class core_handle;
    friend struct detail::reactor_access;
    explicit reactor_handle(detail::io_handle* io) noexcept : io_(io) {}

    detail::io_handle* io_;
};

/// The reactor alone, turned by hand: it owns a driver, and forwards what the operating system reports to the tasks
/// that wait. A `core` has one of its own; this is for a loop that somebody else runs. Thread safety: turn() from one
/// thread at a time; handle() and its copies anywhere.
class EDDY_API reactor {
public:
    /// Errors: throws std::system_error if the process has too many descriptors open.
    reactor();
    /// As the constructor, with the error as a value. A reactor may be turned by any thread and a ring of io_uring by
    /// one only: so that is refused, and `automatic` means epoll. Errors: too_many_files_open and its like;
    /// std::errc::not_supported for io_uring.
    [[nodiscard]] static result<reactor> make(driver_kind kind = driver_kind::epoll) noexcept;

    reactor(reactor&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
    reactor& operator=(reactor&& other) noexcept {
        std::swap(io_, other.io_);
        return *this;
    }
    /// Wakes every task that waits on this reactor; they and all later operations see errc::runtime_shutdown.
    ~reactor();

    /// One call of the selector, of at most `max_wait`; nullopt waits until something happens. Wakes tasks, runs none.
    /// Errors: resource_deadlock_would_occur if a waker calls it from inside a turn; device_or_resource_busy while
    /// another thread is in it.
    result<turn_info> turn(std::optional<std::chrono::nanoseconds> max_wait);

    /// Hands this reactor over to a thread of its own, which turns it from now on: see background_reactor.hpp. Handles
    /// and registrations stay valid. After an error the reactor is what it was. Errors: resource_unavailable_try_again
    /// if the system has no thread left; resource_deadlock_would_occur from inside a turn.
    [[nodiscard]] result<background_reactor> background() && noexcept;
    // Only to say in a short error what to write.
    template <class... A>
    auto background(A&&...) & {
        return detail::refuse_lvalue<A...>();
    }

    [[nodiscard]] reactor_handle handle() const noexcept;

    /// Whether nothing is registered.
    [[nodiscard]] bool is_idle() const noexcept;

    /// The epoll descriptor; it stays the property of this object.
    [[nodiscard]] int native_handle() const noexcept;

    [[nodiscard]] io_metrics metrics() const noexcept;

private:
    friend struct detail::reactor_access;
    explicit reactor(detail::io_handle* io) noexcept : io_(io) {}

    detail::io_handle* io_;
};

namespace detail {

/// The library's own way to the driver behind a handle.
struct reactor_access {
    static io_handle* get(const reactor_handle& handle) noexcept { return handle.io_; }
};

}  // namespace detail
}  // namespace eddy
