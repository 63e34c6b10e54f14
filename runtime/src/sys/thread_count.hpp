// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>

namespace eddy::sys {

/// Returns how many threads the process had at one moment of the call. A thread that is being started or is about to
/// end counts. Returns nothing where the system does not say it.
[[nodiscard]] std::optional<std::size_t> thread_count() noexcept;

}  // namespace eddy::sys
