// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/io/async_io.hpp>
#include <eddy/io/poll_evented.hpp>

namespace eddy::detail {

/// Returns the conditions in `wanted` that hold for `fd` now, and its closed states.
/// Errors: see poll(2).
[[nodiscard]] EDDY_API result<io::ready> ready_now(int fd, io::interest wanted) noexcept;

}  // namespace eddy::detail

namespace eddy::io {

template <io_source S>
class async_fd;

/// The result of a readiness wait: the descriptor may be ready. Make the system call next. If it returns
/// operation_would_block, call clear_ready() and wait again. try_io() makes the call and clears the readiness.
/// Thread safety: any thread.
/// Lifetime: the async_fd must outlive the guard.
template <io_source S>
class [[nodiscard]] ready_guard {
public:
    /// Refers to `of`, which reported `seen`.
    ready_guard(async_fd<S>& of, const ready_event& seen) noexcept : of_(&of), seen_(seen) {}

    /// Returns the conditions that were reported.
    [[nodiscard]] io::ready ready() const noexcept { return seen_.ready; }

    /// Clears the readiness, after a call returned operation_would_block. Keeps closed states, and an event that
    /// arrived after this guard was made.
    void clear_ready() noexcept { of_->registration().clear_readiness(seen_); }
    /// Clears only the conditions in `over`.
    void clear_ready_matching(io::ready over) noexcept {
        of_->registration().clear_readiness(ready_event(seen_.ready & over, seen_.tick, seen_.is_shutdown));
    }

    /// Calls `operation(source)`, which returns a `result`. If the error is operation_would_block, clears the
    /// readiness, closed states included. Returns the result of `operation`.
    template <class Operation>
    std::invoke_result_t<Operation&, S&> try_io(Operation&& operation) {
        auto answer = operation(of_->get());
        if (!answer && answer.error() == std::errc::operation_would_block) of_->registration().clear_blocked(seen_);
        return answer;
    }

private:
    async_fd<S>* of_;
    ready_event seen_;
};

/// Waits until an async_fd is ready. Returned by async_fd::readable(), writable() and ready().
/// Errors: errc::runtime_shutdown.
/// Thread safety: one thread at a time. Any number of futures may wait for the same async_fd.
/// Lifetime: the async_fd must outlive the future. The future must not move while it waits.
template <io_source S>
class [[nodiscard("co_await it")]] ready_guard_future : public future_ops<ready_guard_future<S>> {
public:
    using output_type = result<ready_guard<S>>;

    /// Constructs a future that waits until `of` is ready for `wanted`.
    ready_guard_future(async_fd<S>& of, interest wanted) noexcept
        : of_(&of), readiness_(of.registration().readiness(wanted)) {}

    friend const async_fd<S>* awaited_object(const ready_guard_future& me) noexcept { return me.of_; }

    poll_result<output_type> poll(context& cx) {
        auto seen = readiness_.poll(cx);
        if (!seen) return not_ready;
        if (!*seen) return output_type(std::unexpect, seen->error());
        return output_type(std::in_place, *of_, **seen);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&ready_guard_future::readiness_); }

private:
    async_fd<S>* of_;
    readiness_future readiness_;
};

/// The error of async_fd::make(): the source, which was not registered, and the reason. `try_` converts it to the
/// reason, and destroys the source.
/// Thread safety: same as its parts.
template <io_source S>
class async_fd_error {
public:
    /// Constructs an error from its parts.
    async_fd_error(S&& source, std::error_code reason) noexcept(std::is_nothrow_move_constructible_v<S>)
        : source_(std::move(source)), reason_(reason) {}

    /// Returns the error of registration::attach().
    [[nodiscard]] std::error_code to_error_code() const noexcept { return reason_; }
    /// Returns the text of the error.
    [[nodiscard]] std::string message() const { return reason_.message(); }

