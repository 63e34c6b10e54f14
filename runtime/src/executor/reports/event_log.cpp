// SPDX-License-Identifier: MIT
#include "executor/reports/event_log.hpp"

#include <algorithm>
#include <string_view>

#include <eddy/detail/call_site.hpp>

#include "executor/reports/flight_recorder.hpp"
#include "sys/ticks.hpp"

namespace eddy::sys {

extern "C" {
EDDY_PROBE_SEMAPHORE
}

}  // namespace eddy::sys

namespace eddy::detail {
namespace {

using trace::event;
using trace::event_kind;

/// The probe of an event. Each probe is in one place of the program.
[[gnu::noinline]] void fire_probe(event_kind kind, std::uint64_t task, std::uint64_t detail) noexcept {
    switch (kind) {
    case event_kind::none:
    case event_kind::spawn:
    case event_kind::place:
    case event_kind::name: return;
    case event_kind::poll_begin: EDDY_PROBE(poll_begin, task, detail, 0); return;
    case event_kind::poll_end: EDDY_PROBE(poll_end, task, detail, 0); return;
    case event_kind::wake: EDDY_PROBE(wake, task, detail, 0); return;
    case event_kind::steal: EDDY_PROBE(steal, task, detail, 0); return;
    case event_kind::park: EDDY_PROBE(park, task, detail, 0); return;
    case event_kind::unpark: EDDY_PROBE(unpark, task, detail, 0); return;
    case event_kind::io_event: EDDY_PROBE(io_event, task, detail, 0); return;
    case event_kind::timer: EDDY_PROBE(timer, task, detail, 0); return;
    case event_kind::stall: EDDY_PROBE(stall, task, detail, 0); return;
    }
}

/// The task, the file's name, and the line.
[[gnu::noinline]] void fire_spawn_probe(const spawned_task& task) noexcept {
    const auto file = reinterpret_cast<std::uintptr_t>(task.spawned_at.file_name());
    EDDY_PROBE(spawn, number_in_log(task), file, task.spawned_at.line());
}

void write_event(trace::event_ring& ring, event_kind kind, std::uint64_t task, std::uint64_t detail) noexcept {
    ring.record(event::make(kind, task, detail, sys::ticks()));
}

void record_spawn(trace::event_ring& ring, const spawned_task& task) noexcept {
    write_event(ring, event_kind::spawn, number_in_log(task), 0);
    ring.record(event::place(reinterpret_cast<std::uintptr_t>(call_site_of(task.spawned_at))));
    std::string_view name = task.ops().name(task).substr(0, 3 * event::name_bytes);
    for (; !name.empty(); name.remove_prefix(std::min(name.size(), event::name_bytes))) ring.record(event::name(name));
}

}  // namespace

event_log::event_log(const std::string& name) noexcept : track_(join_recording(name)) {}

event_log::~event_log() {
    if (track_ != nullptr) leave_recording(*track_);
}

void event_log::note(event_kind kind, std::uint64_t task, std::uint64_t detail) noexcept {
    if (track_ != nullptr) write_event(track_->ring, kind, task, detail);
    if (sys::are_probes_used()) [[unlikely]]
        fire_probe(kind, task, detail);
}

void event_log::note_spawn(const spawned_task& task) noexcept {
    if (track_ != nullptr) record_spawn(track_->ring, task);
    if (sys::are_probes_used()) [[unlikely]]
        fire_spawn_probe(task);
}

bool is_noted_elsewhere() noexcept { return is_recording() || sys::are_probes_used(); }

void note_elsewhere(event_kind kind, std::uint64_t task, std::uint64_t detail) noexcept {
    if (const shared_ring ring; ring.get() != nullptr) write_event(*ring.get(), kind, task, detail);
    if (sys::are_probes_used()) fire_probe(kind, task, detail);
}

void note_spawn_elsewhere(const spawned_task& task) noexcept {
    if (const shared_ring ring; ring.get() != nullptr) record_spawn(*ring.get(), task);
    if (sys::are_probes_used()) fire_spawn_probe(task);
}

void note_stall(std::uint64_t task, std::uint64_t ms) noexcept {
    note_elsewhere(event_kind::stall, task, ms);
    write_recorded_file(".stall");
}

}  // namespace eddy::detail
