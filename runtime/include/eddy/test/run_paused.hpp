// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/timeout.hpp>

namespace eddy::test {

/// Runs a test on an event loop of its own, whose clock is paused from the beginning, and returns the test's output.
/// `main` is a future, or a function that returns one; a lambda with captures is kept until the test has ended.
///     TEST(Cache, EntryExpires) {
///         eddy::test::run_paused([]() -> eddy::task<> {
///             cache all;
///             all.put("key", 1, 1h);
///             co_await eddy::time::sleep(2h);      // takes no time
///             EXPECT_FALSE(all.get("key"));
///         });
///     }
/// Errors: throws misuse, with the caller's source location, if the test has not ended when `limit` of the paused clock
/// has passed. So a test that waits for something that never happens fails at once. Exceptions of the test pass
/// through. A loop that never waits is not interrupted.
template <class F, class Rep = std::chrono::minutes::rep, class Period = std::chrono::minutes::period>
auto run_paused(F&& main, std::chrono::duration<Rep, Period> limit = std::chrono::hours(24 * 365),
                std::source_location where = std::source_location::current()) {
    if constexpr (!future<std::remove_cvref_t<F>>) {
        std::decay_t<F> kept(std::forward<F>(main));
        return run_paused(kept(), limit, where);
    } else {
        eddy::core loop = core::builder().start_paused(true).build().value();
        auto output = loop.run(time::timeout(limit, std::forward<F>(main), where), where);
        if (!output) {
            throw misuse(
                "run_paused: the test has not ended within its limit of the paused clock: it waits for something that "
                "does not happen, or for longer than the limit",
                where);
        }
        if constexpr (!std::is_void_v<output_t<std::remove_cvref_t<F>>>) return *std::move(output);
    }
}

}  // namespace eddy::test
