// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "channels.hpp"

namespace bench::peer {

/// A channel without senders, on which any number of tasks wait forever. Asio has no notify.
using never = concurrent_channel<>;

/// A task that increments the counter of parked() and then waits forever.
[[nodiscard]] task<void> park(never& waited_for);

/// Returns the number of tasks that have started park() in this process.
[[nodiscard]] std::uint64_t parked() noexcept;

}  // namespace bench::peer
