// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

namespace eddy::detail {

class core_shared;
class pool;

/// Where spawn() goes on this thread: the loop that runs here, the pool whose worker this is, or the runtime that was
/// entered; the innermost of them. At most one is not null.
struct executor {
    core_shared* core = nullptr;
    class pool* pool = nullptr;
};

inline constinit thread_local executor executor_here{};

/// Makes something else the thread's executor while it lives.
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
