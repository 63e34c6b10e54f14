// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>

namespace eddy::sys {

/// Copies memory of this process that may not exist. Returns false then, or if only a part of it exists.
/// Thread safety: any thread; others may change the memory meanwhile.
/// Cost: a system call.
[[nodiscard]] bool copy_own_memory(const void* from, std::span<std::byte> into) noexcept;

/// Copies an object. Returns nullopt where copy_own_memory() returns false.
template <class T>
[[nodiscard]] std::optional<T> copy_own_object(const void* from) noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    std::array<std::byte, sizeof(T)> found;
    if (!copy_own_memory(from, found)) return std::nullopt;
    return std::bit_cast<T>(found);
}

}  // namespace eddy::sys
