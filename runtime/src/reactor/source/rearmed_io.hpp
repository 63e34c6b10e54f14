// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/frame_pool.hpp>

#include "reactor/source/scheduled_io.hpp"
#include "reactor/source/source_key.hpp"

namespace eddy::detail {

/// A driver that reports a condition once, and reports it again only after a call of rearm(): poll(2). An
/// edge-triggered driver needs no such call.
class rearming_driver {
public:
    /// Re-arms the system's reports for readiness that a task has consumed. Callable on any thread.
    virtual void rearm(int fd, source_key key, io::ready cleared) noexcept = 0;

protected:
    ~rearming_driver() = default;
};

/// A source of such a driver.
/// Lifetime: the driver must be alive while a task clears readiness. The task's registration has a reference to the
/// io_handle, which owns the driver.
class rearmed_io final : public scheduled_io {
public:
    rearmed_io(int fd, rearming_driver& driver) noexcept : scheduled_io(fd), driver_(&driver) {}

private:
    void rearm(io::ready over) noexcept override { driver_->rearm(fd(), this, over); }
    void destroy() noexcept override { pool_delete(this); }

    rearming_driver* const driver_;
};

}  // namespace eddy::detail
