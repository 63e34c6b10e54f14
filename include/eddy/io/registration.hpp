// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/scheduled_io.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/ready.hpp>
#include <eddy/io/ready_event.hpp>
#include <eddy/reactor.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// What can be registered with a reactor: anything that names its descriptor.
template <class S>
concept io_source = requires(const S& source) {
    { source.native_handle() } -> std::convertible_to<int>;
};

/// A descriptor that somebody else owns, as a source.
class source_fd {
public:
    explicit constexpr source_fd(int fd) noexcept : fd_(fd) {}
    [[nodiscard]] constexpr int native_handle() const noexcept { return fd_; }

private:
    int fd_;
};

/// Waits until a source is ready for an interest; any number may wait. See registration::readiness().
/// Cancel safety: safe; it takes itself out of the list.
/// Lifetime: the registration must outlive it. It must not move between a poll that was not ready and its end.
class [[nodiscard("co_await it")]] EDDY_API readiness_future : public future_ops<readiness_future> {
public:
    using output_type = result<ready_event>;

    readiness_future(detail::scheduled_io& source, interest wanted) noexcept : source_(&source), waiter_(wanted) {
        source.retain();
    }
    readiness_future(readiness_future&& other) noexcept;
    readiness_future& operator=(readiness_future&&) = delete;
    ~readiness_future();

    poll_result<result<ready_event>> poll(context& cx);

private:
    detail::scheduled_io* source_;
    detail::io_waiter waiter_;
    bool has_waited_ = false;
};

/// Ties a source to a reactor and to the tasks that wait for it. Readiness is remembered: it stays until somebody who
/// found out, by a call that would block, that it is over, clears it.
///
/// Thread safety: any thread may poll, wait, clear and destroy. Of tasks that poll the same direction by
/// poll_read_ready() or poll_write_ready() only the last is woken; any number may await readiness(). Lifetime: destroy
/// it, or call deregister(), before the descriptor is closed.
class EDDY_API registration {
public:
    /// Registers `source` with reactor_handle::current(). Throws `misuse` if there is none.
    /// Errors: blocking_descriptor, if O_NONBLOCK is not set; file_exists, if it is registered there already;
    /// operation_not_permitted for a regular file, which is never waited for; io_disabled; runtime_shutdown. After an
    /// error nothing is registered.
    /// Cost: a block of 128 bytes, two system calls.
    template <io_source S>
    [[nodiscard]] static result<registration> attach(const S& source, interest wanted,
                                                     std::source_location where = std::source_location::current()) {
        return attach_to_current(source.native_handle(), wanted, where);
    }
    /// The same with a reactor of the caller's choice.
    template <io_source S>
    [[nodiscard]] static result<registration> attach(const S& source, interest wanted, const reactor_handle& with) {
        return attach_to(source.native_handle(), wanted, with);
    }

    registration(registration&& other) noexcept
        : io_(std::exchange(other.io_, nullptr)), source_(std::exchange(other.source_, nullptr)), fd_(other.fd_) {}
    registration& operator=(registration&& other) noexcept {
        std::swap(io_, other.io_);
        std::swap(source_, other.source_);
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~registration() { static_cast<void>(deregister()); }

    /// Whether a read is worth trying; else the task is woken when it is. Errors: runtime_shutdown.
    poll_result<result<ready_event>> poll_read_ready(context& cx) const;
    /// Whether a write is worth trying; else the task is woken when it is. Errors: runtime_shutdown.
    poll_result<result<ready_event>> poll_write_ready(context& cx) const;

    /// Waits until the source is ready for `wanted`. Errors: runtime_shutdown.
    [[nodiscard]] readiness_future readiness(interest wanted,
                                             std::source_location where = std::source_location::current()) const {
        return {source(where), wanted};
    }

    /// Says that `seen` is over, since a call would have blocked. An event that came after `seen` is kept, and what is
    /// closed stays closed.
    void clear_readiness(const ready_event& seen, std::source_location where = std::source_location::current()) const {
        source(where).clear_readiness(seen);
    }

    /// Says the same after a call that would have blocked. That disproves a hang-up, too: a FIFO may be opened again, a
    /// socket connected, and whoever waits must not be told for ever that it is closed.
    void clear_blocked(const ready_event& seen, std::source_location where = std::source_location::current()) const {
        source(where).clear_blocked(seen);
    }

    /// Calls `operation`, which returns a `result`, if the source may be ready for `wanted`, and clears the readiness
    /// if it says that it would block. Errors: those of `operation`; operation_would_block without a call if not ready.
    template <class Operation>
    std::invoke_result_t<Operation&> try_io(interest wanted, Operation&& operation,
                                            std::source_location where = std::source_location::current()) const {
        const ready_event seen = source(where).look(ready::mask_of(wanted));
        if (seen.is_shutdown) return std::unexpected(make_error_code(errc::runtime_shutdown));
        if (seen.ready.is_empty()) return std::unexpected(std::make_error_code(std::errc::operation_would_block));
        auto answer = operation();
        if (!answer && answer.error() == std::errc::operation_would_block) clear_blocked(seen, where);
        return answer;
    }

    /// Takes the source out of the reactor. Tasks that still wait are forgotten. Again: does nothing.
    result<void> deregister() noexcept;

private:
    registration(detail::io_handle& io, detail::scheduled_io& source, int fd) noexcept
        : io_(&io), source_(&source), fd_(fd) {}

    static result<registration> attach_to_current(int fd, interest wanted, std::source_location where);
    static result<registration> attach_to(int fd, interest wanted, const reactor_handle& with);
    /// For descriptors that are known to be non-blocking. Takes over the caller's reference to `io`.
    static result<registration> attach_nonblocking(int fd, interest wanted, detail::io_handle& io) noexcept;

    /// Throws `misuse` if there is none any more.
    [[nodiscard]] detail::scheduled_io& source(std::source_location where) const {
        if (source_ == nullptr) [[unlikely]] {
            throw misuse(
                "a registration was used after it was deregistered, or after it was moved from: attach() makes a new "
                "one",
                where);
        }
        return *source_;
    }

    detail::io_handle* io_;  // counted
    detail::scheduled_io* source_;
    int fd_;
};

}  // namespace eddy::io
