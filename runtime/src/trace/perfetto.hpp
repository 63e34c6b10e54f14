// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "trace/trace_event.hpp"

namespace eddy::trace {

/// Receives the bytes of a file, in order.
class byte_sink {
public:
    virtual void write(std::span<const std::byte> bytes) = 0;

protected:
    ~byte_sink() = default;
};

/// What a file of Perfetto is made of, in addition to the events.
struct file_facts {
    std::uint32_t process_id = 0;
    std::string_view process_name;
    time_scale scale;
    std::span<const task_label> labels;  ///< sorted by task, then by the time of the spawn
    /// Writes the text of a call site. May be null.
    std::string_view (*text_of_place)(std::uint64_t place, std::span<char> into) noexcept = nullptr;
};

/// Writes events as a file of Perfetto: its protobuf messages, written by hand (perfetto.dev, "Synthetic trace
/// events"). Each worker is a thread's track. A poll and a park are slices, other events are instants. Times come from
/// CLOCK_MONOTONIC. A slice whose begin was overwritten has no length; one without an end ends with the next one, or
/// when the file was written. A wake-up or spawn and the poll after it have a flow, whose number is the task's: a poll
/// ends the flow, and the next wake-up begins another one.
///
/// Does not allocate, so a signal handler may use it if the sink allows that. Names are cut off at 200 bytes.
class perfetto_writer {
public:
    perfetto_writer(const file_facts& about, byte_sink& into);

    void begin_track(std::string_view name);
    /// Adds the next event of the track.
    void add(const event& one);
    /// A slice that is open ends at `now`, or with the last event if that is later.
    void end_track(std::uint64_t now = 0);

private:
    class message;

    void add_packet(message& packet);
    void write_event(const event& one);
    void write_spawn();
    void begin_poll(const event& one, bool ends_flow);
    void begin_park();
    void end_slice();
    void add_wake(const event& one);
    void add_instant(const event& one, std::string_view what, std::string_view detail, bool has_task);
    void add_event(message& made);
    [[nodiscard]] std::string_view name_in(const event& one);

    enum class slice : std::uint8_t { none, poll, park };

    const file_facts& about_;
    byte_sink& into_;
    std::uint64_t tracks_ = 0;
    bool is_first_ = true;
    // Of the track that is written:
    std::uint64_t time_ = 0;
    slice open_ = slice::none;
    std::optional<spawned> spawn_;  // its place and name may follow
    event spawn_event_;
    std::array<char, 32> unnamed_{};
};

}  // namespace eddy::trace
