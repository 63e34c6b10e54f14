// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

alignas(2) inline constinit thread_local char thread_mark = 0;

/// An address that differs for each live thread: cheaper to compare than a std::thread::id. Even: io_handle uses the
/// lowest bit.
[[nodiscard]] inline const void* this_thread_mark() noexcept { return &thread_mark; }

}  // namespace eddy::detail
