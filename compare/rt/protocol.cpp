// SPDX-License-Identifier: MIT
#include "protocol.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace bench {

namespace {

constexpr std::array flavours{flavour::ct, flavour::w2};

std::string_view name_of(flavour where) { return where == flavour::ct ? "ct" : "w2"; }

bool has(const bench_case& one, flavour where) {
    switch (one.where) {
    case runs_on::ct: return where == flavour::ct;
    case runs_on::w2: return where == flavour::w2;
    case runs_on::both: break;
    }
    return true;
}

using choice = std::pair<const bench_case*, flavour>;

std::vector<choice> all_of(std::span<const bench_case> cases) {
    std::vector<choice> all;
    for (const auto& one : cases) {
        for (const auto where : flavours) {
            if (has(one, where)) all.emplace_back(&one, where);
        }
    }
    return all;
}

std::string full_name(const choice& one) {
    return std::string(one.first->name).append("/").append(name_of(one.second));
}

}  // namespace

int run_cases(std::span<const bench_case> cases, int argc, char** argv) {
    const auto all = all_of(cases);
    const std::vector<std::string> names(argv + 1, argv + argc);
    if (names.size() == 1 && names.front() == "list") {
        for (const auto& one : all) std::puts(full_name(one).c_str());
        return 0;
    }
    std::vector<choice> wanted;
    for (const auto& name : names) {
        const auto found = std::ranges::find(all, name, &full_name);
        if (found == all.end()) {
            std::fprintf(stderr, "%s: there is no case %s; see %s list\n", argv[0], name.c_str(), argv[0]);
            return 2;
        }
        wanted.push_back(*found);
    }
    for (const auto& [one, where] : wanted) one->run(where);
    return 0;
}

void report(std::string_view metric, flavour where, std::string_view unit, double value) {
    const auto line = std::string(metric).append("/").append(name_of(where)).append(",").append(unit);
    std::printf("%s,%.3f\n", line.c_str(), value);
    std::fflush(stdout);
}

void report_percentiles(std::string_view metric, flavour where, std::vector<std::chrono::nanoseconds> times) {
    std::ranges::sort(times);
    for (const std::size_t percent : {50, 99}) {
        const std::chrono::duration<double, std::micro> time = times[times.size() * percent / 100];
        report(std::string(metric) + "_p" + std::to_string(percent), where, "us", time.count());
    }
}

void end_wrongly(const char* why) {
    std::fprintf(stderr, "wrong result: %s\n", why);
    std::abort();
}

}  // namespace bench
