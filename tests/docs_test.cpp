// SPDX-License-Identifier: MIT
// The short blocks of code in docs/. A page contains the lines between `// docs: NAME` and `// docs: end`, and
// tools/check_pages.py compares them. Complete programs of the pages are in examples/.
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

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

// ---- docs/io_uring.md ----

TEST(Docs, LoopTellsWhyItUsesItsDriver) {
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

TEST(Docs, AwaitInAStatementOfItsOwn) {
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

TEST(Docs, TryNextExchangesOptionalAndResult) {
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

// ---- docs/testing.md ----

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

TEST(Docs, ScriptIsThePeer) {
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

TEST(Docs, CodecNeedsNoConnection) {
    // docs: codec
    auto from = eddy::bytes_mut::copy_of("ab\ncd");
    eddy::codec::lines_codec codec;
    EXPECT_EQ(codec.decode(from).value(), "ab");
    EXPECT_FALSE(codec.decode(from).value());  // not yet
    // docs: end
}

TEST(Docs, StreamHasScriptedItems) {
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

}  // namespace
