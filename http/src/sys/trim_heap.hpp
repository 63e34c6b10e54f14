// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::sys {

/// Returns freed memory of the heap to the system. Other threads that allocate may wait meanwhile, up to some 100 ms
/// after gigabytes. Does nothing if the C library cannot do that: all except glibc.
void trim_heap() noexcept;

}  // namespace eddy::sys
