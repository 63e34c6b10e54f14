// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <eddy/result.hpp>

/// Extended attributes of files. Symbolic links are followed. All functions may block.
/// Errors: fs::errc::no_attribute; not_supported if the system has none; what the system call reports.
namespace eddy::sys {

[[nodiscard]] result<std::vector<std::byte>> attribute_of(const std::string& path, const std::string& name);
[[nodiscard]] result<std::vector<std::string>> attributes_of(const std::string& path);
[[nodiscard]] result<void> set_attribute(const std::string& path, const std::string& name,
                                         std::span<const std::byte> value) noexcept;
[[nodiscard]] result<void> remove_attribute(const std::string& path, const std::string& name) noexcept;

}  // namespace eddy::sys