    /// Returns the source, which is open and not registered.
    [[nodiscard]] S& source() noexcept { return source_; }
    [[nodiscard]] const S& source() const noexcept { return source_; }
    /// Moves the source out.
    [[nodiscard]] S into_source() && { return std::move(source_); }
    eddy::detail::broken_future into_source(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

private:
    S source_;
    std::error_code reason_;
};

/// A descriptor that this object does not own: a source for an async_fd of a descriptor that another library opens and
/// closes, `async_fd<fd_view>(fd_view(fd))`. Destroy the async_fd before the library closes the descriptor.
/// Thread safety: a plain value.
class fd_view {
public:
    /// Refers to `fd`.
    explicit fd_view(int fd) noexcept : fd_(fd) {}
    /// Returns the descriptor.
    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    int fd_;
};

/// Waits until a condition holds now. Returned by async_fd::wait_readable(), wait_writable() and wait().
/// Errors: errc::runtime_shutdown; the errors of poll(2).
/// Thread safety: one thread at a time. Any number of futures may wait for the same async_fd.
/// Lifetime: the async_fd must outlive the future. The future must not move while it waits.
template <io_source S>
class [[nodiscard("co_await it")]] level_future : public future_ops<level_future<S>> {
public:
    using output_type = result<io::ready>;

    /// Waits until one of the conditions `wanted` holds for the descriptor of `of`.
    level_future(async_fd<S>& of, interest wanted) noexcept : of_(&of), wanted_(wanted) {
        readiness_.emplace(of.registration().readiness(wanted));
    }

    friend const async_fd<S>* awaited_object(const level_future& me) noexcept { return me.of_; }

    poll_result<output_type> poll(context& cx) {
        for (;;) {
            const auto seen = readiness_->poll(cx);
            if (!seen) return not_ready;
            if (!*seen) return output_type(std::unexpect, seen->error());
            const result<io::ready> now = eddy::detail::ready_now(of_->native_handle(), wanted_);
            if (!now || !now->is_empty()) return output_type(now);
            // An event that arrives after ready_now() has a newer tick, and is not cleared.
            of_->registration().clear_blocked(**seen);
            readiness_.emplace(of_->registration().readiness(wanted_));
        }
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&level_future::readiness_); }

private:
    async_fd<S>* of_;
    interest wanted_;
    std::optional<readiness_future> readiness_;
};

/// Registers a descriptor of the caller with the reactor: an eventfd, a timerfd, inotify, a pipe, a device, or a socket
/// of another library. Pass the system call to async_io(), which retries it until it no longer would block:
///
///     auto n = co_await fd.async_io(interest::readable, [&](auto& source) {
///         return read_from(source.native_handle(), buffer);
///     });
///
/// Or wait for readiness and make the call in a loop:
///
///     for (;;) {
///         auto guard = co_await try_(fd.readable());
///         auto n = guard.try_io([&](auto& source) { return read_from(source.native_handle(), buffer); });
///         if (n || n.error() != std::errc::operation_would_block) co_return n;
///     }
///
/// If another library makes the system calls, and does not report operation_would_block, use wait_readable() and
/// wait_writable(). They ask the system, and so need no call to clear_ready():
///
///     async_fd<fd_view> watched(fd_view(library_fd(handle)));
///     for (;;) {
///         co_await try_(watched.wait_readable());
///         library_read(handle);
///     }
///
/// The descriptor is registered immediately, by the constructor or by make().
/// Preconditions: the descriptor is in non-blocking mode.
/// Thread safety: any number of tasks may wait, on any threads. Move or destroy it only while no future refers to it.
template <io_source S>
class async_fd {
public:
    /// Registers `source` with reactor_handle::current().
    /// Errors: throws `misuse` if there is no reactor, and std::system_error with the errors of registration::attach().
    explicit async_fd(S source, interest wanted = interest::readable | interest::writable,
                      std::source_location where = std::source_location::current())
        : async_fd(registered(std::move(source), wanted, where)) {}

