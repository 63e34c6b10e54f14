// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/detail/local_share.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/task/fifo.hpp"

namespace eddy::detail {

/// What other threads send to a local set, and the local drivers that wait for it. A task that is woken or spawned
/// elsewhere goes into the inbound list, and all local drivers are woken. One would not be enough, because its task may
/// no longer poll it.
/// Thread safety: any thread, under the lock. The drivers of waits for the end are added and woken by the thread that
/// polls the set.
class local_inbox : immovable {
public:
    using queue = fifo<spawned_task, &spawned_task::next_queued>;

    /// Adds a task to the inbound list and wakes the drivers. Returns false if the inbox is closed.
    [[nodiscard]] bool send(spawned_task& task) noexcept;
    [[nodiscard]] bool is_empty() noexcept;
    /// Takes all tasks out.
    [[nodiscard]] queue take() noexcept;
    /// Refuses tasks from now on. Returns false, without effect, if there are tasks.
    [[nodiscard]] bool close_if_empty() noexcept;

    // ---- Drivers ----
    /// Stores `wake` in the driver and lists the driver. Returns false, without effect, if tasks have been sent.
    [[nodiscard]] bool wait(local_driver& driver, const waker& wake) noexcept;
    /// Removes a driver, and drops its waker.
    void leave(local_driver& driver) noexcept;
    void wake_drivers() noexcept;

    // ---- Futures that wait until no task is left ----
    /// Returns a driver for such a future: the one that already stores `wake`, or else an unused one. Allocates one if
    /// all are in use. A dropped future does not release its driver, which becomes unused when the set next wakes it.
    [[nodiscard]] local_driver& end_driver_for(const waker& wake);
    /// Wakes these futures. `finder`, if not null, is the waker of the future that calls this; it is not woken.
    void wake_all_at_end(const waker* finder) noexcept;

private:
    /// The inbox owns and reuses these objects, because such a future does not report its destruction.
    struct end_driver : local_driver {
        std::unique_ptr<end_driver> next_end;
    };

    [[nodiscard]] waker take_driver() noexcept;

    spin_lock lock_;
    bool is_closed_ = false;
    queue inbound_;
    waiter_list<> drivers_;
    end_driver end_;  // the first of the drivers that wait until no task is left
};

}  // namespace eddy::detail
