// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

namespace eddy::detail {

class core_shared;
class pool;

/// The executor that spawn() uses on a thread: the event loop that runs there, the pool of the thread's worker, or the
/// runtime that was entered, whichever is innermost. At most one pointer is not null.
struct executor {
    core_shared* core = nullptr;
    class pool* pool = nullptr;
};

inline constinit thread_local executor executor_here{};

/// An address on the native stack of this thread: all frames of the polls that an event loop or a worker makes here are
/// below it. Null outside of polls.
inline constinit thread_local const void* poll_entry_here = nullptr;

/// Replaces the executor of this thread until the end of the scope.
class executor_scope {
public:
    explicit executor_scope(executor inner) noexcept : outer_(std::exchange(executor_here, inner)) {}
    executor_scope(const executor_scope&) = delete;
    executor_scope& operator=(const executor_scope&) = delete;
    ~executor_scope() { executor_here = outer_; }

private:
    const executor outer_;
};

}  // namespace eddy::detail
