// SPDX-License-Identifier: MIT
#pragma once

// Bugs of compilers that the library reports where it can; see docs/compilers.md.

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
/// A lambda that is written in a co_await expression is copied bitwise into the coroutine frame, and both copies are
/// destroyed.
#define EDDY_CLOSURES_DIE_TWICE 1
/// In a coroutine that has a co_await in a condition and no local variable, the value of the condition is stored before
/// the promise. So the address of the frame that is computed from the promise is wrong, by 8 bytes.
#define EDDY_MISPLACES_PROMISES 1
#endif
