// SPDX-License-Identifier: MIT
// The short blocks of code in the guides of docs/: cancellation.md, structured-concurrency.md, performance.md and
// debugging.md. See docs_test.cpp.
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace io = eddy::io;
namespace sync = eddy::sync;
namespace time = eddy::time;

// ---- runtime/docs/cancellation.md ----

task<int> answer_after(std::chrono::milliseconds delay) {
    co_await time::sleep(delay);
    co_return 42;
}

TEST(DocsGuides, AbortedTaskIsJoinedAfterItsEnd) {
    eddy::test::run_paused([]() -> task<void> {
        // docs: abort
        auto handle = eddy::spawn(answer_after(1h));
        handle.abort();                  // requests the end, and does not wait
        auto outcome = co_await handle;  // the task has ended, and its objects are destroyed
        if (!outcome && outcome.error().is_cancelled()) std::puts("cancelled");
        // docs: end
        EXPECT_TRUE(!outcome && outcome.error().is_cancelled());
    });
}

TEST(DocsGuides, FutureThatIsPassedByReferenceContinuesAfterTimeout) {
    eddy::test::run_paused([]() -> task<void> {
        const auto began = time::clock::now();
        // docs: keep a future
        auto answer = answer_after(1500ms);
        auto in_time = co_await time::timeout(1s, std::ref(answer));  // borrows the future
        if (!in_time) {
            std::puts("this takes longer than usual");
            in_time = co_await std::move(answer);  // continues: 500 ms are left
        }
        // docs: end
        EXPECT_EQ(in_time, 42);
        EXPECT_EQ(time::clock::now() - began, 1500ms);
    });
}

TEST(DocsGuides, PermitKeepsItemWhenTimeElapses) {
    eddy::test::run_paused([]() -> task<void> {
        auto [sender, receiver] = sync::mpsc<std::string>::channel(1);
        static_cast<void>(sender.try_send("first"));
        std::string item = "second";
        // docs: reserve
        auto permit = co_await time::timeout(1s, sender.reserve());
        if (permit && *permit) std::move(**permit).send(std::move(item));
        // docs: end
        EXPECT_FALSE(permit.has_value());
        EXPECT_EQ(item, "second");
    });
}

TEST(DocsGuides, ChildTokenIsCancelledWithItsParent) {
    eddy::test::run_paused([]() -> task<void> {
        int rounds = 0;
        const auto do_one_round = [&]() -> task<void> {
            co_await time::sleep(1s);
            ++rounds;
        };
        // docs: token
        const sync::cancellation_token server;
        const sync::cancellation_token connection = server.child_token();
        auto worker = eddy::spawn([&do_one_round, connection]() -> task<void> {
            while (!connection.is_cancelled()) co_await do_one_round();  // a round is never interrupted
        });
        co_await time::sleep(2500ms);
        server.cancel();  // also cancels the children; connection.cancel() would not cancel the server
        const auto ended = co_await worker;
        // docs: end
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(rounds, 3);
    });
}

// ---- runtime/docs/structured-concurrency.md ----

task<result<std::string>> fetch(std::string name) {
    co_await time::sleep(10ms);
    if (name.empty()) co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    co_return "page of " + name;
}

// docs: task_owner
/// A counter that a task of its own increments.
class heartbeat {
public:
    void start() {
        tasks_.spawn([this] { return beat(); });
    }
    task<void> close() { co_await tasks_.close(); }  // ends the tasks gracefully
    [[nodiscard]] int beats() const noexcept { return beats_; }

private:
    task<void> beat() {
        for (;;) {
            co_await time::sleep(1s);
            ++beats_;
        }
    }

    int beats_ = 0;
    eddy::task_owner tasks_;  // the last member: it ends the tasks before the other members are destroyed
};
// docs: end

TEST(DocsGuides, TasksOfAnObjectEndWithIt) {
    eddy::test::run_paused([]() -> task<void> {
        heartbeat counter;
        counter.start();
        co_await time::sleep(2500ms);
        co_await counter.close();
        EXPECT_EQ(counter.beats(), 2);
    });
}

TEST(DocsGuides, TryJoinReturnsBothOutputsOrFirstError) {
    eddy::test::run_paused([]() -> task<void> {
        const auto both = []() -> task<result<std::size_t>> {
            // docs: try_join
            const auto [user, orders] = co_await try_(eddy::try_join(fetch("user"), fetch("orders")));
            // docs: end
            co_return user.size() + orders.size();
        };
        const auto size = co_await both();
        EXPECT_EQ(size.value(), 26);
        const auto failed = co_await eddy::try_join(fetch("user"), fetch(""));
        EXPECT_EQ(failed.error(), std::errc::invalid_argument);
    });
}

TEST(DocsGuides, JoinSetReturnsOutputsInOrderOfTheirEnds) {
    eddy::test::run_paused([]() -> task<void> {
        std::vector<int> found;
        // docs: join_set
        eddy::join_set<int> set;
        for (int n = 3; n >= 1; --n) set.spawn(answer_after(n * 1s).map([n](int) { return n; }));
        while (auto outcome = co_await set.join_next()) {  // nullopt: the set is empty
            found.push_back(outcome->value());             // the first one to end comes first
        }
        // docs: end
        EXPECT_EQ(found, (std::vector<int>{1, 2, 3}));
    });
}

