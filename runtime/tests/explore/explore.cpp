// SPDX-License-Identifier: MIT
#include "explore/explore.hpp"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "explore/engine.hpp"
#include "support/stress.hpp"

namespace explore {
namespace {

std::string name_of_test() {
    const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
    return test == nullptr ? "*" : std::string(test->test_suite_name()) + '.' + test->name();
}

/// Adds the number of executions to the test's report.
void record(const report& seen) { testing::Test::RecordProperty("executions", std::to_string(seen.executions)); }

testing::AssertionResult describe(const report& seen) {
    return testing::AssertionFailure() << "execution " << seen.executions << " failed: " << seen.what << '\n'
                                       << detail::render(seen.events)
                                       << "to repeat only this execution: EDDY_EXPLORE_PATH='" << seen.path
                                       << "' explore_tests --gtest_filter=" << name_of_test();
}

bool is_repeating() { return std::getenv("EDDY_EXPLORE_PATH") != nullptr; }

}  // namespace

options by_chance() {
    return {.preemptions = 0,
            .stale_reads = 10,
            .spurious_failures = 2,
            .spurious_wakeups = 2,
            .random_executions = support::rounds(200'000),
            .seed = support::seed()};
}

report run(const options& chosen, const model& body) { return detail::the_engine().explore(chosen, body); }

testing::AssertionResult holds(const options& chosen, const model& body) {
    const report seen = run(chosen, body);
    record(seen);
    if (seen.has_failed) return describe(seen);
    if (is_repeating()) return testing::AssertionSuccess() << "this path does not fail";
    if (!seen.is_complete) {
        return testing::AssertionFailure()
               << "the exploration is incomplete: a limit ended it after " << seen.executions
               << " executions; make the model smaller, lower the bounds, or raise the limit";
    }
    return testing::AssertionSuccess() << seen.executions << " executions without a failure";
}

testing::AssertionResult holds(const model& body) { return holds(options(), body); }

testing::AssertionResult fails(const options& chosen, const model& body, const char* what) {
    const report seen = run(chosen, body);
    record(seen);
    if (is_repeating() && seen.has_failed) std::fprintf(stderr, "%s\n", describe(seen).message());
    if (!seen.has_failed) {
        return testing::AssertionFailure()
               << seen.executions << " executions without a failure, but expected one with: " << what;
    }
    if (seen.what.find(what) == std::string::npos) return describe(seen) << "\nexpected: " << what;
    return testing::AssertionSuccess() << seen.what;
}

testing::AssertionResult fails(const model& body, const char* what) { return fails(options(), body, what); }

using detail::engine;
using detail::the_engine;

unsigned thread::start(std::unique_ptr<detail::work> does) {
    const engine::inside guard(the_engine());
    return the_engine().start_thread(does.release(), __builtin_return_address(0));
}

void thread::join() noexcept {
    if (std::exchange(is_joined_, true)) return;
    const engine::inside guard(the_engine());
    the_engine().join_thread(id_, __builtin_return_address(0));
}

void check(bool is_true, const char* what) noexcept {
    if (is_true) return;
    const engine::inside guard(the_engine());
    the_engine().fail_check(what, __builtin_return_address(0));
}

void yield() noexcept {
    if (!detail::is_exploring()) return;
    const engine::inside guard(the_engine());
    the_engine().yield(__builtin_return_address(0));
}

void separate(void* variable) noexcept { detail::fiber::separate(variable); }

unsigned thread_id() noexcept { return the_engine().thread_id(); }
const void* thread_mark() noexcept {
    static constexpr std::array<std::uint16_t, detail::max_threads> marks{};  // even addresses
    return &marks[thread_id()];
}

void name(const void* object, const char* text) noexcept {
    const engine::inside guard(the_engine());
    the_engine().name(object, text);
}

}  // namespace explore
