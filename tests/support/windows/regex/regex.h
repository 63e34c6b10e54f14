// SPDX-License-Identifier: MIT
#pragma once

// <regex.h> of POSIX, as far as GoogleTest needs it, on std::regex. GoogleTest's own matcher for Windows knows neither
// groups nor alternatives, which the tests use. tools/cross.sh builds GoogleTest with GTEST_HAS_POSIX_RE and this file.

#include <cstddef>
#include <regex>

struct regex_t {
    std::regex* compiled;
};
struct regmatch_t {
    long rm_so;
    long rm_eo;
};
enum : int { REG_EXTENDED = 1, REG_NOMATCH = 1, REG_BADPAT = 2 };

inline int regcomp(regex_t* into, const char* pattern, int) try {
    into->compiled = nullptr;
    into->compiled = new std::regex(pattern, std::regex::extended);
    return 0;
} catch (const std::regex_error&) {
    return REG_BADPAT;
}

/// Returns 0 if the pattern occurs in the text. Does not say where.
inline int regexec(const regex_t* pattern, const char* text, std::size_t, regmatch_t*, int) try {
    return std::regex_search(text, *pattern->compiled) ? 0 : REG_NOMATCH;
} catch (const std::regex_error&) {
    return REG_NOMATCH;
}

inline void regfree(regex_t* pattern) { delete pattern->compiled; }
