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

// A shared build of eddy hides all symbols by default (cmake/library.cmake). EDDY_API exports the symbols that programs
// link with: classes with compiled members, functions, and variables that the library and the program share.
#define EDDY_API [[gnu::visibility("default")]]

#ifdef __ELF__
#define EDDY_RETAINED [[gnu::used, gnu::retain]]  // also with --gc-sections
#else
#define EDDY_RETAINED [[gnu::used]]
#endif

// Refers to a function that only a library of this version has, so that a program does not link with another one. Each
// library has this line in a header that all its users include. The name of the variable contains the version, too: the
// linker keeps one of each name.
#define EDDY_HEADERS_OF(library)                                                              \
    namespace eddy::detail {                                                                  \
    EDDY_API void library##_is_version_0_1() noexcept;                                        \
    EDDY_RETAINED inline constexpr auto library##_of_version_0_1 = &library##_is_version_0_1; \
    }
// And this one in a source file.
#define EDDY_LIBRARY(library) \
    void eddy::detail::library##_is_version_0_1() noexcept {}

EDDY_HEADERS_OF(runtime)

namespace eddy::detail {

/// A base of classes that are neither copied nor moved. Do not use it if the first member derives from it, too: the
/// class would become larger. A class nested in a class with this base must write `detail::immovable`.
struct immovable {
    immovable() = default;
    immovable(const immovable&) = delete;
    immovable& operator=(const immovable&) = delete;
};

}  // namespace eddy::detail
