// SPDX-License-Identifier: MIT
#pragma once

// A shared build of eddy hides all symbols (src/CMakeLists.txt). EDDY_API marks what programs link with: classes with
// members that are compiled into the library, functions, and variables that the library and the program share.
#define EDDY_API [[gnu::visibility("default")]]
