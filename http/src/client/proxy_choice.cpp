// SPDX-License-Identifier: MIT
#include "client/proxy_choice.hpp"

#include <string_view>

#include "client/proxies_access.hpp"

namespace eddy::detail {
namespace {

std::optional<configured_proxy> configure(const std::string& url, const excluded_hosts& excluded) {
    if (url.empty()) return std::nullopt;
    return std::optional<configured_proxy>(std::in_place, url, excluded);
}

/// Returns whether a host is this machine: a loopback address, or a name in the domain localhost (RFC 6761).
bool is_loopback(std::string_view host) noexcept {
    if (const auto address = parse_address(host)) return address->is_loopback();
    if (host.ends_with('.')) host.remove_suffix(1);
    return host == "localhost" || host.ends_with(".localhost");
}

}  // namespace

proxy_choice::proxy_choice(const http::proxies& from)
    : excluded_(from.except()),
      for_http_(configure(from.for_http(), excluded_)),
      for_https_(configure(from.for_https(), excluded_)),
      excludes_loopback_(proxies_access::excludes_loopback(from)) {}

const configured_proxy* proxy_choice::select(const http::url& to) const noexcept {
    const auto& proxy = to.is_https() ? for_https_ : for_http_;
    if (!proxy || (excludes_loopback_ && is_loopback(to.host())) || excluded_.contains(to.host(), to.port()))
        return nullptr;
    return &*proxy;
}

}  // namespace eddy::detail
