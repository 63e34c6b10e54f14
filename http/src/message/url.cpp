// SPDX-License-Identifier: MIT
#include <eddy/http/url.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <eddy/http/error.hpp>
#include <eddy/http/headers.hpp>

#include "message/syntax.hpp"

namespace eddy::http {
namespace {

result<url> bad_url() { return std::unexpected(make_error_code(errc::bad_url)); }

/// Removes "." and ".." from a path (RFC 3986, section 5.2.4).
std::string without_dots(std::string_view path) {
    std::vector<std::string_view> kept;
    bool ends_in_folder = true;
    path.remove_prefix(1);
    do {
        const bool is_last = path.find('/') == std::string_view::npos;
        const auto part = detail::take_part(path, '/');
        ends_in_folder = part == "." || part == ".." || (is_last && part.empty());
        if (part == "..") {
            if (!kept.empty()) kept.pop_back();
        } else if (part != "." && !(is_last && part.empty())) {
            kept.push_back(part);
        }
        if (is_last) break;
    } while (true);
    std::string joined;
    for (const auto part : kept) joined.append("/").append(part);
    if (ends_in_folder) joined += '/';
    return joined;
}

/// Returns a URL or a reference with a slash for each backslash before the query, as browsers read it: WHATWG URL,
/// section 4.4.
std::string with_slashes(std::string_view text) {
    std::string changed(text);
    const auto end = std::min(text.find_first_of("?#"), text.size());
    std::ranges::replace(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(end), '\\', '/');
    return changed;
}

/// Returns the target of a URL: its path and query. `text` may be empty, or begin with "?".
std::optional<std::string> target_of(std::string_view text) {
    text = text.substr(0, text.find('#'));
    if (!std::ranges::all_of(text, detail::is_target_character)) return std::nullopt;
    const auto path = text.substr(0, text.find('?'));
    const auto query = text.substr(path.size());
    return (path.empty() ? std::string("/") : without_dots(path)) + std::string(query);
}

}  // namespace

result<url> url::parse(std::string_view text) {
    url made;
    const auto changed = with_slashes(text);
    text = changed;
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return bad_url();
    const auto scheme = text.substr(0, scheme_end);
    if (!equal_names(scheme, "http") && !equal_names(scheme, "https")) return bad_url();
    made.is_https_ = scheme.size() == 5;
    text.remove_prefix(scheme_end + 3);
    const auto authority = text.substr(0, text.find_first_of("/?#"));
    const auto parts = detail::parse_host(authority);
    if (!parts || !detail::can_be_server(parts->host)) return bad_url();
    made.host_ = detail::canonical_host(parts->host);
    made.port_ = parts->port.value_or(made.is_https_ ? 443 : 80);
    auto target = target_of(text.substr(authority.size()));
    if (!target) return bad_url();
    made.target_ = *std::move(target);
    return made;
}

result<url> url::resolve(std::string_view reference) const {
    const auto changed = with_slashes(reference);
    reference = changed;
    // A scheme ends before the first "/", "?" and "#".
    const auto colon = reference.find(':');
    if (colon != std::string_view::npos && colon < reference.find_first_of("/?#")) return parse(reference);
    const std::string scheme = is_https_ ? "https:" : "http:";
    if (reference.starts_with("//")) return parse(scheme + std::string(reference));
    const std::string origin = scheme + "//" + authority();
    if (reference.starts_with('/')) return parse(origin + std::string(reference));
    const auto path = std::string_view(target_).substr(0, target_.find('?'));
    if (reference.empty() || reference.starts_with('#')) return *this;
    if (reference.starts_with('?')) return parse(origin + std::string(path) + std::string(reference));
    return parse(origin + std::string(path.substr(0, path.rfind('/') + 1)) + std::string(reference));
}

std::string url::authority() const {
    std::string text = host_.find(':') == std::string::npos ? host_ : '[' + host_ + ']';
    if (port_ != (is_https_ ? 443 : 80)) text += ':' + std::to_string(port_);
    return text;
}

std::string url::to_string() const { return (is_https_ ? "https://" : "http://") + authority() + target_; }

bool url::has_same_origin(const url& other) const noexcept {
    return is_https_ == other.is_https_ && port_ == other.port_ && host_ == other.host_;
}

std::optional<std::string> decode_percent(std::string_view text) {
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        if (text.size() - i < 3) return std::nullopt;
        const int high = detail::hex_value(text[i + 1]);
        const int low = detail::hex_value(text[i + 2]);
        if (high < 0 || low < 0) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return decoded;
}

std::string encode_percent(std::string_view text) {
    return detail::encode_bytes(text, [](char c) {
        return detail::is_letter(c) || detail::is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
    });
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
    const auto decoded = [](std::string_view part) {
        std::string text(part);
        std::ranges::replace(text, '+', ' ');
        return decode_percent(text);
    };
    while (!query.empty()) {
        auto value = detail::take_part(query, '&');
        const auto key = detail::take_part(value, '=');
        if (decoded(key) == name) return decoded(value);
    }
    return std::nullopt;
}

}  // namespace eddy::http
