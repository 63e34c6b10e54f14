// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <type_traits>

#include <eddy/detail/export.hpp>

namespace eddy::time {

using duration = std::chrono::steady_clock::duration;
using time_point = std::chrono::steady_clock::time_point;

/// The clock of the event loop that this thread is in: steady_clock, or the instant at which a test has paused it
/// (see eddy/test/clock.hpp). Outside a loop it is steady_clock.
///
/// It is not affected by changes of the wall clock. On Linux it stands still while the machine is suspended, and so do
/// all sleeps and timeouts.
struct EDDY_API clock {
    using duration = time::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = time::time_point;
    static constexpr bool is_steady = true;

    /// Thread safety: any thread.
    [[nodiscard]] static time_point now() noexcept;
};

/// `d` in the clock's unit: rounded up, so that nothing ends early, and the longest duration there is if `d` does not
/// fit.
template <class Rep, class Period>
[[nodiscard]] constexpr duration round_up(std::chrono::duration<Rep, Period> d) noexcept {
    if constexpr (std::same_as<decltype(d), duration>) {
        return d;
    } else {
        // In floating point nothing overflows. Written so that a NaN is no duration that ever ends.
        using wide = std::chrono::duration<long double, duration::period>;
        if (!(wide(d) < wide(duration::max()))) return duration::max();
        if (wide(d) <= wide(duration::min())) return duration::min();
        return std::chrono::ceil<duration>(d);
    }
}

/// `from + d`, or the last (first) instant there is if that is further away. A sleep until time_point::max() never
/// ends.
[[nodiscard]] constexpr time_point saturating_add(time_point from, duration d) noexcept {
    if (d >= duration::zero()) return from <= time_point::max() - d ? from + d : time_point::max();
    return from >= time_point::min() - d ? from + d : time_point::min();
}

/// The instant `d` from now, for sleep_until() and timeout_at(). Any duration is good: it saturates.
template <class Rep, class Period>
[[nodiscard]] time_point deadline_after(std::chrono::duration<Rep, Period> d) noexcept {
    return saturating_add(clock::now(), round_up(d));
}

}  // namespace eddy::time
