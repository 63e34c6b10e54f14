// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// The interface of the programs of `./dev bench rt`. The peers in other languages have the same interface.
//
//     PROGRAM list              prints one `case/flavour` per line, without the cases that have no fair equivalent
//     PROGRAM case/flavour...   runs these cases, and prints one line `metric/flavour,unit,value` per result
//
// A program exits with status 2 if a name is unknown, and aborts if a result is wrong. Each case includes its warm-up.
// The runner starts a new process for each case and round, so that heap and runtime are new.

namespace bench {

enum class flavour {
    ct,  ///< all tasks on one thread, on the single-threaded runtime
    w2,  ///< the work-stealing runtime, with two workers
};

enum class runs_on {
    ct,
    w2,
    both,
};

struct bench_case {
    std::string_view name;
    runs_on where;
    void (*run)(flavour);
};

/// The body of main(). Returns the exit status.
[[nodiscard]] int run_cases(std::span<const bench_case> cases, int argc, char** argv);

void report(std::string_view metric, flavour where, std::string_view unit, double value);

/// Prints the median and the 99th percentile of `times`, in microseconds, as <metric>_p50 and <metric>_p99.
void report_percentiles(std::string_view metric, flavour where, std::vector<std::chrono::nanoseconds> times);

[[noreturn, gnu::cold]] void end_wrongly(const char* why);

/// Aborts with `otherwise` if a result is wrong. Inline, because cases call it within the measured time; the peers do
/// so equally often.
inline void check(bool is_right, const char* otherwise) {
    if (!is_right) [[unlikely]]
        end_wrongly(otherwise);
}

}  // namespace bench
