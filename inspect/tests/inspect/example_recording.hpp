// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "trace/perfetto.hpp"

/// A recording with an event of each kind, and its file.
namespace example_recording {

using eddy::trace::event;
using eddy::trace::event_kind;

class string_sink final : public eddy::trace::byte_sink {
public:
    void write(std::span<const std::byte> bytes) override {
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    std::string text;
};

inline constexpr std::uint64_t ms = 1'000'000;

/// Two workers: task 1 is spawned on the first, which wakes task 2; the second polls it and stalls.
inline const std::array first{
    event::make(event_kind::poll_end, 9, 1, 0),  // its begin was overwritten
    event::make(event_kind::spawn, 1, 0, 1 * ms),    event::make(event_kind::poll_begin, 1, 0, 2 * ms),
    event::make(event_kind::wake, 2, 0, 3 * ms),     event::make(event_kind::poll_end, 1, 0, 4 * ms),
    event::make(event_kind::park, 0, 0, 4 * ms),     event::make(event_kind::unpark, 0, 0, 6 * ms),
    event::make(event_kind::io_event, 0, 3, 6 * ms), event::make(event_kind::timer, 0, 2, 6 * ms),
};
inline const std::array second{
    event::make(event_kind::none, 0, 0, 0),
    event::make(event_kind::steal, 2, 0, 3 * ms),
    event::make(event_kind::poll_begin, 2, 0, 5 * ms),
    event::make(event_kind::stall, 2, 250, 255 * ms),
};
inline const std::array tracks{eddy::trace::track{"worker 0", 1'000 * ms, first},
                               eddy::trace::track{"worker 1", 1'000 * ms, second}};
inline const std::array labels{eddy::trace::task_label{2, "serve \"x\""}};
inline const eddy::trace::recording whole{77, "server", tracks, labels};

inline std::string file_of(const eddy::trace::recording& from, bool with_flows = true) {
    string_sink sink;
    eddy::trace::write_perfetto(from, with_flows ? eddy::trace::find_flows(from) : eddy::trace::flow_numbers(), sink);
    return sink.text;
}

}  // namespace example_recording
