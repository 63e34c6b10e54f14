// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/result.hpp>

namespace eddy {

namespace detail {
class io_handle;
struct reactor_access;
}  // namespace detail

class background_reactor;
class core_handle;

/// The event queues of operating systems that eddy supports. The environment variable EDDY_DRIVER selects one for the
/// whole process, by the same names, except that `automatic` is called `auto` there (which is a keyword in C++). An
/// empty EDDY_DRIVER is treated as unset.
enum class driver_kind {
    /// Linux epoll(7).
    epoll,
    /// Linux io_uring(7), 6.1 or later. Containers often forbid it.
    io_uring,
    /// poll(2), which every POSIX system has. The time of a driver tick grows with the number of descriptors. This
    /// driver is for systems without another driver, for tests, and for containers that forbid epoll. No other event
    /// loop can watch it: core::native_handle() and reactor::native_handle() return -1.
    poll,
    /// kqueue(2): the default on macOS, FreeBSD, NetBSD and OpenBSD. Other systems do not have it.
    kqueue,
    /// An I/O completion port with poll operations of AFD: the only driver on Windows. Other systems do not have it. No
    /// other event loop can watch it: native_handle() returns -1.
    afd,
    /// io_uring if it is allowed and complete, otherwise the default of the system. It is a request only: no event loop
    /// reports it as its driver.
    automatic,
};

/// The counters of a driver since its construction. `operations_given_up` is a current value.
struct io_metrics {
    std::uint64_t fds_registered = 0;    ///< descriptors that were registered, which happens at their first wait
    std::uint64_t fds_deregistered = 0;  ///< registered descriptors that were closed or released since
    std::uint64_t ready_events = 0;      ///< events that the system reported; with io_uring, data and completions, too
    std::uint64_t operations_given_up = 0;  ///< cancelled io_uring operations that the kernel has not completed yet

    /// Constructs zeros, or the given values.
    io_metrics() noexcept = default;
    io_metrics(std::uint64_t registered, std::uint64_t deregistered, std::uint64_t events,
               std::uint64_t given_up) noexcept
        : fds_registered(registered),
          fds_deregistered(deregistered),
          ready_events(events),
          operations_given_up(given_up) {}
};

/// The result of one driver tick of a reactor.
struct turn_info {
    std::size_t events = 0;  ///< the number of sources that reported an event

    /// Constructs zero, or the given number.
    turn_info() noexcept = default;
    explicit turn_info(std::size_t count) noexcept : events(count) {}
};

/// A handle to a reactor, to register descriptors with it. It does not keep the reactor running: after the reactor is
/// destroyed, operations fail with errc::runtime_shutdown. A moved-from handle may only be destroyed or assigned to.
/// Thread safety: any thread.
class EDDY_API reactor_handle {
public:
    /// Copies refer to the same reactor. A move leaves `other` empty.
    reactor_handle(const reactor_handle& other) noexcept;
    reactor_handle(reactor_handle&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
    reactor_handle& operator=(reactor_handle other) noexcept {
        std::swap(io_, other.io_);
        return *this;
    }
    ~reactor_handle();

    /// Returns the reactor that operations on this thread register with. On an event loop, that is its reactor. On a
    /// worker, and on a thread that has entered a runtime, it is the reactor of one of the runtime's workers, which may
    /// differ between calls. On other threads, it is the fallback reactor.
    /// Errors: errc::io_disabled if the event loop or the runtime was built without I/O; errc::runtime_shutdown if the
    /// fallback reactor is gone. Throws `misuse` if there is no event loop, no runtime and no fallback reactor.
    [[nodiscard]] static result<reactor_handle> current(std::source_location where = std::source_location::current());

    /// Sets the fallback reactor: the one for threads that run no event loop. An operation that is polled on such a
    /// thread, by `eddy::wait` or by another library's executor, registers with it. A thread must drive the reactor;
    /// see reactor::background(). The setting is for the whole process and permanent: only the first call has an
    /// effect, even if its reactor is gone; then such operations fail with errc::runtime_shutdown.
    /// Errors: errc::fallback_is_set if there is a fallback reactor already.
    /// Thread safety: any thread.
    static result<void> set_fallback(const reactor_handle& handle) noexcept;

    /// Makes the current driver tick return, or the next one if there is none. Several calls before the reactor notices
    /// count as one.
    /// Cost: one system call, or one atomic exchange if a wake-up is pending already.
    void wake() const noexcept;

    /// Returns the counters of the reactor.
    [[nodiscard]] io_metrics metrics() const noexcept;

private:
    friend class reactor;
    friend class background_reactor;
    friend class core_handle;
    friend struct detail::reactor_access;
    explicit reactor_handle(detail::io_handle* io) noexcept : io_(io) {}

    detail::io_handle* io_;  // holds a reference; null if moved from
};

/// A reactor without tasks, driven manually: owns a driver and forwards the events of the operating system to the tasks
/// that wait for them. A `core` contains its own reactor; this class is for event loops of other libraries. A
/// moved-from reactor may only be destroyed or assigned to.
/// Thread safety: one thread at a time may call turn(). handle() and its copies may be used on any thread.
class EDDY_API reactor {
public:
    /// Constructs a reactor with the default of the system (epoll or kqueue), or with poll(2) if EDDY_DRIVER is `poll`.
    /// Errors: throws std::system_error, for example if the process has too many open descriptors.
    reactor();
    /// Same as the constructor, but returns the error. io_uring is rejected, because any thread may drive a reactor,
    /// but only one thread may use a ring. `automatic` selects what the constructor selects.
    /// Errors: system errors such as std::errc::too_many_files_open; std::errc::not_supported for io_uring.
    [[nodiscard]] static result<reactor> make(driver_kind kind = driver_kind::automatic) noexcept;

