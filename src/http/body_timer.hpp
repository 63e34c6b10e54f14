// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::inline v0_1::detail {

/// Limits the time for which a server waits for a body, although its client makes progress. Only the time in which a
/// reader waits counts, so a slow service does not use up the time of its client.
///
/// - The whole body: `grace`, and the time that the received bytes take at the minimum rate.
/// - Its trailer section: `trailer_limit`, from the first wait for it.
/// Thread safety: one thread at a time.
class body_timer {
public:
    /// With a rate of 0, only the trailer section is limited.
    body_timer(std::uint64_t bytes_per_second, std::chrono::nanoseconds grace,
               std::chrono::nanoseconds trailer_limit) noexcept
        : rate_(bytes_per_second), grace_(time::round_up(grace)), trailer_limit_(time::round_up(trailer_limit)) {}

    /// Records that the reader has received bytes of the body.
    void receive(std::size_t count) noexcept;
    /// Called by a reader that waits. Returns whether a limit has passed. Otherwise wakes the task when one has passed.
    [[nodiscard]] bool poll_late(context& cx, bool in_trailers);
    /// Wakes no task any more.
    void stop() noexcept { timer_.reset(); }

private:
    [[nodiscard]] time::time_point deadline() const noexcept;

    std::uint64_t rate_;
    time::duration grace_;
    time::duration trailer_limit_;
    time::duration waited_{};  // by readers, without the current wait
    std::uint64_t received_ = 0;
    std::optional<time::time_point> waits_since_;
    std::optional<time::time_point> trailers_since_;
    pool_box<time::sleep_future> timer_;  // null until a reader waits. It may fire before the deadline
};

}  // namespace eddy::detail
