// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include <eddy/time/clock.hpp>

namespace mini_redis {

enum class time_unit { seconds, milliseconds };

/// Returns the time point `count` units from now. Returns nullopt if Redis could not represent it in milliseconds since
/// 1970. Returns the maximum of the event loop's clock for a time point beyond its range.
[[nodiscard]] inline std::optional<eddy::time::time_point> deadline_in(std::int64_t count, time_unit unit) {
    using std::chrono::milliseconds;
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    const std::int64_t factor = unit == time_unit::seconds ? 1000 : 1;
    if (count > most / factor || count < -most / factor) return std::nullopt;
    const auto since_1970 =
        std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    if (count * factor > most - since_1970) return std::nullopt;

    const auto now = eddy::time::clock::now();
    const auto left = std::chrono::floor<milliseconds>(eddy::time::time_point::max() - now).count();
    if (count * factor > left) return eddy::time::time_point::max();
    if (count <= 0) return now;
    return now + milliseconds(count * factor);
}

/// Returns the time point `count` units after 1970. Returns nullopt like deadline_in().
[[nodiscard]] inline std::optional<eddy::time::time_point> deadline_at(std::int64_t count, time_unit unit) {
    using std::chrono::milliseconds;
    const std::int64_t factor = unit == time_unit::seconds ? 1000 : 1;
    if (count > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
    const auto since_1970 =
        std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    return deadline_in(count * factor - since_1970, time_unit::milliseconds);
}

}  // namespace mini_redis
