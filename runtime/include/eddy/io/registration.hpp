// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/wait_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/detail/io_waiter.hpp>
#include <eddy/io/event_source.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>
#include <eddy/io/ready_event.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/reactor.hpp>

namespace eddy::detail {

/// Throws std::system_error for `what`, the class of an object at `where` whose descriptor was not registered.
[[noreturn]] EDDY_API void throw_not_registered(const char* what, const std::error_code& reason,
                                                const std::source_location& where);

}  // namespace eddy::detail

namespace eddy::io {

/// An object that has a descriptor, which can be registered with a reactor.
template <class S>
concept io_source = requires(const S& source) {
    { source.native_handle() } -> std::convertible_to<int>;
};

/// An object that can be registered with a reactor: one that has a descriptor, or one that registers itself.
template <class S>
concept registrable = io_source<S> || event_source<S>;

/// A descriptor that another object owns, as a source.
/// Thread safety: a plain value.
/// Lifetime: the descriptor must stay open while it is registered.
class source_fd {
public:
    /// Refers to `fd`.
    explicit constexpr source_fd(int fd) noexcept : fd_(fd) {}
    /// Returns the descriptor.
    [[nodiscard]] constexpr int native_handle() const noexcept { return fd_; }

private:
    int fd_;
};

/// Waits until a source is ready for an interest. Any number of futures may wait. Returned by
/// registration::readiness().
/// Errors: errc::runtime_shutdown.
/// Cancel safety: safe. The destructor removes it from the list of waiters.
/// Lifetime: the registration must outlive it. It must not move while it waits.
class [[nodiscard("co_await it")]] EDDY_API readiness_future : public future_ops<readiness_future> {
public:
    using output_type = result<ready_event>;

    /// Waits until `source`, which is registered with `io`, is ready for `wanted`. Owns a reference to `source`.
    readiness_future(const detail::io_handle& io, detail::scheduled_io& source, interest wanted) noexcept;
    readiness_future(readiness_future&& other) noexcept;
    readiness_future& operator=(readiness_future&&) = delete;
    ~readiness_future();

    poll_result<result<ready_event>> poll(context& cx);

    static constexpr auto wait_shape() { return detail::waits_by(&readiness_future::waiter_); }

private:
    const detail::io_handle* io_;  // the registration has a reference
    detail::scheduled_io* source_;
    detail::io_waiter waiter_;
    detail::wait_record record_;
};

/// Connects a source with a reactor and with the tasks that wait for the source. Readiness is remembered: a condition
/// holds until a caller clears it, after a call returned operation_would_block.
/// Thread safety: any thread may poll, wait, clear and destroy. poll_read_ready() and poll_write_ready() wake only the
/// last task that polled that direction. Any number of tasks may await readiness().
/// Lifetime: destroy it, or call deregister(), before the descriptor is closed.
class EDDY_API registration {
public:
    /// Registers `source` with reactor_handle::current().
    /// Errors: regular_file for a regular file or a directory, which is always ready; blocking_descriptor if O_NONBLOCK
    /// is not set; already_registered if the reactor has the descriptor; bad_file_descriptor if it is not open;
    /// io_disabled; runtime_shutdown. After an error, nothing is registered. Throws `misuse` if there is no reactor.
    /// Cost: one block of 128 bytes and two system calls.
    template <io_source S>
        requires(!event_source<S>)
    [[nodiscard]] static result<registration> attach(const S& source, interest wanted,
                                                     std::source_location where = std::source_location::current()) {
        return attach_to_current(source.native_handle(), wanted, where);
    }
    /// Same as above, with the reactor `with`.
    template <io_source S>
        requires(!event_source<S>)
    [[nodiscard]] static result<registration> attach(const S& source, interest wanted, const reactor_handle& with) {
        return attach_to(source.native_handle(), wanted, with);
    }
    /// Same as above, for a source that registers itself: calls `source.register_with()`. If that fails, the
    /// descriptors that it has added are removed again.
    /// Errors: same as register_with(); io_disabled; runtime_shutdown; not_enough_memory. Throws `misuse` if there is
    /// no reactor.
    /// Cost: two blocks of memory, and the system calls of register_with().
    template <event_source S>
    [[nodiscard]] static result<registration> attach(S& source, interest wanted,
                                                     std::source_location where = std::source_location::current()) {
        return registered(begin_at_current(where), source, wanted);
    }
    template <event_source S>
    [[nodiscard]] static result<registration> attach(S& source, interest wanted, const reactor_handle& with) {
        return registered(begin_at(with), source, wanted);
    }

