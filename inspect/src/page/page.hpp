// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace eddy::inspect {

/// The page: HTML without external resources. "LOOP_ID" in it stands for the id of the server's own event loop.
extern const std::string_view page;

}  // namespace eddy::inspect
