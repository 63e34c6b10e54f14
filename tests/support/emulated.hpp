// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>
#include <type_traits>

namespace support {

/// Returns whether qemu-user emulates the processor (`./dev cross` sets the variable). It lacks seccomp filters and
/// some socket options, and does not translate all of the data that it passes to the kernel.
[[nodiscard]] inline bool is_emulated() { return std::getenv("EDDY_TEST_EMULATED") != nullptr; }

/// Returns a sixteenth of `count` on Windows, else `count`. With wine, on which these tests run, a system call or a
/// handover to another thread takes up to a millisecond.
template <class T>
[[nodiscard]] constexpr T fewer_on_windows(T count) {
    static_assert(std::is_integral_v<T>);
#if defined(_WIN32)
    return (count + 15) / 16;
#else
    return count;
#endif
}

}  // namespace support
