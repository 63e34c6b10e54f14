// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

namespace eddy::inline v0_1::detail {

/// The number of task ids that a thread takes at a time, with one atomic addition.
inline constexpr std::uint64_t task_ids_at_once = 1024;

/// The part of number_task() for a thread that has no ids left.
void take_task_ids(std::uint64_t& id) noexcept;

/// Sets `id` to a task id that is unique in this process, and not 0.
inline void number_task(std::uint64_t& id) noexcept {
    if (this_thread.next_task_id % task_ids_at_once == 0) [[unlikely]]
        return take_task_ids(id);
    id = this_thread.next_task_id++;
}

/// Returns an address that is unique among live threads. Cheaper to compare than a std::thread::id. The address is
/// even, because io_handle uses the lowest bit as a flag.
#ifdef EDDY_EXPLORE
// If false, the threads of a model count as one thread, so that each of them may run a loop.
inline constinit bool explored_threads_differ = false;
[[nodiscard]] inline const void* this_thread_mark() noexcept {
    return explored_threads_differ ? explore::thread_mark() : &this_thread;
}
#else
[[nodiscard]] inline const void* this_thread_mark() noexcept { return &this_thread; }
#endif

/// Replaces the executor of this thread until the end of the scope.
class executor_scope {
public:
    explicit executor_scope(current_executor inner) noexcept : outer_(std::exchange(this_thread.executor, inner)) {}
    executor_scope(const executor_scope&) = delete;
    executor_scope& operator=(const executor_scope&) = delete;
    ~executor_scope() { this_thread.executor = outer_; }

private:
    const current_executor outer_;
};

}  // namespace eddy::detail
