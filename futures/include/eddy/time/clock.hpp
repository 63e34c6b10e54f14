// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <type_traits>

#include <eddy/detail/export.hpp>

namespace eddy::time {

/// The types of eddy's durations and instants, from std::chrono::steady_clock.
using duration = std::chrono::steady_clock::duration;
using time_point = std::chrono::steady_clock::time_point;

/// The clock of this thread's event loop: steady_clock, or the instant at which a test has paused it (see
/// eddy/test/advance.hpp). Outside of an event loop it is steady_clock.
///
/// Changes of the wall clock do not affect it. On Linux it does not advance while the machine is suspended, and neither
/// do sleeps and timeouts.
/// Thread safety: all members may be called from any thread.
struct EDDY_API clock {
    /// The member types and constants that std::chrono requires of a clock.
    using duration = time::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = time::time_point;
    static constexpr bool is_steady = true;

    /// Returns the current time of the calling thread's clock.
    [[nodiscard]] static time_point now() noexcept;
};

/// Converts `d` to the clock's unit. Rounds up, so that no wait ends early. Returns duration::max() or duration::min()
/// if `d` does not fit.
template <class Rep, class Period>
[[nodiscard]] constexpr duration round_up(std::chrono::duration<Rep, Period> d) noexcept {
    if constexpr (std::same_as<decltype(d), duration>) {
        return d;
    } else {
        // Floating point does not overflow. The comparison is negated so that NaN becomes duration::max(), which never
        // ends.
        using wide = std::chrono::duration<long double, duration::period>;
        if (!(wide(d) < wide(duration::max()))) return duration::max();
        if (wide(d) <= wide(duration::min())) return duration::min();
        return std::chrono::ceil<duration>(d);
    }
}

/// Returns `from + d`, or the last (first) representable instant if the sum exceeds it. A sleep until time_point::max()
/// never ends.
[[nodiscard]] constexpr time_point saturating_add(time_point from, duration d) noexcept {
    if (d >= duration::zero()) return from <= time_point::max() - d ? from + d : time_point::max();
    return from >= time_point::min() - d ? from + d : time_point::min();
}

/// Returns the instant `d` from now, for sleep_until() and timeout_at(). Accepts any duration; the result saturates.
template <class Rep, class Period>
[[nodiscard]] time_point deadline_after(std::chrono::duration<Rep, Period> d) noexcept {
    return saturating_add(clock::now(), round_up(d));
}

}  // namespace eddy::time
