// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

template <io_source S>
class async_fd;

/// Owns a source and its registration: the base of a user-defined socket type. A source is any object with a
/// `native_handle()`, or one that registers itself (event_source). It is registered immediately, by the constructor or
/// by make().
///
///     io::poll_evented<counter> events(counter{}, io::interest::readable);
///     auto seen = co_await try_(events.registration().readiness(io::interest::readable));
///
/// Preconditions: the descriptor is in non-blocking mode.
/// Thread safety: same as `registration`.
/// Lifetime: deregisters the source before it destroys it.
template <registrable S>
class poll_evented {
public:
    /// Registers `source` with reactor_handle::current().
    /// Errors: throws `misuse` if there is no reactor, and std::system_error with the errors of registration::attach().
    explicit poll_evented(S source, interest wanted, std::source_location where = std::source_location::current())
        : poll_evented(registered(std::move(source), wanted, where)) {}

    /// Same as the constructor, but returns the error. On error, the source is destroyed.
    [[nodiscard]] static result<poll_evented> make(S source, interest wanted,
                                                   std::source_location where = std::source_location::current()) {
        auto attached = io::registration::attach(source, wanted, where);
        if (!attached) return std::unexpected(attached.error());
        return poll_evented(std::move(source), std::move(*attached));
    }

    /// Same as make() above, with the reactor `with`.
    [[nodiscard]] static result<poll_evented> make(S source, interest wanted, const reactor_handle& with) {
        auto attached = io::registration::attach(source, wanted, with);
        if (!attached) return std::unexpected(attached.error());
        return poll_evented(std::move(source), std::move(*attached));
    }

    /// Moves the source and its registration.
    poll_evented(poll_evented&&) noexcept = default;
    ~poll_evented() { deregister(); }
    /// Deregisters the old source before it is destroyed.
    poll_evented& operator=(poll_evented&& other) noexcept {
        if (this == &other) return *this;
        deregister();
        source_ = std::move(other.source_);
        registration_ = std::move(other.registration_);
        return *this;
    }

    /// Returns the source.
    [[nodiscard]] S& source() noexcept { return source_; }
    [[nodiscard]] const S& source() const noexcept { return source_; }
    /// Returns the registration.
    [[nodiscard]] const io::registration& registration() const noexcept { return registration_; }

    /// Changes the interest; see registration::reregister().
    result<void> reregister(interest wanted, std::source_location where = std::source_location::current()) {
        return registration_.reregister(source_, wanted, where);
    }

    /// Calls `operation(source)`, which returns a `result`, each time the source may be readable, until the error is
    /// not operation_would_block.
    /// Errors: any error of `operation`; errc::runtime_shutdown.
    /// Thread safety: one task at a time may poll a direction. Only the last task to poll is woken.
    template <class Operation>
    auto poll_read(context& cx, Operation&& operation) -> poll_result<std::invoke_result_t<Operation&, S&>> {
        return poll_io(cx, &io::registration::poll_read_ready, operation);
    }
    /// Same as poll_read(), for writing.
    template <class Operation>
    auto poll_write(context& cx, Operation&& operation) -> poll_result<std::invoke_result_t<Operation&, S&>> {
        return poll_io(cx, &io::registration::poll_write_ready, operation);
    }

    /// Deregisters the source and returns it.
    [[nodiscard]] S into_inner() && {
        deregister();
        return std::move(source_);
    }
    eddy::detail::broken_future into_inner(auto&&...) & EDDY_DELETED(EDDY_NEEDS_MOVE);

private:
    template <io_source T>
    friend class async_fd;
    poll_evented(S&& source, io::registration&& attached) noexcept
        : source_(std::move(source)), registration_(std::move(attached)) {}

    static poll_evented registered(S&& source, interest wanted, std::source_location where) {
        auto made = make(std::move(source), wanted, where);
        if (!made) throw std::system_error(made.error(), "eddy::io::poll_evented");
        return std::move(*made);
    }

    void deregister() noexcept {
        if constexpr (event_source<S>)
            static_cast<void>(registration_.deregister(source_));
        else
            static_cast<void>(registration_.deregister());
    }

    using poll_ready = poll_result<result<ready_event>> (io::registration::*)(context&) const;

    template <class Operation>
    auto poll_io(context& cx, poll_ready ready, Operation& operation)
        -> poll_result<std::invoke_result_t<Operation&, S&>> {
        using answer_type = std::invoke_result_t<Operation&, S&>;
        for (;;) {
            // One budget unit per round: a closed descriptor stays ready, so a call that would block could repeat
            // endlessly.
            if (!cx.consume_budget()) return not_ready;
            auto seen = (registration_.*ready)(cx);
            if (!seen) {
                cx.refund_budget();
                return not_ready;
            }
            if (!*seen) return answer_type(std::unexpect, seen->error());
            answer_type answer = operation(source_);
            if (answer || answer.error() != std::errc::operation_would_block) return answer;
            registration_.clear_blocked(**seen);
        }
    }

    S source_;
    io::registration registration_;  // declared last, so that it is destroyed before the source
};

}  // namespace eddy::io
