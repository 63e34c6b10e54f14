// SPDX-License-Identifier: MIT
#include "executor/task/event_log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <eddy/detail/call_site.hpp>
#include <eddy/runtime/recording.hpp>

#include "executor/task/own_tasks.hpp"
#include "executor/task/readable_name.hpp"
#include "inspect/debug_table.hpp"
#include "sys/crash.hpp"
#include "sys/fork.hpp"
#include "sys/output_file.hpp"
#include "sys/own_memory.hpp"
#include "sys/static_mutex.hpp"
#include "sys/steady_ns.hpp"
#include "sys/this_process.hpp"
#include "sys/ticks.hpp"
#include "trace/event_ring.hpp"
#include "trace/perfetto.hpp"

namespace eddy::sys {

extern "C" {
EDDY_PROBE_SEMAPHORE
}

}  // namespace eddy::sys

namespace eddy::detail {

/// The ring of a worker or an event loop. Tracks are in a list that only grows, so that a signal handler can walk it
/// without a lock. The track of an executor that has ended keeps its events until another executor needs it.
struct recorded_track {
    explicit recorded_track(std::size_t capacity) : ring(capacity) {}

    trace::event_ring ring;
    std::array<char, 48> name{};
    recorded_track* next = nullptr;
    std::uint64_t left_at = 0;  // under the lock; 0 while an executor uses the track
};

namespace {

using trace::event;
using trace::event_kind;

// Tracks of executors that have ended, up to this number, keep their events when an executor is made.
constexpr std::size_t most_left_tracks = 16;

using file_name = std::array<char, 1024>;

constinit sys::static_mutex<std::mutex> recorder_lock;

/// What start_recording() has set, and the tracks. Changed under the lock; a signal handler reads it.
struct recorder {
    std::atomic<bool> is_started{false};
    std::size_t capacity = 0;
    file_name file{};
    trace::time_scale began;  // the first reading of both clocks
    std::atomic<recorded_track*> tracks{nullptr};
    std::size_t users = 0;  // executors that record
    std::uint64_t leaves = 0;
    bool is_unwritten = false;       // the last executor has ended, and its file was left to the end of the process
    std::uint64_t may_write_at = 0;  // when the end of an executor may write the file again: sys::steady_ns()
};
constinit recorder recording;

/// The track of threads that are no workers. Its lock is taken before that of the recorder.
constinit sys::static_mutex<std::mutex> elsewhere_lock;
constinit recorded_track* elsewhere = nullptr;

[[maybe_unused]] const bool recorder_held_during_forks = sys::hold_during_forks<recorder_lock>([] {});

// ---- Writing ----

/// Copies the name of a file without its folders. Returns how many bytes it has; 0 if it cannot be read.
std::size_t copy_base_name(std::uint64_t path, std::span<char> into) noexcept {
    constexpr std::size_t most_read = 4096;
    constexpr std::size_t piece_size = 128;  // divides the size of a page, so that each piece is in one
    std::array<char, piece_size> piece;
    std::size_t size = 0;
    for (std::uint64_t at = path; at - path < most_read;) {
        const std::size_t count = piece_size - at % piece_size;
        // SAFETY: only the system uses the address.
        const auto* const from = reinterpret_cast<const void*>(static_cast<std::uintptr_t>(at));  // NOLINT
        if (!sys::copy_own_memory(from, std::as_writable_bytes(std::span(piece).first(count)))) return 0;
        for (const char c : std::span(piece).first(count)) {
            if (c == '\0') return size;
            if (c == '/' || c == '\\') {
                size = 0;
            } else if (size < into.size()) {
                into[size++] = c;
            }
        }
        at += count;
    }
    return size;
}

/// Writes "file.cpp:17", without a function that may allocate. The record of the compiler is read by system calls: it
/// is gone if it was in a shared library that has been closed. Then the text is empty.
std::string_view text_of_place(std::uint64_t place, std::span<char> into) noexcept {
    // SAFETY: only the system uses the address.
    const auto record = sys::copy_own_object<inspect::place_record>(
        reinterpret_cast<const void*>(static_cast<std::uintptr_t>(place)));  // NOLINT(performance-no-int-to-ptr)
    std::size_t size = record ? copy_base_name(record->file, into.first(into.size() - 12)) : 0;
    if (size == 0) return {};
    into[size++] = ':';
    return {into.data(), std::to_chars(into.data() + size, into.data() + into.size(), record->line).ptr};
}

/// Writes tracks into a file. It has what is too large for the stack of a signal handler.
class tracks_file final : public trace::byte_sink {
public:
    explicit tracks_file(const char* path) noexcept : file_(path) {}
    void write(std::span<const std::byte> bytes) override { file_.write(bytes); }

