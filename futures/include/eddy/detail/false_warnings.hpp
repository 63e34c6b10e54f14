// SPDX-License-Identifier: MIT
#pragma once

// GCC cannot relate the flag of a std::optional to the object inside it. After inlining it reports members of futures
// in optionals as "may be used uninitialized", even in programs that include eddy as a system header. These macros
// enclose the code that destroys or moves such futures. GCC suppresses the warning if any function in the chain of
// inlined calls is enclosed.
#if defined(__GNUC__) && !defined(__clang__)
#define EDDY_BEGIN_FALSE_UNINITIALIZED \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define EDDY_END_FALSE_UNINITIALIZED _Pragma("GCC diagnostic pop")
#else
#define EDDY_BEGIN_FALSE_UNINITIALIZED
#define EDDY_END_FALSE_UNINITIALIZED
#endif
