// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include <eddy/result.hpp>

namespace eddy::fs::detail {

/// Replaces the contents of a file; see write_atomically(). Blocks.
[[nodiscard]] eddy::result<void> replace_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

}  // namespace eddy::fs::detail
