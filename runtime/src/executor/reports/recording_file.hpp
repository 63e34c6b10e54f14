// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <eddy/result.hpp>

#include "executor/reports/flight_recorder.hpp"
#include "trace/trace_event.hpp"

namespace eddy::detail {

/// A track as it was at one moment. Events that are overwritten later are left out.
struct track_state {
    const recorded_track* track;
    std::uint64_t events;  // of all time
    std::array<char, 48> name;
    bool is_in_use;

    explicit track_state(const recorded_track& of) noexcept
        : track(&of), events(of.ring.recorded()), name(of.name), is_in_use(of.left_at == 0) {}
};

/// A recording as it was at one moment. It is written without the recorder's lock, since a file may take long.
struct recording_state {
    trace::time_scale began;
    std::vector<track_state> tracks;

    /// Preconditions: the recorder's lock is held.
    explicit recording_state(const flight_recorder& of) : began(of.began) {
        of.for_each_track([&](const recorded_track& one) { tracks.emplace_back(one); });
    }
};

/// Writes all tracks into a file, with the names of the tasks. One thread at a time.
[[nodiscard]] result<void> write_with_names(const recording_state& of, const char* path) noexcept;

/// Writes all tracks into the recording's file, with the names that are in the events. Calls only functions that
/// signal-safety(7) allows, and no other thread at the same time.
void write_in_signal_handler(const flight_recorder& of) noexcept;

}  // namespace eddy::detail
