// SPDX-License-Identifier: MIT
#include "client/proxy.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <initializer_list>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {

// ---- A proxy's URL ----

namespace {

using protocol = proxy_server::protocol;

/// Returns the protocol of a scheme. With both schemes of SOCKS5, the proxy looks up names, as in Go.
std::optional<protocol> protocol_of(std::string_view scheme) noexcept {
    if (http::equal_names(scheme, "http")) return protocol::http;
    if (http::equal_names(scheme, "https")) return protocol::https;
    if (http::equal_names(scheme, "socks5") || http::equal_names(scheme, "socks5h")) return protocol::socks5;
    return std::nullopt;
}

std::uint16_t default_port(protocol scheme) noexcept {
    if (scheme == protocol::socks5) return 1080;
    return scheme == protocol::https ? 443 : 80;
}

/// Sets the user name and the password of "user:password". Returns whether the protocol permits them.
bool set_user(proxy_server& of, std::string_view text) {
    auto user = http::decode_percent(take_part(text, ':'));
    auto password = http::decode_percent(text);
    if (!user || !password) return false;
    of.user = *std::move(user);
    of.password = *std::move(password);
    constexpr std::size_t most_of_socks = 255;
    if (of.scheme == protocol::socks5)
        return !of.user.empty() && of.user.size() <= most_of_socks && of.password.size() <= most_of_socks;
    return !of.user.contains(':');  // a colon would begin the password
}

}  // namespace

std::string proxy_server::authorization() const {
    if (user.empty() && password.empty()) return {};
    const auto both = user + ':' + password;
    // SAFETY: bytes may be read as unsigned char.
    return "Basic " + base64({reinterpret_cast<const unsigned char*>(both.data()), both.size()});
}

