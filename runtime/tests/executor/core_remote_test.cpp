// SPDX-License-Identifier: MIT
// Work that other threads send to an event loop, and event loops that run on their own thread.
#include <eddy/runtime/core_thread.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <exception>
#include <latch>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_answer.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>

#include "support/executors.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"
#include "support/yields.hpp"

namespace {

using support::yields;

using namespace std::chrono_literals;
using eddy::core_handle;
using eddy::core_remote;
using eddy::sync::oneshot;

static_assert(std::is_copy_constructible_v<core_remote> && std::is_copy_assignable_v<core_remote>);

std::error_code code_thrown_by(eddy::core_answer<int> answer) {
    try {
        answer.get();
    } catch (const std::system_error& e) {
        return e.code();
    }
    return {};
}

// ---- CoreRemote ----

// covers: S75
TEST(CoreRemote, ClosuresOfOneSenderRunOnTheLoopInOrder) {
    constexpr int closures = 10'000;
    eddy::core loop;
    const auto loop_thread = std::this_thread::get_id();
    auto [tx, rx] = oneshot<void>::channel();
    std::vector<int> seen;
    int elsewhere = 0;
    std::thread sender([&, remote = loop.remote()] {
        for (int i = 0; i < closures; ++i) {
            remote.spawn([&, i](core_handle&) -> eddy::task<void> {
                if (std::this_thread::get_id() != loop_thread) ++elsewhere;
                seen.push_back(i);
                co_return;
            });
        }
        remote.spawn([&] { static_cast<void>(tx.send()); });
    });
    static_cast<void>(loop.run(rx));
    sender.join();
    ASSERT_EQ(seen.size(), static_cast<std::size_t>(closures));
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(elsewhere, 0);
}

// covers: S75
TEST(CoreRemote, FutureReturnedByAClosureStaysOnTheLoopThread) {
    eddy::core loop;
    auto [tx, rx] = oneshot<std::uint16_t>::channel();
    std::thread sender([&, remote = loop.remote()] {
        remote.spawn([sender_end = std::move(tx)](core_handle& handle) mutable -> eddy::task<void> {
            const auto any = eddy::net::socket_addr::parse("127.0.0.1:0").value();
            auto listener = eddy::net::tcp_listener::bind(any, handle).value();
            co_await eddy::yield_now();
            static_cast<void>(sender_end.send(listener.local_addr().value().port()));
        });
    });
    EXPECT_NE(loop.run(rx).value(), 0);
    sender.join();
}

TEST(CoreRemote, FloodOfTasksDoesNotDelayTasksOfTheLoop) {
    constexpr int flood = 10'000;
    constexpr int most_between_polls = 200;  // the loop polls 64 tasks, and queues as many, between two looks
    eddy::core loop;
    int polled = 0;
    std::thread([&, remote = loop.remote()] {
        for (int i = 0; i < flood; ++i) remote.spawn([&polled] { ++polled; }).value();
    }).join();
    const auto main = [&]() -> eddy::task<int> {
        int most = 0;
        while (polled < flood) {
            const int before = polled;
            co_await eddy::yield_now();
            most = std::max(most, polled - before);
        }
        co_return most;
    };
    EXPECT_LE(loop.run(main()), most_between_polls);
}

// covers: R130
TEST(CoreRemote, ClosureLivesUntilTheReturnedFutureEnds) {
    eddy::core loop;
    support::census living;
    std::vector<int> seen;
    loop.remote().spawn([kept = living.begin_life(), &living, &seen](core_handle&) -> eddy::task<void> {
        co_await yields(3);
        seen.push_back(living.alive());
    });
    loop.run_until_idle();
    loop.run(yields(5));
    EXPECT_EQ(seen, std::vector{1});
    EXPECT_EQ(living.alive(), 0);
}

// covers: S76
TEST(CoreRemote, TryHandleSucceedsOnlyInsideTheRunningLoop) {
    eddy::core loop;
    eddy::core other;
    const auto remote = loop.remote();
    EXPECT_FALSE(remote.try_handle().has_value());
    EXPECT_NE(loop.id(), other.id());
    EXPECT_EQ(remote.id(), loop.id());
    const auto main = [&]() -> eddy::task<void> {
        EXPECT_EQ(remote.try_handle().value().id(), remote.id());
        EXPECT_FALSE(other.remote().try_handle().has_value());
        std::thread([&] { EXPECT_FALSE(remote.try_handle().has_value()); }).join();
        co_return;
    };
    loop.run(main());
    EXPECT_FALSE(remote.try_handle().has_value());
}

// covers: S76
TEST(CoreRemote, LoopIdsAreUnique) {
    std::set<std::uint64_t> ids;
    for (int i = 0; i < 100; ++i) ids.insert(eddy::core().id());
    EXPECT_EQ(ids.size(), 100u);
}

// covers: S77
TEST(CoreRemote, SpawnAfterTheLoopIsGoneReturnsShutdown) {
    std::optional<eddy::core> loop(std::in_place);
    const auto remote = loop->remote();
    loop.reset();
    support::census living;
    const auto answer = remote.spawn([kept = living.begin_life()] {});
    EXPECT_EQ(answer.error(), eddy::errc::runtime_shutdown);
    EXPECT_TRUE(eddy::is_runtime_shutdown(answer.error()));
    EXPECT_EQ(living.alive(), 0);
    EXPECT_EQ(code_thrown_by(remote.call([] { return 1; })), eddy::errc::runtime_shutdown);
}

// covers: S77
TEST(CoreRemote, UndeliveredWorkIsDestroyedWithTheLoop) {
    support::census living;
    std::optional<eddy::core_answer<int>> answer;
    bool has_run = false;
    {
        eddy::core loop;
        std::thread([&, remote = loop.remote()] {
            EXPECT_TRUE(remote.spawn([kept = living.begin_life(), &has_run] { has_run = true; }).has_value());
            answer.emplace(remote.call([kept = living.begin_life()] { return 1; }));
        }).join();
        EXPECT_EQ(living.alive(), 2);
    }
    EXPECT_EQ(living.alive(), 0);
    EXPECT_FALSE(has_run);
    EXPECT_EQ(code_thrown_by(*std::move(answer)), eddy::errc::runtime_shutdown);
}

TEST(CoreRemote, CallReportsShutdownIfTheLoopEndsFirst) {
    std::optional<eddy::core_answer<int>> answer;
    {
        eddy::core loop;
        answer.emplace(loop.remote().call([](core_handle&) -> eddy::task<int> {
            co_await eddy::poll_fn([](eddy::context&) -> eddy::poll_result<void> { return eddy::not_ready; });
            co_return 1;
        }));
        loop.run(yields(3));
    }
    EXPECT_EQ(code_thrown_by(*std::move(answer)), eddy::errc::runtime_shutdown);
}

// ---- Waiting for an answer ----

TEST(CoreAnswer, GetInsideATaskIsNestedRuntime) {
    eddy::core loop;
    const eddy::core_thread other;
    const auto get_inside = [](core_remote asked) -> eddy::task<std::string> {
        auto answer = asked.call([] { return 1; });
        try {
            answer.get();
        } catch (const eddy::nested_runtime& e) {
            co_return e.what();
        }
        co_return "";
    };
    for (const auto& asked : {loop.remote(), other.remote()}) {
        EXPECT_NE(loop.run(get_inside(asked)).find("sync::oneshot"), std::string::npos);
    }
    const eddy::runtime rt;
    EXPECT_NE(rt.block_on(get_inside(other.remote())).find("sync::oneshot"), std::string::npos);
}

TEST(CoreAnswer, GetOnTheThreadOfALoopThatDoesNotRunIsMisuse) {
    eddy::core loop;
    auto answer = loop.remote().call([] { return 7; });
    const auto thrown = support::misuse_of([&] { answer.get(); });
    ASSERT_TRUE(thrown.has_value());
    EXPECT_NE(std::string(thrown->what()).find("run the loop"), std::string::npos);
    EXPECT_EQ(thrown->where().line(), std::uint_least32_t{__LINE__} - 3);
    loop.run_until_idle();
    EXPECT_EQ(answer.get(), 7);
}

TEST(CoreAnswer, SecondGetIsMisuse) {
    const eddy::core_thread worker;
    auto answer = worker.remote().call([] {});
    answer.get();
    support::expect_misuse_here([&] { answer.get(); });
}

// ---- CoreThread ----

// covers: S67
TEST(CoreThread, CallRunsOnTheLoopThreadAndReturnsTheResult) {
    const eddy::core_thread worker;
    const auto remote = worker.remote();
    const auto there = remote.call([] { return std::this_thread::get_id(); }).get();
    EXPECT_NE(there, std::this_thread::get_id());
    EXPECT_EQ(remote.call([](core_handle& handle) { return handle.id(); }).get(), remote.id());
    EXPECT_EQ(*remote
                   .call([](core_handle&) -> eddy::task<std::unique_ptr<int>> {
                       co_await eddy::yield_now();
                       co_return std::make_unique<int>(5);
                   })
                   .get(),
              5);
    remote.call([] {}).get();
    EXPECT_THROW(remote.call([]() -> int { throw std::runtime_error("there"); }).get(), std::runtime_error);
}

TEST(CoreThread, DestructorRunsSentWorkAndDestroysPendingTasks) {
    int run = 0;
    support::census living;
    {
        const eddy::core_thread worker;
        for (int i = 0; i < 1000; ++i) worker.remote().spawn([&] { ++run; });
        worker.remote().spawn([kept = living.begin_life()](core_handle&) -> eddy::task<void> {
            co_await eddy::poll_fn([](eddy::context&) -> eddy::poll_result<void> { return eddy::not_ready; });
        });
    }
    EXPECT_EQ(run, 1000);
    EXPECT_EQ(living.alive(), 0);
}

TEST(CoreThread, SpawnAfterTheThreadIsGoneReturnsShutdown) {
    std::optional<eddy::core_thread> worker(std::in_place);
    const auto remote = worker->remote();
    worker.reset();
    EXPECT_EQ(remote.spawn([] {}).error(), eddy::errc::runtime_shutdown);
}

TEST(CoreThread, CanBeMoved) {
    eddy::core_thread first;
    const auto id = first.remote().id();
    eddy::core_thread second(std::move(first));
    first = eddy::core_thread();
    second = std::move(first);
    EXPECT_NE(second.remote().id(), id);
    EXPECT_EQ(second.remote().call([] { return 4; }).get(), 4);
}

// covers: S55
TEST(CoreThread, MakeReportsTooManyOpenFiles) {
    const support::few_descriptors none(0);
    const auto made = eddy::core_thread::make();
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), std::errc::too_many_files_open);
}

