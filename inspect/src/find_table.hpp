// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <span>

#include "inspect/target_memory.hpp"
#include "sys/mappings.hpp"

namespace eddy::inspect {

/// Returns the address of the debug table of a program, or nothing if it does not contain eddy.
///
/// The table is found by its first bytes in the data of the program and its shared libraries, and by its own address in
/// it, which a copy of the table does not match. So neither symbols nor sections are needed, nor the program's file:
/// the file may be stripped, replaced, or out of reach in another mount namespace.
[[nodiscard]] std::optional<address> find_table(target_memory& memory, std::span<const mapping> mappings);

}  // namespace eddy::inspect
