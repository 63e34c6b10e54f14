// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "channels.hpp"

namespace bench::peer {

/// What a task waits on for ever: Asio has no notify, but any number may wait for a channel that nobody sends on.
using never = concurrent_channel<>;

/// A task that counts itself and then waits for what never comes.
[[nodiscard]] task<void> park(never& waited_for);

/// How many tasks have come to park(), in all of the process's time.
[[nodiscard]] std::uint64_t parked() noexcept;

}  // namespace bench::peer
