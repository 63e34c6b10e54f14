// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/net/detail/text_formatter.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// The address of a Unix socket: a path in the file system, a name in the abstract namespace of Linux, or unnamed.
/// Addresses can be compared, ordered (unnamed first, then paths) and hashed.
/// Thread safety: a plain value.
class EDDY_API unix_addr {
public:
    /// The maximum length of a path and of an abstract name on Linux, in bytes. Other systems permit 103 for a path,
    /// and have no abstract names.
    static constexpr std::size_t longest_path = 107;
    static constexpr std::size_t longest_abstract = 107;

    /// The unnamed address.
    constexpr unix_addr() noexcept = default;

    /// Makes an address from a path, relative or absolute. Does not access the file system.
    /// Errors: errc::bad_path if it is empty or contains a NUL; errc::unix_name_too_long.
    [[nodiscard]] static result<unix_addr> path(std::string_view path) noexcept;
    /// Makes an address from an abstract name, which may contain any bytes, also NUL. No file represents the name. It
    /// disappears with the last socket that uses it.
    /// Errors: errc::unix_name_too_long.
    [[nodiscard]] static result<unix_addr> abstract(std::string_view name) noexcept;

    /// Returns whether the address is unnamed.
    [[nodiscard]] constexpr bool is_unnamed() const noexcept { return kind_ == kind::unnamed; }
    /// Returns the path, or nullopt for another kind of address. The view borrows this object. For a temporary, returns
    /// a copy.
    [[nodiscard]] constexpr std::optional<std::string_view> as_path() const& noexcept { return text_if(kind::path); }
    [[nodiscard]] std::optional<std::string> as_path() const&& {
        return std::optional<std::string>(text_if(kind::path));
    }
    /// Returns the abstract name, or nullopt for another kind of address. The view borrows this object. For a
    /// temporary, returns a copy.
    [[nodiscard]] constexpr std::optional<std::string_view> as_abstract() const& noexcept {
        return text_if(kind::abstract);
    }
    [[nodiscard]] std::optional<std::string> as_abstract() const&& {
        return std::optional<std::string>(text_if(kind::abstract));
    }

    /// Returns text for display: the path; "@" and the abstract name, with `\xHH` for bytes that are not printable; or
    /// "(unnamed)".
    [[nodiscard]] std::string to_string() const;

    /// Orders unnamed addresses before paths, and paths before abstract names.
    friend constexpr auto operator<=>(const unix_addr&, const unix_addr&) noexcept = default;

private:
    enum class kind : std::uint8_t { unnamed, path, abstract };

    unix_addr(kind is, std::string_view text) noexcept;
    [[nodiscard]] constexpr std::optional<std::string_view> text_if(kind wanted) const noexcept {
        if (kind_ != wanted) return std::nullopt;
        return std::string_view(text_.data(), size_);
    }

    kind kind_ = kind::unnamed;
    std::uint8_t size_ = 0;
    std::array<char, longest_path> text_{};  // unused bytes are zero
};

/// Writes the text of an address, as to_string() returns it. Include the header `ostream`.
EDDY_API std::ostream& operator<<(std::ostream& to, const unix_addr& addr);

}  // namespace eddy::net

/// Hashes a unix_addr.
template <>
struct std::hash<eddy::net::unix_addr> {
    std::size_t operator()(const eddy::net::unix_addr& addr) const noexcept;
};

#ifdef __cpp_lib_format
/// Formats a unix_addr as to_string() does, with the options of a string: `std::format("{:>24}", addr)`.
template <>
struct std::formatter<eddy::net::unix_addr> : eddy::detail::text_formatter<eddy::net::unix_addr> {};
#endif
