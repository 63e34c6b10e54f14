// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include <eddy/prelude.hpp>

// The bodies of cases, with a parameter for the number of repetitions. eddy_rt measures their time, eddy_counts runs
// them under valgrind, which counts their instructions.

namespace bench::rt {

/// Spawns `tasks` tasks, and joins each before it spawns the next.
[[nodiscard]] eddy::task<void> join_one_at_a_time(std::uint64_t tasks);

inline constexpr std::uint64_t join_batch = 1000;

/// Spawns `join_batch` tasks and joins them in the order of spawning, `batches` times.
[[nodiscard]] eddy::task<void> join_in_batches(std::uint64_t batches);

inline constexpr std::uint64_t chain_length = 1000;

/// Runs `count` chains of `chain_length` tasks, each of which spawns its successor and ends.
[[nodiscard]] eddy::task<void> chains(std::uint64_t count);

/// Makes `times` round trips between two tasks, over two channels of capacity 1.
[[nodiscard]] eddy::task<void> round_trips_over_channels(std::uint64_t times);

/// Yields `times` times.
[[nodiscard]] eddy::task<void> yield_often(std::uint64_t times);

inline constexpr std::uint64_t yielding_tasks = 1000;

/// Runs `yielding_tasks` tasks that yield `times` times each.
[[nodiscard]] eddy::task<void> yield_together(std::uint64_t times);

inline constexpr std::uint64_t await_levels = 1000;

/// Awaits a recursion of `await_levels` levels, `times` times.
[[nodiscard]] eddy::task<void> descend_often(std::uint64_t times);

/// Awaits `count` children that are ready immediately, each type-erased and on the heap.
[[nodiscard]] eddy::task<void> await_boxed_children(std::uint64_t count);

/// Arms a long sleep and drops it, `count` times.
[[nodiscard]] eddy::task<void> arm_and_drop(std::uint64_t count);

inline constexpr std::uint64_t many_timers = 100'000;

/// Arms `many_timers` long sleeps in `into`. Reserves its capacity first, because an armed sleep must not be moved.
/// Preconditions: `into` is empty.
[[nodiscard]] eddy::task<void> arm_many(std::vector<eddy::time::sleep_future>& into);

/// Arms `many_timers` long sleeps, then drops them in the order of arming, `times` times.
[[nodiscard]] eddy::task<void> arm_many_and_drop(std::uint64_t times);

/// Returns the sum of `size` numbers from `first` on, computed by a tree of tasks. Each node spawns ten children and
/// joins their handles.
[[nodiscard]] eddy::task<std::uint64_t> spawned_skynet(std::uint64_t first, std::uint64_t size);

/// Like spawned_skynet(), but the children of a node are those of a scope_all().
[[nodiscard]] eddy::task<std::uint64_t> scoped_skynet(std::uint64_t first, std::uint64_t size);

/// Like scoped_skynet(), but the body of a scope spawns the children.
[[nodiscard]] eddy::task<std::uint64_t> skynet_of_bodies(std::uint64_t first, std::uint64_t size);

/// Returns the n-th Fibonacci number. Spawns a task for one summand, and awaits the other summand as a child.
[[nodiscard]] eddy::task<std::uint64_t> spawned_fib(std::uint64_t n);

/// Like spawned_fib(), but the two summands are the children of a scope.
[[nodiscard]] eddy::task<std::uint64_t> scoped_fib(std::uint64_t n);

}  // namespace bench::rt
