// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>

#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "inspect/debug_table.hpp"
#include "sys/steady_ns.hpp"

namespace eddy::detail {

/// When a task was spawned, for readers of the program's memory, which show its age. The time is in the first word of
/// the task's outcome (a result slot), of which only the low bytes are in use. So no task is larger because of it.
///
///     bits       contents
///     0 .. 23    the fields of slot_base, which are 0 until the task has ended
///     24 .. 63   the time in units of 2^20 ns (about 1 ms) of CLOCK_MONOTONIC: enough for 36 years
///
/// Executors read the clock for the first spawn after a driver tick, and each 61 or 64 polls, not for each spawn. So a
/// time is too early by what these polls have taken before the spawn. It is never too late.
class spawn_time {
public:
    /// Whether tasks have such a word: readers support little-endian programs of 64 bits only.
    static constexpr bool is_stored = sizeof(void*) == 8 && std::endian::native == std::endian::little;

    /// Reads the clock.
    [[nodiscard]] static spawn_time now() noexcept {
        spawn_time made;
        made.word_ = sys::steady_ns() / inspect::started_unit << in_use_bits;
        return made;
    }

    /// Stores the time in a new task.
    /// Preconditions: no other thread, and no reader, has access to the task yet.
    void store_in(spawned_task& task) const noexcept {
        // SAFETY: the outcome is directly behind the header. Its fields are 0, and have the same value afterwards. The
        // rest of its first word is padding, or the whole word is padding before it (see spawned_output). Clang for
        // macOS takes a memcpy() there for an overflow.
        using word [[gnu::may_alias]] = std::uint64_t;
        if constexpr (is_stored) *reinterpret_cast<word*>(&task + 1) = word_;
    }

private:
    static constexpr unsigned in_use_bits = inspect::started_first_bit;
    static_assert(!is_stored || (8 * sizeof(slot_base) <= in_use_bits && sizeof(slot<char>) == 16),
                  "the time would be in a field of the outcome");

    std::uint64_t word_ = 0;
};

}  // namespace eddy::detail
