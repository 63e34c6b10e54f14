// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/poll_fn.hpp>

namespace support {

/// Returns a future that polls `future` once and outputs whether it was ready.
template <class F>
auto poll_once(F& future) {
    return eddy::poll_fn(
        [&future](eddy::context& cx) -> eddy::poll_result<bool> { return future.poll(cx).is_ready(); });
}

}  // namespace support
