// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "sys/static_mutex.hpp"
#include "trace/event_ring.hpp"
#include "trace/perfetto.hpp"

// The flight recorder: its tracks, and when its file is written. event_log is how executors use it.

namespace eddy::detail {

/// The ring of a worker or an event loop. Tracks are in a list that only grows, so that a signal handler can walk it
/// without a lock. The track of an executor that has ended keeps its events until another executor needs it.
struct recorded_track {
    explicit recorded_track(std::size_t capacity) : ring(capacity) {}

    trace::event_ring ring;
    std::array<char, 48> name{};
    recorded_track* next = nullptr;
    std::uint64_t left_at = 0;  // under the recorder's lock; 0 while an executor uses the track
};

/// What start_recording() has set, and the tracks. Changed under the lock; a signal handler reads it.
struct flight_recorder {
    using file_name = std::array<char, 1024>;

    std::atomic<bool> is_started{false};
    std::size_t capacity = 0;
    file_name file{};
    trace::time_scale began;  // the first reading of both clocks
    std::atomic<recorded_track*> tracks{nullptr};
    std::size_t users = 0;  // executors that record
    std::uint64_t leaves = 0;
    std::uint64_t written_leaves = 0;  // those that the file has
    std::uint64_t may_write_at = 0;    // when the end of an executor may write the file again: sys::steady_ns()

    template <class Each>
    void for_each_track(Each each) const {
        // acquire: pairs with the release in add_track(), so that the object is complete.
        for (recorded_track* one = tracks.load(std::memory_order_acquire); one != nullptr; one = one->next) each(*one);
    }
};

/// Returns the track of an executor that is made; null if nothing is recorded. The first call begins the recording that
/// EDDY_TRACE asks for.
[[nodiscard]] recorded_track* join_recording(const std::string& name) noexcept;
/// Ends the use of a track, which keeps its events. The last executor that leaves writes the file.
void leave_recording(recorded_track& track) noexcept;

/// Returns whether something may be recorded. Only a hint.
[[nodiscard]] bool is_recording() noexcept;

/// The ring of the threads that are no workers, while it is locked.
class shared_ring {
public:
    shared_ring() noexcept;
    /// Returns null if nothing is recorded.
    [[nodiscard]] trace::event_ring* get() const noexcept { return ring_; }

private:
    std::unique_lock<sys::static_mutex<std::mutex>> guard_;
    trace::event_ring* ring_ = nullptr;
};

/// Writes the recording into its file, if it has one, with `ending` behind the name. Prints a message if that fails.
/// Not in a signal handler.
void write_recorded_file(std::string_view ending = "") noexcept;

}  // namespace eddy::detail
