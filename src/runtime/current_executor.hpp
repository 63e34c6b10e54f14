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
