// SPDX-License-Identifier: MIT
// All features of the runtime in a random order, with every kind of shutdown: no task hangs, and each task is
// destroyed.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/abort_on_drop.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_local.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/gate.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;

struct shared {
    std::atomic<int> alive = 0;
    std::mutex lock;
    std::vector<eddy::abort_handle> aborts;
    std::vector<eddy::join_handle<int>> handles;
    std::vector<eddy::sync::oneshot<int>::sender> senders;
};

class counted {
public:
    explicit counted(shared& s) : s_(&s) { ++s_->alive; }
    counted(const counted& other) : s_(other.s_) { ++s_->alive; }
    counted& operator=(const counted&) = delete;
    ~counted() { --s_->alive; }

private:
    shared* s_;
};

eddy::task_local<int> number_here;

eddy::task<int> work(shared& s, counted words, std::uint64_t seed, int depth);

eddy::task<int> leaf(shared& s, counted words, std::uint64_t seed) {
    static_cast<void>(s);
    static_cast<void>(words);
    for (std::uint64_t i = 0; i < seed % 5; ++i) {
        if ((seed >> i) % 3 == 0) {
            co_await eddy::time::sleep(std::chrono::microseconds(seed % 300));
        } else {
            co_await eddy::yield_now();
        }
    }
    if (seed % 11 == 0) throw std::runtime_error("leaf");
    co_return 1;
}

eddy::task<int> work(shared& s, [[maybe_unused]] counted words, std::uint64_t seed, int depth) {
    std::mt19937_64 random(seed);
    int sum = 0;
    for (int step = 0; step < 4; ++step) {
        const auto next = random();
        switch (depth <= 0 ? next % 4 : next % 13) {
        case 0: co_await eddy::yield_now(); break;
        case 1: co_await eddy::time::sleep(std::chrono::microseconds(random() % 400)); break;
        case 2:
            co_await eddy::poll_fn([n = 0](eddy::context& cx) mutable -> eddy::poll_result<void> {
                if (++n > 3) return eddy::poll_result<void>::ready();
                cx.waker().wake_by_ref();
                if (n == 2) eddy::block_in_place([] {});
                cx.waker().wake_by_ref();
                return eddy::not_ready;
            });
            break;
        case 3:
            sum += eddy::block_in_place([&] {
                if (random() % 4 == 0) std::this_thread::sleep_for(100us);
                return 1;
            });
            break;
        case 4: {
            auto child = eddy::spawn(work(s, counted(s), random(), depth - 1));
            if (random() % 2 == 0) co_await eddy::yield_now();
            auto out = co_await child;
            if (out) sum += *out;
            break;
        }
        case 5: {
            eddy::abort_on_drop_handle child(eddy::spawn(work(s, counted(s), random(), depth - 1)));
            co_await eddy::yield_now();
            break;
        }
        case 6: {
            auto child = eddy::spawn(work(s, counted(s), random(), depth - 1));
            const std::lock_guard guard(s.lock);
            s.aborts.push_back(child.abort_handle());
            s.handles.push_back(std::move(child));
            break;
        }
        case 7: {
            auto done = eddy::spawn_blocking([w = counted(s)] { return 1; });
            if (random() % 2 == 0) {
                auto out = co_await done;
                if (out) sum += *out;
            }
            break;
        }
        case 8: {
            try {
                const auto a = random();
                const auto b = random();
                auto scoped = eddy::scope([&](auto& inner) -> eddy::task<int> {
                    inner.spawn(work(s, counted(s), a, depth - 1));
                    inner.spawn(leaf(s, counted(s), b));
                    if (b % 5 == 0) inner.cancel();
                    co_return 1;
                });
                if (a % 3 == 0) {
                    auto limited = eddy::time::timeout(std::chrono::microseconds(a % 200), std::move(scoped));
                    static_cast<void>(co_await limited);
                } else {
                    sum += co_await scoped;
                }
            } catch (const std::exception&) {
            }
            break;
        }
        case 9: {
            eddy::join_set<int> set;
            for (int i = 0; i < 3; ++i) set.spawn(leaf(s, counted(s), random()));
            if (random() % 2 == 0) {
                static_cast<void>(co_await set.join_next());
            }
            if (random() % 3 == 0) co_await set.shutdown();
            break;
        }
        case 10: {
            eddy::local_set set;
            auto first = set.spawn_local(leaf(s, counted(s), random()));
            auto body = leaf(s, counted(s), random() * 11 + 1);
            auto driven = set.run_until(std::move(body));
            static_cast<void>(co_await driven);
            if (random() % 2 == 0) co_await set;
            break;
        }
        case 11: {
            auto inner = number_here.scope(7, work(s, counted(s), random(), depth - 1));
            sum += co_await inner;
            break;
        }
        case 12: {
            auto a = leaf(s, counted(s), random() * 11 + 1);
            auto b = eddy::time::sleep(std::chrono::microseconds(random() % 300));
            auto both = eddy::select(std::move(a), std::move(b));
            static_cast<void>(co_await both);
            break;
        }
        default: break;
        }
    }
    co_return sum;
}

