// SPDX-License-Identifier: MIT
// Programs that wait for ever say so, with the place of each task, and others do not.
// covers: B07
#include <gtest/gtest.h>

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "captured_program.hpp"
#include "output_of.hpp"

namespace {

using namespace std::chrono_literals;

/// Starts all cases of a kind, and reads until `is_over` of each is true, or for a minute.
template <class IsOver>
std::vector<std::unique_ptr<captured_program>> run_all(const std::string& kind, IsOver is_over) {
    std::vector<std::unique_ptr<captured_program>> all;
    std::istringstream names(output_of(EDDY_STUCK_CASES " " + kind));
    for (std::string name; std::getline(names, name);)
        all.push_back(std::make_unique<captured_program>(EDDY_STUCK_CASES, kind, name));
    const auto limit = std::chrono::steady_clock::now() + 50s;
    for (;;) {
        std::vector<pollfd> wanted;
        std::vector<std::pair<captured_program*, std::size_t>> of;
        for (const auto& one : all) {
            if (is_over(*one)) continue;
            for (std::size_t i = 0; i < 2; ++i) {
                wanted.push_back(one->ends()[i]);
                of.emplace_back(one.get(), i);
            }
        }
        if (wanted.empty() || std::chrono::steady_clock::now() > limit) return all;
        poll(wanted.data(), wanted.size(), 1000);
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (wanted[i].fd >= 0 && wanted[i].revents != 0) of[i].first->read_some(of[i].second);
    }
}

using places = std::map<std::string, std::size_t>;

/// Counts the places that a case has announced.
places announced(const std::string& output) {
    places found;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) ++found[line];
    return found;
}

/// Counts the tasks at each place of a report.
places reported(const std::string& errors) {
    places found;
    std::istringstream lines(errors);
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("  ") && line[2] != ' ')
            count = std::strtoul(line.c_str() + 2, nullptr, 10);  // "  3 tasks"
        if (count == 0) count = 1;                                // "  task 7"
        if (line.starts_with("    ") && line.rfind("  ") != std::string::npos)
            found[line.substr(line.rfind("  ") + 2)] += count;
    }
    return found;
}

/// Returns whether a report has all places that were announced.
bool has_all(const captured_program& one) {
    if (one.errors().find("eddy: this program waits for ever: ") == std::string::npos) return false;
    const places found = reported(one.errors());
    const places wanted = announced(one.output());
    for (const auto& [place, count] : wanted) {
        const auto at = found.find(place);
        if (at == found.end() || at->second < count) return false;
    }
    return !wanted.empty();
}

/// Returns whether a report names, once, the usual cause of the waits for a channel or a lock. Other reports need not.
bool explains(const captured_program& one) {
    struct cause {
        std::string_view shown;
        std::string_view text;
    };
    constexpr std::array causes = {
        cause{"waits for a message from a channel", "eddy::drop(std::move(sender))"},
        cause{"waits for the value of a oneshot", "eddy::drop(std::move(sender))"},
        cause{"waits for a new value of a watch", "eddy::drop(std::move(sender))"},
        cause{"waits for a mutex", "A mutex or rwlock is not recursive: "},
        cause{"waits for a read lock", "A mutex or rwlock is not recursive: "},
        cause{"waits for a write lock", "A mutex or rwlock is not recursive: "},
    };
    const std::string& all = one.errors();
    return std::ranges::all_of(causes, [&](const cause& each) {
        const auto at = all.find(each.text);
        return !all.contains(each.shown) ||
               (at != std::string::npos && all.find(each.text, at + 1) == std::string::npos);
    });
}

void expect_reports(const std::string& kind, std::size_t count) {
    const auto is_complete = [](const captured_program& one) { return has_all(one) && explains(one); };
    const auto all = run_all(kind, [&](const captured_program& one) { return one.has_ended() || is_complete(one); });
    EXPECT_EQ(all.size(), count);
    for (const auto& one : all)
        EXPECT_TRUE(is_complete(*one)) << one->option() << '\n' << one->output() << one->errors();
}

TEST(InspectDeadlocks, EachCycleIsReported) { expect_reports("cycle", 60); }

TEST(InspectDeadlocks, EachWaitThatCannotEndIsReported) { expect_reports("wait", 31); }

/// The line of the report, and the places below it.
bool is_suspected(const captured_program& one) {
    return one.errors().find("eddy: suspected: 12 tasks have waited for ") == 0 &&
           one.errors().find("  12 tasks, ") != std::string::npos &&
           one.errors().find(announced(one.output()).begin()->first + '\n') != std::string::npos;
}

TEST(InspectDeadlocks, ManyTasksThatWaitForOneLockAreSuspected) {
    const auto all =
        run_all("suspect", [](const captured_program& one) { return one.has_ended() || is_suspected(one); });
    EXPECT_EQ(all.size(), 3u);
    for (const auto& one : all) EXPECT_TRUE(is_suspected(*one)) << one->option() << '\n' << one->errors();
}

TEST(InspectDeadlocks, ProgramsThatContinueAreNotReported) {
    const auto all = run_all("alive", [](const captured_program& one) { return one.has_ended(); });
    EXPECT_GE(all.size(), 40u);
    for (const auto& one : all) {
        EXPECT_EQ(one->output(), "done\n") << one->option();
        EXPECT_EQ(one->errors(), "") << one->option();
    }
}

}  // namespace
