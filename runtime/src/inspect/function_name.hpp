// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace eddy::inspect {

/// Shortens the text of a function in a std::source_location to its name: without its return type and parameters.
[[nodiscard]] std::string function_name(const std::string& signature);

}  // namespace eddy::inspect
