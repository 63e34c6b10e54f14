// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

namespace eddy::sys {

#if defined(_WIN32)
/// Returns a path as the functions of the folders sys take paths and names: as it is, and as UTF-8 on Windows.
[[nodiscard]] std::string text_of(const std::filesystem::path& path);
/// Does the opposite.
[[nodiscard]] std::filesystem::path path_from(const std::string& text);
#else
[[nodiscard]] inline const std::string& text_of(const std::filesystem::path& path) noexcept { return path.native(); }
[[nodiscard]] inline std::filesystem::path path_from(const std::string& text) { return text; }
#endif

}  // namespace eddy::sys