    /// Moves the registration. The assignment swaps both registrations.
    registration(registration&& other) noexcept
        : io_(std::exchange(other.io_, nullptr)), source_(std::exchange(other.source_, nullptr)), fd_(other.fd_) {}
    registration& operator=(registration&& other) noexcept {
        std::swap(io_, other.io_);
        std::swap(source_, other.source_);
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~registration() { static_cast<void>(deregister()); }

    /// Becomes ready when a read is worth trying. Only the last task that polled is woken.
    /// Errors: runtime_shutdown.
    poll_result<result<ready_event>> poll_read_ready(context& cx) const;
    /// Becomes ready when a write is worth trying. Only the last task that polled is woken.
    /// Errors: runtime_shutdown.
    poll_result<result<ready_event>> poll_write_ready(context& cx) const;

    /// Waits until the source is ready for `wanted`.
    /// Errors: runtime_shutdown.
    [[nodiscard]] readiness_future readiness(interest wanted,
                                             std::source_location where = std::source_location::current()) const {
        auto& of = source(where);
        return {*io_, of, wanted};
    }

    /// Clears the conditions of `seen`, after a call returned operation_would_block. Keeps closed states. Clears
    /// nothing if an event arrived after `seen`.
    void clear_readiness(const ready_event& seen, std::source_location where = std::source_location::current()) const;

    /// Same as clear_readiness(), but clears closed states, too: a call that would block disproves a hang-up. A FIFO
    /// may be opened again and a socket may be connected later, and their waiters must not see a closed state forever.
    void clear_blocked(const ready_event& seen, std::source_location where = std::source_location::current()) const;

    /// Calls `operation`, which returns a `result`, if the source may be ready for `wanted`. Clears the readiness if
    /// the error is operation_would_block.
    /// Errors: any error of `operation`; operation_would_block, without a call, if the source is not ready;
    /// runtime_shutdown.
    template <class Operation>
    std::invoke_result_t<Operation&> try_io(interest wanted, Operation&& operation,
                                            std::source_location where = std::source_location::current()) const {
        const ready_event seen = look(wanted, where);
        if (seen.is_shutdown) return std::unexpected(make_error_code(errc::runtime_shutdown));
        if (seen.ready.is_empty()) return std::unexpected(std::make_error_code(std::errc::operation_would_block));
        auto answer = operation();
        if (!answer && answer.error() == std::errc::operation_would_block) clear_blocked(seen, where);
        return answer;
    }

    /// Changes the interest of `source`, which must be the registered one. Its present readiness is reported again.
    /// Readiness that was reported before stays until a caller clears it.
    /// Errors: the errors of epoll_ctl(2) or kevent(2), or of `source.reregister()`; runtime_shutdown.
    template <registrable S>
    result<void> reregister(S& source, interest wanted,
                            std::source_location where = std::source_location::current()) const {
        if constexpr (event_source<S>) {
            const parts of = parts_of(where);
            return source.reregister(of.with, of.name, wanted);
        } else {
            return change_interest(source.native_handle(), wanted, where);
        }
    }

    /// Removes the source from the reactor. Does not wake tasks that still wait. A second call does nothing.
    /// Errors: bad_file_descriptor if the descriptor was closed before. The registration is released nevertheless.
    result<void> deregister() noexcept;
    /// Same as above, for a source that registers itself: calls `source.deregister()`, and then removes the descriptors
    /// that are left.
    /// Errors: any error of `source.deregister()`.
    template <event_source S>
    result<void> deregister(S& source) {
        if (source_ == nullptr) return ok();
        auto answer = source.deregister(parts_of(std::source_location::current()).with);
        static_cast<void>(deregister());
        return answer;
    }

private:
    /// What the functions of an event_source get.
    struct parts {
        registry with;
        token name;
    };

    registration(detail::io_handle& io, detail::scheduled_io& source, int fd) noexcept
        : io_(&io), source_(&source), fd_(fd) {}

    static result<registration> attach_to_current(int fd, interest wanted, std::source_location where);
    static result<registration> attach_to(int fd, interest wanted, const reactor_handle& with);
    /// Registers a descriptor that is known to be non-blocking. Takes ownership of the caller's reference to `io`.
    static result<registration> attach_nonblocking(int fd, interest wanted, detail::io_handle& io) noexcept;

    /// Make a registration without descriptors, for a source that registers itself.
    static result<registration> begin_at_current(std::source_location where);
    static result<registration> begin_at(const reactor_handle& with);
    static result<registration> begin(detail::io_handle& io) noexcept;
    template <class S>
    static result<registration> registered(result<registration> made, S& source, interest wanted) {
        if (!made) return made;
        const parts of = made->parts_of(std::source_location::current());
        if (auto added = source.register_with(of.with, of.name, wanted); !added) return std::unexpected(added.error());
        return made;
    }
    /// Throws `misuse` if this was deregistered or moved from.
    /// Preconditions: the source registers itself.
    [[nodiscard]] parts parts_of(std::source_location where) const;
    result<void> change_interest(int fd, interest wanted, std::source_location where) const;

    /// Implements poll_read_ready() and poll_write_ready().
    [[nodiscard]] poll_result<result<ready_event>> poll_ready(detail::direction way, context& cx) const;
    /// Returns the shared state. Throws `misuse` if it was deregistered or moved from.
    [[nodiscard]] detail::scheduled_io& source(std::source_location where) const;
    /// Returns the present readiness for `wanted`.
    [[nodiscard]] ready_event look(interest wanted, std::source_location where) const;

    detail::io_handle* io_;  // owns a reference
    detail::scheduled_io* source_;
    int fd_;  // -1 if the source registers itself
};

}  // namespace eddy::io
