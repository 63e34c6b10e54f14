// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace eddy::sys {

[[nodiscard]] inline std::uint32_t process_id() noexcept { return static_cast<std::uint32_t>(::getpid()); }

/// Returns the name of the program's file, or "program" where the system does not tell it.
[[nodiscard]] inline const char* program_name() noexcept {
#if defined(__GLIBC__)
    return program_invocation_short_name;
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
    return ::getprogname();
#else
    return "program";
#endif
}

}  // namespace eddy::sys
