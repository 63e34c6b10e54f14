// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace eddy::inspect {

/// A trace as the flight recorder writes it (runtime/src/trace/perfetto.hpp).
struct trace_file {
    enum class point : std::uint8_t { begin = 1, end = 2, instant = 3 };

    struct event {
        std::uint64_t time;  ///< in ns
        std::uint64_t track;
        point is;
        std::string category;  ///< empty at an end, as is the name
        std::string name;
        std::uint64_t task = 0;
        std::string task_name;     ///< of a spawn: the name, or else the place
        std::uint64_t detail = 0;  ///< the other number that the event has
        std::string detail_name;
        std::uint64_t starts_flow = 0;
        std::uint64_t ends_flow = 0;
    };
    struct track {
        std::uint64_t uuid;
        std::uint64_t pid = 0;
        std::uint64_t tid = 0;
        std::string name;
    };

    std::vector<track> tracks;
    std::vector<event> events;  ///< by time
};

/// Reads a trace.
/// Errors: a sentence, if `bytes` is not a file of Perfetto.
[[nodiscard]] std::expected<trace_file, std::string> parse_trace(std::string_view bytes);

/// Returns the trace in the JSON format of chrome://tracing.
[[nodiscard]] std::string to_chrome_json(const trace_file& trace);

/// Returns a page of text: counts, busy times of the workers, busiest tasks, longest polls, schedule latency.
[[nodiscard]] std::string summary(const trace_file& trace);

}  // namespace eddy::inspect
