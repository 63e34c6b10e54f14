// SPDX-License-Identifier: MIT
// Coroutines that reach their end without co_return. This is undefined behavior, because a promise cannot have both
// return_value and return_void. GCC compiles it and reaches the end of the coroutine, where the library can report it.
// Clang warns, so there are no tests with Clang.
#if !defined(__clang__)
#include <eddy/task/task.hpp>

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/result.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>

#include "support/executors.hpp"
#include "support/polling.hpp"
#include "support/runtime/on_executor.hpp"

namespace {

using eddy::task;

/// Runs on an event loop, and on runtimes with 1, 2 and 4 workers.
class MissingCoReturn : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, MissingCoReturn, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wreturn-type"
constexpr unsigned line_of_falls_off = __LINE__ + 1;
task<eddy::result<void>> falls_off() { co_await eddy::yield_now(); }
#pragma GCC diagnostic pop

/// Expects that `f` throws the misuse that names falls_off().
template <class Fn>
void expect_misuse_of_falls_off(Fn&& f) {
    const auto thrown = support::misuse_of(std::forward<Fn>(f));
    ASSERT_TRUE(thrown.has_value());
    EXPECT_NE(std::string(thrown->what()).find("ended without co_return"), std::string::npos) << thrown->what();
    EXPECT_EQ(thrown->where().line(), line_of_falls_off);
    EXPECT_STREQ(thrown->where().file_name(), __FILE__);
}

TEST_P(MissingCoReturn, IsThrownAtTheAwait) {
    const auto main = []() -> task<void> { static_cast<void>(co_await falls_off()); };
    expect_misuse_of_falls_off([&] { on.run(main()); });
}

TEST_P(MissingCoReturn, IsThrownByJoin) {
    const auto main = []() -> task<void> {
        auto both = eddy::join(falls_off(), eddy::ready());
        static_cast<void>(co_await both);
    };
    expect_misuse_of_falls_off([&] { on.run(main()); });
}

TEST_P(MissingCoReturn, OfSpawnedTaskIsJoinError) {
    const auto main = []() -> task<void> {
        const auto joined = co_await eddy::spawn(falls_off());
        EXPECT_FALSE(joined.has_value());
        expect_misuse_of_falls_off([&] { joined.error().rethrow(); });
    };
    on.run(main());
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(MissingCoReturn, OfDetachedTaskIsReported) {
    const auto main = []() -> task<void> {
        eddy::spawn(falls_off()).detach();
        co_return;
    };
    on.run(main());
    on.run_until_idle();
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_NE(reports[0].text.find("ended without co_return"), std::string::npos) << reports[0].text;
}

TEST_P(MissingCoReturn, OfChildIsThrownByScope) {
    const auto main = []() -> task<void> {
        co_await eddy::scope([](auto& s) -> task<void> {
            s.spawn(falls_off());
            co_return;
        });
    };
    expect_misuse_of_falls_off([&] { on.run(main()); });
}

}  // namespace
#endif
