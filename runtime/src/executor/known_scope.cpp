// SPDX-License-Identifier: MIT
#include <eddy/task/scope_all.hpp>

#include <cstdint>

#include <eddy/detail/runtime_context.hpp>

#include "executor/pool/pool.hpp"
#include "future/native_stack.hpp"

namespace eddy::detail {
namespace {

// Maximum number of bytes of the native stack that nested polls of children use. Deeper children are tasks.
constexpr std::uintptr_t most_stack = 32 * 1024;

}  // namespace

runs_children known_scope::begin(std::source_location where) {
    where_ = where;
    // Outside of a worker and an event loop, poll_entry is null, so the difference is large.
    const auto used = reinterpret_cast<std::uintptr_t>(this_thread.poll_entry) - native_stack_pointer();
    executor* const here = this_thread.executor.runs;
    const bool is_here = here != nullptr && this_thread.runs_here == here;
    if (used > most_stack || !is_here || this_thread.task_locals != nullptr) [[unlikely]]
        bind(where);
    if (used > most_stack || !is_here) return runs_children::tasks;
    const worker* const on = this_thread.worker;  // null on an event loop
    return on != nullptr && on->has_others() ? runs_children::poll_or_worker : runs_children::poll;
}

bool known_scope::offer(offered_child& child, bool follows_another) noexcept {
    worker* const here = this_thread.worker;  // may be null after a child has called block_in_place
    if (here == nullptr || (!follows_another && here->tasks().has_enough_offers())) return false;
    bind_for_tasks();
    return here->tasks().offer(child);
}

bool known_scope::take_back(offered_child& child) noexcept {
    // After a child has called block_in_place, this thread may run no worker any more. Then the hand-over has made the
    // offered children tasks.
    if (this_thread.worker != nullptr && this_thread.worker->tasks().take_back(child)) return true;
    note_taken();
    return false;
}

}  // namespace eddy::detail
