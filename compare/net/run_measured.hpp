// SPDX-License-Identifier: MIT
#pragma once

#include "clients.hpp"
#include "clock.hpp"
#include "interval.hpp"
#include "load_options.hpp"

namespace bench {

/// Runs clients that have sent their first requests: the warm-up, the measured interval, and then the requests that are
/// still in flight. The latencies of the last part count too, because the slowest requests are among them.
inline void run_measured(const load_options& wanted, clients& all, interval& measured,
                         const clients::on_answer& answered) {
    const auto run_until = [&](nanoseconds end) {
        while (all.time() < end) all.turn(answered);
    };
    run_until(now() + from_seconds(wanted.warmup));
    measured.begin();
    run_until(measured.begun() + from_seconds(wanted.seconds));
    measured.end();
    all.drain(answered);
}

}  // namespace bench
