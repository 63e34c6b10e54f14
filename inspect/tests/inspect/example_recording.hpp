// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

struct track {
    std::string_view name;
    std::vector<event> events;
};

/// Two workers: task 1 is spawned on the first, which wakes task 2; the second polls it and stalls. A tick is a ns.
inline const std::vector<track> whole{
    {"worker 0",
     {
         event::make(event_kind::poll_end, 9, 1, 0),  // its begin was overwritten
         event::make(event_kind::spawn, 1, 0, 1 * ms),
         event::place(42),
         event::name("accept connecti"),
         event::name("ons"),
         event::make(event_kind::poll_begin, 1, 0, 2 * ms),
         event::make(event_kind::wake, 2, 0, 3 * ms),
         event::make(event_kind::poll_end, 1, 0, 4 * ms),
         event::make(event_kind::park, 0, 0, 4 * ms),
         event::make(event_kind::unpark, 0, 0, 6 * ms),
         event::make(event_kind::io_event, 0, 3, 6 * ms),
         event::make(event_kind::timer, 0, 2, 6 * ms),
     }},
    {"worker 1",
     {
         event::make(event_kind::steal, 2, 0, 3 * ms),
         event::make(event_kind::poll_begin, 2, 0, 5 * ms),
         event::make(event_kind::stall, 2, 250, 255 * ms),
     }},
};
inline const std::array labels{eddy::trace::task_label{2, "serve \"x\""}};

inline std::string_view text_of_place(std::uint64_t place, std::span<char> into) noexcept {
    const std::string text = "main.cpp:" + std::to_string(place);
    return {into.data(), text.copy(into.data(), into.size())};
}

inline eddy::trace::file_facts facts() {
    eddy::trace::file_facts made;
    made.process_id = 77;
    made.process_name = "server";
    made.scale = {.ticks = 0, .ns = 1'000 * ms, .ns_per_tick = 1};
    made.labels = labels;
    made.text_of_place = &text_of_place;
    return made;
}

inline std::string file_of(const std::vector<track>& from, const eddy::trace::file_facts& about = facts()) {
    string_sink sink;
    eddy::trace::perfetto_writer writer(about, sink);
    for (const track& one : from) {
        writer.begin_track(one.name);
        for (const event& each : one.events) writer.add(each);
        writer.end_track();
    }
    return sink.text;
}

}  // namespace example_recording
