// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <source_location>

namespace eddy::detail {

/// A place in the source as one scalar. A std::source_location as a parameter of await_transform costs a temporary in
/// the frame for each co_await; a pointer costs nothing.
using place = const void*;

static_assert(sizeof(std::source_location) == sizeof(place), "a source_location is a pointer to the compiler's record");

[[nodiscard]] inline std::source_location source_location_of(place where) noexcept {
    return where == nullptr ? std::source_location() : std::bit_cast<std::source_location>(where);
}

[[nodiscard]] inline place place_of(const std::source_location& where) noexcept { return std::bit_cast<place>(where); }

}  // namespace eddy::detail

/// The place of the call, as a default argument. The builtin is what std::source_location::current() is made of.
#define EDDY_HERE (static_cast<::eddy::detail::place>(__builtin_source_location()))
