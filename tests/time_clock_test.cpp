// SPDX-License-Identifier: MIT
// The clock of tests, on a time driver without its loop.
#include <eddy/test/by_hand.hpp>
#include <eddy/test/clock.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/polling.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::clock;
using eddy::time::sleep;
using support::calling_waker;
using support::poll_with;
using support::text_of_misuse;
using support::time_loop;

TEST(TestClock, PauseResumeAndAdvanceNeedALoop) {
    by_hand step(eddy::test::advance(1ms));
    for (const auto& text : {text_of_misuse([] { eddy::test::pause(); }), text_of_misuse([] { eddy::test::resume(); }),
                             text_of_misuse([&] { static_cast<void>(step.poll()); })}) {
        EXPECT_NE(text.find("it belongs to an event loop"), std::string::npos) << text;
        EXPECT_NE(text.find("time_clock_test.cpp"), std::string::npos) << text;
    }
}

TEST(TestClock, ResumeAndAdvanceNeedAPausedClock) {
    time_loop loop(time_loop::clock::running);
    by_hand step(eddy::test::advance(1ms));
    for (const auto& text :
         {text_of_misuse([] { eddy::test::resume(); }), text_of_misuse([&] { static_cast<void>(step.poll()); })}) {
        EXPECT_NE(text.find("call eddy::test::pause() first"), std::string::npos) << text;
    }
    eddy::test::pause();
    EXPECT_NE(text_of_misuse([] { eddy::test::pause(); }).find("paused already"), std::string::npos);
    eddy::test::resume();
    EXPECT_FALSE(loop.driver().is_paused());
}

TEST(TestClock, AdvanceWakesWhatIsDueBeforeItsOwnTask) {
    time_loop loop;
    std::vector<char> order;
    calling_waker sleeper([&] { order.push_back('s'); }), mover([&] { order.push_back('m'); });
    auto nap = sleep(5ms);
    assert_pending(poll_with(nap, sleeper.waker()));
    auto step = eddy::test::advance(5ms);
    const auto before = clock::now();
    assert_pending(poll_with(step, mover.waker()));
    EXPECT_EQ(clock::now(), before + 5ms);
    EXPECT_EQ(order, (std::vector{'s', 'm'}));
    assert_ready(poll_with(step, mover.waker()));
    EXPECT_EQ(clock::now(), before + 5ms);
}

}  // namespace
