// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/http/client.hpp>
#include <eddy/http/headers.hpp>

namespace eddy::ws {

/// The options of accept(), service() and connect(): `ws::options().message_limit(64 << 10).compression(true)`.
class options {
public:
    /// The default options.
    options() = default;

    /// Sets the maximum number of bytes of a received message, after decompression. A peer that sends a larger message
    /// gets the close code 1009. 1 MiB by default.
    options& message_limit(std::size_t bytes) noexcept {
        message_limit_ = bytes;
        return *this;
    }
    /// Sets the number of bytes by which the heads of the frames of a received message may exceed its payload. It
    /// limits messages in many tiny frames; frames of 14 bytes or more never reach it. A peer that sends more gets the
    /// close code 1008. 64 KiB by default.
    options& overhead_limit(std::size_t bytes) noexcept {
        overhead_limit_ = bytes;
        return *this;
    }
    /// Sets how much time the peer has to receive the Close frame, to answer it, and to end the connection. Then
    /// close(), and each receive() and send() that waits, return. 5 seconds by default.
    options& close_timeout(std::chrono::nanoseconds limit) noexcept {
        close_timeout_ = limit;
        return *this;
    }
    /// Sets the interval for pings. If no byte arrives during one to two intervals, a task that receives sends a ping.
    /// If no byte arrives for another interval, the connection fails with errc::timed_out. 30 seconds by default. With
    /// 0, no ping is sent, and a silent peer is not noticed.
    options& ping_interval(std::chrono::nanoseconds interval) noexcept {
        ping_interval_ = interval;
        return *this;
    }
    /// Sets whether to negotiate compression (permessage-deflate, RFC 7692). It costs about 300 KiB of memory for each
    /// connection that uses it in both directions. Messages of less than 64 bytes are not compressed. The connections
    /// of a process take turns to decompress large messages. Off by default.
    options& compression(bool enabled) noexcept {
        compression_ = enabled;
        return *this;
    }
    /// Adds a subprotocol. A client offers all of them; a server selects its first one that the client offers. See
    /// connection::protocol().
    /// Errors: throws `misuse` if the name is not a token (RFC 9110).
    options& protocol(std::string_view name, std::source_location where = std::source_location::current()) {
        http::headers check;
        check.add(name, "", where);
        protocols_.emplace_back(name);
        return *this;
    }

    /// For servers: permits requests of web pages of this origin, for example "https://example.org". By default, a page
    /// can connect only to the host that it was loaded from. Without this check, any page could use the cookies of its
    /// visitor. Requests without an Origin do not come from pages and are permitted.
    options& allow_origin(std::string_view origin) {
        origins_.emplace_back(origin);
        return *this;
    }
    /// For servers: permits requests of all web pages.
    options& allow_any_origin() noexcept {
        allows_any_origin_ = true;
        return *this;
    }

    /// For clients: sets the options of the HTTP request: timeout(), connect_timeout(), header_limit(), proxies() and
    /// tls() are used.
    options& client(http::client_options with) {
        client_ = std::move(with);
        return *this;
    }
    /// For clients: adds a field to the request, for example Authorization or Cookie.
    /// Errors: throws `misuse` for an invalid field.
    options& header(std::string_view name, std::string_view value,
                    std::source_location where = std::source_location::current()) {
        headers_.add(name, value, where);
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t message_limit() const noexcept { return message_limit_; }
    [[nodiscard]] std::size_t overhead_limit() const noexcept { return overhead_limit_; }
    [[nodiscard]] std::chrono::nanoseconds close_timeout() const noexcept { return close_timeout_; }
    [[nodiscard]] std::chrono::nanoseconds ping_interval() const noexcept { return ping_interval_; }
    [[nodiscard]] bool compression() const noexcept { return compression_; }
    [[nodiscard]] const std::vector<std::string>& protocols() const noexcept { return protocols_; }
    [[nodiscard]] const std::vector<std::string>& origins() const noexcept { return origins_; }
    [[nodiscard]] bool allows_any_origin() const noexcept { return allows_any_origin_; }
    [[nodiscard]] const http::client_options& client() const noexcept { return client_; }
    [[nodiscard]] const http::headers& headers() const noexcept { return headers_; }

private:
    std::size_t message_limit_ = 1 << 20;
    std::size_t overhead_limit_ = 64 * 1024;
    std::chrono::nanoseconds close_timeout_ = std::chrono::seconds(5);
    std::chrono::nanoseconds ping_interval_ = std::chrono::seconds(30);
    bool compression_ = false;
    bool allows_any_origin_ = false;
    std::vector<std::string> protocols_;
    std::vector<std::string> origins_;
    http::client_options client_;
    http::headers headers_;
};

}  // namespace eddy::ws