class RuntimeMixedStress : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeMixedStress);

TEST_P(RuntimeMixedStress, EveryShutdownDestroysRandomTasks) {
    std::mt19937_64 random(support::seed());
    support::handover_rounds rounds(10'000);
    for (std::uint64_t round = 0; rounds.next(); ++round) {
        shared s;
        {
            auto rt = eddy::runtime::builder()
                          .worker_threads(workers())
                          .max_blocking_threads(1 + random() % 4)
                          .on_uncaught([](const std::exception_ptr&, const std::source_location&) {})
                          .build()
                          .value();
            std::optional<eddy::core_thread> loop;
            if (round % 4 == 0) loop.emplace();
            for (int i = 0; i < 12; ++i) {
                auto task = rt.spawn(work(s, counted(s), random(), 3));
                const std::lock_guard guard(s.lock);
                s.aborts.push_back(task.abort_handle());
                s.handles.push_back(std::move(task));
            }
            std::thread aborter([&, seed = random()] {
                std::mt19937_64 mine(seed);
                for (int i = 0; i < 30; ++i) {
                    std::optional<eddy::join_handle<int>> taken;
                    std::optional<eddy::abort_handle> aborted;
                    {
                        const std::lock_guard guard(s.lock);
                        if (!s.handles.empty() && mine() % 2 == 0) {
                            std::swap(s.handles[mine() % s.handles.size()], s.handles.back());
                            taken.emplace(std::move(s.handles.back()));
                            s.handles.pop_back();
                        }
                        if (!s.aborts.empty()) aborted.emplace(s.aborts[mine() % s.aborts.size()]);
                    }
                    if (aborted && mine() % 3 == 0) aborted->abort();
                    if (taken && mine() % 2 == 0) static_cast<void>(eddy::wait(*taken));
                    if (mine() % 5 == 0) static_cast<void>(rt.metrics());
                }
            });
            if (random() % 2 == 0) aborter.join();
            const auto kind = aborter.joinable() ? 0 : random() % 6;
            switch (kind) {
            case 0: aborter.joinable() ? aborter.join() : void(); break;
            case 1: std::move(rt).shutdown_timeout(std::chrono::microseconds(random() % 2000)); break;
            case 2: std::move(rt).shutdown_on_idle().wait(); break;
            case 3: std::move(rt).shutdown_now().wait(); break;
            case 4: std::move(rt).shutdown_background(); break;
            case 5: rt.wait_until_idle(); break;
            default: break;
            }
            {
                const std::lock_guard guard(s.lock);
                s.handles.clear();
                s.aborts.clear();
            }
        }
        ASSERT_TRUE(support::comes_true([&] {
            {
                const std::lock_guard guard(s.lock);
                s.handles.clear();
                s.aborts.clear();
            }
            return s.alive == 0;
        })) << "round "
            << round << ": " << s.alive;
    }
}

// As above, but on an event loop. Other threads use the join handles, which outlive the loop.

eddy::task<int> on_loop(shared& s, [[maybe_unused]] counted words, std::uint64_t seed, int depth) {
    std::mt19937_64 random(seed);
    int sum = 0;
    for (int step = 0; step < 3; ++step) {
        const auto next = random();
        switch (depth <= 0 ? next % 2 : next % 8) {
        case 0: co_await eddy::yield_now(); break;
        case 1: co_await eddy::time::sleep(std::chrono::microseconds(random() % 100)); break;
        case 2: {
            auto child = eddy::spawn(on_loop(s, counted(s), random(), depth - 1));
            if (random() % 2 == 0) co_await eddy::yield_now();
            auto out = co_await child;
            if (out) sum += *out;
            break;
        }
        case 3: {
            auto child = eddy::spawn(on_loop(s, counted(s), random(), depth - 1));
            const std::lock_guard guard(s.lock);
            if (random() % 3 == 0) s.aborts.push_back(child.abort_handle());
            s.handles.push_back(std::move(child));
            break;
        }
        case 4: {
            auto child = eddy::spawn([w = counted(s)] { return 3; });
            const std::lock_guard guard(s.lock);
            s.handles.push_back(std::move(child));
            break;
        }
        case 5: {
            // This child wakes itself in each poll, also in its last one.
            auto child =
                eddy::spawn(eddy::poll_fn([w = counted(s), n = 0](eddy::context& cx) mutable -> eddy::poll_result<int> {
                    cx.waker().wake_by_ref();
                    if (++n < 3) return eddy::not_ready;
                    return 4;
                }));
            if (random() % 2 == 0) {
                const std::lock_guard guard(s.lock);
                s.handles.push_back(std::move(child));
            } else {
                auto out = co_await child;
                sum += out ? *out : 0;
            }
            break;
        }
        case 7: {
            auto [send, receive] = eddy::sync::oneshot<int>::channel();
            {
                const std::lock_guard guard(s.lock);
                s.senders.push_back(std::move(send));
            }
            auto limited = eddy::time::timeout(std::chrono::microseconds(next % 500), std::move(receive));
            static_cast<void>(co_await limited);
            break;
        }
        case 6: {
            try {
                auto scoped = eddy::scope([&](auto& inner) -> eddy::task<int> {
                    inner.spawn(on_loop(s, counted(s), next, depth - 1));
                    inner.spawn(leaf(s, counted(s), next / 7));
                    co_return 1;
                });
                auto limited = eddy::time::timeout(std::chrono::microseconds(next % 200), std::move(scoped));
                static_cast<void>(co_await limited);
            } catch (const std::exception&) {
            }
            break;
        }
        default: break;
        }
    }
    if (seed % 13 == 0) throw std::runtime_error("on_loop");
    co_return sum;
}

TEST(CoreMixedStress, HandlesOnOtherThreadsOutliveTheirLoop) {
    std::mt19937_64 random(support::seed());
    support::handover_rounds rounds(100'000);
    for (std::uint64_t round = 0; rounds.next(); ++round) {
        shared s;
        std::atomic<bool> over = false;
        std::vector<std::thread> others;
        for (int t = 0; t < 2; ++t) {
            others.emplace_back([&, seed = random()] {
                std::mt19937_64 mine(seed);
                for (;;) {
                    const bool is_last = over;
                    std::vector<eddy::join_handle<int>> taken;
                    std::vector<eddy::sync::oneshot<int>::sender> senders;
                    std::optional<eddy::abort_handle> aborted;
                    {
                        const std::lock_guard guard(s.lock);
                        senders = std::move(s.senders);
                        s.senders.clear();
                        taken = std::move(s.handles);
                        s.handles.clear();
                        if (!s.aborts.empty() && mine() % 2 == 0) aborted.emplace(s.aborts[mine() % s.aborts.size()]);
                        if (mine() % 16 == 0) s.aborts.clear();
                    }
                    for (auto& each : senders) {
                        if (mine() % 4 != 0) static_cast<void>(each.send(1));
                    }
                    senders.clear();
                    if (aborted) aborted->abort();
                    aborted.reset();
                    for (auto& each : taken) {
                        const eddy::waker none;
                        eddy::context cx(none);
                        switch (mine() % 7) {
                        case 0: each.detach(); break;
                        case 1: each.abort(); break;
                        case 2: {
                            const auto handle = each.abort_handle();
                            if (mine() % 2 == 0) each.abort();
                            if (mine() % 2 == 0) {
                                const std::lock_guard guard(s.lock);
                                s.aborts.push_back(handle);
                            }
                            break;
                        }
                        case 3:
                            if (!each.poll(cx)) each.abort();
                            break;
                        case 4: static_cast<void>(eddy::wait(each)); break;
                        case 5: {
                            if (each.poll(cx)) break;
                            const auto handle = each.abort_handle();
                            if (each.poll(cx)) break;
                            handle.abort();
                            break;
                        }
                        case 6: static_cast<void>(each.is_finished()); break;
                        default: break;
                        }
                    }
                    if (is_last) return;
                    std::this_thread::yield();  // the loop may need this processor
                }
            });
        }
        {
            auto loop = eddy::core::builder()
                            .on_uncaught([](const std::exception_ptr&, const std::source_location&) {})
                            .build()
                            .value();
            for (int i = 0; i < 3; ++i) {
                try {
                    loop.run(on_loop(s, counted(s), random(), 3));
                } catch (const std::exception&) {
                }
            }
            if (random() % 2 == 0) loop.turn(0ns);
        }
        over = true;
        for (auto& each : others) each.join();
        s.handles.clear();
        s.aborts.clear();
        ASSERT_EQ(s.alive, 0) << "round " << round;
    }
}

// A local set whose tasks are spawned, woken and aborted from other threads. It is driven on one thread after another,
// and then dropped.

eddy::task<int> in_set(shared& s, [[maybe_unused]] counted words, std::uint64_t seed, int depth) {
    std::mt19937_64 random(seed);
    for (int step = 0; step < 3; ++step) {
        switch (random() % 4) {
        case 0: co_await eddy::yield_now(); break;
        case 1: {
            auto [send, receive] = eddy::sync::oneshot<int>::channel();
            {
                const std::lock_guard guard(s.lock);
                s.senders.push_back(std::move(send));
            }
            static_cast<void>(co_await receive);
            break;
        }
        case 2: {
            if (depth == 0) break;
            auto child = eddy::spawn_local(in_set(s, counted(s), random(), depth - 1));
            if (random() % 2 == 0) {
                static_cast<void>(co_await child);
            } else {
                const std::lock_guard guard(s.lock);
                s.aborts.push_back(child.abort_handle());
                s.handles.push_back(std::move(child));
            }
            break;
        }
        case 3: {
            co_await eddy::poll_fn([n = 0](eddy::context& cx) mutable -> eddy::poll_result<void> {
                cx.waker().wake_by_ref();
                if (++n < 3) return eddy::not_ready;
                return eddy::poll_result<void>::ready();
            });
            break;
        }
        default: break;
        }
    }
    co_return 1;
}

TEST(LocalSetMixedStress, TasksAreWokenAndAbortedFromOtherThreads) {
    std::mt19937_64 random(support::seed());
    support::handover_rounds rounds(50'000);
    for (std::uint64_t round = 0; rounds.next(); ++round) {
        shared s;
        std::atomic<bool> over = false;
        std::optional<eddy::local_set> set(std::in_place);
        std::vector<std::thread> others;
        for (int t = 0; t < 2; ++t) {
            others.emplace_back([&, seed = random()] {
                std::mt19937_64 mine(seed);
                while (!over) {
                    std::vector<eddy::sync::oneshot<int>::sender> senders;
                    std::optional<eddy::abort_handle> aborted;
                    std::optional<eddy::join_handle<int>> taken;
                    {
                        const std::lock_guard guard(s.lock);
                        senders = std::move(s.senders);
                        s.senders.clear();
                        if (!s.aborts.empty()) aborted.emplace(s.aborts[mine() % s.aborts.size()]);
                        if (!s.handles.empty() && mine() % 2 == 0) {
                            taken.emplace(std::move(s.handles.back()));
                            s.handles.pop_back();
                        }
                    }
                    for (auto& each : senders) {
                        if (mine() % 4 != 0) static_cast<void>(each.send(1));
                    }
                    if (aborted && mine() % 4 == 0) aborted->abort();
                    std::this_thread::yield();  // the other threads may need this processor
                }
            });
        }
        // Spawns into the set from this thread, and drives it on three threads, one after another.
        for (int part = 0; part < 3; ++part) {
            for (int i = 0; i < 3; ++i) {
                auto task = set->spawn_local(in_set(s, counted(s), random(), 2));
                const std::lock_guard guard(s.lock);
                s.aborts.push_back(task.abort_handle());
                s.handles.push_back(std::move(task));
            }
            const auto how = random() % 3;
            std::thread driver([&] {
                if (how == 0) {
                    static_cast<void>(eddy::wait(set->run_until(in_set(s, counted(s), 17 + round, 2))));
                } else if (how == 1) {
                    static_cast<void>(eddy::wait(set->run_until(eddy::yield_now())));
                } else {
                    eddy::core loop;
                    loop.run([](auto& driven) -> eddy::task<> {
                        auto limited = eddy::time::timeout(300us, driven.run_until(eddy::pending<void>()));
                        static_cast<void>(co_await limited);
                    }(*set));
                }
            });
            driver.join();
        }
        set.reset();
        over = true;
        for (auto& each : others) each.join();
        s.handles.clear();
        s.aborts.clear();
        s.senders.clear();
        ASSERT_EQ(s.alive, 0) << "round " << round;
    }
}

}  // namespace
