// SPDX-License-Identifier: MIT
#pragma once

#include <expected>

#include <eddy/fs/error.hpp>
#include <eddy/fs/open_options.hpp>
#include <eddy/result.hpp>

namespace eddy::sys {

/// Refuses options that do not go together. The rules are Rust's.
/// Errors: fs::errc::no_access, needs_write, append_truncate.
[[nodiscard]] inline result<void> check_options(const fs::open_options& options) noexcept {
    if (!options.writes() && !options.reads()) return std::unexpected(make_error_code(fs::errc::no_access));
    const bool changes = options.truncates() || options.creates() || options.creates_new() || options.is_temporary();
    if (changes && !options.writes()) return std::unexpected(make_error_code(fs::errc::needs_write));
    if (options.appends() && options.truncates() && !options.creates_new())
        return std::unexpected(make_error_code(fs::errc::append_truncate));
    return {};
}

}  // namespace eddy::sys