    async_fd(async_fd&&) noexcept = default;
    async_fd& operator=(async_fd&&) noexcept = default;
    ~async_fd() { eddy::detail::check_not_awaited(this, "an async_fd"); }

    /// Same as the constructor, but returns the error, and gives the source back with it.
    [[nodiscard]] static std::expected<async_fd, async_fd_error<S>> make(
        S source, interest wanted = interest::readable | interest::writable,
        std::source_location where = std::source_location::current()) {
        auto attached = io::registration::attach(source, wanted, where);
        if (!attached) return std::unexpected(async_fd_error<S>(std::move(source), attached.error()));
        return async_fd(poll_evented<S>(std::move(source), std::move(*attached)));
    }

    /// Returns the source, or its descriptor.
    [[nodiscard]] S& get() noexcept { return evented_.source(); }
    [[nodiscard]] const S& get() const noexcept { return evented_.source(); }
    [[nodiscard]] int native_handle() const noexcept { return evented_.source().native_handle(); }
    /// Returns the registration, for example to poll it.
    [[nodiscard]] const io::registration& registration() const noexcept { return evented_.registration(); }

    /// Waits until the descriptor is readable, writable, or ready for `wanted`.
    /// Errors: errc::runtime_shutdown.
    [[nodiscard]] ready_guard_future<S> readable() noexcept { return {*this, interest::readable}; }
    [[nodiscard]] ready_guard_future<S> writable() noexcept { return {*this, interest::writable}; }
    [[nodiscard]] ready_guard_future<S> ready(interest wanted) noexcept { return {*this, wanted}; }

    /// Waits until a read or a write would not block, or until one of the conditions `wanted` holds. Level-triggered:
    /// it is ready for as long as the condition holds, also if no call has returned operation_would_block. Returns the
    /// conditions that hold.
    /// Errors: errc::runtime_shutdown; the errors of poll(2).
    /// Cost: a call of poll(2) each time that the descriptor may be ready.
    [[nodiscard]] level_future<S> wait_readable() noexcept { return {*this, interest::readable}; }
    [[nodiscard]] level_future<S> wait_writable() noexcept { return {*this, interest::writable}; }
    [[nodiscard]] level_future<S> wait(interest wanted) noexcept { return {*this, wanted}; }

    /// Calls `operation(source)` once if the descriptor may be ready. Never waits. See registration::try_io().
    template <class Operation>
    std::invoke_result_t<Operation&, S&> try_io(interest wanted, Operation&& operation) {
        return registration().try_io(wanted, [&] { return operation(get()); });
    }

    /// Calls `operation(source)`, which returns a `result`, until it returns anything other than
    /// operation_would_block. Waits for readiness between calls.
    /// Errors: any error of `operation`; errc::runtime_shutdown.
    /// Cancel safety: safe, if a call that would block has no effect.
    /// Lifetime: the future borrows this object.
    /// Cost: no allocation. Makes a call only if the descriptor may be ready.
    template <class Operation>
    [[nodiscard]] auto async_io(interest wanted, Operation&& operation) {
        return eddy::detail::make_if<
            eddy::detail::check_operation<Operation, S&>(),
            async_io_future<async_fd, ready_guard_future<S>, eddy::detail::kept_fn_t<Operation>>>(
            *this, wanted, std::forward<Operation>(operation));
    }

    /// Deregisters the source and returns it.
    [[nodiscard]] S into_inner() && { return std::move(evented_).into_inner(); }
    eddy::detail::broken_future into_inner(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

private:
    explicit async_fd(poll_evented<S>&& evented) noexcept : evented_(std::move(evented)) {}

    static async_fd registered(S&& source, interest wanted, std::source_location where) {
        auto made = make(std::move(source), wanted, where);
        if (!made) eddy::detail::throw_not_registered("eddy::io::async_fd", made.error().to_error_code(), where);
        return std::move(*made);
    }

    poll_evented<S> evented_;
};

}  // namespace eddy::io
