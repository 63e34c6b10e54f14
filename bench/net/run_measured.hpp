// SPDX-License-Identifier: MIT
#pragma once

#include "clients.hpp"
#include "clock.hpp"
#include "interval.hpp"
#include "load_options.hpp"

namespace bench {

/// Clients that are under way already: warm-up, the interval that counts, and then whoever still waits. How long these
/// take counts, too: who stops at the end of the interval forgets the slowest.
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
