// SPDX-License-Identifier: MIT
#pragma once

#include <string>

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

}  // namespace eddy::inspect