    /// Writes all tracks, once. Calls only functions that signal-safety(7) allows.
    [[nodiscard]] result<void> write_all(std::span<const trace::task_label> labels) noexcept;

private:
    sys::output_file file_;
    std::array<event, 256> piece_;
};

/// Calls `each` with the events of a track, oldest first, in pieces.
template <class Each>
void for_each_event(const recorded_track& track, std::span<event> piece, Each each) {
    const std::uint64_t end = track.ring.recorded();
    std::uint64_t next = end < track.ring.capacity() ? 0 : end - track.ring.capacity();
    while (next < end)
        for (const event& one : track.ring.copy(next, end, piece)) each(one);
}

template <class Each>
void for_each_track(Each each) {
    // acquire: pairs with the release in add_track(), so that the object is complete.
    for (recorded_track* one = recording.tracks.load(std::memory_order_acquire); one != nullptr; one = one->next)
        each(*one);
}

result<void> tracks_file::write_all(std::span<const trace::task_label> labels) noexcept {
    trace::time_scale scale = recording.began;
    const std::uint64_t ticks = sys::ticks() - scale.ticks;
    const std::uint64_t now = sys::steady_ns();
    if (ticks != 0) scale.ns_per_tick = static_cast<double>(now - scale.ns) / static_cast<double>(ticks);
    const trace::file_facts about{sys::process_id(), sys::program_name(), scale, labels, &text_of_place};
    trace::perfetto_writer writer(about, *this);
    for_each_track([&](const recorded_track& track) {
        writer.begin_track(track.name.data());
        for_each_event(track, piece_, [&](const event& one) { writer.add(one); });
        writer.end_track(track.left_at == 0 ? now : 0);
    });
    return file_.finish();
}

/// The names of tasks, or where they were spawned: by the events, and by the tasks that exist.
std::unordered_map<std::uint64_t, std::string> names_of_tasks() {
    std::unordered_map<std::uint64_t, std::string> names;
    std::array<event, 256> piece;
    for_each_track([&](const recorded_track& track) {
        std::optional<trace::spawned> last;
        const auto add = [&] {
            if (!last) return;
            std::array<char, 200> text;
            if (const auto name = last->name(); !name.empty()) {
                names.emplace(last->task, name);
            } else if (const auto place = text_of_place(last->place, text); !place.empty()) {
                names.emplace(last->task, place);
            }
            last.reset();
        };
        for_each_event(track, piece, [&](const event& one) {
            if (last && last->add(one)) return;
            add();
            if (one.kind() == event_kind::spawn) last.emplace().task = one.task();
        });
        add();
    });
    if (const auto tree = read_own_tasks()) {
        for (const inspect::executor& each : tree->executors)
            for (const inspect::task& one : each.tasks) {
                std::string& name = names[one.id != 0 ? one.id : (one.at | unnumbered)];
                if (!one.name.empty()) name = one.name;
                if (name.empty() && one.spawned_at != nullptr)
                    name = std::string(base_name(one.spawned_at->file)) + ":" + std::to_string(one.spawned_at->line);
            }
    }
    return names;
}

/// Writes all tracks, with the names of the tasks.
/// Preconditions: recorder_lock is held.
result<void> write_with_names(const char* path) noexcept try {
    const auto names = names_of_tasks();
    std::vector<trace::task_label> labels;
    labels.reserve(names.size());
    for (const auto& [task, name] : names) labels.push_back({task, name});
    std::ranges::sort(labels, {}, &trace::task_label::task);
    return tracks_file(path).write_all(labels);
} catch (const std::exception&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

/// Writes into the recording's file, with `ending` behind its name.
/// Preconditions: recorder_lock is held.
void write_own_file(std::string_view ending) noexcept {
    file_name path = recording.file;
    const std::size_t size = std::strlen(path.data());
    if (size == 0 || size + ending.size() >= path.size()) return;
    std::memcpy(path.data() + size, ending.data(), ending.size());
    if (const auto written = write_with_names(path.data()); !written)
        std::fprintf(stderr, "eddy: the recording was not written to %s: %s\n", path.data(),
                     written.error().message().c_str());
}

// ---- Starting ----

/// Copies a file name, with the number of the process for "%p".
file_name with_process(std::string_view from) noexcept {
    file_name made{};
    std::size_t size = 0;
    for (std::size_t i = 0; i < from.size() && size < made.size() - 16; ++i) {
        if (from.substr(i, 2) != "%p") {
            made[size++] = from[i];
            continue;
        }
        ++i;
        size += static_cast<std::size_t>(std::snprintf(made.data() + size, 12, "%u", sys::process_id()));
    }
    return made;
}

void write_at_exit() noexcept {
    if (sys::is_forked_child()) return;  // the events and the file are those of its parent
    const std::lock_guard guard(recorder_lock);
    if (recording.users != 0 || recording.is_unwritten) write_own_file("");
}

/// Writes the file when the last executor has ended. If a program makes executors again and again, this takes at most a
/// tenth of its time: the other files are left to the end of the process.
/// Preconditions: recorder_lock is held.
void write_after_last_executor() noexcept {
    const std::uint64_t begin = sys::steady_ns();
    recording.is_unwritten = begin < recording.may_write_at;
    if (recording.is_unwritten) return;
    write_own_file("");
    const std::uint64_t end = sys::steady_ns();
    recording.may_write_at = end + 10 * (end - begin);
}

/// Preconditions: recorder_lock is held.
void start(std::string_view file, std::size_t events) noexcept {
    recording.capacity = std::bit_ceil(std::max<std::size_t>(events, 16));
    recording.file = with_process(file);
    if (recording.began.ns == 0) recording.began = {sys::ticks(), sys::steady_ns(), 1};
    // relaxed: under the lock. Without it, only as a hint.
    const bool was_started = recording.is_started.exchange(true, std::memory_order_relaxed);
    if (recording.file[0] == '\0') return;
    sys::on_crash([]() noexcept {
        if (sys::is_forked_child()) return;
        alignas(tracks_file) static constinit std::array<std::byte, sizeof(tracks_file)> memory{};
        static_cast<void>((new (memory.data()) tracks_file(recording.file.data()))->write_all({}));
    });
    if (!was_started) static_cast<void>(std::atexit([] { write_at_exit(); }));
}

/// Starts the recording that EDDY_TRACE asks for, once.
/// Preconditions: recorder_lock is held.
void start_by_environment() noexcept {
    static constinit bool is_done = false;
    if (std::exchange(is_done, true)) return;
    const char* const chosen = sys::environment("EDDY_TRACE");
    if (*chosen == '\0' || recording.capacity != 0) return;
    start(chosen, recording_options().events);
}

// ---- Tracks ----

/// Returns a new track; null without memory.
/// Preconditions: recorder_lock is held.
recorded_track* add_track() noexcept try {
    auto* const made = new recorded_track(recording.capacity);
    made->next = recording.tracks.load(std::memory_order_relaxed);  // relaxed: changed under the lock
    // release: pairs with the acquire in for_each_track().
    recording.tracks.store(made, std::memory_order_release);
    return made;
} catch (const std::bad_alloc&) {
    return nullptr;
}

/// Returns the track that was left first, if there are many, else a new one; null without memory.
/// Preconditions: recorder_lock is held.
recorded_track* take_track(std::string_view name) noexcept {
    std::size_t left = 0;
    recorded_track* oldest = nullptr;
    for_each_track([&](recorded_track& one) {
        if (one.left_at == 0) return;
        ++left;
        if (oldest == nullptr || one.left_at < oldest->left_at) oldest = &one;
    });
    recorded_track* const taken = left >= most_left_tracks ? oldest : add_track();
    if (taken == nullptr) return nullptr;
    taken->left_at = 0;
    taken->name = {};
    name.copy(taken->name.data(), taken->name.size() - 1);
    return taken;
}

/// Returns the track of an executor that is made; null if nothing is recorded.
recorded_track* join_recording(const std::string& name) noexcept {
    const std::lock_guard guard(recorder_lock);
    start_by_environment();
    if (recording.capacity == 0) return nullptr;
    recorded_track* const track = take_track(name);
    if (track != nullptr) ++recording.users;
    return track;
}

// ---- Events ----

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

/// Calls `add` with the ring of the threads that are no workers, if there is a recording.
template <class Add>
void add_elsewhere(Add add) noexcept {
    // relaxed: only a hint.
    if (!recording.is_started.load(std::memory_order_relaxed) || sys::is_forked_child()) return;
    const std::lock_guard guard(elsewhere_lock);
    if (elsewhere == nullptr) {
        const std::lock_guard recorder_guard(recorder_lock);
        elsewhere = take_track("other threads");
    }
    if (elsewhere != nullptr) add(elsewhere->ring);
}

}  // namespace

event_log::event_log(const std::string& name) noexcept : track_(join_recording(name)) {}

event_log::~event_log() {
    if (track_ == nullptr || sys::is_forked_child()) return;
    const std::lock_guard guard(recorder_lock);
    track_->left_at = ++recording.leaves;
    if (--recording.users == 0) write_after_last_executor();
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

bool is_noted_elsewhere() noexcept {
    // relaxed: only a hint.
    return recording.is_started.load(std::memory_order_relaxed) || sys::are_probes_used();
}

void note_elsewhere(event_kind kind, std::uint64_t task, std::uint64_t detail) noexcept {
    add_elsewhere([&](trace::event_ring& ring) { write_event(ring, kind, task, detail); });
    if (sys::are_probes_used()) fire_probe(kind, task, detail);
}

void note_spawn_elsewhere(const spawned_task& task) noexcept {
    add_elsewhere([&](trace::event_ring& ring) { record_spawn(ring, task); });
    if (sys::are_probes_used()) fire_spawn_probe(task);
}

void note_stall(std::uint64_t task, std::uint64_t ms) noexcept {
    note_elsewhere(event_kind::stall, task, ms);
    const std::lock_guard guard(recorder_lock);
    if (recording.capacity != 0) write_own_file(".stall");
}

void write_recorded_file() noexcept {
    const std::lock_guard guard(recorder_lock);
    if (recording.capacity != 0) write_own_file("");
}

}  // namespace eddy::detail

namespace eddy {

void start_recording(const recording_options& options) {
    const std::lock_guard guard(detail::recorder_lock);
    detail::start(options.file, options.events);
}

result<void> write_recording(const std::string& file) noexcept {
    const std::lock_guard guard(detail::recorder_lock);
    const char* const path = file.empty() ? detail::recording.file.data() : file.c_str();
    if (*path == '\0') return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    return detail::write_with_names(path);
}

}  // namespace eddy
