// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <vector>

#include "inspect/debug_table.hpp"

namespace eddy::inspect {

/// A range of a program's memory.
struct mapping {
    address begin;
    address end;
    bool is_code;
    bool is_of_module;  ///< a range of the program's file or of a shared library
    std::string file;   ///< a path as the program sees it; empty if it is no file
};

/// Returns the ranges that may contain the debug table: the data of the program and of its shared libraries, and what
/// follows them without a gap, since the loader maps the end of a file's data as memory without a file. A file of data
/// that the program has mapped is not searched: it may be large.
[[nodiscard]] std::vector<mapping> data_of_modules(std::span<const mapping> all);

}  // namespace eddy::inspect
