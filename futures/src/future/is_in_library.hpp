// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <source_location>
#include <string_view>

#include <eddy/detail/call_site.hpp>

namespace eddy::detail {

/// Returns whether `file` is in include/ or src/ of one of the libraries, in the source tree of `member`, a file of
/// this library.
inline bool is_in_tree_of(std::string_view member, std::string_view file) noexcept {
    const std::string_view library = member.substr(0, member.rfind("/src/"));
    const auto tree = library.rfind('/') + 1;
    if (tree == 0 || library.size() == member.size() || !file.starts_with(member.substr(0, tree))) return false;
    file.remove_prefix(tree);
    file.remove_prefix(std::min(file.find('/') + 1, file.size()));  // the folder of the library
    return file.starts_with("src/") || file.starts_with("include/");
}

/// Returns whether `where` is in a header or a source file of the libraries. `header` is a location in a header whose
/// path ends with `name`. The compilation of `where` must use the same path for it.
///
/// The compiler may name headers relative to the build folder, and sources not (ccache rewrites options, but not the
/// includes of a batch). So `here`, the source that calls this, and this header each show the tree.
inline bool is_in_library(call_site where, call_site header, std::string_view name,
                          std::source_location here = std::source_location::current()) noexcept {
    const std::string_view file = source_location_of(where).file_name();
    std::string_view headers = source_location_of(header).file_name();
    if (headers.ends_with(name) && headers.size() != name.size()) {
        headers.remove_suffix(name.size());
        if (file.starts_with(headers)) return true;
    }
    return is_in_tree_of(here.file_name(), file) || is_in_tree_of(std::source_location::current().file_name(), file);
}

}  // namespace eddy::detail
