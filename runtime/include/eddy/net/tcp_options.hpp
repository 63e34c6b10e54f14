// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// The options of tcp_socket and tcp_stream with which the system finds out that a peer is gone: a mixin, with the
/// derived class as `Self`. Connections that a listener accepts inherit the options of the tcp_socket that it was made
/// of.
///     stream.set_keepalive(true).value();
///     stream.set_keepalive_idle(60s).value();      // the first probe after 60 s without data,
///     stream.set_keepalive_interval(10s).value();  // then one each 10 s;
///     stream.set_keepalive_count(3).value();       // after 3 without an answer, operations fail with timed_out
/// Errors: see getsockopt(2) and setsockopt(2).
/// Thread safety: any thread.
template <class Self>
class EDDY_API tcp_options {
public:
    /// Gets or sets whether the system probes idle connections (SO_KEEPALIVE). Off by default.
    [[nodiscard]] result<bool> keepalive() const;
    result<void> set_keepalive(bool on) const;
    /// The time without data after which the first probe is sent (TCP_KEEPIDLE), and the time between probes
    /// (TCP_KEEPINTVL). The defaults of Linux are 2 hours and 75 s. They have no effect unless keepalive() is on.
    /// Errors: invalid_argument for less than 1 s or more than 32,767 s.
    [[nodiscard]] result<std::chrono::seconds> keepalive_idle() const;
    result<void> set_keepalive_idle(std::chrono::seconds time) const;
    [[nodiscard]] result<std::chrono::seconds> keepalive_interval() const;
    result<void> set_keepalive_interval(std::chrono::seconds time) const;
    /// The number of probes without an answer after which the connection fails with timed_out (TCP_KEEPCNT). The
    /// default of Linux is 9.
    /// Errors: invalid_argument for less than 1 or more than 127.
    [[nodiscard]] result<std::uint32_t> keepalive_count() const;
    result<void> set_keepalive_count(std::uint32_t probes) const;
    /// The time after which a connection fails with timed_out while data that was sent is not acknowledged
    /// (TCP_USER_TIMEOUT). The value nullopt is the system's own limit, about 15 minutes. If keepalive() is on, this
    /// limit also replaces keepalive_count().
    /// Errors: invalid_argument for less than 1 ms or more than 2^31 ms.
    [[nodiscard]] result<std::optional<std::chrono::milliseconds>> user_timeout() const;
    result<void> set_user_timeout(std::optional<std::chrono::milliseconds> limit) const;

private:
    // SAFETY: Self derives from this mixin, so *this is the base of a Self.
    [[nodiscard]] int fd() const { return static_cast<const Self&>(*this).socket_.open_fd(); }
};

}  // namespace eddy::net
