// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include <eddy/detail/ref_count.hpp>

#include "time/time_driver.hpp"

namespace support {

/// The time driver of an event loop, without the loop. It is the current time driver of its thread until end() or the
/// destructor.
class time_loop {
public:
    enum class clock { paused, running };

    explicit time_loop(clock how = clock::paused, eddy::waker unpark = {});
    time_loop(const time_loop&) = delete;
    time_loop& operator=(const time_loop&) = delete;
    ~time_loop();

    [[nodiscard]] eddy::detail::time_driver& driver() noexcept { return *driver_; }

    /// Fires due timers, as a driver tick does.
    std::size_t fire() noexcept { return driver_->fire(driver_->now()); }

    /// Advances the paused clock, and then fires due timers.
    std::size_t advance(std::chrono::nanoseconds by) noexcept {
        driver_->advance(by);
        return fire();
    }

    /// Ends the event loop, and makes the previous time driver current on this thread.
    void end() noexcept;

private:
    std::unique_ptr<eddy::detail::time_driver, eddy::detail::releasing> driver_;
    eddy::detail::time_driver* outer_;
};

/// While an instance exists, `driver` is the current time driver of its thread. Null means no time driver.
class inside {
public:
    explicit inside(eddy::detail::time_driver* driver) noexcept;
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;
    ~inside();

private:
    eddy::detail::time_driver* outer_;
};

}  // namespace support