TEST(CoreThreadDeathTest, DestructionOnItsOwnThreadAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<eddy::core_thread> worker(std::in_place);
            worker->remote().call([&] { worker.reset(); }).get();
        },
        "destroyed on its own thread");
}

// ---- Stress ----

// covers: S67 S74
TEST(CoreRemoteStress, JobsOfEightThreadsAllReturn) {
    constexpr int threads = 8;
    const auto jobs = support::rounds(125 * 50);
    const eddy::core_thread worker;
    std::uint64_t plain = 0;  // used only on the loop thread
    std::barrier start(threads);
    std::atomic<std::uint64_t> back = 0;
    std::vector<std::thread> senders;
    for (int t = 0; t < threads; ++t) {
        senders.emplace_back([&, remote = worker.remote()] {
            start.arrive_and_wait();
            for (std::uint64_t i = 0; i < jobs; ++i) {
                back += remote
                            .call([&](core_handle&) -> eddy::task<std::uint64_t> {
                                ++plain;
                                co_await eddy::yield_now();
                                co_return 1;
                            })
                            .get();
            }
        });
    }
    for (auto& sender : senders) sender.join();
    EXPECT_EQ(back, threads * jobs);
    EXPECT_EQ(worker.remote().call([&] { return plain; }).get(), threads * jobs);
}

