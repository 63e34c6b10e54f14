// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string_view>

#include <eddy/detail/call_site.hpp>

namespace eddy::detail {

/// Returns whether `where` is in a header or a source file of the library. `header` is a location in a header whose
/// path ends with `name`. The compilation of `where` must use the same path for it.
inline bool is_in_library(call_site where, call_site header, std::string_view name) noexcept {
    const std::string_view file = source_location_of(where).file_name();
    const auto is_beside = [&](std::string_view path, std::string_view end) {
        return path.ends_with(end) && path.size() != end.size() &&
               file.starts_with(path.substr(0, path.size() - end.size()));
    };
    return is_beside(source_location_of(header).file_name(), name) ||
           is_beside(std::source_location::current().file_name(), "task/is_in_library.hpp");
}

}  // namespace eddy::detail
