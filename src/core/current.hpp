// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/result.hpp>

namespace eddy::detail {

class core_shared;
class io_handle;

/// The driver of the loop that runs on this thread. Throws `misuse` if there is none.
/// Errors: io_disabled.
[[nodiscard]] result<io_handle*> current_io(std::source_location where = std::source_location::current());

}  // namespace eddy::detail
