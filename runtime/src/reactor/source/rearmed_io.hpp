// SPDX-License-Identifier: MIT
#pragma once

#include "reactor/source/scheduled_io.hpp"
#include "reactor/source/source_key.hpp"

namespace eddy::detail {

/// A driver that reports a condition once, and reports it again only after a call of rearm(): poll(2). An
/// edge-triggered driver needs no such call.
class rearming_driver {
public:
    /// Asks the system again for conditions that a task has cleared. Callable on any thread.
    virtual void rearm(int fd, source_key key, io::ready cleared) noexcept = 0;

protected:
    ~rearming_driver() = default;
};

/// A source of such a driver.
/// Lifetime: the driver must be alive while a task clears readiness. The task's registration has a reference to the
/// io_handle, which owns the driver.
class rearmed_io final : public scheduled_io {
public:
    rearmed_io(int fd, rearming_driver& driver) noexcept : driver_(&driver), watched_fd_(fd) { form_ = form::rearmed; }

    /// Tells the driver that a task has cleared the conditions `cleared`.
    void rearm(io::ready cleared) noexcept { driver_->rearm(watched_fd_, static_cast<scheduled_io*>(this), cleared); }

private:
    rearming_driver* const driver_;
    const int watched_fd_;
};

}  // namespace eddy::detail
