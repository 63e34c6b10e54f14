// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// What the flight recorder keeps: 16 bytes an event, in a ring buffer for each worker.

namespace eddy::trace {

enum class event_kind : std::uint8_t {
    none,        ///< an entry of the ring that was not used yet
    spawn,       ///< `task` was spawned by the worker
    poll_begin,  ///< the worker polls `task`
    poll_end,    ///< the poll of `task` has ended; `detail` is 1 if the task has
    wake,        ///< the worker has woken `task`
    steal,       ///< the worker has taken `task` from the worker `detail`
    park,        ///< the worker begins to wait
    unpark,      ///< the worker has waited
    io_event,    ///< a driver tick; `detail` is the number of its events
    timer,       ///< timers have fired; `detail` is their number
    stall,       ///< the watchdog has seen that `task` is polled for long; `detail` is the number of milliseconds
};

/// An event. The time is relative to the ring's `base`, in units of 16 ns: 19 hours.
struct event {
    std::uint64_t task = 0;  ///< its id
    std::uint64_t word = 0;  ///< from the low end: 8 bits kind, 16 bits detail, 40 bits time

    static constexpr std::uint64_t most_detail = 0xffff;
    static constexpr std::uint64_t most_time = (std::uint64_t{1} << 40) - 1;

    static constexpr event make(event_kind kind, std::uint64_t task, std::uint64_t detail,
                                std::uint64_t ns_since_base) noexcept {
        const std::uint64_t short_detail = detail < most_detail ? detail : most_detail;
        return {task,
                static_cast<std::uint64_t>(kind) | (short_detail << 8) | ((ns_since_base / 16) & most_time) << 24};
    }
    [[nodiscard]] constexpr event_kind kind() const noexcept { return static_cast<event_kind>(word & 0xff); }
    [[nodiscard]] constexpr std::uint64_t detail() const noexcept { return (word >> 8) & most_detail; }
    [[nodiscard]] constexpr std::uint64_t ns() const noexcept { return (word >> 24) * 16; }
};
static_assert(sizeof(event) == 16);

/// The events of one worker or event loop, oldest first.
struct track {
    std::string_view name;      ///< "worker 0"
    std::uint64_t base_ns = 0;  ///< of CLOCK_MONOTONIC; the times of the events count from it
    std::span<const event> events;
};

/// The name of a task: of its builder, or its spawn place.
struct task_label {
    std::uint64_t task;
    std::string_view text;
};

struct recording {
    std::uint32_t process_id = 0;
    std::string_view process_name;
    std::span<const track> tracks;
    std::span<const task_label> labels;  ///< sorted by task
};

}  // namespace eddy::trace
