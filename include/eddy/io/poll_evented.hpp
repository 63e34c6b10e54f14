// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/detail/broken_future.hpp>
#include <eddy/error.hpp>
#include <eddy/future.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A source together with its registration: what a socket type of one's own is built from. The source is anything with
/// a `native_handle()`; the descriptor must be in non-blocking mode. Registers at once.
///
///     io::poll_evented<counter> events(counter{}, io::interest::readable);
///     auto seen = co_await try_(events.registration().readiness(io::interest::readable));
///
/// Thread safety: as `registration`. Lifetime: owns the source; deregisters before the source is destroyed.
template <io_source S>
class poll_evented {
public:
    /// Registers with reactor_handle::current(). Throws `misuse` if there is none, and std::system_error with what
    /// registration::attach() reports.
    explicit poll_evented(S source, interest wanted, std::source_location where = std::source_location::current())
        : poll_evented(registered(std::move(source), wanted, where)) {}

    /// As the constructor, with the error as a value; the source is destroyed then.
    [[nodiscard]] static result<poll_evented> make(S source, interest wanted,
                                                   std::source_location where = std::source_location::current()) {
        auto attached = io::registration::attach(source, wanted, where);
        if (!attached) return std::unexpected(attached.error());
        return poll_evented(std::move(source), std::move(*attached));
    }

    /// With a reactor of the caller's choice.
    [[nodiscard]] static result<poll_evented> make(S source, interest wanted, const reactor_handle& with) {
        auto attached = io::registration::attach(source, wanted, with);
        if (!attached) return std::unexpected(attached.error());
        return poll_evented(std::move(source), std::move(*attached));
    }

    poll_evented(poll_evented&&) noexcept = default;
    /// Deregisters the old source before it is destroyed.
    poll_evented& operator=(poll_evented&& other) noexcept {
        if (this == &other) return *this;
        static_cast<void>(registration_.deregister());
        source_ = std::move(other.source_);
        registration_ = std::move(other.registration_);
        return *this;
    }

    [[nodiscard]] S& source() noexcept { return source_; }
    [[nodiscard]] const S& source() const noexcept { return source_; }
    [[nodiscard]] const io::registration& registration() const noexcept { return registration_; }

    /// Calls `operation(source)`, which returns a `result`, as soon as the source is ready to be read, again and again
    /// until it does not say that it would block.
    template <class Operation>
    auto poll_read(context& cx, Operation&& operation) -> poll_result<std::invoke_result_t<Operation&, S&>> {
        return poll_io(cx, &io::registration::poll_read_ready, operation);
    }
    /// The same for writing.
    template <class Operation>
    auto poll_write(context& cx, Operation&& operation) -> poll_result<std::invoke_result_t<Operation&, S&>> {
        return poll_io(cx, &io::registration::poll_write_ready, operation);
    }

    /// Deregisters and gives the source back.
    [[nodiscard]] S into_inner() && {
        static_cast<void>(registration_.deregister());
        return std::move(source_);
    }
    // Only to say in a short error what to write.
    template <class... A>
    auto into_inner(A&&...) & {
        return eddy::detail::refuse_lvalue<A...>();
    }

private:
    poll_evented(S&& source, io::registration&& attached) noexcept
        : source_(std::move(source)), registration_(std::move(attached)) {}

    static poll_evented registered(S&& source, interest wanted, std::source_location where) {
        auto made = make(std::move(source), wanted, where);
        if (!made) throw std::system_error(made.error(), "eddy::io::poll_evented");
        return std::move(*made);
    }

    using poll_ready = poll_result<result<ready_event>> (io::registration::*)(context&) const;

    template <class Operation>
    auto poll_io(context& cx, poll_ready ready, Operation& operation)
        -> poll_result<std::invoke_result_t<Operation&, S&>> {
        using answer_type = std::invoke_result_t<Operation&, S&>;
        for (;;) {
            // Each round, since what is closed stays ready: a call that would block must not hold the thread.
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
    io::registration registration_;  // declared last: it goes before the source does
};

}  // namespace eddy::io
