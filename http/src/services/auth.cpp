// SPDX-License-Identifier: MIT
#include <eddy/http/auth.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <eddy/error.hpp>
#include <eddy/http/status.hpp>

#include "message/syntax.hpp"

namespace eddy::http {
namespace {

/// Returns the credentials of a scheme in Authorization. Returns an empty view if there are none: no scheme has empty
/// ones.
std::string_view credentials_of(const headers& of, std::string_view scheme) noexcept {
    if (of.count("Authorization") != 1) return {};
    auto text = *of.get("Authorization");
    if (!equal_names(detail::take_part(text, ' '), scheme)) return {};
    return detail::trim(text);
}

/// Returns the bytes of a text in base64 with padding (RFC 4648, section 4). Returns nullopt if it is invalid. Each
/// text has only one form: the bits of the last digit that belong to no byte are 0 (section 3.5).
std::optional<std::string> decode_base64(std::string_view text) {
    const auto digits = text.find_last_not_of('=') + 1;
    if (digits == 0 || text.size() % 4 != 0 || text.size() - digits > 2) return std::nullopt;
    text = text.substr(0, digits);
    std::string bytes;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto digit = detail::base64_digits.find(text[i]);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = bits << 6u | static_cast<std::uint32_t>(digit);
        if (i % 4 != 0) bytes += static_cast<char>(bits >> (6 - i % 4 * 2) & 0xffu);
    }
    const auto spare = text.size() * 6 % 8;
    if ((bits & ((1u << spare) - 1)) != 0) return std::nullopt;
    return bytes;
}

/// Returns whether a byte may be in a token: `b64token` of RFC 6750, section 2.1.
bool is_in_token(char c) noexcept {
    return detail::is_digit(c) || detail::is_letter(c) || std::string_view("-._~+/=").contains(c);
}

/// Returns whether a byte is a control character, which credentials must not have (RFC 7617, section 2).
bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

}  // namespace

std::optional<basic_credentials> basic_credentials_of(const headers& of) {
    const auto decoded = decode_base64(credentials_of(of, "Basic"));
    if (!decoded || std::ranges::any_of(*decoded, is_control)) return std::nullopt;
    const auto colon = decoded->find(':');
    if (colon == std::string::npos) return std::nullopt;
    return basic_credentials(decoded->substr(0, colon), decoded->substr(colon + 1));
}

std::optional<std::string_view> bearer_token_of(const headers& of) noexcept {
    const auto token = credentials_of(of, "Bearer");
    if (token.empty() || !std::ranges::all_of(token, is_in_token)) return std::nullopt;
    return token;
}

}  // namespace eddy::http

namespace eddy::detail {

struct auth_guard::state {
    http::basic_check basic;
    http::bearer_check bearer;  // empty if `basic` is not
    std::string challenge;      // the value of WWW-Authenticate

    state(http::basic_check of_user, http::bearer_check of_token, std::string_view realm,
          const std::source_location& where)
        : basic(std::move(of_user)), bearer(std::move(of_token)) {
        const auto is_plain = [](char c) { return c >= ' ' && c < 0x7f && c != '"' && c != '\\'; };
        if (!std::ranges::all_of(realm, is_plain))
            throw misuse("the realm of an authentication must be plain text in ASCII without quotes", where);
        challenge.append(basic ? "Basic" : "Bearer").append(" realm=\"").append(realm).append("\"");
        if (basic) challenge.append(", charset=\"UTF-8\"");
    }

    [[nodiscard]] http::response unauthorized(std::string_view why, std::string_view error) const {
        auto answer = http::response::text(why, http::status::unauthorized);
        answer.headers.add("WWW-Authenticate", challenge + std::string(error));
        return answer;
    }
};

auth_guard::auth_guard(http::basic_check check, std::string_view realm, const std::source_location& where)
    : state_(std::make_shared<const state>(std::move(check), nullptr, realm, where)) {}

auth_guard::auth_guard(http::bearer_check check, std::string_view realm, const std::source_location& where)
    : state_(std::make_shared<const state>(nullptr, std::move(check), realm, where)) {}

task<std::optional<http::response>> auth_guard::refuse(const http::request& asked) const {
    auto found = http::access::unknown;
    if (state_->basic) {
        const auto from = http::basic_credentials_of(asked.headers);
        if (!from) co_return state_->unauthorized("a name and a password are needed\n", "");
        found = co_await state_->basic(asked, *from);
    } else {
        const auto token = http::bearer_token_of(asked.headers);
        if (!token) co_return state_->unauthorized("a token is needed\n", "");
        found = co_await state_->bearer(asked, *token);
    }
    if (found == http::access::granted) co_return std::nullopt;
    if (found == http::access::forbidden)
        co_return http::response::text("these credentials do not permit the request\n", http::status::forbidden);
    // RFC 6750, section 3.1: a request with a wrong token gets a code, one without a token gets none.
    co_return state_->unauthorized("the credentials are wrong\n", state_->basic ? "" : ", error=\"invalid_token\"");
}

}  // namespace eddy::detail
