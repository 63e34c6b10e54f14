// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/future.hpp>

namespace eddy::detail {

class pool;

/// Marks this thread as waiting for other polls to end, so that the shutdown of the pool does not wait for it in turn.
/// Does nothing unless the thread runs a worker of the pool or polls after it has handed its worker over. The thread
/// counts as waiting while `is_waiting(argument)` returns true; this is called under the lock of pool_shutdown.
/// Lifetime: lives on the stack of the waiting thread. `argument` must outlive it.
class held_up : immovable {
public:
    held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept;
    ~held_up();

private:
    friend class pool_shutdown;

    pool* const pool_;  // null if the thread is not marked
    bool (*const is_waiting_)(void*) noexcept;
    void* const argument_;
    held_up* next_ = nullptr;
};

}  // namespace eddy::detail
