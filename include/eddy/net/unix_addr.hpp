// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// The address of a Unix socket: a path in the file system, a name in Linux's abstract name space, or none. A plain
/// value: compared, ordered (those without a name first, then paths), hashed.
class EDDY_API unix_addr {
public:
    /// How long a path may be, and an abstract name, in bytes.
    static constexpr std::size_t longest_path = 107;
    static constexpr std::size_t longest_abstract = 107;

    /// None.
    constexpr unix_addr() noexcept = default;

    /// A path, relative or absolute, as the system will take it.
    /// Errors: errc::bad_path if it is empty or has a NUL in it; errc::unix_name_too_long.
    [[nodiscard]] static result<unix_addr> path(std::string_view path) noexcept;
    /// A name that no file stands for, and that is gone with the last socket that has it. Any bytes, NUL as well.
    /// Errors: errc::unix_name_too_long.
    [[nodiscard]] static result<unix_addr> abstract(std::string_view name) noexcept;

    [[nodiscard]] constexpr bool is_unnamed() const noexcept { return kind_ == kind::unnamed; }
    /// The path, if it is one. Borrows this, unless it is a temporary.
    [[nodiscard]] constexpr std::optional<std::string_view> as_path() const& noexcept { return text_if(kind::path); }
    [[nodiscard]] std::optional<std::string> as_path() const&& {
        return std::optional<std::string>(text_if(kind::path));
    }
    /// The abstract name, if it is one. Borrows this, unless it is a temporary.
    [[nodiscard]] constexpr std::optional<std::string_view> as_abstract() const& noexcept {
        return text_if(kind::abstract);
    }
    [[nodiscard]] std::optional<std::string> as_abstract() const&& {
        return std::optional<std::string>(text_if(kind::abstract));
    }

    /// For people: the path; an abstract name after an @, with other characters than printable ones as \xHH;
    /// "(unnamed)".
    [[nodiscard]] std::string to_string() const;

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
    std::array<char, longest_path> text_{};  // what is not used is zero
};

}  // namespace eddy::net

template <>
struct std::hash<eddy::net::unix_addr> {
    std::size_t operator()(const eddy::net::unix_addr& addr) const noexcept;
};
