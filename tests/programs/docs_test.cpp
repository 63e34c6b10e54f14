// SPDX-License-Identifier: MIT
// The short blocks of code in docs/. A page contains the lines between `// docs: NAME` and `// docs: end`, and
// tools/check_pages.py compares them. Complete programs of the pages are in examples/.
// covers: S93
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::flow;
using eddy::on;
using eddy::result;
using eddy::select_loop;
using eddy::task;
using eddy::try_;
using eddy::until;
namespace io = eddy::io;
namespace sync = eddy::sync;
namespace time = eddy::time;

// ---- docs/features.md ----

using job = int;

TEST(Docs, SelectLoopRunsUntilTheTokenIsCancelled) {
    std::vector<job> done;
    int reports = 0;
    sync::cancellation_token stop;
    const auto run = [&](job next) -> task<void> {
        co_await eddy::yield_now();
        done.push_back(next);
    };
    const auto report = [&] {
        if (++reports == 3) stop.cancel();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [sender, jobs] = sync::mpsc<job>::channel(4);
        auto ticks = time::interval(1s);
        static_cast<void>(sender.try_send(1));
        static_cast<void>(sender.try_send(2));
        // docs: select_loop
        co_await select_loop(on(std::ref(jobs), [&](job next) -> task<void> { co_await run(next); }),  // each item
                             on([&] { return ticks.tick(); }, [&] { report(); }),  // a new future in each round
                             until(stop.cancelled()));                             // ends the loop
        // docs: end
    });
    EXPECT_EQ(done, (std::vector<job>{1, 2}));
    EXPECT_EQ(reports, 3);
}

TEST(Docs, SelectLoopEndsWithItsStream) {
    std::vector<std::string> handled;
    sync::cancellation_token stop;
    const auto handle = [&](std::string line) -> task<void> {
        co_await eddy::yield_now();
        handled.push_back(std::move(line));
    };
    auto peer = eddy::test::io_builder().read("a\nb").read("c\n").build();
    eddy::test::run_paused([&]() -> task<void> {
        eddy::codec::framed lines(std::ref(peer), eddy::codec::lines_codec(100));
        // docs: select_loop that ends with its stream
        co_await select_loop(on([&] { return lines.next(); },
                                [&](std::optional<result<std::string>> line) -> task<flow> {
                                    if (!line || !*line) co_return flow::stop;  // the end, or an error
                                    co_await handle(**line);
                                    co_return flow::next;
                                }),
                             until(stop.cancelled()));
        // docs: end
    });
    EXPECT_EQ(handled, (std::vector<std::string>{"a", "bc"}));
}

// ---- runtime/docs/io_uring.md ----

TEST(Docs, LoopReportsWhyItUsesItsDriver) {
    eddy::core loop;
    std::ostringstream out;
    std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
    // docs: why_driver
    std::cout << loop.why_driver() << "\n";  // "epoll: this kernel has no io_uring (ENOSYS)"
    // docs: end
    std::cout.rdbuf(before);
    EXPECT_NE(out.str().find(": "), std::string::npos) << out.str();
}

// ---- docs/compilers.md ----

task<int> f(std::string text, int number) { co_return static_cast<int>(text.size()) + number; }

TEST(Docs, AwaitInItsOwnStatementReturnsOutput) {
    const std::string named = "abc";
    const int values = 4;
    const auto sum = [&]() -> task<int> {
        // docs: one rule
        auto x = co_await f(named, values);
        // docs: end
        co_return x;
    };
    EXPECT_EQ(eddy::wait(sum()), 7);
}

// ---- docs/pitfalls.md ----

TEST(Docs, TryNextReturnsResultOfOptional) {
    std::vector<std::string> used;
    const auto use = [&](std::string line) { used.push_back(std::move(line)); };
    auto peer = eddy::test::io_builder().read("a\nb\n").build();
    auto slow = eddy::test::io_builder().read("c\n").wait(1min).read("d\n").build();
    eddy::test::run_paused([&]() -> task<void> {
        const auto all = [&](auto& from) -> task<result<void>> {
            eddy::codec::framed lines(std::ref(from), eddy::codec::lines_codec(100));
            // docs: try_next
            while (auto line = co_await try_(lines.try_next())) use(*line);
            // docs: end
            co_return eddy::ok();
        };
        const auto each_within_30s = [&](auto& from) -> task<result<void>> {
            eddy::codec::framed lines(std::ref(from), eddy::codec::lines_codec(100));
            // docs: try_next with a time limit
            while (auto line = co_await try_(time::try_timeout(30s, lines.next()))) use(*line);
            // docs: end
            co_return eddy::ok();
        };
        const auto ended = co_await all(peer);
        EXPECT_TRUE(ended.has_value());
        const auto late = co_await each_within_30s(slow);
        EXPECT_EQ(late.error(), eddy::errc::timed_out);
    });
    EXPECT_EQ(used, (std::vector<std::string>{"a", "b", "c"}));
}

