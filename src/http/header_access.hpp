// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string_view>

#include <eddy/http/headers.hpp>

namespace eddy::inline v0_1::detail {

/// Gives the library access to the private functions of http::headers that store fields without checking them.
struct header_access {
    static void add_checked(http::headers& into, std::string_view name, std::string_view value) {
        into.add_checked(name, value);
    }
    static void keep_text(http::headers& into, std::string_view text, std::size_t fields) {
        into.keep_text(text, fields);
    }
    static void add_part(http::headers& into, std::string_view text, std::string_view name, std::string_view value) {
        into.add_part(text, name, value);
    }
};

}  // namespace eddy::detail
