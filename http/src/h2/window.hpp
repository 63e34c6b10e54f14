// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include <eddy/time/clock.hpp>

namespace eddy::detail {

/// Decides how large the receive window of a stream should be.
///
/// A window limits the speed if fewer bytes fit into it than can arrive during a round trip. So the connection sends
/// PING, and counts the bytes of bodies that the services read until the answer. With a window that is too small, they
/// read at least half of it, because WINDOW_UPDATE is sent when half of it was read. Then the window is doubled, if the
/// bytes were also read faster than at its former sizes. This condition ends the growth when something else limits the
/// speed: then the bytes only wait longer on their way. The bytes of a slow service are few, so its window stays small.
///
///     idle ──half a window was read──> aligning ──answer──> measuring ──answer──> idle
///
/// The bytes arrive in bursts, one for each round trip. The first PING is answered between two bursts, so that the
/// second one measures a whole burst.
/// Thread safety: one thread at a time.
class http2_window {
public:
    http2_window(std::size_t size, std::size_t most) noexcept : size_(size), most_(std::max(size, most)) {}

    /// Counts bytes that a service has read. Returns whether to send PING.
    [[nodiscard]] bool consumed(std::size_t bytes) noexcept {
        counted_ += bytes;
        if (at_ != phase::idle || size_ == most_ || counted_ < size_ / 2) return false;
        if (time::clock::now() < next_) return false;
        at_ = phase::aligning;
        return true;
    }
    /// Continues after the answer to PING. Returns whether to send another one.
    [[nodiscard]] bool answered() noexcept {
        if (at_ == phase::idle) return false;
        const auto now = time::clock::now();
        const auto bytes = std::exchange(counted_, 0);
        if (at_ == phase::aligning) {
            at_ = phase::measuring;
            asked_at_ = now;
            return true;
        }
        at_ = phase::idle;
        const std::chrono::duration<double> trip = std::max<time::duration>(now - asked_at_, time::duration(1));
        const double speed = static_cast<double>(bytes) / trip.count();
        const bool grows = bytes > size_ / 3 && speed > best_speed_ * least_gain;
        if (grows) {
            best_speed_ = speed;
            wanted_ = std::min(2 * size_, most_);
        } else {
            next_ = now + pause_;
            pause_ = std::min(2 * pause_, longest_pause);
        }
        return false;
    }
    /// Returns the size that the window should have. Call grow() when it has that size.
    [[nodiscard]] std::size_t wanted() const noexcept { return std::max(size_, wanted_); }
    void grow(std::size_t size) noexcept {
        size_ = size;
        pause_ = first_pause;
    }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    enum class phase : unsigned char { idle, aligning, measuring };

    static constexpr double least_gain = 1.25;  // of the speed
    // After a measurement that does not enlarge the window.
    static constexpr time::duration first_pause = std::chrono::milliseconds(50);
    static constexpr time::duration longest_pause = std::chrono::seconds(5);

    std::size_t size_;
    std::size_t most_;
    std::size_t wanted_ = 0;
    std::size_t counted_ = 0;
    double best_speed_ = 0;  // bytes per second
    phase at_ = phase::idle;
    time::time_point asked_at_;
    time::time_point next_;
    time::duration pause_ = first_pause;
};

}  // namespace eddy::detail
