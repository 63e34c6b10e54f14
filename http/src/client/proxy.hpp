// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/http/error.hpp>
#include <eddy/http/proxies.hpp>
#include <eddy/http/url.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

// The proxies of a client: which there are, and which requests go through them.

namespace eddy::detail {

/// Reads and sets the private part of http::proxies.
struct proxies_access {
    [[nodiscard]] static bool excludes_loopback(const http::proxies& of) noexcept { return of.excludes_loopback_; }
    static void exclude_loopback(http::proxies& in) noexcept { in.excludes_loopback_ = true; }
};

/// Returns http::proxies::from_environment() for an environment in which `variable(name)` returns the value of a
/// variable, or null.
[[nodiscard]] http::proxies proxies_from(const std::function<const char*(const char*)>& variable);

/// The parts of a proxy's URL.
struct proxy_server {
    /// How the client talks to the proxy: HTTP, HTTP over TLS, or SOCKS5.
    enum class protocol : unsigned char { http, https, socks5 };

    protocol scheme = protocol::http;
    std::string host;
    std::uint16_t port = 0;
    std::string user;  // empty if the URL has none
    std::string password;

    /// Returns the value of Proxy-Authorization (RFC 7617), or an empty text without a user name.
    [[nodiscard]] std::string authorization() const;

    proxy_server() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Parses the URL of a proxy.
/// Errors: http::errc::bad_proxy, proxy_not_supported.
[[nodiscard]] result<proxy_server> parse_proxy(std::string_view text);

/// Returns the URL of a proxy without its user name and password, for errors.
[[nodiscard]] std::string proxy_without_password(std::string_view text);

/// Returns "host:port", or "[host]:port" for an IPv6 address.
[[nodiscard]] std::string host_with_port(const std::string& host, std::uint16_t port);

/// The hosts to which requests go without a proxy: see http::proxies::except().
/// Thread safety: after the constructor, any thread.
class excluded_hosts {
public:
    /// Parses a list. Ignores elements that are not valid, except that invalid() returns the first one.
    explicit excluded_hosts(std::string_view list);

    /// Returns the first element that is not valid, or an empty string.
    [[nodiscard]] const std::string& invalid() const noexcept { return invalid_; }

    /// Returns whether the list contains a host.
    /// Preconditions: `host` has no letters in upper case.
    [[nodiscard]] bool contains(std::string_view host, std::uint16_t port) const noexcept;

private:
    /// A block of addresses; a single address has the size of its bits as `prefix`.
    struct block {
        net::ip_addr address;
        unsigned prefix;
        std::optional<std::uint16_t> port;

        [[nodiscard]] bool contains(const net::ip_addr& other) const noexcept;
    };
    struct domain {
        std::string name;   // in lower case
        bool has_own_host;  // the name itself belongs to the domain
        std::optional<std::uint16_t> port;

        [[nodiscard]] bool contains(std::string_view host) const noexcept;
    };

    /// Adds an element in lower case. Returns whether it is valid.
    [[nodiscard]] bool add(std::string_view element);
    [[nodiscard]] bool add_block(std::string_view element);
    [[nodiscard]] bool add_domain(std::string_view name, std::optional<std::uint16_t> port);

    bool is_all_ = false;
    std::string invalid_;
    std::vector<block> blocks_;
    std::vector<domain> domains_;
};

/// A proxy in the settings of a client, or the error of the settings.
struct configured_proxy {
    std::string shown;  // its URL without user name and password, and what is wrong in the list of excluded hosts
    result<proxy_server> server;

    configured_proxy(std::string_view url, const excluded_hosts& excluded)
        : shown(proxy_without_password(url)), server(parse_proxy(url)) {
        if (excluded.invalid().empty()) return;
        shown.append(" (except \"").append(proxy_without_password(excluded.invalid())).append("\")");
        server = std::unexpected(make_error_code(http::errc::bad_exclusion));
    }
};

/// Chooses the proxy for each request of a client.
/// Thread safety: after the constructor, any thread.
class proxy_choice {
public:
    explicit proxy_choice(const http::proxies& from);

    /// Returns the proxy for requests to a URL, or null if they go to the server directly.
    [[nodiscard]] const configured_proxy* select(const http::url& to) const noexcept;

private:
    excluded_hosts excluded_;
    std::optional<configured_proxy> for_http_;
    std::optional<configured_proxy> for_https_;
    bool excludes_loopback_;
};

}  // namespace eddy::detail
