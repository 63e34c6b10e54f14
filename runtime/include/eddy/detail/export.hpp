// SPDX-License-Identifier: MIT
#pragma once

#include <version>

// Refuses a compiler or options that cannot compile the headers, with one sentence before the other errors.
#if __cplusplus < 202100L
#error "eddy needs C++23: compile with -std=c++23, and with GCC 12 or Clang 17, or later"
#elif !defined(__cpp_exceptions)
#error "eddy needs exceptions: compile without -fno-exceptions"
#elif !defined(__cpp_lib_expected)
#error "eddy needs std::expected: GCC 12 or Clang 17, or later; Clang 17, 18: also -D__cpp_concepts=202002L"
#endif

// A shared build of eddy hides all symbols by default (src/CMakeLists.txt). EDDY_API exports the symbols that programs
// link with: classes with compiled members, functions, and variables that the library and the program share.
#define EDDY_API [[gnu::visibility("default")]]

namespace eddy::detail {

/// Does nothing. Each program refers to it below, so that it does not link with a library of another version.
EDDY_API void library_is_version_0_1() noexcept;
#ifdef __ELF__
[[gnu::used, gnu::retain]]  // also with --gc-sections
#else
[[gnu::used]]
#endif
inline constexpr auto library_of_this_version = &library_is_version_0_1;

/// A base of classes that are neither copied nor moved. Do not use it if the first member derives from it, too: the
/// class would become larger. A class nested in a class with this base must write `detail::immovable`.
struct immovable {
    immovable() = default;
    immovable(const immovable&) = delete;
    immovable& operator=(const immovable&) = delete;
};

}  // namespace eddy::detail
