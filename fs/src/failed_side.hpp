// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <system_error>

#include <eddy/fs/error.hpp>

#include "sys/metadata_calls.hpp"

namespace eddy::fs::detail {

/// Returns which path of a failed system call with two the error is about. The system does not tell: if the first one
/// can be found, relative to the directory `dir`, the second one cannot be resolved or created.
inline side failed_side(int dir, const std::string& first, const std::error_code& why) {
    constexpr std::array of_a_path{std::errc::no_such_file_or_directory,
                                   std::errc::not_a_directory,
                                   std::errc::is_a_directory,
                                   std::errc::file_exists,
                                   std::errc::directory_not_empty,
                                   std::errc::filename_too_long,
                                   std::errc::too_many_symbolic_link_levels};
    if (std::ranges::none_of(of_a_path, [&](std::errc each) { return why == each; })) return side::unknown;
    const auto found = eddy::sys::metadata_at(dir, first.c_str(), false);
    if (found) return side::second;
    return found.error() == why ? side::first : side::unknown;
}

}  // namespace eddy::fs::detail
