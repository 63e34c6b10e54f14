// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/result.hpp>
#include <eddy/signal/kind.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::sys {
struct signal_bell;
}

namespace eddy::detail {

/// Owns a descriptor that becomes readable with each signal of a kind.
class EDDY_API signal_source {
public:
    explicit signal_source(sys::signal_bell& bell) noexcept : bell_(&bell) {}
    signal_source(signal_source&& other) noexcept : bell_(std::exchange(other.bell_, nullptr)) {}
    signal_source& operator=(signal_source&& other) noexcept {
        std::swap(bell_, other.bell_);
        return *this;
    }
    ~signal_source();

    [[nodiscard]] int native_handle() const noexcept;
    /// Makes the descriptor not readable, until the next signal.
    void silence() noexcept;
    [[nodiscard]] const sys::signal_bell& bell() const noexcept { return *bell_; }

private:
    sys::signal_bell* bell_;
};

}  // namespace eddy::detail

namespace eddy::signal {

/// A stream of the signals of one kind that this process receives, starting with the call of stream(). Each stream
/// returns each signal. Several signals between two polls are one item; the operating system merges pending signals,
/// too: see info_stream() for one that tells them apart. The stream ends only when the event loop in which it was made
/// ends.
/// Thread safety: one task at a time, on any thread.
class [[nodiscard]] EDDY_API signal_stream : public stream_ops<signal_stream> {
public:
    using item_type = kind;

    static constexpr const char* wakes_one_task = "a signal_stream";

    signal_stream(signal_stream&&) noexcept = default;
    signal_stream& operator=(signal_stream&&) noexcept = default;
    ~signal_stream() { detail::check_not_awaited(this, "a signal_stream"); }

    /// For readers of the program's memory.
    static constexpr auto wait_shape() {
        return inspect::wait_shape<>{.kind = inspect::wait::other, .name = "a signal"};
    }

    /// Same as next(), by the name that the receivers of channels use.
    [[nodiscard]] next_future<signal_stream> recv() noexcept;

    /// Polls for the next signal; nullopt when the event loop has ended.
    poll_result<std::optional<kind>> poll_next(context& cx);

private:
    friend result<signal_stream> stream(kind, std::source_location);
    signal_stream(kind of, std::uint64_t seen, io::poll_evented<detail::signal_source>&& source) noexcept
        : source_(std::move(source)), seen_(seen), kind_(of) {}

    io::poll_evented<detail::signal_source> source_;
    std::uint64_t seen_;  // the number of signals at the last poll
    kind kind_;
};

/// Starts to listen for signals of a kind, in the event loop on this thread:
///     auto hangups = co_await try_(signal::stream(signal::kind::hangup()));
///     while (co_await hangups.next()) reload();
///
/// The first call for a kind installs a signal handler, which stays until the process ends. So the signal loses its
/// default action, such as to end the program, even if no stream is left. The handler calls a handler that was
/// installed before it.
/// Errors: errc::forbidden_signal; the errors of a reactor (errc::runtime_shutdown, errc::io_disabled,
/// too_many_files_open). Throws misuse without an event loop.
/// Thread safety: any thread.
/// Cost: one descriptor per stream.
[[nodiscard]] EDDY_API result<signal_stream> stream(kind of,
                                                    std::source_location where = std::source_location::current());

}  // namespace eddy::signal