// ---- runtime/docs/testing.md ----

TEST(Docs, FutureIsPolledByHand) {
    // docs: by hand
    eddy::sync::mutex<int> m(0);
    eddy::test::by_hand first(m.lock()), second(m.lock());
    auto guard = eddy::test::assert_ready(first.poll());
    eddy::test::assert_pending(second.poll());
    guard.unlock();
    EXPECT_TRUE(second.is_woken());
    // docs: end
}

/// Sends PING, and returns whether PONG comes back before the connection fails.
template <class Stream>
task<bool> ping(Stream& peer) {
    std::string answer(6, '\0');
    const auto sent = co_await io::write_all(peer, "PING\r\n");
    if (!sent) co_return false;
    const auto read = co_await io::read_exact(peer, answer);
    if (!read || answer != "PONG\r\n") co_return false;
    const auto more = co_await io::read(peer, answer);
    co_return !more && more.error() == std::errc::connection_reset;
}

TEST(Docs, ScriptedPeerAnswersPing) {
    // docs: scripted peer
    auto peer = eddy::test::io_builder()
                    .write("PING\r\n")  // expected, in any number of pieces
                    .read("PO")         // received after that, one piece per read
                    .read("NG\r\n")
                    .wait(30s)  // silence
                    .read_error(std::errc::connection_reset)
                    .build();
    auto core = eddy::core::builder().start_paused(true).build().value();  // 30 s of silence take no time
    EXPECT_TRUE(core.run(ping(peer)));
    peer.assert_done();  // the script was read and written completely
    // docs: end
}

TEST(Docs, CodecDecodesBytesWithoutConnection) {
    // docs: codec
    auto from = eddy::bytes_mut::copy_of("ab\ncd");
    eddy::codec::lines_codec codec;
    EXPECT_EQ(codec.decode(from).value(), "ab");
    EXPECT_FALSE(codec.decode(from).value());  // not yet
    // docs: end
}

TEST(Docs, ScriptedStreamYieldsItsItems) {
    eddy::test::run_paused([]() -> task<void> {
        // docs: scripted items
        auto numbers = eddy::test::stream_builder<int>().item(1).wait(5s).item(2).build();
        // docs: end
        const auto first = co_await numbers.next();
        const auto second = co_await numbers.next();
        EXPECT_EQ(first, 1);
        EXPECT_EQ(second, 2);
    });
}

// ---- docs/concepts.md ----

// docs: a future
/// A future that is ready at its third poll.
class third_time {
public:
    using output_type = int;

    eddy::poll_result<int> poll(eddy::context& cx) {
        if (++polls_ == 3) return polls_;
        cx.waker().wake_by_ref();  // asks the executor for another poll
        return eddy::not_ready;
    }

private:
    int polls_ = 0;
};
// docs: end

TEST(Docs, UserDefinedFutureCanBeAwaited) {
    const auto count = []() -> task<int> {
        // docs: await a future
        const int polls = co_await third_time();
        // docs: end
        co_return polls;
    };
    EXPECT_EQ(eddy::wait(count()), 3);
    EXPECT_EQ(eddy::core().run(count()), 3);
}

TEST(Docs, FutureIsWokenBeforeItIsPolledAgain) {
    // docs: executor
    auto [sender, receiver] = sync::oneshot<int>::channel();
    eddy::test::by_hand answer(std::move(receiver));  // an executor for one future
    eddy::test::assert_pending(answer.poll());        // registers the waker
    EXPECT_FALSE(answer.is_woken());                  // an executor would poll other futures, or sleep
    static_cast<void>(sender.send(42));               // an event: calls the waker
    EXPECT_TRUE(answer.is_woken());
    EXPECT_EQ(eddy::test::assert_ready(answer.poll()).value(), 42);
    // docs: end
}

// ---- docs/cheat-sheet.md ----

task<result<int>> number(int n) {
    co_await eddy::yield_now();
    co_return n;
}

task<void> add(int n, int& sum) {
    co_await eddy::yield_now();
    sum += n;
}

