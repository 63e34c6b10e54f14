// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <eddy/future/future.hpp>

namespace eddy::detail {

class worker;
class worker_set;

/// The part of a parked worker that watches the running workers. A worker that is stalled in a long poll can neither
/// process the events of its driver nor fire its timers, and no other worker takes tasks from its LIFO slot. The
/// watchdog does this for it (worker::service_stalled()).
///
/// There are two watchdog roles (worker_set::watchdogs()). A worker that parks takes the first vacant one. The second
/// watchdog checks less often, and takes the first role when that becomes vacant. So when the first watchdog gets tasks
/// of its own, no worker has to be woken. With one role, two workers with sockets would wake each other at each event,
/// which took a fifth of the processor time at 100 connections.
///
/// If both roles are vacant, a worker that starts to run calls a parked worker (worker_set::wake_watchdog()). If that
/// worker waits in a driver, an alarm wakes it half an interval later. Otherwise it is unparked at once. If no worker
/// runs any more, it parks again; this is usual after a timer in an idle pool. Otherwise it becomes the watchdog and
/// makes its first check half an interval later. A worker that stalls before this wake-up is serviced within one
/// interval of its start. Any other stalled worker is serviced within two intervals: one check sees progress, the next
/// one does not.
///
/// `now`, below, is the time of the worker's last wake-up, or of its park.
/// Thread safety: the thread that runs the worker.
class watchdog : immovable {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// The interval at which the first watchdog checks the other workers.
    static constexpr std::chrono::milliseconds first_interval{2};

    /// The watchdog of the worker with this number. `all` must outlive this object.
    watchdog(worker_set& all, unsigned index) noexcept;
    ~watchdog();

    /// Takes a role if one is vacant and there is, or was recently, something to watch.
    void volunteer(time_point now) noexcept;
    void resign() noexcept;
    [[nodiscard]] bool has_role() const noexcept { return role_ != no_role; }

    /// Records that a worker runs tasks.
    void note_activity(time_point now) noexcept;

    // Preconditions: has_role().
    [[nodiscard]] std::chrono::nanoseconds time_to_check(time_point now) const noexcept;
    /// Checks the other workers if the interval has passed; `self` services those that are stalled. Returns true if
    /// nothing has happened for some time, so that no watchdog is needed.
    [[nodiscard]] bool check_if_due(time_point now, worker& self) noexcept;

private:
    struct sight;  // of a worker at a check
    static constexpr std::size_t no_role = ~std::size_t{0};

    [[nodiscard]] bool is_quiet(time_point now) const noexcept;
    [[nodiscard]] std::chrono::nanoseconds interval() const noexcept;
    void check_others(time_point now, worker& self) noexcept;

    worker_set& all_;
    const unsigned index_;
    std::size_t role_ = no_role;
    std::unique_ptr<sight[]> seen_;  // at the last check, a sight per worker
    time_point activity_began_{};    // of the present period, whose activities follow each other closely
    time_point last_activity_{};
    time_point last_check_{};
};

}  // namespace eddy::detail
