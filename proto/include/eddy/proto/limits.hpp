// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <source_location>
#include <utility>

#include <eddy/detail/proto_limits.hpp>
#include <eddy/error.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/time/clock.hpp>

// The layers that limit time, concurrency and rate.

namespace eddy::proto {

/// Returns a layer that ends a call after `limit` with errc::timed_out. The limit is a deadline as with
/// with_deadline(): the calls inside see it as current_deadline(). A late call is cancelled, gracefully if the call
/// supports graceful cancellation.
/// Errors: errc::timed_out; the errors of the service.
template <class Rep, class Period>
[[nodiscard]] auto timeout(std::chrono::duration<Rep, Period> limit) {
    return layer([limit = time::round_up(limit)]<class S>(S inner) {
        return detail::timed_service<S>(std::move(inner), limit);
    });
}

/// Returns a layer with at most `most` calls in progress. Further calls wait for a permit, in the order of their
/// arrival. A call returns its permit when it ends or is dropped. All services that are made with this layer, and their
/// copies, share the limit.
/// Errors: throws `misuse` if `most` is 0.
[[nodiscard]] inline auto concurrency_limit(std::size_t most,
                                            std::source_location where = std::source_location::current()) {
    if (most == 0) throw misuse("concurrency_limit(0) would never permit a call: pass at least 1", where);
    return layer([permits = std::make_shared<sync::semaphore>(most, where)]<class S>(S inner) {
        return detail::concurrency_limited_service<S>(std::move(inner), permits);
    });
}

/// Returns a layer that starts at most `most` calls in any interval of length `per`. Further calls wait, in the order
/// of their arrival. A call that is dropped while it waits does not count. All services that are made with this layer,
/// and their copies, share the limit.
/// Errors: throws `misuse` if `most` is 0.
/// Cost: 16 bytes for each of the `most` calls; one lock for each start.
template <class Rep, class Period>
[[nodiscard]] auto rate_limit(std::size_t most, std::chrono::duration<Rep, Period> per,
                              std::source_location where = std::source_location::current()) {
    if (most == 0) throw misuse("rate_limit(0, ...) would never permit a call: pass at least 1", where);
    return layer([starts = std::make_shared<detail::recent_starts>(most, time::round_up(per))]<class S>(S inner) {
        return detail::rate_limited_service<S>(std::move(inner), starts);
    });
}

/// Returns a layer whose calls do not wait for the limits inside of it (concurrency_limit(), rate_limit(), buffer(),
/// and the clients of this module). A call that would have to wait fails with errc::overloaded, and does not reach the
/// service.
///
///     auto handler = service | proto::concurrency_limit(64) | proto::load_shed();
[[nodiscard]] inline auto load_shed() {
    return layer([]<class S>(S inner) {
        constexpr bool limited = detail::has_limit<S>();
        static_assert(
            limited,
            "eddy: load_shed() rejects calls that would wait for a limit, and there is none inside of it: put "
            "it after concurrency_limit(), rate_limit() or buffer()");
        return detail::shedding_service<S>(std::move(inner));
    });
}

}  // namespace eddy::proto
