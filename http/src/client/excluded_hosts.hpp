// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/net/socket_addr.hpp>

namespace eddy::detail {

/// Parses a host as an IP address. An IPv4 address that is mapped into IPv6 becomes an IPv4 address.
[[nodiscard]] std::optional<net::ip_addr> parse_address(std::string_view host) noexcept;

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

}  // namespace eddy::detail
