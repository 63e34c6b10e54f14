// SPDX-License-Identifier: MIT
#include <eddy/signal.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"
#include "sys/signals.hpp"

#ifdef SIGRTMIN

namespace {

namespace signal = eddy::signal;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using signal::kind;
using signal::signal_info;
using signal::signal_info_stream;
using support::within;

/// A signal that the tests of other files do not use.
const kind own = kind::real_time(10);

int send_to(pid_t process, int number, int value) noexcept {
    sigval with{};
    with.sival_int = value;
    return ::sigqueue(process, number, with);
}

/// Sends a signal to this process. Waits while the system's queue is full.
void send(kind of, int value) {
    while (send_to(::getpid(), of.number(), value) != 0) {
        ASSERT_EQ(errno, EAGAIN);
        std::this_thread::yield();
    }
}

class SignalInfo : public testing::Test {
protected:
    void SetUp() override {
        if (support::under_thread_sanitizer) GTEST_SKIP() << "ThreadSanitizer delays and merges signals of sigqueue";
    }
};

/// Receives the signals that have arrived, without waiting.
std::vector<signal_info> all_of(signal_info_stream& signals) {
    std::vector<signal_info> all;
    for (;;) {
        by_hand next(signals.next());
        const auto answer = next.poll();
        if (!answer || !*answer) return all;
        all.push_back(**answer);
    }
}

/// Runs `f` on an event loop, with the streams that it opens.
template <class Fn>
void in_loop(Fn f) {
    eddy::core core;
    const auto work = [](Fn& run) -> eddy::task<void> {
        run();
        co_return;
    };
    within(core, work(f));
}

// covers: P077
TEST_F(SignalInfo, RealTimeSignalsAreKeptOneByOneWithTheirSender) {
    in_loop([] {
        auto signals = signal::info_stream(own).value();
        for (int value = 0; value < 100; ++value) send(own, value);
        const auto all = all_of(signals);
        ASSERT_EQ(all.size(), 100u);
        for (int value = 0; value < 100; ++value) {
            const auto& it = all[static_cast<std::size_t>(value)];
            EXPECT_EQ(it.of, own);
            EXPECT_EQ(it.code, SI_QUEUE);
            EXPECT_EQ(it.pid, ::getpid());
            EXPECT_EQ(it.uid, ::getuid());
            EXPECT_EQ(it.value, value);
            EXPECT_EQ(it.lost, 0u);
        }
    });
}

TEST_F(SignalInfo, PointerIsThatOfTheSender) {
    in_loop([] {
        auto signals = signal::info_stream(own).value();
        int object = 0;
        sigval with{};
        with.sival_ptr = &object;
        ASSERT_EQ(::sigqueue(::getpid(), own.number(), with), 0);
        const auto all = all_of(signals);
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].pointer, &object);
    });
}

/// Returns whether a stream of each real-time signal receives one.
bool all_can_be_watched() {
    bool are_received = true;
    in_loop([&] {
        for (int index = 0; index <= SIGRTMAX - SIGRTMIN; ++index) {
            const auto of = kind::real_time(index);
            struct sigaction now{};
            ::sigaction(of.number(), nullptr, &now);
            // The watchdog of the tests has handlers for two signals.
            if ((now.sa_flags & SA_SIGINFO) == 0) ::signal(of.number(), SIG_DFL);
            auto signals = signal::info_stream(of).value();
            send(of, index);
            const auto all = all_of(signals);
            are_received = are_received && of.number() == SIGRTMIN + index && all.size() == 1 && all[0].value == index;
        }
    });
    return are_received;
}

// covers: P077
TEST_F(SignalInfo, EachRealTimeSignalCanBeWatched) {
    // In a child: the handlers stay, and other tests install their own.
    EXPECT_TRUE(support::is_true_in_child(all_can_be_watched));
    in_loop([] {
        for (const int index : {-1, SIGRTMAX - SIGRTMIN + 1}) {
            EXPECT_EQ(signal::info_stream(kind::real_time(index)).error(), eddy::errc::forbidden_signal);
        }
    });
}

