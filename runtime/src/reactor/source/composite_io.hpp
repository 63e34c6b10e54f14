// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/io/readiness.hpp>

#include "reactor/source/rearmed_io.hpp"
#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

/// A source that adds its descriptors itself (io::event_source). Their events are reported together.
///
/// The io_handle changes the list under its own lock, and takes the lock of this object inside. The driver's lock is
/// inside both.
class composite_io final : public scheduled_io {
public:
    /// `driver` is null if the driver is edge-triggered.
    explicit composite_io(rearming_driver* driver) noexcept : driver_(driver) { form_ = form::composite; }

    // SAFETY: only a composite_io has the flag.
    static composite_io& of(scheduled_io& source) noexcept { return static_cast<composite_io&>(source); }

    // For the io_handle:

    /// Allocates memory, so that the next add() does not throw.
    void reserve_one() {
        const std::lock_guard guard(fds_lock_);
        fds_.reserve(fds_.size() + 1);
    }
    void add(int fd) noexcept {
        const std::lock_guard guard(fds_lock_);
        fds_.push_back(fd);
    }
    [[nodiscard]] bool has(int fd) const noexcept {
        const std::lock_guard guard(fds_lock_);
        return std::ranges::find(fds_, fd) != fds_.end();
    }
    void remove(int fd) noexcept {
        const std::lock_guard guard(fds_lock_);
        std::erase(fds_, fd);
    }
    /// Removes and returns all descriptors.
    [[nodiscard]] std::vector<int> take_all() noexcept {
        const std::lock_guard guard(fds_lock_);
        return std::exchange(fds_, {});
    }

    /// Tells the driver that a task has cleared the conditions `cleared`.
    void rearm(io::ready cleared) noexcept {
        if (driver_ == nullptr) return;
        const std::lock_guard guard(fds_lock_);
        for (const int fd : fds_) driver_->rearm(fd, static_cast<scheduled_io*>(this), cleared);
    }

private:
    rearming_driver* const driver_;
    mutable mutex fds_lock_;
    std::vector<int> fds_;
};

}  // namespace eddy::detail
