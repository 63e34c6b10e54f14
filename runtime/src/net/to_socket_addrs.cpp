// SPDX-License-Identifier: MIT
#include <eddy/net/to_socket_addrs.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::net {
namespace {

constexpr std::string_view decimals = "0123456789";
constexpr std::string_view hexadecimals = "0123456789abcdefABCDEF";

bool has_only(std::string_view text, std::string_view characters) noexcept {
    return text.find_first_not_of(characters) == text.npos;
}

/// Returns whether getaddrinfo(3) would interpret the name as an old form of an IPv4 address: 127.1, 0177.0.0.1,
/// 0x7f000001. Implements the "ends in a number checker" of the WHATWG URL standard. No top-level domain is a number.
bool ends_in_number(std::string_view host) noexcept {
    if (host.ends_with('.')) host.remove_suffix(1);
    const auto last = host.substr(host.rfind('.') + 1);
    if (last.starts_with("0x") || last.starts_with("0X")) return has_only(last.substr(2), hexadecimals);
    return !last.empty() && has_only(last, decimals);
}

/// Returns whether `host` may be passed to a resolver. The rules for names differ, so this refuses only text that
/// cannot be a name. Most of that is a host with additional text, such as a URL.
bool may_be_name(std::string_view host) noexcept {
    const auto is_foreign = [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || std::string_view(":/@%[]").contains(c);
    };
    return !host.empty() && std::ranges::none_of(host, is_foreign) && !ends_in_number(host);
}

std::optional<std::uint16_t> read_port(std::string_view digits) noexcept {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return port;
}

}  // namespace

lookup_request::lookup_request(std::vector<socket_addr> addrs) noexcept : content_(std::move(addrs)) {}
lookup_request::lookup_request(std::string_view host, std::uint16_t port) : content_(read_host(host, port)) {}
lookup_request::lookup_request(one_addr, const socket_addr& addr) noexcept : content_(addr) {}
lookup_request::lookup_request(text, std::string_view to_read) : content_(read_text(to_read)) {}
lookup_request::lookup_request(list, std::span<const socket_addr> addrs)
    : content_(std::vector<socket_addr>(addrs.begin(), addrs.end())) {}

lookup_request::lookup_request(const lookup_request& other) = default;
lookup_request::lookup_request(lookup_request&& other) noexcept = default;
// Not `= default`: GCC 16 reports a false -Wfree-nonheap-object for the copy assignment of this variant.
lookup_request& lookup_request::operator=(const lookup_request& other) { return *this = lookup_request(other); }
lookup_request& lookup_request::operator=(lookup_request&& other) noexcept = default;
lookup_request::~lookup_request() = default;

lookup_request::content lookup_request::read_text(std::string_view text) {
    if (const auto addr = socket_addr::parse(text)) return *addr;
    const auto colon = text.rfind(':');
    if (colon == text.npos) return unreadable{std::string(text)};
    const auto host = text.substr(0, colon);
    const auto port = read_port(text.substr(colon + 1));
    if (!port || !may_be_name(host)) return unreadable{std::string(text)};
    return name{std::string(host), *port};
}

lookup_request::content lookup_request::read_host(std::string_view host, std::uint16_t port) {
    if (const auto ip = ip_addr::parse(host)) return socket_addr(*ip, port);
    if (may_be_name(host)) return name{std::string(host), port};
    // An IPv6 address with the name of an interface.
    if (auto addr = socket_addr::parse("[" + std::string(host) + "]:0")) {
        addr->set_port(port);
        return *addr;
    }
    return unreadable{std::string(host) + ':' + std::to_string(port)};
}

std::string_view lookup_request::host() const noexcept {
    const auto* named = std::get_if<name>(&content_);
    return named != nullptr ? std::string_view(named->host) : std::string_view();
}

std::uint16_t lookup_request::port() const noexcept {
    const auto* named = std::get_if<name>(&content_);
    return named != nullptr ? named->port : std::uint16_t{0};
}

result<std::span<const socket_addr>> lookup_request::addrs() const noexcept {
    if (std::holds_alternative<unreadable>(content_)) return std::unexpected(make_error_code(errc::bad_address));
    std::span<const socket_addr> known;
    if (const auto* one = std::get_if<socket_addr>(&content_)) known = std::span(one, 1);
    if (const auto* several = std::get_if<std::vector<socket_addr>>(&content_)) known = *several;
    if (known.empty()) return std::unexpected(make_error_code(errc::no_address));
    return known;
}

std::string lookup_request::to_string() const {
    if (const auto* bad = std::get_if<unreadable>(&content_)) return bad->text;
    if (const auto* named = std::get_if<name>(&content_)) return named->host + ':' + std::to_string(named->port);
    const auto known = addrs();
    if (!known) return "no address";
    std::string text = known->front().to_string();
    if (known->size() != 1) text += " and " + std::to_string(known->size() - 1) + " more";
    return text;
}

}  // namespace eddy::net
