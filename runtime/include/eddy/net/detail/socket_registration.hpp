// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/detail/io_waiter.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

namespace eddy::detail {

class socket_transport;

/// The kind of a descriptor, which determines the system calls. Only TCP goes through an io_uring, and only for a TCP
/// connection a short read means that no more data is available.
enum class descriptor_kind : unsigned char {
    tcp,
    listener,  ///< of TCP
    socket,    ///< any other socket
    datagram,
    pipe,
    terminal,  ///< the master of a pseudo terminal
};

/// A descriptor and its registration with a driver: the base of io_socket.
///
///     state          io_    source_   next
///     unregistered   null   null      bound, by bind_to(); registering, by the first operation that must wait, or with
///                                     io_uring by the first one of a TCP socket
///     bound          set    null      registering, as above
///     registering    -      -         registered; after an error the state before
///     registered     set    set       unregistered, by release()
///
/// Thread safety: the two directions may be used on different threads.
/// Lifetime: owns the descriptor. It must not be moved or destroyed while an operation waits.
class EDDY_API socket_registration {
    enum class state : unsigned char { unregistered, bound, registering, registered };

public:
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] descriptor_kind kind() const noexcept { return kind_; }
    /// Throws `misuse` if the socket has no descriptor. Operations call it only before the registration and after a
    /// failed call, so that successful operations do not pay for the check.
    void check_not_empty(const std::source_location& where) const {
        if (fd_ < 0) throw_empty(where);
    }
    /// Returns the descriptor, for a call without a future. Throws `misuse` if the socket has none.
    [[nodiscard]] int open_fd() const {
        check_not_empty({});
        return fd_;
    }

    /// Sets the reactor that the socket registers with. The default is the current reactor in the first poll.
    void bind_to(const reactor_handle& reactor) noexcept;

    /// Ends the stream of a pipe. The descriptor keeps its number, which other threads may use, and names a pipe
    /// without readers from then on: later writes fail with broken_pipe. Wakes all tasks that wait for the pipe. A
    /// second call does nothing.
    /// Errors: see pipe(2).
    result<void> end_pipe() noexcept;
    /// Deregisters, and returns the descriptor, which the caller owns from then on.
    [[nodiscard]] int release() noexcept;
    /// Returns the readiness state that is shared with the driver.
    /// Preconditions: the socket is registered.
    [[nodiscard]] scheduled_io& source() const noexcept { return *source_; }
    /// Returns the driver with which it is registered.
    /// Preconditions: the socket is registered.
    [[nodiscard]] io_handle& registered_with() const noexcept { return *io_; }

protected:
    // Each object is the base of an io_socket.
    socket_registration() noexcept = default;
    socket_registration(int fd, descriptor_kind kind) noexcept : fd_(fd), kind_(kind) {}
    socket_registration(socket_registration&& other) noexcept { take(other); }
    socket_registration& operator=(socket_registration&& other) noexcept {
        if (this == &other) return *this;
        if (fd_ >= 0) close();
        take(other);
        return *this;
    }
    ~socket_registration() {
        if (fd_ >= 0) close();
    }

    /// Returns whether source_ and io_ may be read.
    // acquire: pairs with the release in ensure_registered(), which the thread of the other direction may have run.
    [[nodiscard]] bool is_registered() const noexcept {
        return state_.load(std::memory_order_acquire) == state::registered;
    }
    /// Registers the socket unless it is registered.
    /// Errors: same as current_io() and socket_transport::add(). Throws `misuse` if the socket has no descriptor.
    result<void> ensure_registered(const context& cx);
    /// Registers the socket if its transport needs that before the first try. If that fails, the system calls are
    /// tried.
    void register_first(const context& cx);
    /// Returns what makes the calls of the socket: the transport of its driver if it is registered, else the system
    /// calls.
    [[nodiscard]] const socket_transport& transport() const noexcept;

private:
    /// Moves the contents of `other` into this socket, which is empty.
    void take(socket_registration& other) noexcept {
        if (other.source_ != nullptr) other.check_not_borrowed();
        fd_ = std::exchange(other.fd_, -1);
        is_drained_ = other.is_drained_;
        is_ended_ = other.is_ended_;
        kind_ = other.kind_;
        io_ = std::exchange(other.io_, nullptr);
        source_ = std::exchange(other.source_, nullptr);
        // relaxed: no other thread uses either socket during a move, so nothing needs to be ordered.
        state_.store(other.state_.load(std::memory_order_relaxed), std::memory_order_relaxed);
        other.state_.store(state::unregistered, std::memory_order_relaxed);
    }
    /// Terminates the program if an operation waits: it refers to the socket, which is being destroyed or moved.
    /// Preconditions: the socket is registered.
    void check_not_borrowed() const noexcept;
    [[noreturn, gnu::cold]] void throw_empty(const std::source_location& where) const;
    void close() noexcept;

    friend struct debug_offsets;

protected:
    // Each waiting connection has an io_socket in its coroutine frame, so it is kept small: no io::registration.
    int fd_ = -1;
    atomic<state> state_{state::unregistered};
    // The last read before the registration has read all available data. Accessed by the reading direction only.
    bool is_drained_ = false;
    descriptor_kind kind_ = descriptor_kind::tcp;
    bool is_ended_ = false;           // by end_pipe(). Accessed by the writing direction only.
    io_handle* io_ = nullptr;         // a counted reference; set if bound or registered
    scheduled_io* source_ = nullptr;  // a counted reference; set if registered
};

}  // namespace eddy::detail
