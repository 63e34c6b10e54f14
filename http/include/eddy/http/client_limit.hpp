// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::http {

/// The options of client_limit(): `client_limit_options(100, 1min).burst(20)`.
/// Thread safety: a plain value.
class EDDY_API client_limit_options {
public:
    /// Permits `requests` per time `per` to each client, in the long run.
    /// Errors: throws `misuse` if one of them is 0.
    client_limit_options(std::uint32_t requests, time::duration per,
                         std::source_location where = std::source_location::current());

    /// Sets how many requests a client may send at once, after it has sent none for long enough. That is `requests` by
    /// default. 0 is treated as 1.
    client_limit_options& burst(std::uint32_t requests) noexcept {
        burst_ = requests == 0 ? 1 : requests;
        return *this;
    }
    /// Sets the function that returns the name of a client, for example its user. By default, that is the IP address of
    /// its connection, or the first 64 bits of an IPv6 address, because one client has all of these. The clients with
    /// the same first 48 bits, which one site has, may together send 64 times as many requests as one client. Behind a
    /// proxy, this is the address of the proxy. A connection without an IP address, for example of a Unix socket, needs
    /// this function. A name of 32 bytes or more is stored as its SHA-256 hash.
    client_limit_options& client(std::function<std::string(const request&)> name_of) noexcept {
        name_of_ = std::move(name_of);
        return *this;
    }
    /// Sets the maximum number of clients that are remembered, and also of sites. If there are more, the one is
    /// forgotten that is farthest from its limit, so others cannot make the server forget a client that has reached it.
    /// 10,000 by default. 0 is treated as 1.
    client_limit_options& max_clients(std::size_t most) noexcept {
        max_clients_ = most == 0 ? 1 : most;
        return *this;
    }

    /// Returns the time for one request, or the value of the option.
    [[nodiscard]] time::duration interval() const noexcept { return interval_; }
    [[nodiscard]] std::uint32_t burst() const noexcept { return burst_; }
    [[nodiscard]] const std::function<std::string(const request&)>& client() const noexcept { return name_of_; }
    [[nodiscard]] std::size_t max_clients() const noexcept { return max_clients_; }

private:
    time::duration interval_;
    std::uint32_t burst_;
    std::function<std::string(const request&)> name_of_;
    std::size_t max_clients_ = 10'000;
};

}  // namespace eddy::http

namespace eddy::detail {

class client_buckets;

/// The filter of http::client_limit().
class EDDY_API client_limit_filter {
public:
    struct pass {
        std::optional<http::response> refusal;

        explicit pass(std::optional<http::response> given) noexcept : refusal(std::move(given)) {}
        void finish(http::response&) const noexcept {}
    };

    client_limit_filter(http::client_limit_options&& options, const std::source_location& where);
    [[nodiscard]] pass begin(const http::request& asked) const;

private:
    std::shared_ptr<client_buckets> buckets_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer that limits the rate of each client's requests. A request above the limit gets 429, with the number
/// of seconds in Retry-After after which the next one is permitted:
///     app | http::client_limit(http::client_limit_options(100, 1min).burst(20))
/// To limit all clients together, see proto::rate_limit().
/// Errors: throws `misuse` for a request without request::peer, unless there is a function
/// client_limit_options::client(): the layer cannot tell such clients apart. Pass the peer to serve_connection().
/// Thread safety: the function of client_limit_options::client() may be called on several threads at the same time.
/// Copies of the layer, and services with it, have the limit together.
/// Cost: a mutex and a lookup for each request; less than 250 bytes for each client, and as many for each site.
[[nodiscard]] inline auto client_limit(client_limit_options options,
                                       std::source_location where = std::source_location::current()) {
    return detail::filter_layer(detail::client_limit_filter(std::move(options), where));
}

}  // namespace eddy::http