// covers: P077
TEST_F(SignalInfo, SignalFromAnotherProcessWakesSleepingLoop) {
    eddy::core core;
    const pid_t parent = ::getpid();
    const auto receive = [parent](pid_t& child) -> eddy::task<std::optional<signal_info>> {
        auto signals = signal::info_stream(own).value();
        child = ::fork();
        if (child == 0) ::_exit(send_to(parent, own.number(), 42));  // only async-signal-safe calls are allowed here
        co_return co_await signals.recv();
    };
    pid_t child = 0;
    const auto received = within(core, receive(child));
    ASSERT_TRUE(received);
    EXPECT_EQ(received->pid, child);
    EXPECT_EQ(received->value, 42);
    ::waitpid(child, nullptr, 0);
}

TEST_F(SignalInfo, SignalOfKillHasSenderAndNoValue) {
    in_loop([] {
        auto signals = signal::info_stream(kind::user_defined2()).value();
        ASSERT_EQ(::kill(::getpid(), SIGUSR2), 0);
        const auto all = all_of(signals);
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].code, SI_USER);
        EXPECT_EQ(all[0].pid, ::getpid());
        EXPECT_EQ(all[0].value, std::nullopt);
        EXPECT_EQ(all[0].pointer, nullptr);
    });
}

TEST_F(SignalInfo, SignalOfRaiseHasSender) {
    in_loop([] {
        auto signals = signal::info_stream(own).value();
        std::raise(own.number());
        const auto all = all_of(signals);
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].pid, ::getpid());
        EXPECT_EQ(all[0].value, std::nullopt);
    });
}

TEST_F(SignalInfo, SigchldNamesTheChild) {
    eddy::core core;
    const auto receive = [](pid_t& child) -> eddy::task<std::optional<signal_info>> {
        auto signals = signal::info_stream(kind::child()).value();
        child = ::fork();
        if (child == 0) ::_exit(0);
        co_return co_await signals.next();
    };
    pid_t child = 0;
    const auto received = within(core, receive(child));
    ASSERT_TRUE(received);
    EXPECT_EQ(received->pid, child);
    EXPECT_EQ(received->code, CLD_EXITED);
    ::waitpid(child, nullptr, 0);
}

TEST_F(SignalInfo, PendingOrdinarySignalsAreOneItem) {
    in_loop([] {
        auto signals = signal::info_stream(kind::user_defined1()).value();
        sigset_t only;
        sigset_t before;
        ::sigemptyset(&only);
        ::sigaddset(&only, SIGUSR1);
        ::sigaddset(&only, own.number());
        auto real_time = signal::info_stream(own).value();
        ::pthread_sigmask(SIG_BLOCK, &only, &before);
        for (int i = 0; i < 3; ++i) {
            std::raise(SIGUSR1);  // to this thread, so no other thread takes it
            std::raise(own.number());
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        EXPECT_EQ(all_of(signals).size(), 1u);
        EXPECT_EQ(all_of(real_time).size(), 3u);
    });
}

TEST_F(SignalInfo, EachStreamReceivesEachSignal) {
    in_loop([] {
        auto first = signal::info_stream(own).value();
        auto plain = signal::stream(own).value();
        send(own, 1);
        auto second = signal::info_stream(own).value();
        send(own, 2);
        EXPECT_EQ(all_of(first).size(), 2u);
        EXPECT_EQ(all_of(second).size(), 1u);
        by_hand merged(plain.next());
        EXPECT_EQ(eddy::test::assert_ready(merged.poll()), own);
        by_hand no_more(plain.next());
        assert_pending(no_more.poll());
    });
}

TEST_F(SignalInfo, FullQueueIsToldByTheNextItem) {
    in_loop([] {
        constexpr std::uint64_t sent = 40'000;
        auto signals = signal::info_stream(own).value();
        for (std::uint64_t i = 0; i < sent; ++i) send(own, static_cast<int>(i));
        const auto all = all_of(signals);
        EXPECT_GE(all.size(), 512u);
        ASSERT_LT(all.size(), sent) << "the queue of the stream has room for all";
        for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].value, static_cast<int>(i));
        EXPECT_EQ(all[0].lost, sent - all.size());
        send(own, 7);
        const auto later = all_of(signals);
        ASSERT_EQ(later.size(), 1u);
        EXPECT_EQ(later[0].lost, 0u);
    });
}

