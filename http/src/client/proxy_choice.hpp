// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/error.hpp>
#include <eddy/http/proxies.hpp>
#include <eddy/http/url.hpp>
#include <eddy/result.hpp>

#include "client/excluded_hosts.hpp"
#include "client/proxy_server.hpp"

namespace eddy::detail {

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
