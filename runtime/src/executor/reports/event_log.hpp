// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "sys/probes.hpp"
#include "trace/trace_event.hpp"

namespace eddy::detail {

struct recorded_track;

/// Set in the number of a task that is its address.
inline constexpr std::uint64_t unnumbered = std::uint64_t{1} << 47;

/// Returns the number by which events name a task: its id, or its address for a main future, a child of a scope, and
/// others of an event loop that have none. The address has bit 47 set, and ids are smaller.
[[nodiscard]] inline std::uint64_t number_in_log(const spawned_task& task) noexcept {
    // SAFETY: the address is only a number for readers.
    return task.id != 0 ? task.id : reinterpret_cast<std::uintptr_t>(&task) | unnumbered;
}

/// Where a worker or an event loop notes its events: a ring buffer of the flight recorder, if that records, and the
/// USDT probes, if a tracer uses them. If is_on() is false, which its owner looks up now and then, nothing is noted.
///
/// Thread safety: one thread at a time; a worker passes its log on with itself.
class event_log : immovable {
public:
    /// Joins the recording, if there is one, as "worker 0 of runtime 1", for example.
    explicit event_log(const std::string& name) noexcept;
    /// Leaves the recording, which keeps the events. The last one that leaves writes the recording's file.
    ~event_log();

    /// Returns whether events are noted at present.
    /// Cost: two loads.
    [[nodiscard]] bool is_on() const noexcept { return track_ != nullptr || sys::are_probes_used(); }

    /// Notes an event, see trace_event.hpp.
    /// Cost: about 18 ns.
    void note(trace::event_kind kind, std::uint64_t task = 0, std::uint64_t detail = 0) noexcept;
    /// Notes that the worker has spawned `task`, its call site and its name.
    void note_spawn(const spawned_task& task) noexcept;

private:
    recorded_track* const track_;
};

/// Notes an event that a thread has caused that is no worker.
/// Thread safety: any thread.
void note_elsewhere(trace::event_kind kind, std::uint64_t task, std::uint64_t detail = 0) noexcept;
void note_spawn_elsewhere(const spawned_task& task) noexcept;
/// Returns whether note_elsewhere() notes anything at present.
[[nodiscard]] bool is_noted_elsewhere() noexcept;

/// Notes that `task` is polled for `ms` milliseconds, and writes the recording into its file, with ".stall" behind the
/// name. For the code that has noticed the stall, on any thread, not in a signal handler.
void note_stall(std::uint64_t task, std::uint64_t ms) noexcept;

}  // namespace eddy::detail
