// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/result.hpp>
#include <eddy/signal/kind.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::detail {

/// A descriptor that rings in this process's loops whenever a signal has come. Nobody reads it, so that all hear it.
class EDDY_API signal_bell {
public:
    explicit signal_bell(int fd) noexcept : fd_(fd) {}
    signal_bell(signal_bell&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    signal_bell& operator=(signal_bell&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~signal_bell();

    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    int fd_;
};

}  // namespace eddy::detail

namespace eddy::signal {

/// The signals of one kind that this process gets, from stream() on. Each waiter hears of each signal; several that
/// come before one looks are one item for it, as they are for the system. It ends only when the loop that it was made
/// in does. Cancel safety: safe. Thread safety: as any object, on any thread; one task at a time.
class [[nodiscard]] EDDY_API signal_stream : public stream_ops<signal_stream> {
public:
    using item_type = kind;

    poll_result<std::optional<kind>> poll_next(context& cx);

private:
    friend result<signal_stream> stream(kind, std::source_location);
    signal_stream(kind of, std::uint64_t seen, io::poll_evented<detail::signal_bell>&& bell) noexcept
        : bell_(std::move(bell)), seen_(seen), kind_(of) {}

    io::poll_evented<detail::signal_bell> bell_;
    std::uint64_t seen_;  // how many there were when it last looked
    kind kind_;
};

/// Begins to listen for signals of this kind, in the loop on this thread:
///     auto hangups = co_await try_(signal::stream(signal::kind::hangup()));
///     while (co_await hangups.next()) reload();
///
/// The first call for a kind sets a handler, which stays until the process ends: what the signal did by itself (ending
/// the program) it does no more, also when nobody listens any longer. A handler that somebody had set before is called
/// by it. Errors: errc::forbidden_signal; what reactors report (errc::runtime_shutdown, errc::io_disabled,
/// too_many_files_open). Throws misuse without a loop. Thread safety: any thread. Cost: a descriptor; signals wake all
/// who listen to some signal.
[[nodiscard]] EDDY_API result<signal_stream> stream(kind of,
                                                    std::source_location where = std::source_location::current());

}  // namespace eddy::signal
