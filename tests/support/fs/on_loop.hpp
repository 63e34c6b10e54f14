// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/runtime/core.hpp>

namespace support {

/// Runs a future on an event loop of its own and returns its output.
template <class F>
auto on_loop(F future) {
    eddy::core loop;
    return loop.run(std::move(future));
}

}  // namespace support
