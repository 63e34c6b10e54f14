// SPDX-License-Identifier: MIT
#pragma once

// The standard library of GCC 12 has no <format>.
#include <version>
#ifdef __cpp_lib_format
#include <format>
#include <string_view>

namespace eddy::detail {

/// The base of a std::formatter: formats what to_string() returns, with the options of a string.
template <class T>
struct text_formatter : std::formatter<std::string_view> {
    template <class Context>
    typename Context::iterator format(const T& value, Context& to) const {
        return std::formatter<std::string_view>::format(value.to_string(), to);
    }
};

}  // namespace eddy::detail
#endif