TEST_F(SignalInfo, NewStreamHasLostNothing) {
    in_loop([] {
        {
            auto full = signal::info_stream(own).value();
            for (int i = 0; i < 40'000; ++i) send(own, i);
        }
        auto next = signal::info_stream(own).value();
        send(own, 1);
        const auto all = all_of(next);
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].lost, 0u);
    });
}

TEST_F(SignalInfo, ForkedChildTakesNoSignalOfItsParent) {
    in_loop([] {
        auto signals = signal::info_stream(own).value();
        send(own, 1);
        EXPECT_TRUE(support::is_true_in_child([&] {
            std::raise(own.number());
            by_hand next(signals.next());
            return !next.poll().is_ready();
        }));
        const auto all = all_of(signals);
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].value, 1);
    });
}

// covers: R120
TEST_F(SignalInfo, ChildForkedBeforeTheDeliveryDoesNotGetTheSignal) {
    in_loop([] {
        auto signals = signal::info_stream(own).value();
        sigset_t only;
        sigset_t before;
        ::sigemptyset(&only);
        ::sigaddset(&only, own.number());
        ::pthread_sigmask(SIG_BLOCK, &only, &before);
        std::raise(own.number());  // pending for this thread
        EXPECT_TRUE(support::is_true_in_child([&] {
            const auto count = eddy::sys::signals_counted(own.number());
            ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
            return eddy::sys::signals_counted(own.number()) == count;
        }));
        EXPECT_TRUE(all_of(signals).empty());
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        EXPECT_EQ(all_of(signals).size(), 1u);
    });
}

TEST_F(SignalInfo, DroppedStreamClosesItsDescriptors) {
    in_loop([] {
        static_cast<void>(signal::info_stream(own).value());
        const auto fds = support::count_fds();
        static_cast<void>(signal::info_stream(own).value());
        EXPECT_EQ(support::count_fds(), fds);
    });
}

TEST_F(SignalInfo, StreamsNeedTwoDescriptors) {
    in_loop([] {
        const support::descriptor_limit one(1);
        EXPECT_EQ(signal::info_stream(own).error(), std::errc::too_many_files_open);
    });
}

TEST_F(SignalInfo, StreamEndsWithLoopAfterWhatItHasKept) {
    std::optional<signal_info_stream> left;
    in_loop([&] {
        left.emplace(signal::info_stream(own).value());
        send(own, 1);
    });
    by_hand kept(left->next());
    EXPECT_TRUE(eddy::test::assert_ready(kept.poll()).has_value());
    by_hand next(left->next());
    EXPECT_FALSE(eddy::test::assert_ready(next.poll()).has_value());
}

// covers: P077
TEST(SignalInfoStress, SignalsOfAllThreadsAreKeptOrCounted) {
    constexpr int threads = 3;
    const auto each = static_cast<int>(support::rounds(500'000));
    in_loop([each] {
        auto signals = signal::info_stream(own).value();
        std::atomic<int> running{threads};
        std::vector<std::jthread> senders;
        for (int i = 0; i < threads; ++i) {
            senders.emplace_back([&running, each] {
                // The thread interrupts itself, so several handlers write to the queue at the same time.
                for (int sent = 0; sent < each; ++sent) std::raise(own.number());
                --running;
            });
        }
        std::uint64_t received = 0;
        const auto receive = [&] {
            for (const auto& it : all_of(signals)) received += 1 + it.lost;
        };
        while (running != 0) receive();
        receive();
        std::raise(own.number());  // its item tells the losses that were counted after the last one
        receive();
        EXPECT_EQ(received, static_cast<std::uint64_t>(threads) * static_cast<std::uint64_t>(each) + 1);
    });
}

}  // namespace

#endif
