// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/runtime/core_handle.hpp>

#include "executor/reports/event_log.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/observer.hpp"

namespace eddy::detail {

/// What an event loop counts, measures and records of itself, and the hooks that it calls.
/// Thread safety: the event loop's thread. Other threads read the counters as a reader of another program's memory
/// does, see core_shared::add_metrics_to().
struct loop_view : immovable {
    struct counters {
        std::uint64_t polls = 0;
        std::uint64_t turns = 0;
        std::uint64_t forced_yields = 0;
        bool is_closed = false;
    };

    /// `by` is null if there are no hooks and no measurements.
    loop_view(std::unique_ptr<const observer> by, const stall_settings& chosen)
        // relaxed: the numbers must only be distinct.
        : id(next_id.fetch_add(1, std::memory_order_relaxed)),
          observes(std::move(by)),
          durations(observes != nullptr ? std::make_unique<poll_durations>() : nullptr),
          log("loop " + std::to_string(id)),
          stalls({chosen.limit, chosen.on_stall, 2 * id + 1}, &counted.polls) {}

    void note_forced_yield() noexcept {
        if (std::exchange(forced_yield_in, counted.polls) != counted.polls) ++counted.forced_yields;
    }
    /// Calls the hook of a loop that is about to park. Returns whether there is one.
    bool call_before_park() const noexcept {
        if (observes == nullptr || !observes->hooks.before_park) return false;
        observes->hooks.before_park();
        return true;
    }
    void call_after_unpark() const noexcept {
        if (observes != nullptr && observes->hooks.after_unpark) observes->hooks.after_unpark();
    }
    /// Returns the metrics with these counters, which may be a copy.
    [[nodiscard]] core_metrics metrics_of(const counters& of, std::size_t alive, const io_metrics& io) const noexcept;

    static inline constinit atomic<std::uint64_t> next_id{1};

    const std::uint64_t id;
    const std::unique_ptr<const observer> observes;
    const std::unique_ptr<poll_durations> durations;  ///< null if there is no observer
    counters counted;
    std::uint64_t forced_yield_in = 0;  ///< the number of the last poll that has used up its budget
    event_log log;
    stall_watch stalls;
};

}  // namespace eddy::detail