result<proxy_server> parse_proxy(std::string_view text) {
    const auto bad = [] { return std::unexpected(make_error_code(http::errc::bad_proxy)); };
    text = trim(text);
    proxy_server made;
    if (const auto end = text.find("://"); end != std::string_view::npos) {
        const auto scheme = text.substr(0, end);
        if (!is_token(scheme)) return bad();
        const auto found = protocol_of(scheme);
        if (!found) return std::unexpected(make_error_code(http::errc::proxy_not_supported));
        made.scheme = *found;
        text.remove_prefix(end + 3);
    }
    text = text.substr(0, text.find_first_of("/?#"));
    if (const auto at = text.rfind('@'); at != std::string_view::npos) {
        if (!set_user(made, text.substr(0, at))) return bad();
        text.remove_prefix(at + 1);
    }
    const auto parts = parse_host(text);
    if (!parts || !can_be_server(parts->host)) return bad();
    made.host = parts->host;
    made.port = parts->port.value_or(default_port(made.scheme));
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

// ---- Hosts without a proxy ----

namespace {

std::span<const std::uint8_t> bytes_of(const net::ipv4_addr& address) noexcept { return address.octets(); }
std::span<const std::uint8_t> bytes_of(const net::ipv6_addr& address) noexcept { return address.octets(); }

unsigned bits_of(const net::ip_addr& address) noexcept { return address.is_ipv4() ? 32 : 128; }

bool have_same_prefix(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other, unsigned bits) noexcept {
    const std::size_t whole = bits / 8;
    if (!std::ranges::equal(one.first(whole), other.first(whole))) return false;
    const unsigned rest = bits % 8;
    return rest == 0 || (one[whole] ^ other[whole]) >> (8 - rest) == 0;
}

/// Parses a host as an IP address. An IPv4 address that is mapped into IPv6 becomes an IPv4 address.
std::optional<net::ip_addr> parse_address(std::string_view host) noexcept {
    const auto parsed = net::ip_addr::parse(host);
    if (!parsed) return std::nullopt;
    if (const auto v6 = parsed->as_v6()) {
        if (const auto mapped = v6->to_ipv4_mapped()) return net::ip_addr(*mapped);
    }
    return *parsed;
}

bool is_port(const std::optional<std::uint16_t>& wanted, std::uint16_t port) noexcept {
    return !wanted || *wanted == port;
}

}  // namespace

bool excluded_hosts::block::contains(const net::ip_addr& other) const noexcept {
    if (address.is_ipv4() != other.is_ipv4()) return false;
    if (address.is_ipv4()) return have_same_prefix(bytes_of(*address.as_v4()), bytes_of(*other.as_v4()), prefix);
    return have_same_prefix(bytes_of(*address.as_v6()), bytes_of(*other.as_v6()), prefix);
}

bool excluded_hosts::domain::contains(std::string_view host) const noexcept {
    if (!host.ends_with(name)) return false;
    host.remove_suffix(name.size());
    return host.empty() ? has_own_host : host.ends_with('.');
}

excluded_hosts::excluded_hosts(std::string_view list) {
    std::string text(list);
    std::ranges::replace_if(text, is_space, ',');
    for (std::string_view rest = text; !rest.empty();) {
        const auto element = take_part(rest, ',');
        if (!element.empty() && !add(lower_case(element)) && invalid_.empty()) invalid_ = element;
    }
}

bool excluded_hosts::add(std::string_view element) {
    if (element == "*") {
        is_all_ = true;
        return true;
    }
    if (element.contains('/')) return add_block(element);
    if (const auto address = parse_address(element)) {  // of IPv6, without brackets
        blocks_.emplace_back(*address, bits_of(*address), std::nullopt);
        return true;
    }
    const auto parts = parse_host(element);
    if (!parts) return false;
    if (const auto address = parse_address(parts->host)) {
        blocks_.emplace_back(*address, bits_of(*address), parts->port);
        return true;
    }
    return add_domain(parts->host, parts->port);
}

bool excluded_hosts::add_domain(std::string_view name, std::optional<std::uint16_t> port) {
    const bool has_own_host = !name.starts_with("*.");
    if (!has_own_host) name.remove_prefix(1);
    if (name.starts_with('.')) name.remove_prefix(1);
    if (!can_be_server(name) || name.contains('*')) return false;
    domains_.emplace_back(std::string(without_last_period(name)), has_own_host, port);
    return true;
}

bool excluded_hosts::add_block(std::string_view element) {
    const auto digits = element.substr(element.find('/') + 1);
    auto text = element.substr(0, element.find('/'));
    const bool has_brackets = text.starts_with('[') && text.ends_with(']');
    if (has_brackets) text = text.substr(1, text.size() - 2);
    const auto written = net::ip_addr::parse(text);
    const auto prefix = parse_number<unsigned>(digits);
    if (!written || !prefix || *prefix > bits_of(*written) || (has_brackets && written->is_ipv4())) return false;
    // A block of mapped addresses is a block of IPv4 addresses, without the 96 bits before them.
    const auto address = *parse_address(text);
    const unsigned mapped_bits = bits_of(*written) - bits_of(address);
    blocks_.emplace_back(address, *prefix - std::min(*prefix, mapped_bits), std::nullopt);
    return true;
}

bool excluded_hosts::contains(std::string_view host, std::uint16_t port) const noexcept {
    if (is_all_) return true;
    if (const auto address = parse_address(host)) {
        return std::ranges::any_of(
            blocks_, [&](const block& each) { return is_port(each.port, port) && each.contains(*address); });
    }
    host = without_last_period(host);
    return std::ranges::any_of(domains_,
                               [&](const domain& each) { return is_port(each.port, port) && each.contains(host); });
}

// ---- The choice ----

namespace {

std::optional<configured_proxy> configure(const std::string& url, const excluded_hosts& excluded) {
    if (url.empty()) return std::nullopt;
    return std::optional<configured_proxy>(std::in_place, url, excluded);
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

// ---- The environment ----

namespace {

using lookup = std::function<const char*(const char*)>;

/// Returns the first variable that is set and not empty.
std::string first_of(const lookup& variable, std::initializer_list<const char*> names) {
    for (const char* const name : names) {
        const char* const value = variable(name);
        if (value != nullptr && *value != '\0') return value;
    }
    return {};
}

/// Returns the variable http_proxy or HTTP_PROXY. A CGI program gets the field Proxy of a request as HTTP_PROXY.
std::string http_proxy(const lookup& variable) {
    if (variable("REQUEST_METHOD") == nullptr) return first_of(variable, {"http_proxy", "HTTP_PROXY"});
    // The names of variables are case-insensitive on Windows. Then both names have the same value at the same address.
    const char* const lower = variable("http_proxy");
    return lower == nullptr || lower == variable("HTTP_PROXY") ? std::string() : std::string(lower);
}

}  // namespace

http::proxies proxies_from(const lookup& variable) {
    const auto for_all = first_of(variable, {"all_proxy", "ALL_PROXY"});
    const auto for_http = http_proxy(variable);
    const auto for_https = first_of(variable, {"https_proxy", "HTTPS_PROXY"});
    http::proxies made;
    made.for_http(for_http.empty() ? for_all : for_http);
    made.for_https(for_https.empty() ? for_all : for_https);
    made.except(first_of(variable, {"no_proxy", "NO_PROXY"}));
    proxies_access::exclude_loopback(made);
    return made;
}

}  // namespace eddy::detail

namespace eddy::http {

proxies proxies::from_environment() {
    return detail::proxies_from([](const char* name) -> const char* {
        return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): documented in the header
    });
}

}  // namespace eddy::http
