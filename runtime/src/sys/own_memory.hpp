// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

namespace eddy::sys {

/// Copies memory of this process that may not exist. Returns false then, or if only a part of it exists.
/// Thread safety: any thread; others may change the memory meanwhile.
/// Cost: a system call.
[[nodiscard]] bool copy_own_memory(const void* from, std::span<std::byte> into) noexcept;

}  // namespace eddy::sys