TEST(DocsGuides, AtMostThreeItemsAreHandledAtTheSameTime) {
    eddy::test::run_paused([]() -> task<void> {
        std::vector<std::string> pages;
        const std::vector<std::string> names{"a", "b", "c", "d", "e"};
        const auto all = [&]() -> task<result<void>> {
            // docs: for_each_concurrent
            const auto fetch_one = [&pages](std::string name) -> task<result<void>> {  // by value: it waits
                auto page = co_await try_(fetch(std::move(name)));
                pages.push_back(std::move(page));  // no lock: these futures belong to one task
                co_return eddy::ok();
            };
            co_await try_(eddy::streams::iter(names).for_each_concurrent(3, fetch_one));
            // docs: end
            co_return eddy::ok();
        };
        const auto began = time::clock::now();
        const auto ended = co_await all();
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(pages.size(), 5U);
        EXPECT_EQ(time::clock::now() - began, 20ms);
    });
}

// ---- docs/performance.md ----

TEST(DocsGuides, HistogramShowsSlowPolls) {
    std::chrono::nanoseconds slowest{};
    // docs: poll times
    auto runtime = eddy::runtime::builder().worker_threads(2).poll_time_histogram(true).build().value();
    runtime.block_on(eddy::scope([](auto& s) -> task<void> {
        s.spawn([]() -> task<void> {
            std::this_thread::sleep_for(20ms);  // blocks its worker: the histogram shows it
            co_return;
        });
        co_return;
    }));
    slowest = runtime.metrics().poll_times().quantile(1);
    // docs: end
    EXPECT_GE(slowest, 20ms);
}

TEST(DocsGuides, BufferedWriterSendsLinesInOneCall) {
    eddy::test::run_paused([]() -> task<void> {
        auto peer = eddy::test::io_builder().write("0\n1\n2\n").build();
        const auto all = [&]() -> task<result<void>> {
            // docs: buffered writer
            io::buf_writer out(std::ref(peer));
            for (int n = 0; n < 3; ++n) co_await try_(io::write_all(out, std::to_string(n) + "\n"));
            co_await try_(io::flush(out));  // one write of 6 bytes
            // docs: end
            co_return eddy::ok();
        };
        const auto ended = co_await all();
        EXPECT_TRUE(ended.has_value());
        peer.assert_done();
    });
}

// ---- runtime/docs/debugging.md ----

task<result<void>> wait_for_lock(sync::mutex<int>& counter) {
    auto guard = co_await counter.lock();
    ++*guard;
    co_return eddy::ok();
}

TEST(DocsGuides, DumpPrintsWhereTasksWait) {
    const auto print = []() -> task<void> {
        sync::mutex<int> counter(0);
        auto guard = co_await counter.lock();
        auto waiting = eddy::spawn(wait_for_lock(counter));
        co_await eddy::yield_now();  // now it waits
        // docs: dump tasks
        std::fputs(eddy::dump_tasks().c_str(), stderr);
        // docs: end
        eddy::drop(std::move(guard));
        const auto ended = co_await waiting;
        EXPECT_TRUE(ended.has_value());
    };
    testing::internal::CaptureStderr();
    eddy::core().run(print());
    const std::string printed = testing::internal::GetCapturedStderr();
    EXPECT_TRUE(printed.contains("waits for a mutex")) << printed;
}

TEST(DocsGuides, StallHandlerReceivesTheReport) {
    std::string reported;
    std::atomic<bool> is_reported = false;
    // docs: on_stall
    auto core = eddy::core::builder()
                    .stall_limit(20ms)
                    .on_stall([&](const eddy::stall_report& stall) {  // called on the thread of the watchdog
                        reported = stall.text;
                        is_reported = true;
                    })
                    .build()
                    .value();
    // docs: end
    core.run([&]() -> task<void> {
        while (!is_reported) continue;
        co_return;
    });
    EXPECT_TRUE(reported.starts_with("eddy: a task has occupied its thread for ")) << reported;
}

TEST(DocsGuides, UncaughtExceptionNamesTheSpawn) {
    std::string seen;
    // docs: on_uncaught
    auto core = eddy::core::builder()
                    .on_uncaught([&](const std::exception_ptr&, const std::source_location& spawned_at) {
                        seen = std::string(spawned_at.file_name()) + ":" + std::to_string(spawned_at.line());
                    })
                    .build()
                    .value();
    // docs: end
    core.run([]() -> task<void> {
        eddy::drop(eddy::spawn([]() -> task<void> {
            co_await eddy::yield_now();
            throw std::runtime_error("lost");
        }));
        co_await time::sleep(1ms);
    }());
    EXPECT_TRUE(seen.contains("docs_guides_test.cpp:")) << seen;
}

}  // namespace
