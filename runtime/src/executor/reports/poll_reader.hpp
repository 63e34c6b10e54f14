// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/runtime_context.hpp>

#include "executor/reports/own_tasks.hpp"

// Reads what another thread polls, while it polls. All that is read may be gone: it is copied by system calls, and the
// caller checks afterwards whether this is still the same poll.

namespace eddy::detail {

/// The innermost task that a thread polls or destroys.
struct polled_now {
    std::uintptr_t task = 0;  ///< null if there is none, or if the thread is in a function that may block
    std::uint64_t id = 0;

    bool operator==(const polled_now&) const = default;
};

/// The place of a poll, from constants of the program.
struct poll_place {
    call_site spawned_at = nullptr;
    call_site root = nullptr;       ///< the last co_await of the outermost coroutine
    call_site last_leaf = nullptr;  ///< the last co_await in this poll that has polled a future

    bool operator==(const poll_place&) const = default;
};

class poll_reader {
public:
    /// Cost: three system calls.
    [[nodiscard]] static polled_now task_of(const runtime_context* thread) noexcept;
    /// Returns a word of 64 bits, or 0.
    [[nodiscard]] static std::uint64_t word(const void* at) noexcept;
    [[nodiscard]] static poll_place place_of(std::uintptr_t task) noexcept;

    /// Returns the words of a thread's native stack from `stack_pointer` to the begin of its polls, at most 64 KiB.
    [[nodiscard]] static std::vector<std::uintptr_t> stack_of(const runtime_context* thread,
                                                              std::uintptr_t stack_pointer);
    /// Finds the innermost coroutine of a polled task: its frame is not known to the task, but its address is in
    /// registers or on the stack of the thread. An address is one of a frame of this task if the frame refers to the
    /// root, and if each coroutine up to the root waits for the one below it. Returns 0 if there is none.
    [[nodiscard]] static std::uintptr_t innermost_frame(std::uintptr_t task, std::span<const std::uintptr_t> words);
};

}  // namespace eddy::detail
