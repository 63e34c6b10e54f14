// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/export.hpp>

namespace eddy::fs {

/// How the operations of this process on files were made, since its start.
/// Thread safety: a plain value.
struct file_metrics {
    std::uint64_t cached_reads = 0;  ///< reads that the page cache has answered, on the thread of the task
    std::uint64_t cold_reads = 0;  ///< reads that tried that and became jobs: not in the cache, or the end of the file
    std::uint64_t cached_writes = 0;  ///< writes to the page cache, on the thread of the task
    std::uint64_t jobs = 0;           ///< operations on threads for blocking work, cold reads included
    std::uint64_t sent_bytes = 0;     ///< bytes of send_file() that the kernel has passed from the cache to a socket
    std::uint64_t copied_bytes = 0;   ///< bytes of send_file() that were copied

    /// Constructs zeros.
    file_metrics() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Returns the counters of this process.
/// Thread safety: any thread.
[[nodiscard]] EDDY_API file_metrics metrics() noexcept;

}  // namespace eddy::fs
