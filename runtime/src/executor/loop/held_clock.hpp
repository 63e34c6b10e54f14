// SPDX-License-Identifier: MIT
#pragma once

#include "executor/loop/core_shared.hpp"
#include "executor/park/sleeping_place.hpp"

namespace eddy::detail {

/// Prevents the clock of the event loop that runs on this thread from advancing by itself while it is paused. A job has
/// a held_clock as a member if it runs on another thread and a task of the loop may wait for it. Does nothing without
/// an event loop.
/// Thread safety: the destructor may run on any thread. Destroy it after the job has woken its waiters.
class held_clock : immovable {
public:
    held_clock() noexcept {
        if (core_shared* const loop = this_thread.running_loop) place_ = loop->place().begin_job();
    }
    ~held_clock() {
        if (place_ != nullptr) place_->end_job();
    }

private:
    sleeping_place* place_ = nullptr;
};

}  // namespace eddy::detail
