// SPDX-License-Identifier: MIT
#include <eddy/signal.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/core.hpp>
#include <eddy/error.hpp>
#include <eddy/join_all.hpp>
#include <eddy/runtime.hpp>
#include <eddy/select.hpp>
#include <eddy/spawn.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/yield_now.hpp>

#include "support/net.hpp"

namespace {

namespace signal = eddy::signal;
using eddy::errc;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using signal::kind;
using support::within;

/// The next signal of a kind, which `send` sends once somebody listens.
template <class Send>
eddy::task<int> next_of(kind of, Send send) {
    auto signals = signal::stream(of);
    if (!signals) co_return -1;
    send();
    auto next = co_await signals->next();
    co_return next ? next->number() : 0;
}

TEST(Signal, AStreamHearsOfWhatIsRaised) {
    eddy::core core;
    EXPECT_EQ(within(core, next_of(kind::user_defined1(), [] { std::raise(SIGUSR1); })), SIGUSR1);
    EXPECT_EQ(within(core, next_of(kind::from_number(SIGRTMIN + 3), [] { std::raise(SIGRTMIN + 3); })), SIGRTMIN + 3);
}

TEST(Signal, ASleepingLoopIsWokenByAnotherProcess) {
    eddy::core core;
    const pid_t parent = ::getpid();
    pid_t child = 0;
    const auto send = [&child, parent] {
        child = ::fork();
        if (child != 0) return;
        ::kill(parent, SIGHUP);  // only calls that are allowed here
        ::_exit(0);
    };
    EXPECT_EQ(within(core, next_of(kind::hangup(), send)), SIGHUP);
    ::waitpid(child, nullptr, 0);
}

TEST(Signal, WhoBeginsLaterHearsOfLaterSignalsOnly) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        auto early = signal::stream(kind::user_defined1());
        std::raise(SIGUSR1);
        auto late = signal::stream(kind::user_defined1());
        EXPECT_EQ(*co_await early->next(), kind::user_defined1());
        by_hand none(late->next());
        assert_pending(none.poll());
        by_hand no_more(early->next());
        assert_pending(no_more.poll());
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
}

TEST(Signal, KindsAreToldApartAndSeveralOfOneAreOneItem) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        auto ones = signal::stream(kind::user_defined1());
        auto twos = signal::stream(kind::user_defined2());
        for (int i = 0; i < 3; ++i) std::raise(SIGUSR1);
        EXPECT_TRUE((co_await ones->next()).has_value());
        by_hand no_more(ones->next());
        assert_pending(no_more.poll());
        by_hand none(twos->next());
        assert_pending(none.poll());
        std::raise(SIGUSR2);
        EXPECT_EQ(*co_await twos->next(), kind::user_defined2());
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
}

TEST(Signal, AllWaitersInAllLoopsHearOfIt) {
    eddy::core core;
    auto pool = eddy::runtime::builder().worker_threads(2).build().value();
    std::atomic<int> ready{0};
    std::atomic<int> heard{0};
    const auto wait_for_it = [](std::atomic<int>& begun, std::atomic<int>& ended) -> eddy::task<void> {
        auto signals = signal::stream(kind::user_defined2());
        ++begun;
        auto next = co_await signals->next();
        if (next) ++ended;
    };
    std::vector<eddy::join_handle<void>> others;
    for (int i = 0; i < 10; ++i) others.push_back(pool.spawn(wait_for_it(ready, heard)));
    const auto work = [&](std::atomic<int>& begun, std::atomic<int>& ended) -> eddy::task<void> {
        auto mine = signal::stream(kind::user_defined2());
        while (begun.load() != 10) co_await eddy::yield_now();
        std::raise(SIGUSR2);
        auto next = co_await mine->next();
        if (next) ++ended;
    };
    within(core, work(ready, heard));
    for (auto& other : others) EXPECT_TRUE(within(core, std::move(other)).has_value());
    EXPECT_EQ(heard.load(), 11);
}

TEST(Signal, CtrlCIsHeardByAllWhoWaitAndDoesNotEndTheProgram) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        by_hand first(signal::ctrl_c());
        by_hand second(signal::ctrl_c());
        assert_pending(first.poll());
        assert_pending(second.poll());
        by_hand dropped(signal::ctrl_c());
        assert_pending(dropped.poll());
        dropped.drop();
        auto third = signal::ctrl_c();
        const auto send = []() -> eddy::task<void> {
            std::raise(SIGINT);
            co_return;
        };
        auto sent = eddy::spawn(send());
        EXPECT_TRUE((co_await third).has_value());
        static_cast<void>(co_await std::move(sent));
        EXPECT_TRUE(eddy::test::assert_ready(first.poll()).has_value());
        EXPECT_TRUE(eddy::test::assert_ready(second.poll()).has_value());
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
    std::raise(SIGINT);  // nobody waits, and the handler has stayed
}

std::atomic<int> former{0};
void count_former(int) { ++former; }

TEST(Signal, AHandlerThatWasThereIsCalledAndErrnoIsKept) {
    struct sigaction old{};
    old.sa_handler = count_former;
    ASSERT_EQ(::sigaction(SIGWINCH, &old, nullptr), 0);
    eddy::core core;
    const auto raise = [] {
        errno = 77;
        std::raise(SIGWINCH);
        EXPECT_EQ(errno, 77);
    };
    EXPECT_EQ(within(core, next_of(kind::window_change(), raise)), SIGWINCH);
    EXPECT_EQ(former.load(), 1);
}

TEST(Signal, WhatCannotBeWaitedForIsRefused) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        for (const int number : {SIGKILL, SIGSTOP, SIGSEGV, SIGFPE, SIGILL, SIGBUS, 0, -1, 65, 32})
            EXPECT_EQ(signal::stream(kind::from_number(number)).error(), errc::forbidden_signal) << number;
        co_return true;
    };
    EXPECT_TRUE(within(core, work()));
    EXPECT_THROW(static_cast<void>(signal::stream(kind::hangup())), eddy::misuse) << "there is no loop here";
    by_hand nowhere(signal::ctrl_c());
    EXPECT_THROW(static_cast<void>(nowhere.poll()), eddy::misuse);
}

TEST(Signal, AStreamEndsWithItsLoop) {
    std::optional<signal::signal_stream> left;
    {
        eddy::core core;
        const auto work = [](std::optional<signal::signal_stream>& out) -> eddy::task<void> {
            out.emplace(signal::stream(kind::user_defined1()).value());
            co_return;
        };
        within(core, work(left));
    }
    by_hand next(left->next());
    EXPECT_FALSE(eddy::test::assert_ready(next.poll()).has_value());
}

TEST(SignalStress, NoneIsLostWhileThreadsSend) {
    eddy::core core;
    ASSERT_EQ(within(core, next_of(kind::user_defined1(), [] { std::raise(SIGUSR1); })), SIGUSR1);  // sets the handler
    std::atomic<bool> is_over{false};
    std::thread sender([&] {
        while (!is_over.load()) {
            ::kill(::getpid(), SIGUSR1);
            std::this_thread::yield();
        }
    });
    const auto work = []() -> eddy::task<int> {
        auto signals = signal::stream(kind::user_defined1());
        int heard = 0;
        for (; heard < 1000; ++heard) {
            auto next = co_await signals->next();
            if (!next) break;
        }
        co_return heard;
    };
    EXPECT_EQ(within(core, work()), 1000);
    is_over = true;
    sender.join();
}

}  // namespace