// covers: R029
TEST(CoreRemoteStress, WorkSentWhileTheLoopParksIsNotLost) {
    // Sends one job at a time, so that the loop parks between two jobs.
    const auto rounds = support::rounds(100'000);
    for (const bool with_io : {true, false}) {
        std::thread([&] {
            auto loop = eddy::core::builder().enable_io(with_io).build().value();
            auto [tx, rx] = oneshot<void>::channel();
            std::uint64_t calls = 0;
            std::thread sender([&, remote = loop.remote()] {
                for (std::uint64_t i = 0; i < rounds; ++i) remote.call([&] { ++calls; }).get();
                static_cast<void>(tx.send());
            });
            static_cast<void>(loop.run(rx));
            sender.join();
            EXPECT_EQ(calls, rounds);
        }).join();
    }
}

// covers: R034
TEST(CoreRemoteStress, SpawnRacesWithTheDestructionOfTheLoop) {
    constexpr int threads = 4;
    support::census living;
    std::atomic<std::uint64_t> accepted = 0;
    std::atomic<std::uint64_t> run = 0;
    std::mt19937_64 random(support::seed());
    for (support::handover_rounds rounds(10'000); rounds.next();) {
        auto loop = std::make_unique<eddy::core>();
        std::barrier start(threads + 1);
        std::latch closed(1);
        std::vector<std::thread> senders;
        for (int t = 0; t < threads; ++t) {
            senders.emplace_back([&, remote = loop->remote()] {
                start.arrive_and_wait();
                // The number of spawns is limited: senders that are faster than the loop would use up the memory.
                for (int n = 0; n < 1000 && remote.spawn([kept = living.begin_life(), &run] { ++run; }); ++n)
                    ++accepted;
                closed.wait();
                EXPECT_EQ(code_thrown_by(remote.call([] { return 1; })), eddy::errc::runtime_shutdown);
            });
        }
        start.arrive_and_wait();
        for (auto turns = random() % 4; turns > 0; --turns) loop->turn(0ms);
        loop.reset();
        closed.count_down();
        for (auto& sender : senders) sender.join();
        ASSERT_EQ(living.alive(), 0);
    }
    EXPECT_LE(run, accepted);
}

// ---- During and after the destruction of the loop ----

/// Calls a function when it is destroyed.
template <class Fn>
struct at_end {
    Fn f;
    bool armed = true;
    explicit at_end(Fn fn) : f(std::move(fn)) {}
    at_end(at_end&& o) noexcept : f(std::move(o.f)), armed(std::exchange(o.armed, false)) {}
    ~at_end() {
        if (armed) f();
    }
};

TEST(CoreRemote, TurnInsideLoopDestructorThrowsMisuse) {
    std::optional<eddy::core_remote> remote;
    bool threw = false;
    {
        std::optional<eddy::core> loop(std::in_place);
        remote = loop->remote();
        eddy::core* const raw = &*loop;
        auto hold = [](auto end) -> eddy::task<void> {
            co_await eddy::pending();
            static_cast<void>(end);
        };
        auto rerun = [raw, &threw] {
            try {
                raw->turn(0ns);
            } catch (const eddy::misuse&) {
                threw = true;
            }
        };
        loop->handle().spawn(hold(at_end<decltype(rerun)>(rerun)));
        loop->turn(0ns);
        loop.reset();
    }
    EXPECT_TRUE(threw) << "turn() inside ~core() was allowed";
    auto witness = std::make_shared<int>(0);
    EXPECT_FALSE(remote->spawn([witness] {})) << "a destroyed loop accepted work";
    EXPECT_EQ(witness.use_count(), 1) << "work was neither run nor destroyed";
}

TEST(CoreRemote, RunInsideLoopDestructorThrowsMisuse) {
    int ran = 0;
    bool threw = false;
    {
        eddy::core loop;
        auto hold = [](auto end) -> eddy::task<void> {
            co_await eddy::pending();
            static_cast<void>(end);
        };
        auto rerun = [&] {
            try {
                loop.run([](int& r) -> eddy::task<void> {
                    ++r;
                    co_return;
                }(ran));
            } catch (const eddy::misuse&) {
                threw = true;
            }
        };
        loop.handle().spawn(hold(at_end<decltype(rerun)>(rerun)));
        loop.turn(0ns);
    }
    EXPECT_TRUE(threw);
}

TEST(CoreRemote, UncaughtHandlerIsDestroyedOnLoopThread) {
    struct notes {
        std::thread::id* where;
        explicit notes(std::thread::id& w) : where(&w) {}
        ~notes() { *where = std::this_thread::get_id(); }
    };
    std::thread::id destroyed;
    std::optional<eddy::core_remote> remote;
    {
        eddy::core loop = eddy::core::builder()
                              .on_uncaught([held = std::make_shared<notes>(destroyed)](std::exception_ptr,
                                                                                       const std::source_location&) {})
                              .build()
                              .value();
        remote = loop.remote();
    }
    std::thread([&remote] { remote.reset(); }).join();
    EXPECT_EQ(destroyed, std::this_thread::get_id());
}

TEST(CoreRemote, FailedTransferIsReportedWithCallSiteOfSpawn) {
    std::string place;
    eddy::core loop =
        eddy::core::builder()
            .on_uncaught([&place](std::exception_ptr, const std::source_location& where) { place = where.file_name(); })
            .build()
            .value();
    auto ended = []() -> eddy::task<void> { co_return; }();
    eddy::wait(std::move(ended));
    [[maybe_unused]] auto gone = std::move(ended);
    static_cast<void>(loop.remote().spawn(std::move(ended)));
    loop.turn(0ns);
    EXPECT_NE(place.find("core_remote_test.cpp"), std::string::npos) << place;
}

/// A future that is an aggregate.
struct aggregate_future {
    using output_type = int;
    std::unique_ptr<int> value;
    eddy::poll_result<int> poll(eddy::context&) { return *value; }
};

TEST(CoreRemote, CallDestroysAggregateFutureOnce) {
    eddy::core loop;
    auto answer = loop.remote().call([] { return aggregate_future{std::make_unique<int>(5)}; });
    loop.turn(0ns);
    EXPECT_EQ(answer.get(), 5);
}

// ---- In a forked child ----

// covers: R020
TEST(CoreRemote, SpawnInForkedChildIsRefused) {
    eddy::core loop;
    auto remote = loop.remote();
    EXPECT_TRUE(support::is_true_in_child([&] { return !remote.spawn([] {}); }))
        << "the child accepted work that can never run";
}

// covers: R020
TEST(CoreRemote, WakeInForkedChildDoesNotWakeParent) {
    eddy::core loop;
    auto remote = loop.remote();
    auto handle = loop.handle().reactor().value();
    EXPECT_TRUE(support::is_true_in_child([&] {
        handle.wake();
        return true;
    }));
    const auto before = std::chrono::steady_clock::now();
    loop.turn(300ms);
    EXPECT_GE(std::chrono::steady_clock::now() - before, 250ms) << "the child woke the parent's loop";
}

}  // namespace
