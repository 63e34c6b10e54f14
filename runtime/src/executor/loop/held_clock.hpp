// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>

namespace eddy::detail {

class sleeping_place;

/// Prevents the clock of the event loop that runs on this thread from advancing by itself while it is paused. A job has
/// a held_clock as a member if it runs on another thread and a task of the loop may wait for it. Does nothing without
/// an event loop.
/// Thread safety: the destructor may run on any thread. Destroy it after the job has woken its waiters.
class held_clock : immovable {
public:
    held_clock() noexcept;
    ~held_clock();

private:
    sleeping_place* place_ = nullptr;
};

}  // namespace eddy::detail
