// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/call_site.hpp>

namespace eddy::detail {

/// The await that has last acquired permits of an object, in a program with EDDY_CHECKS. A later try_lock() is not
/// known, and the guard may have moved to another task since.
struct acquired_record {
    const void* object = nullptr;
    call_site where = nullptr;  ///< null if no await is known
    std::uint64_t task = 0;     ///< the id of the task; 0 if it has none
};

/// Thread safety: any thread.
[[nodiscard]] acquired_record last_acquired_record(const void* object) noexcept;

}  // namespace eddy::detail
