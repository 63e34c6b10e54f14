// SPDX-License-Identifier: MIT
#pragma once

// A shared build of eddy hides all symbols by default (src/CMakeLists.txt). EDDY_API exports the symbols that programs
// link with: classes with compiled members, functions, and variables that the library and the program share.
#define EDDY_API [[gnu::visibility("default")]]
