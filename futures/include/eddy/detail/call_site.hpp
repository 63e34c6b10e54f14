// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <source_location>

namespace eddy::detail {

/// A call site: a source location as one pointer. As a parameter of await_transform, a std::source_location would cost
/// a temporary in the coroutine frame for each co_await. A pointer costs nothing.
using call_site = const void*;

static_assert(sizeof(std::source_location) == sizeof(call_site),
              "a source_location is a pointer to the compiler's record");

/// Converts a call site to a std::source_location. A null call site gives an empty location.
[[nodiscard]] inline std::source_location source_location_of(call_site where) noexcept {
    return where == nullptr ? std::source_location() : std::bit_cast<std::source_location>(where);
}

/// Converts a std::source_location to a call site.
[[nodiscard]] inline call_site call_site_of(const std::source_location& where) noexcept {
    return std::bit_cast<call_site>(where);
}

}  // namespace eddy::detail

/// The call site, as a default argument. std::source_location::current() is implemented with the same builtin.
#define EDDY_HERE (static_cast<::eddy::detail::call_site>(__builtin_source_location()))
