// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trace/trace_event.hpp"

namespace eddy::trace {

/// The flows of a recording: a number for each event of each track, 0 if it has none. The same number is at a wake-up
/// or spawn and at the poll that follows it.
using flow_numbers = std::vector<std::vector<std::uint64_t>>;

/// Finds the flows: the last wake-up or spawn of a task before each of its polls.
[[nodiscard]] flow_numbers find_flows(const recording& from);

/// Receives the bytes of a file, in order.
class byte_sink {
public:
    virtual void write(std::span<const std::byte> bytes) = 0;

protected:
    ~byte_sink() = default;
};

/// Writes a recording as a file of Perfetto: its protobuf messages, written by hand (perfetto.dev, "Synthetic trace
/// events"). Each worker is a thread's track. A poll and a park are slices, other events are instants. Times are those
/// of CLOCK_MONOTONIC. A slice whose begin was overwritten has no length; one without an end ends with its track.
/// `flows` may be empty. Does not allocate, so a signal handler may call it if the sink allows that; names are cut off
/// at 200 bytes.
void write_perfetto(const recording& from, const flow_numbers& flows, byte_sink& into);

}  // namespace eddy::trace
