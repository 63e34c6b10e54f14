// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

// What a contestant of `./dev bench rt` has to do; the peers in other languages do the same.
//
//     PROGRAM list              one `case/flavour` a line; a case that it has no honest equivalent for is left out
//     PROGRAM case/flavour...   runs these; one line `metric/flavour,unit,value` a result
//
// An unknown name ends it with status 2, a wrong result with an abort. A case warms itself up. The runner starts a new
// process for each case and round, so that heap and runtime are always fresh.

namespace bench {

enum class flavour {
    ct,     ///< all tasks on one thread, by the runtime that is made for that
    w2,     ///< the work-stealing runtime, with two workers
    cross,  ///< two of those for one thread, on two threads, and one end of the conversation on each
};

enum class runs_on {
    ct,
    w2,
    both,  ///< ct and w2
    all,
};

struct bench_case {
    std::string_view name;
    runs_on where;
    void (*run)(flavour);
};

/// The whole of main().
[[nodiscard]] int run_cases(std::span<const bench_case> cases, int argc, char** argv);

void report(std::string_view metric, flavour where, std::string_view unit, double value);

/// Prints the median and the 99th percentile of `times`, in microseconds, as <metric>_p50 and <metric>_p99.
void report_percentiles(std::string_view metric, flavour where, std::vector<std::chrono::nanoseconds> times);

[[noreturn, gnu::cold]] void end_wrongly(const char* why);

/// Aborts, with the sentence, if a case came to a wrong result. Inline: peers ask as often, and within what is timed.
inline void check(bool is_right, const char* otherwise) {
    if (!is_right) [[unlikely]]
        end_wrongly(otherwise);
}

}  // namespace bench
