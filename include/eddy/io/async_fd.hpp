// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/detail/closure_guard.hpp>
#include <eddy/future.hpp>
#include <eddy/future_ops.hpp>
#include <eddy/io/async_io.hpp>
#include <eddy/io/poll_evented.hpp>

namespace eddy::io {

template <io_source S>
class async_fd;

/// Says that a descriptor may be ready. Whoever holds it tries, and if the call would block says so by clear_ready(),
/// or lets try_io() do both.
template <io_source S>
class [[nodiscard]] ready_guard {
public:
    ready_guard(async_fd<S>& of, const ready_event& seen) noexcept : of_(&of), seen_(seen) {}

    /// What the descriptor is ready for.
    [[nodiscard]] io::ready ready() const noexcept { return seen_.ready; }

    /// The call would have blocked: wait for the next event. One that has come meanwhile is kept.
    void clear_ready() noexcept { of_->registration().clear_readiness(seen_); }
    /// The same for a part of what was seen.
    void clear_ready_matching(io::ready over) noexcept {
        of_->registration().clear_readiness(ready_event(seen_.ready & over, seen_.tick, seen_.is_shutdown));
    }

    /// Calls `operation(source)`, which returns a `result`; if that says that it would block, clears the readiness and
    /// hands operation_would_block on: then wait again.
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

/// Waits until an async_fd is ready. Cancel safety: safe.
template <io_source S>
class [[nodiscard("co_await it")]] ready_guard_future : public future_ops<ready_guard_future<S>> {
public:
    using output_type = result<ready_guard<S>>;

    ready_guard_future(async_fd<S>& of, interest wanted) noexcept
        : of_(&of), readiness_(of.registration().readiness(wanted)) {}

    poll_result<output_type> poll(context& cx) {
        auto seen = readiness_.poll(cx);
        if (!seen) return not_ready;
        if (!*seen) return output_type(std::unexpect, seen->error());
        return output_type(std::in_place, *of_, **seen);
    }

private:
    async_fd<S>* of_;
    readiness_future readiness_;
};

/// Any descriptor of the user's, driven by the reactor: eventfd, timerfd, inotify, pipes, devices, sockets of other
/// libraries. Give the call to async_io(), which tries it, and waits while it would block:
///
///     auto n = co_await fd.async_io(interest::readable, [&](auto& source) { return read_from(source.native_handle(),
///     buffer); });
///
/// Or wait for readiness, try, and clear the readiness when the call would block, which is the same by hand:
///
///     for (;;) {
///         auto guard = co_await try_(fd.readable());
///         auto n = guard.try_io([&](auto& source) { return read_from(source.native_handle(), buffer); });
///         if (n || n.error() != std::errc::operation_would_block) co_return n;
///     }
///
/// Preconditions: the descriptor is in non-blocking mode. Registers at once.
/// Thread safety: any number of tasks may wait, on any thread.
template <io_source S>
class async_fd {
public:
    /// Registers with reactor_handle::current(). Throws `misuse` if there is none, and std::system_error with what
    /// registration::attach() reports.
    explicit async_fd(S source, interest wanted = interest::readable | interest::writable,
                      std::source_location where = std::source_location::current())
        : evented_(std::move(source), wanted, where) {}

    /// As the constructor, with the error as a value; the source is destroyed then.
    [[nodiscard]] static result<async_fd> make(S source, interest wanted = interest::readable | interest::writable,
                                               std::source_location where = std::source_location::current()) {
        auto made = poll_evented<S>::make(std::move(source), wanted, where);
        if (!made) return std::unexpected(made.error());
        return async_fd(std::move(*made));
    }

    [[nodiscard]] S& get() noexcept { return evented_.source(); }
    [[nodiscard]] const S& get() const noexcept { return evented_.source(); }
    [[nodiscard]] int native_handle() const noexcept { return evented_.source().native_handle(); }
    [[nodiscard]] const io::registration& registration() const noexcept { return evented_.registration(); }

    /// Waits until the descriptor may be read, or written, or is ready for `wanted`. Errors: runtime_shutdown.
    [[nodiscard]] ready_guard_future<S> readable() noexcept { return {*this, interest::readable}; }
    [[nodiscard]] ready_guard_future<S> writable() noexcept { return {*this, interest::writable}; }
    [[nodiscard]] ready_guard_future<S> ready(interest wanted) noexcept { return {*this, wanted}; }

    /// Tries once, without waiting: registration::try_io() with the source as argument.
    template <class Operation>
    std::invoke_result_t<Operation&, S&> try_io(interest wanted, Operation&& operation) {
        return registration().try_io(wanted, [&] { return operation(get()); });
    }

    /// Calls `operation(source)`, which returns a `result`, until it does not say that it would block, and waits in
    /// between. Errors: those of `operation`; runtime_shutdown. Cancel safety: safe, if a call that would block has
    /// done nothing. Lifetime: borrows this. Cost: a call is made only if the descriptor may be ready; no allocation.
    template <class Operation>
    [[nodiscard]] auto async_io(interest wanted, Operation&& operation) {
        if constexpr (eddy::detail::check_operation<Operation, S&>()) {
            using future = async_io_future<async_fd, ready_guard_future<S>, std::decay_t<Operation>,
                                           eddy::detail::is_fragile<Operation>>;
            return future(*this, wanted, std::forward<Operation>(operation));
        } else {
            return eddy::detail::broken_future();
        }
    }

    /// Deregisters and gives the source back.
    [[nodiscard]] S into_inner() && { return std::move(evented_).into_inner(); }
    // Only to say in a short error what to write.
    template <class... A>
    auto into_inner(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

private:
    explicit async_fd(poll_evented<S>&& evented) noexcept : evented_(std::move(evented)) {}

    poll_evented<S> evented_;
};

}  // namespace eddy::io