TEST(Docs, CheatSheetTasksReturnOutputs) {
    eddy::test::run_paused([]() -> task<void> {
        // docs: tasks
        auto handle = eddy::spawn(number(1));  // runs concurrently; await, abort or drop the handle
        auto outcome = co_await handle;        // expected<result<int>, join_error>

        auto nap = eddy::spawn(time::sleep(1h));
        nap.abort();  // cancels it

        int sum = 0;
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (int n = 1; n <= 3; ++n) s.spawn(add(n, sum));  // children may use locals of this coroutine
            co_return;
        });
        // docs: end
        EXPECT_EQ(outcome.value().value(), 1);
        EXPECT_EQ(sum, 6);
    });
}

TEST(Docs, CheatSheetCombinatorsReturnOutputs) {
    eddy::test::run_paused([]() -> task<void> {
        const auto all = []() -> task<result<void>> {
            // docs: combinators
            auto [a, b] = co_await eddy::join(number(1), number(2));                  // both
            const auto [c, d] = co_await try_(eddy::try_join(number(3), number(4)));  // both, or the first error
            auto first = co_await eddy::select(number(5), time::sleep(1s));           // the first; a variant
            const int e = co_await try_(time::try_timeout(1s, number(6)));            // or errc::timed_out
            const int f = co_await try_(number(3).and_then([](int n) { return number(n + 4); }));
            const int g = co_await try_(eddy::retry(time::backoff(1s), [] { return number(8); }));
            // docs: end
            EXPECT_EQ(a.value() + b.value() + c + d + std::get<0>(first).value() + e + f + g, 36);
            co_return eddy::ok();
        };
        const auto ended = co_await all();
        EXPECT_TRUE(ended.has_value());
    });
}

TEST(Docs, CheatSheetChannelsDeliverValues) {
    eddy::test::run_paused([]() -> task<void> {
        // docs: channels
        auto [jobs, worker] = sync::mpsc<int>::channel(8);  // one receiver; copies of `jobs` send, too
        auto sent = co_await jobs.send(1);                  // waits while the channel is full
        auto received = co_await worker.recv();             // optional<int>; nullopt: all senders are gone

        auto [reply, answer] = sync::oneshot<int>::channel();  // one value
        static_cast<void>(reply.send(2));
        auto value = co_await answer;

        auto [config, watcher] = sync::watch<int>::channel(0);  // the latest value
        static_cast<void>(config.send(3));
        auto changed = co_await watcher.changed();

        auto [news, reader] = sync::broadcast<int>::channel(8);  // every value to every receiver
        static_cast<void>(news.send(4));
        auto text = co_await reader.recv();
        // docs: end
        EXPECT_TRUE(sent.has_value());
        EXPECT_EQ(received, 1);
        EXPECT_EQ(value.value(), 2);
        EXPECT_TRUE(changed.has_value());
        EXPECT_EQ(*watcher.borrow(), 3);
        EXPECT_EQ(text.value(), 4);
    });
}

TEST(Docs, CheatSheetCancellationEndsTasks) {
    eddy::test::run_paused([]() -> task<void> {
        const auto began = time::clock::now();
        // docs: cancellation
        const sync::cancellation_token stop;
        auto worker = eddy::spawn([stop]() -> task<void> {
            co_await eddy::select(time::sleep(1h), stop.cancelled());  // the loser is destroyed
        });
        stop.cancel();

        auto cleaned = eddy::finally(time::sleep(1h), [] { return time::sleep(1s); });  // may wait in its cleanup
        auto late = co_await time::timeout(1min, std::move(cleaned));
        // docs: end
        EXPECT_FALSE(late.has_value());
        const auto ended = co_await worker;
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(time::clock::now() - began, 61s);
    });
}

// ---- docs/choosing.md ----

TEST(Docs, JobsOfOneChannelRunConcurrently) {
    int running = 0;
    int most = 0;
    int done = 0;
    const auto run = [&](job) -> task<void> {
        most = std::max(most, ++running);
        co_await time::sleep(1s);
        --running;
        ++done;
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [sender, jobs] = sync::mpsc<job>::channel(8);
        for (int n = 0; n < 8; ++n) static_cast<void>(sender.try_send(n));
        eddy::drop(std::move(sender));
        // docs: workers
        auto work = [&](job next) -> task<void> {                // without spawn: all jobs run on this task's thread
            static_cast<void>(co_await eddy::spawn(run(next)));  // a task of its own, which any worker may run
        };
        auto ended = co_await std::move(jobs).for_each_concurrent(4, work);  // four jobs at a time
        // docs: end
        EXPECT_TRUE(ended.has_value());
    });
    EXPECT_EQ(most, 4);
    EXPECT_EQ(done, 8);
}

}  // namespace
