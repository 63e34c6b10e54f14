// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <eddy/result.hpp>

#include "sys/beneath.hpp"
#include "sys/windows/nt_file.hpp"

namespace eddy::sys {

/// Opens a path below the directory `dir`, part by part, so that no link is followed. A link that is the last part is
/// opened itself, or refused.
/// Errors: fs::errc::outside; too_many_symbolic_link_levels; the errors of NtCreateFile().
[[nodiscard]] result<unique_fd> open_parts(int dir, std::string_view path, const open_request& last, links last_is);

}  // namespace eddy::sys
