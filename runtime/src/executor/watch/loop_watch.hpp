// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/runtime/core_handle.hpp>

#include "executor/watch/executor_watch.hpp"

namespace eddy::detail {

/// The counters of an event loop: plain memory, which only the loop's thread changes.
struct loop_counters {
    std::uint64_t polls = 0;
    std::uint64_t ticks = 0;
    std::uint64_t forced_yields = 0;  ///< polls whose coop budget was used up
    bool is_closed = false;
};

/// The watch of an event loop: has its number, and counts, too.
/// Thread safety: the event loop's thread. Other threads read the counters as a reader of another program's memory
/// does, see core_shared::add_metrics_to().
class loop_watch : loop_counters, public executor_watch {
public:
    /// `by` may be null. `chosen` need not have the number of the executor.
    loop_watch(const observer* by, const stall_settings& chosen)
        // relaxed: the numbers must only be distinct.
        : loop_watch(by, chosen, next_id.fetch_add(1, std::memory_order_relaxed)) {}

    void begin_poll() noexcept { ++polls; }
    /// The coop budget of the present poll is used up.
    void budget_used_up() noexcept {
        if (std::exchange(forced_yield_in_, polls) != polls) ++forced_yields;
    }
    void begin_tick() noexcept { ++ticks; }
    void close() noexcept { is_closed = true; }

    [[nodiscard]] const loop_counters& counters() const noexcept { return *this; }
    /// Returns the metrics with these counters, which may be a copy.
    [[nodiscard]] core_metrics metrics_of(const loop_counters& of, std::size_t alive,
                                          const io_metrics& io) const noexcept {
        const poll_durations& measured = durations();
        const stall_counters stalled = stalls();
        return {alive,
                of.polls,
                of.ticks,
                io,
                of.forced_yields,
                measured.poll_times.read(),
                measured.schedule_latencies.read(),
                stalled.stalls,
                stalled.times};
    }
    /// Returns a number that is unique among the loops of this process.
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }

private:
    loop_watch(const observer* by, const stall_settings& chosen, std::uint64_t id)
        : executor_watch(by, "loop " + std::to_string(id), {chosen.limit, chosen.on_stall, 2 * id + 1}, &polls),
          id_(id) {}

    static inline constinit atomic<std::uint64_t> next_id{1};

    const std::uint64_t id_;
    std::uint64_t forced_yield_in_ = 0;  // the number of the last poll that has used up its budget
};

}  // namespace eddy::detail
