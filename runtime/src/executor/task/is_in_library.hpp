// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <source_location>
#include <string_view>

#include <eddy/detail/call_site.hpp>

namespace eddy::detail {

/// Returns whether `file` is in include/ or src/ of one of the libraries, in the source tree of this header.
inline bool is_in_source_tree(std::string_view file) noexcept {
    constexpr std::string_view here = "runtime/src/executor/task/is_in_library.hpp";
    std::string_view tree = std::source_location::current().file_name();
    if (!tree.ends_with(here) || tree.size() == here.size()) return false;
    tree.remove_suffix(here.size());
    if (!file.starts_with(tree)) return false;
    file.remove_prefix(tree.size());
    file.remove_prefix(std::min(file.find('/') + 1, file.size()));  // the folder of the library
    return file.starts_with("src/") || file.starts_with("include/");
}

/// Returns whether `where` is in a header or a source file of the libraries. `header` is a location in a header whose
/// path ends with `name`. The compilation of `where` must use the same path for it.
inline bool is_in_library(call_site where, call_site header, std::string_view name) noexcept {
    const std::string_view file = source_location_of(where).file_name();
    std::string_view headers = source_location_of(header).file_name();
    if (headers.ends_with(name) && headers.size() != name.size()) {
        headers.remove_suffix(name.size());
        if (file.starts_with(headers)) return true;
    }
    return is_in_source_tree(file);
}

}  // namespace eddy::detail
