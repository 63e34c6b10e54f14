// SPDX-License-Identifier: MIT
#include "client/proxy_server.hpp"

#include <optional>

#include <eddy/http/error.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/url.hpp>

#include "message/base64.hpp"
#include "message/characters.hpp"
#include "message/host.hpp"

namespace eddy::detail {
namespace {

/// Returns the value of Proxy-Authorization for "user:password" (RFC 7617).
std::optional<std::string> authorization_of(std::string_view text) {
    const auto user = http::decode_percent(take_part(text, ':'));
    const auto password = http::decode_percent(text);
    // A colon in the user name would become a part of the password.
    if (!user || !password || user->find(':') != std::string::npos) return std::nullopt;
    const auto both = *user + ':' + *password;
    // SAFETY: bytes may be read as unsigned char.
    return "Basic " + base64({reinterpret_cast<const unsigned char*>(both.data()), both.size()});
}

}  // namespace

result<proxy_server> parse_proxy(std::string_view text) {
    const auto bad = [] { return std::unexpected(make_error_code(http::errc::bad_proxy)); };
    text = trim(text);
    proxy_server made;
    if (const auto end = text.find("://"); end != std::string_view::npos) {
        const auto scheme = text.substr(0, end);
        if (!is_token(scheme)) return bad();
        made.is_https = http::equal_names(scheme, "https");
        if (!made.is_https && !http::equal_names(scheme, "http"))
            return std::unexpected(make_error_code(http::errc::proxy_not_supported));
        text.remove_prefix(end + 3);
    }
    text = text.substr(0, text.find_first_of("/?#"));
    if (const auto at = text.rfind('@'); at != std::string_view::npos) {
        auto authorization = authorization_of(text.substr(0, at));
        if (!authorization) return bad();
        made.authorization = *std::move(authorization);
        text.remove_prefix(at + 1);
    }
    const auto parts = parse_host(text);
    if (!parts || !can_be_server(parts->host)) return bad();
    made.host = parts->host;
    made.port = parts->port.value_or(made.is_https ? 443 : 80);
    return made;
}

std::string proxy_without_password(std::string_view text) {
    const auto at = text.rfind('@');
    if (at == std::string_view::npos) return std::string(text);
    const auto end = text.find("://");
    const auto scheme = end < at ? text.substr(0, end + 3) : std::string_view();
    return std::string(scheme).append(text.substr(at + 1));
}

std::string host_with_port(const std::string& host, std::uint16_t port) {
    const bool needs_brackets = host.find(':') != std::string::npos;
    return (needs_brackets ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

}  // namespace eddy::detail