    /// Moves the reactor. The assignment swaps the two objects.
    reactor(reactor&& other) noexcept : io_(std::exchange(other.io_, nullptr)) {}
    reactor& operator=(reactor&& other) noexcept {
        std::swap(io_, other.io_);
        return *this;
    }
    /// Wakes every task that waits on this reactor. Their operations, and all later ones, fail with
    /// errc::runtime_shutdown.
    /// Preconditions: not inside a driver tick of this reactor, that is, not in a waker; otherwise the process ends
    /// with a message.
    ~reactor();

    /// Runs one driver tick: waits for events for up to `max_wait` (nullopt: without a limit), then wakes the tasks
    /// that wait for them. Does not run tasks.
    /// Errors: std::errc::resource_deadlock_would_occur if a waker calls it inside a tick;
    /// std::errc::device_or_resource_busy if another thread is in turn().
    result<turn_info> turn(std::optional<std::chrono::nanoseconds> max_wait);

    /// Moves this reactor to a dedicated thread, which drives it from then on; see background_reactor. Handles and
    /// registrations stay valid. After an error the reactor is unchanged.
    /// Errors: std::errc::resource_unavailable_try_again if the system has too many threads;
    /// std::errc::resource_deadlock_would_occur inside a driver tick.
    [[nodiscard]] result<background_reactor> background() && noexcept;
    detail::broken_future background(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

    /// Returns a handle to this reactor.
    /// Thread safety: any thread.
    [[nodiscard]] reactor_handle handle() const noexcept;

    /// Returns whether no descriptor is registered.
    [[nodiscard]] bool is_idle() const noexcept;

    /// Returns the descriptor of the epoll or the kqueue, which this object continues to own; -1 with poll(2).
    [[nodiscard]] int native_handle() const noexcept;

    /// Returns the counters of the reactor.
    /// Thread safety: any thread.
    [[nodiscard]] io_metrics metrics() const noexcept;

private:
    friend struct detail::reactor_access;
    explicit reactor(detail::io_handle* io) noexcept : io_(io) {}

    detail::io_handle* io_;  // holds a reference; null if moved from
};

namespace detail {

/// For the library: access to the driver behind a handle.
struct reactor_access {
    static io_handle* get(const reactor_handle& handle) noexcept { return handle.io_; }
};

}  // namespace detail
}  // namespace eddy
