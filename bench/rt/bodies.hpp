// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include <eddy/prelude.hpp>

// What cases do, as often as one wants: eddy_rt takes the time of it, eddy_counts has its instructions counted.

namespace bench::rt {

/// Spawns `tasks` tasks and joins each before the next.
[[nodiscard]] eddy::task<void> join_one_at_a_time(std::uint64_t tasks);

inline constexpr std::uint64_t join_batch = 1000;

/// Spawns `join_batch` tasks and joins them in that order, so many times.
[[nodiscard]] eddy::task<void> join_in_batches(std::uint64_t batches);

inline constexpr std::uint64_t chain_length = 1000;

/// A task spawns its successor and ends, `chain_length` times in a row, so many times.
[[nodiscard]] eddy::task<void> chains(std::uint64_t count);

/// Yields so many times.
[[nodiscard]] eddy::task<void> yield_often(std::uint64_t times);

inline constexpr std::uint64_t yielding_tasks = 1000;

/// `yielding_tasks` tasks yield so many times each.
[[nodiscard]] eddy::task<void> yield_together(std::uint64_t times);

inline constexpr std::uint64_t await_levels = 1000;

/// Awaits a recursion `await_levels` deep, so many times.
[[nodiscard]] eddy::task<void> descend_often(std::uint64_t times);

/// Awaits so many children that are ready at once, each of them type-erased and on the heap.
[[nodiscard]] eddy::task<void> await_boxed_children(std::uint64_t count);

/// Arms a long sleep and drops it, so many times.
[[nodiscard]] eddy::task<void> arm_and_drop(std::uint64_t count);

inline constexpr std::uint64_t many_timers = 100'000;

/// Arms `many_timers` long sleeps in `into`, which is empty. It gets its room at once, since what waits must not be
/// moved.
[[nodiscard]] eddy::task<void> arm_many(std::vector<eddy::time::sleep_future>& into);

/// Arms `many_timers` long sleeps, then drops them in that order, so many times.
[[nodiscard]] eddy::task<void> arm_many_and_drop(std::uint64_t times);

/// The sum of so many numbers from `first` on, by a tree of tasks in which each node joins ten children by their
/// handles.
[[nodiscard]] eddy::task<std::uint64_t> spawned_skynet(std::uint64_t first, std::uint64_t size);

/// The same where the children of a node are in a scope.
[[nodiscard]] eddy::task<std::uint64_t> scoped_skynet(std::uint64_t first, std::uint64_t size);

/// The n-th Fibonacci number: one of two summands is spawned and joined by its handle, the other awaited.
[[nodiscard]] eddy::task<std::uint64_t> spawned_fib(std::uint64_t n);

/// The same where the one that is spawned is in a scope.
[[nodiscard]] eddy::task<std::uint64_t> scoped_fib(std::uint64_t n);

}  // namespace bench::rt
