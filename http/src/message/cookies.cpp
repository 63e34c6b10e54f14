// SPDX-License-Identifier: MIT
#include <eddy/http/cookies.hpp>

#include <algorithm>
#include <cstddef>

#include <eddy/error.hpp>
#include <eddy/http/secrets.hpp>

#include "message/hmac.hpp"
#include "message/set_cookie.hpp"
#include "message/syntax.hpp"

namespace eddy::http {
namespace {

constexpr std::size_t least_secret = 32;
constexpr std::size_t most_of_cookie = 4096;  // of its name and value: browsers refuse more

/// Returns whether a byte may be in the value of a cookie: `cookie-octet` of RFC 6265, section 4.1.1.
bool is_cookie_octet(char c) noexcept { return c > ' ' && c < 0x7f && !std::string_view("\",;\\").contains(c); }

/// Returns whether a byte may be in an attribute of a cookie.
bool is_attribute(char c) noexcept { return c >= ' ' && c < 0x7f && c != ';'; }

std::string_view text_of(same_site when) noexcept {
    if (when == same_site::strict) return "Strict";
    return when == same_site::lax ? "Lax" : "None";
}

/// Returns the signature of a cookie. The name is a part of it, so that a value cannot be moved to another cookie; a
/// name has no "=".
std::string signature_of(std::string_view secret, std::string_view name, std::string_view value) {
    return detail::base64(detail::hmac_sha256(secret, std::string(name).append("=").append(value)));
}

}  // namespace

std::optional<std::string_view> cookie_value(const headers& of, std::string_view name) noexcept {
    for (const auto& [field, value] : of) {
        if (!equal_names(field, "Cookie")) continue;
        for (auto rest = value; !rest.empty();) {
            auto text = detail::take_part(rest, ';');
            const bool has_value = text.contains('=');
            const auto found = detail::trim(detail::take_part(text, '='));
            if (has_value && found == name) return detail::trim(text);
        }
    }
    return std::nullopt;
}

std::string cookie::to_string(std::source_location where) const {
    if (!detail::is_token(name_)) throw misuse("the name of a cookie must be a token, without spaces and '='", where);
    if (!std::ranges::all_of(value_, is_cookie_octet))
        throw misuse("the value of a cookie has a byte that is not permitted: encode it with http::encode_percent()",
                     where);
    if (name_.size() + value_.size() > most_of_cookie)
        throw misuse("a cookie has more than 4,096 bytes: store the value on the server, and its number in the cookie",
                     where);
    if (!path_.starts_with('/') || !std::ranges::all_of(path_, is_attribute))
        throw misuse("the path of a cookie must begin with a slash, and must have no semicolon", where);
    if (!std::ranges::all_of(domain_, is_attribute))
        throw misuse("the domain of a cookie must be the name of a host", where);
    if (detail::has_cookie_prefix(name_, "__Host-") && (!secure_ || path_ != "/" || !domain_.empty()))
        throw misuse("a cookie with the prefix __Host- must be secure, with the path / and without a domain", where);
    if (!secure_ && (detail::has_cookie_prefix(name_, "__Secure-") || same_site_ == http::same_site::none))
        throw misuse("a cookie with the prefix __Secure-, or with same_site::none, must be secure", where);
    std::string text = name_ + "=" + value_ + "; Path=" + path_;
    if (!domain_.empty()) text += "; Domain=" + domain_;
    if (max_age_) text += "; Max-Age=" + std::to_string(max_age_->count());
    if (secure_) text += "; Secure";
    if (http_only_) text += "; HttpOnly";
    return text.append("; SameSite=").append(text_of(same_site_));
}

cookie_key::cookie_key(std::string secret, std::source_location where) { accept(std::move(secret), where); }

cookie_key& cookie_key::accept(std::string former, std::source_location where) {
    if (former.size() < least_secret)
        throw misuse("the secret of a cookie_key must have at least 32 bytes: read them from /dev/urandom once", where);
    secrets_.push_back(std::move(former));
    return *this;
}

cookie cookie_key::sign(std::string name, std::string_view value) const {
    auto text = std::string(value) + "." + signature_of(secrets_.front(), name, value);
    return cookie(std::move(name), std::move(text));
}

std::optional<std::string_view> cookie_key::value(const headers& of, std::string_view name) const {
    const auto text = cookie_value(of, name);
    if (!text) return std::nullopt;
    const auto end = text->rfind('.');
    if (end == std::string_view::npos) return std::nullopt;
    const auto signed_value = text->substr(0, end);
    for (const auto& secret : secrets_)
        if (equal_secrets(text->substr(end + 1), signature_of(secret, name, signed_value))) return signed_value;
    return std::nullopt;
}

}  // namespace eddy::http
