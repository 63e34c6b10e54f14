// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

#include <eddy/detail/time_driver.hpp>

namespace support {

/// The time driver of an event loop without the loop: while this lives, it is the one of the thread that made it.
class time_loop {
public:
    enum class clock { paused, running };

    explicit time_loop(clock how = clock::paused, eddy::waker unpark = {});
    time_loop(const time_loop&) = delete;
    time_loop& operator=(const time_loop&) = delete;
    ~time_loop();

    [[nodiscard]] eddy::detail::time_driver& driver() noexcept { return *driver_; }

    /// What a loop's turn does, once.
    std::size_t fire() noexcept { return driver_->fire(driver_->now()); }

    /// Moves the paused clock, and then a turn.
    std::size_t advance(std::chrono::nanoseconds by) noexcept {
        driver_->advance(by);
        return fire();
    }

    /// The loop goes away; this thread is in none any more.
    void end() noexcept;

private:
    eddy::detail::owned_time_driver driver_;
    eddy::detail::time_driver* outer_;
};

/// While this lives, its thread is in the loop of `driver`, or in none.
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
