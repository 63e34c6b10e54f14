// SPDX-License-Identifier: MIT
#include <sys/thread_signal.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include <support/emulated.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::sys::thread_signal;
using std::chrono::steady_clock;

constexpr auto never = steady_clock::time_point::max();

TEST(ThreadSignal, SetBeforeTheWaitNeedsNoWakeUp) {
    thread_signal signal;
    EXPECT_FALSE(signal.is_set());
    EXPECT_FALSE(signal.set()) << "no thread sleeps";
    EXPECT_TRUE(signal.is_set());
    EXPECT_TRUE(signal.wait_until(never));
    EXPECT_FALSE(signal.set()) << "no thread sleeps any more";
}

TEST(ThreadSignal, WaitEndsAtTheDeadline) {
    thread_signal signal;
    const auto deadline = steady_clock::now() + 2ms;
    EXPECT_FALSE(signal.wait_until(deadline));
    EXPECT_GE(steady_clock::now(), deadline);
    EXPECT_FALSE(signal.wait_until(steady_clock::time_point::min()));
    EXPECT_FALSE(signal.wait_until(steady_clock::time_point()));
    EXPECT_FALSE(signal.set()) << "the owner no longer sleeps";
    EXPECT_TRUE(signal.wait_until(steady_clock::time_point::min())) << "a signal comes before the deadline";
}

TEST(ThreadSignal, ResetClearsTheSignal) {
    thread_signal signal;
    EXPECT_FALSE(signal.set());
    signal.reset();
    EXPECT_FALSE(signal.is_set());
    EXPECT_FALSE(signal.wait_until(steady_clock::now()));
}

TEST(ThreadSignal, WakeWithoutASignalDoesNotEndTheWait) {
    thread_signal signal;
    std::atomic<bool> has_ended = false;
    std::thread owner([&] {
        EXPECT_TRUE(signal.wait_until(never));
        EXPECT_TRUE(has_ended) << "the wait ended before the signal";
    });
    for (int i = 0; i < 20; ++i) {
        signal.wake();
        std::this_thread::yield();
    }
    has_ended = true;
    if (signal.set()) signal.wake();
    owner.join();
}

// A plain variable travels between two threads, so TSan sees whether a signal orders the accesses. Deadlines that are
// close make many waits end at the same time as the signal.
TEST(ThreadSignalStress, NoSignalIsLost) {
    thread_signal there;
    thread_signal back;
    const int rounds = support::fewer_on_windows(20'000);
    int value = 0;
    const auto wait_for = [](thread_signal& signal, int round) {
        while (round % 2 == 0 && !signal.wait_until(steady_clock::now() + 20us)) continue;
        EXPECT_TRUE(signal.wait_until(never));
        signal.reset();
    };
    std::thread other([&] {
        for (int i = 0; i < rounds; ++i) {
            wait_for(there, i);
            EXPECT_EQ(value, 2 * i + 1);
            ++value;
            if (back.set()) back.wake();
        }
    });
    for (int i = 0; i < rounds; ++i) {
        ++value;
        if (there.set()) there.wake();
        wait_for(back, i);
        EXPECT_EQ(value, 2 * i + 2);
    }
    other.join();
}

}  // namespace
