// SPDX-License-Identifier: MIT
#include <eddy/net/unix_addr.hpp>

#include <ostream>

#include <eddy/error.hpp>

#include "sys/sockaddr.hpp"

namespace eddy::net {

unix_addr::unix_addr(kind is, std::string_view text) noexcept
    : kind_(is), size_(static_cast<std::uint8_t>(text.size())) {
    text.copy(text_.data(), text_.size());
}

result<unix_addr> unix_addr::path(std::string_view path) noexcept {
    // The kernel would use the text before the NUL, which names a different file.
    if (path.empty() || path.contains('\0')) return std::unexpected(make_error_code(errc::bad_path));
    if (path.size() > sys::longest_unix_path) return std::unexpected(make_error_code(errc::unix_name_too_long));
    return unix_addr(kind::path, path);
}

result<unix_addr> unix_addr::abstract(std::string_view name) noexcept {
    if (name.size() > longest_abstract) return std::unexpected(make_error_code(errc::unix_name_too_long));
    return unix_addr(kind::abstract, name);
}

std::string unix_addr::to_string() const {
    if (is_unnamed()) return "(unnamed)";
    const std::string_view text(text_.data(), size_);
    if (kind_ == kind::path) return std::string(text);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string shown = "@";
    for (const char each : text) {
        const auto code = static_cast<unsigned char>(each);
        if (code > 0x20 && code < 0x7f && each != '\\') {
            shown += each;
        } else {
            shown += "\\x";
            shown += digits[code >> 4];
            shown += digits[code & 15];
        }
    }
    return shown;
}

std::ostream& operator<<(std::ostream& to, const unix_addr& addr) { return to << addr.to_string(); }

}  // namespace eddy::net

std::size_t std::hash<eddy::net::unix_addr>::operator()(const eddy::net::unix_addr& addr) const noexcept {
    if (const auto path = addr.as_path()) return std::hash<std::string_view>()(*path);
    if (const auto name = addr.as_abstract()) return ~std::hash<std::string_view>()(*name);
    return 0;
}
