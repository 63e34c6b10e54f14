// SPDX-License-Identifier: MIT
#include "executor/reports/flight_recorder.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include <eddy/runtime/recording.hpp>

#include "executor/reports/recording_file.hpp"
#include "sys/crash.hpp"
#include "sys/fork.hpp"
#include "sys/print_report.hpp"
#include "sys/steady_ns.hpp"
#include "sys/this_process.hpp"
#include "sys/ticks.hpp"

namespace eddy::detail {
namespace {

// Tracks of executors that have ended, up to this number, keep their events when an executor is made.
constexpr std::size_t most_left_tracks = 16;

constinit sys::static_mutex<std::mutex> recorder_lock;
constinit flight_recorder recording;

/// The track of threads that are no workers. Its lock is taken before the recorder's.
constinit sys::static_mutex<std::mutex> elsewhere_lock;
constinit recorded_track* elsewhere = nullptr;

/// Held while a file is written, which may take long. It is taken before the recorder's lock.
constinit sys::static_mutex<std::mutex> file_lock;

[[maybe_unused]] const bool recorder_held_during_forks = sys::hold_during_forks<recorder_lock>([] {});
[[maybe_unused]] const bool file_lock_free_in_children = [] {
    sys::call_in_children([] { std::construct_at(&file_lock); });  // the thread that has it is not in the child
    return true;
}();

/// Writes what is recorded now.
/// Preconditions: file_lock is held.
result<void> write_file(const char* path) noexcept try {
    const auto now = [] {
        const std::lock_guard guard(recorder_lock);
        return recording_state(recording);
    };
    return write_with_names(now(), path);
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

/// Returns the recording's file, with `ending` behind its name; "" if it has none.
/// Preconditions: recorder_lock is held.
flight_recorder::file_name own_file(std::string_view ending) noexcept {
    flight_recorder::file_name path = recording.file;
    const std::size_t size = std::strlen(path.data());
    if (size == 0 || size + ending.size() >= path.size()) return {};
    std::memcpy(path.data() + size, ending.data(), ending.size());
    return path;
}

/// Writes into a file of own_file().
/// Preconditions: file_lock is held.
void write_own_file(const flight_recorder::file_name& path) noexcept {
    const auto written = write_file(path.data());
    if (written) return;
    std::array<char, 1400> text;
    const int length = std::snprintf(text.data(), text.size(), "eddy: the recording was not written to %s: %s\n",
                                     path.data(), written.error().message().c_str());
    sys::print_report({text.data(), std::min(static_cast<std::size_t>(length), text.size() - 1)});
}

// ---- Starting ----

/// Copies a file name, with the number of the process for "%p".
flight_recorder::file_name with_process(std::string_view from) noexcept {
    flight_recorder::file_name made{};
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
    if (sys::is_forked_child()) return;  // the events and the file belong to its parent
    const std::lock_guard writing(file_lock);
    flight_recorder::file_name path{};
    {
        const std::lock_guard guard(recorder_lock);
        if (recording.users != 0 || recording.written_leaves != recording.leaves) path = own_file("");
    }
    if (path[0] != '\0') write_own_file(path);
}

/// Writes the file when the last executor has ended. If a program makes executors again and again, this takes at most a
/// tenth of its time: the other files are left to the end of the process.
void write_after_last_executor() noexcept {
    const std::uint64_t begin = sys::steady_ns();
    flight_recorder::file_name path{};
    {
        const std::lock_guard guard(recorder_lock);
        if (begin >= recording.may_write_at) path = own_file("");
    }
    if (path[0] == '\0') return;
    const std::lock_guard writing(file_lock);
    const auto leaves = [] {
        const std::lock_guard guard(recorder_lock);
        return recording.leaves;
    };
    const std::uint64_t before = leaves();
    write_own_file(path);
    const std::uint64_t end = sys::steady_ns();
    const std::lock_guard guard(recorder_lock);
    recording.written_leaves = before;
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
        write_in_signal_handler(recording);
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
    // release: pairs with the acquire in flight_recorder::for_each_track().
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
    recording.for_each_track([&](recorded_track& one) {
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

}  // namespace

recorded_track* join_recording(const std::string& name) noexcept {
    const std::lock_guard guard(recorder_lock);
    start_by_environment();
    if (recording.capacity == 0) return nullptr;
    recorded_track* const track = take_track(name);
    if (track != nullptr) ++recording.users;
    return track;
}

void leave_recording(recorded_track& track) noexcept {
    if (sys::is_forked_child()) return;
    {
        const std::lock_guard guard(recorder_lock);
        track.left_at = ++recording.leaves;
        if (--recording.users != 0) return;
    }
    write_after_last_executor();
}

bool is_recording() noexcept {
    // relaxed: only a hint.
    return recording.is_started.load(std::memory_order_relaxed);
}

shared_ring::shared_ring() noexcept {
    if (!is_recording() || sys::is_forked_child()) return;
    guard_ = std::unique_lock(elsewhere_lock);
    if (elsewhere == nullptr) {
        const std::lock_guard recorder_guard(recorder_lock);
        elsewhere = take_track("other threads");
    }
    if (elsewhere != nullptr) ring_ = &elsewhere->ring;
}

void write_recorded_file(std::string_view ending) noexcept {
    flight_recorder::file_name path{};
    {
        const std::lock_guard guard(recorder_lock);
        if (recording.capacity != 0) path = own_file(ending);
    }
    if (path[0] == '\0') return;
    const std::lock_guard writing(file_lock);
    write_own_file(path);
}

}  // namespace eddy::detail

namespace eddy {

void start_recording(const recording_options& options) {
    const std::lock_guard guard(detail::recorder_lock);
    detail::start(options.file, options.events);
}

result<void> write_recording(const std::string& file) noexcept {
    detail::flight_recorder::file_name own{};
    {
        const std::lock_guard guard(detail::recorder_lock);
        own = detail::recording.file;
    }
    const char* const path = file.empty() ? own.data() : file.c_str();
    if (*path == '\0') return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    const std::lock_guard writing(detail::file_lock);
    return detail::write_file(path);
}

}  // namespace eddy
