// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

/// Counts the memory of executables that link counted_memory.cpp, which replaces operator new, and OpenSSL's allocation
/// functions if there is TLS.
namespace support {

/// Returns the number of bytes that all threads have allocated and not freed.
[[nodiscard]] std::ptrdiff_t allocated_bytes() noexcept;

}  // namespace support
