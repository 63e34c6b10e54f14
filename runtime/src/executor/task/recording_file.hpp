// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

#include "executor/task/flight_recorder.hpp"

namespace eddy::detail {

/// Writes all tracks into a file, with the names of the tasks.
/// Preconditions: the recorder's lock is held.
[[nodiscard]] result<void> write_with_names(const flight_recorder& of, const char* path) noexcept;

/// Writes all tracks into the recording's file, with the names that are in the events. Calls only functions that
/// signal-safety(7) allows, and no other thread at the same time.
void write_in_signal_handler(const flight_recorder& of) noexcept;

}  // namespace eddy::detail
