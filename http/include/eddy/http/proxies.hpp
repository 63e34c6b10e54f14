// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy::detail {
struct proxies_access;
}  // namespace eddy::detail

namespace eddy::http {

/// The proxies of a client, see client_options::proxies():
///     auto chosen = http::proxies::none().for_all("http://user:password@proxy.example.org:3128").except("10.0.0.0/8");
///     const http::client web(http::client_options().proxies(chosen));
///
/// The URL of a proxy begins with "http://", which may be omitted, or with "https://" for a proxy that the client
/// connects to with TLS. With "socks5://" or "socks5h://", the proxy makes all connections by SOCKS5, and also looks up
/// the names of the servers. The default port is 80, 443 or 1080. An empty URL means that there is no proxy. A wrong
/// URL is reported by the requests that would use it: errc::bad_proxy, or errc::proxy_not_supported for another scheme
/// such as socks4.
///
/// The proxy gets the user name and the password of its URL as "Proxy-Authorization: Basic", or as RFC 1929 says if it
/// is a SOCKS5 proxy that asks for them; the latter are not encrypted. Percent-encode special characters: "p%40ss".
/// Thread safety: a plain value.
class EDDY_API proxies {
public:
    /// No proxies: all requests go to the servers directly.
    proxies() = default;
    [[nodiscard]] static proxies none() { return {}; }

    /// Returns the proxies in the variables http_proxy, https_proxy, all_proxy (for both schemes, unless they have
    /// their own variable) and no_proxy (see except()), or the same in upper case if the former is not set. An
    /// empty variable is treated as unset. Requests to localhost and to loopback addresses never use these proxies. If
    /// the variable REQUEST_METHOD is set, HTTP_PROXY is ignored: in a CGI program, it contains the field Proxy of a
    /// request ("httpoxy").
    /// Thread safety: calls getenv(3). No other thread may change the environment at the same time, for example by
    /// setenv(3).
    [[nodiscard]] static proxies from_environment();

    /// Sets the URL of the proxy for http URLs, for https URLs, or for both.
    proxies& for_http(std::string url) {
        for_http_ = std::move(url);
        return *this;
    }
    proxies& for_https(std::string url) {
        for_https_ = std::move(url);
        return *this;
    }
    proxies& for_all(std::string url) {
        for_http_ = url;
        for_https_ = std::move(url);
        return *this;
    }

    /// Adds hosts to which requests go directly. The list has the form of no_proxy, separated by commas or spaces:
    ///
    ///     example.org      the host, and all hosts of the domain, such as www.example.org
    ///     .example.org     the same, as in curl. In Go, it does not mean example.org itself
    ///     *.example.org    all hosts of the domain, but not example.org itself
    ///     10.1.2.3, ::1    an address, as it is written in the URL. Names are not looked up
    ///     10.0.0.0/8       a block of addresses, also of IPv6: fe80::/10 or [fe80::]/10
    ///     example.org:81   one port; [::1]:81 for IPv6
    ///     *                all hosts
    ///
    /// The case of letters does not matter. IPv4 addresses that are mapped into IPv6 equal the same addresses of IPv4.
    /// An element of another form is reported by the requests that would use a proxy: errc::bad_exclusion, with a
    /// message that shows the element.
    proxies& except(std::string_view hosts) {
        if (!excluded_.empty()) excluded_ += ',';
        excluded_ += hosts;
        return *this;
    }

    /// Returns the value of the setting.
    [[nodiscard]] const std::string& for_http() const noexcept { return for_http_; }
    [[nodiscard]] const std::string& for_https() const noexcept { return for_https_; }
    [[nodiscard]] const std::string& except() const noexcept { return excluded_; }

private:
    friend detail::proxies_access;

    std::string for_http_;
    std::string for_https_;
    std::string excluded_;
    bool excludes_loopback_ = false;
};

}  // namespace eddy::http
