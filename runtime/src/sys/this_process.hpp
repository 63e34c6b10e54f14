// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>

namespace eddy::sys {

[[nodiscard]] inline std::uint32_t process_id() noexcept { return static_cast<std::uint32_t>(::getpid()); }

/// Returns the number of the process that has started this one, or, if that has ended, of another one; 0 where the
/// system does not tell it.
[[nodiscard]] inline std::uint32_t parent_process_id() noexcept {
#if defined(_WIN32)
    return 0;
#else
    return static_cast<std::uint32_t>(::getppid());
#endif
}

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

/// Returns whether the program has rights that the user that started it does not have: set-user-ID, set-group-ID,
/// capabilities of a file.
[[nodiscard]] inline bool has_more_rights_than_its_user() noexcept {
#if defined(__linux__)
    return ::getauxval(AT_SECURE) != 0;
#elif defined(_WIN32)
    return false;
#else
    return ::issetugid() != 0;
#endif
}

/// Returns the value of an environment variable; "" if it is not set. For what a service manager says, also to programs
/// with capabilities of a file.
[[nodiscard]] inline const char* unchecked_environment(const char* name) noexcept {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read only
    return value == nullptr ? "" : value;
}

/// Returns the value of an environment variable; "" if it is not set, or if the program has more rights than its user,
/// as secure_getenv(3): the user must not choose files that it writes, nor learn its addresses from reports.
[[nodiscard]] inline const char* environment(const char* name) noexcept {
    return has_more_rights_than_its_user() ? "" : unchecked_environment(name);
}

/// Removes an environment variable. No other thread may read or change the environment meanwhile.
inline void remove_from_environment(const char* name) noexcept {
#if defined(_WIN32)
    ::_putenv_s(name, "");
#else
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): see above
#endif
}

/// Returns unchecked_environment() as a number; nullopt if it is none, or too large.
[[nodiscard]] inline std::optional<std::uint64_t> number_in_environment(const char* name) noexcept {
    const std::string_view text = unchecked_environment(name);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace eddy::sys
