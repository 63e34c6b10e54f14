// SPDX-License-Identifier: MIT
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/error.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

#include "support/choppy_io.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"

// The test utilities that eddy offers to its users.

namespace {

namespace io = eddy::io;
namespace test = eddy::test;
using namespace std::chrono_literals;
using support::finish;
using support::text_of_misuse;
using support::within;
using test::assert_pending;
using test::assert_ready;
using test::assert_ready_error;
using test::assert_ready_ok;
using test::by_hand;

/// The server under test: answers each line until it reads "quit".
template <class S>
eddy::task<eddy::result<int>> answer_lines(S& peer) {
    eddy::codec::framed lines(std::ref(peer), eddy::codec::lines_codec());
    int answered = 0;
    while (auto line = co_await lines.next()) {
        const auto text = co_await eddy::try_(std::move(*line));
        if (text == "quit") break;
        co_await eddy::try_(lines.send("got " + text));
        ++answered;
    }
    co_return answered;
}

// covers: P109
TEST(IoMock, ScriptActsAsThePeer) {
    eddy::core core;
    auto peer = test::io_builder().read("a\nb").read("c\n").write("got a\n").write("got bc\n").read("quit\n").build();
    EXPECT_EQ(within(core, answer_lines(peer)).value(), 2);
    EXPECT_TRUE(peer.is_done());
    peer.assert_done();
}

// covers: P109
TEST(IoMock, UnexpectedWriteNamesTheDifference) {
    auto peer = test::io_builder().write("hello\nworld").build();
    by_hand wrong(io::write_all(peer, support::bytes_of("hello\nWORLD")));
    const auto text = text_of_misuse([&] { static_cast<void>(wrong.poll()); });
    EXPECT_NE(text.find(R"("WORLD" was written where "world" was expected, after 6 bytes as)"), text.npos) << text;
    auto short_one = test::io_builder().write("ab").build();
    by_hand half(io::write_all(short_one, support::bytes_of("ax")));
    const auto after_one = text_of_misuse([&] { static_cast<void>(half.poll()); });
    EXPECT_NE(after_one.find("after 1 byte as expected"), after_one.npos) << after_one;
    auto silent = test::io_builder().read("x").build();
    by_hand more(io::write_all(silent, support::bytes_of("\x01\"")));
    const auto none = text_of_misuse([&] { static_cast<void>(more.poll()); });
    EXPECT_NE(none.find(R"("\x01\"" was written, and nothing more was expected)"), none.npos) << none;
}

// covers: P109
TEST(IoMock, ReadWaitsForTheWritesBeforeIt) {
    auto peer = test::io_builder().write("ask").read("answer").build();
    std::string got(6, '\0');
    by_hand read(io::read_exact(peer, std::as_writable_bytes(std::span(got))));
    assert_pending(read.poll());
    by_hand half(io::write_all(peer, support::bytes_of("as")));
    assert_ready_ok(half.poll());
    EXPECT_FALSE(read.is_woken());
    by_hand rest(io::write_all(peer, support::bytes_of("k")));
    assert_ready_ok(rest.poll());
    EXPECT_TRUE(read.is_woken());
    assert_ready_ok(read.poll());
    EXPECT_EQ(got, "answer");
}

// covers: P109
TEST(IoMock, ErrorsOccurWhereTheScriptHasThem) {
    auto peer = test::io_builder()
                    .read("x")
                    .read_error(std::errc::connection_reset)
                    .write_error(std::errc::broken_pipe)
                    .build();
    std::string got;
    by_hand read(io::read_to_string(peer, got));
    EXPECT_EQ(assert_ready_error(read.poll()), std::errc::connection_reset);
    by_hand write(io::write_all(peer, support::bytes_of("x")));
    EXPECT_EQ(assert_ready_error(write.poll()), std::errc::broken_pipe);
    peer.assert_done();
    by_hand end(io::read_to_string(peer, got));
    EXPECT_EQ(assert_ready_ok(end.poll()), 0u) << "the stream ends after the script";
    by_hand ended(io::shutdown(peer));
    assert_ready_ok(ended.poll());
    EXPECT_TRUE(peer.is_shut_down());
}

// covers: P109
TEST(IoMock, PausesTakeNoTimeOnAPausedClock) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        test::pause();
        const auto begin = eddy::time::clock::now();
        auto peer = test::io_builder().wait(1h).read("late").wait(1h).write("later").build();
        std::string got(4, '\0');
        EXPECT_TRUE((co_await io::read_exact(peer, std::as_writable_bytes(std::span(got)))).has_value());
        EXPECT_EQ(eddy::time::clock::now() - begin, 1h);
        EXPECT_TRUE((co_await io::write_all(peer, support::bytes_of("later"))).has_value());
        EXPECT_EQ(eddy::time::clock::now() - begin, 2h);
        co_return peer.is_done();
    };
    EXPECT_TRUE(within(core, work(), 24h));
}

// covers: P109
TEST(IoMock, ReaderAndWriterCanWaitForTheSamePause) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        test::pause();
        auto [reader, writer] = io::split(test::io_builder().wait(1s).read("in").write("out").build());
        const auto write = [](io::write_half<test::io_mock>& to) -> eddy::task<bool> {
            co_return (co_await io::write_all(to, support::bytes_of("out"))).has_value();
        };
        auto written = eddy::spawn(write(writer));
        std::string got(2, '\0');
        EXPECT_TRUE((co_await io::read_exact(reader, std::as_writable_bytes(std::span(got)))).has_value());
        auto done = co_await std::move(written);
        co_return done.value();
    };
    EXPECT_TRUE(within(core, work(), 24h));
}

// covers: P109
TEST(IoMock, PauseWithoutAnEventLoopNamesTheCallSite) {
    auto peer = test::io_builder().wait(1s).read("late").build();
    std::string got;
    by_hand read(io::read_to_string(peer, got));
    support::expect_misuse_here([&] { static_cast<void>(read.poll()); });
    auto numbers = test::stream_builder<int>().wait(1s).item(1).build();
    by_hand next(numbers.next());
    support::expect_misuse_here([&] { static_cast<void>(next.poll()); });
}

// covers: P109
TEST(IoMock, HandleExtendsARunningScript) {
    auto [peer, script] = test::io_builder().read("first ").build_with_handle();
    std::string got;
    by_hand read(io::read_to_string(peer, got));
    assert_pending(read.poll());
    script.read("second").write("ok");
    EXPECT_TRUE(read.is_woken());
    assert_pending(read.poll());
    EXPECT_FALSE(peer.is_done());
    by_hand write(io::write_all(peer, support::bytes_of("ok, more")));
    assert_pending(write.poll());
    script.write(", more");
    EXPECT_TRUE(write.is_woken());
    EXPECT_FALSE(peer.is_done());
    assert_ready_ok(write.poll());
    EXPECT_TRUE(peer.is_done());
    peer.assert_done();
    assert_pending(read.poll());
    {
        auto gone = std::move(script);
    }
    EXPECT_TRUE(read.is_woken());
    EXPECT_EQ(assert_ready_ok(read.poll()), 12u);
    EXPECT_EQ(got, "first second");
}

// covers: P109
TEST(IoMock, DroppedHandleEndsTheScript) {
    auto [peer, script] = test::io_builder().build_with_handle();
    by_hand write(io::write_all(peer, support::bytes_of("x")));
    assert_pending(write.poll());
    script.read("y").read_error(std::errc::connection_reset);
    {
        auto gone = std::move(script);
    }
    EXPECT_TRUE(write.is_woken());
    const auto text = text_of_misuse([&] { static_cast<void>(write.poll()); });
    EXPECT_NE(text.find("nothing more was expected"), text.npos) << text;
    const auto is_left = text_of_misuse([&] { peer.assert_done(); });
    EXPECT_NE(is_left.find("2 steps of the script are left"), is_left.npos) << is_left;
}

TEST(IoMock, StepsWithoutBytesAreIgnored) {
    auto [peer, script] = eddy::test::io_builder().read("").read("in").write("").write("out").build_with_handle();
    script.read("").read("more").write("").write("end");
    static_cast<void>(eddy::test::io_mock_handle(std::move(script)));
    EXPECT_TRUE(finish(io::write_all(peer, "outend")));
    EXPECT_EQ(finish(io::read_to_string(peer)), "inmore");
    peer.assert_done();
}

// covers: P109
TEST(IoMock, HandleCanExtendTheScriptFromAnotherThread) {
    eddy::core core;
    auto [peer, script] = test::io_builder().build_with_handle();
    std::jthread other([to = std::move(script)]() mutable {
        for (int i = 0; i < 1000; ++i) to.read("x").write("y");
    });
    const auto work = [](test::io_mock& with) -> eddy::task<eddy::result<int>> {
        std::array<std::byte, 1> one{};
        for (int i = 0;; ++i) {
            if (co_await eddy::try_(io::read(with, one)) == 0) co_return i;
            co_await eddy::try_(io::write_all(with, "y"));
        }
    };
    EXPECT_EQ(within(core, work(peer)).value(), 1000);
    peer.assert_done();
}

// covers: P109
TEST(IoMock, AssertDoneNamesTheStepsLeft) {
    const auto peer = test::io_builder().write("never").read("x").build();
    EXPECT_FALSE(peer.is_done());
    const auto text = text_of_misuse([&] { peer.assert_done(); });
    EXPECT_NE(text.find(R"(2 steps of the script are left; the next is to write "never")"), text.npos) << text;
    EXPECT_NE(text.find("test_mocks_test.cpp"), text.npos);
    const auto one = test::io_builder().write("never").build();
    const auto is_left = text_of_misuse([&] { one.assert_done(); });
    EXPECT_NE(is_left.find("1 step of the script is left; the next is"), is_left.npos) << is_left;
}

// covers: P109
TEST(StreamMock, YieldsItemsOfTheScript) {
    eddy::core core;
    const auto work = []() -> eddy::task<bool> {
        test::pause();
        const auto begin = eddy::time::clock::now();
        auto numbers = test::stream_builder<int>().item(1).wait(5s).item(2).item(3).build();
        EXPECT_EQ(co_await numbers.next(), 1);
        EXPECT_EQ(eddy::time::clock::now(), begin);
        EXPECT_EQ(co_await numbers.next(), 2);
        EXPECT_EQ(eddy::time::clock::now() - begin, 5s);
        EXPECT_EQ(co_await numbers.next(), 3);
        EXPECT_EQ(co_await numbers.next(), std::nullopt);
        co_return numbers.is_done();
    };
    EXPECT_TRUE(within(core, work(), 24h));
}

// covers: P109
TEST(TestAssert, FailedAssertionNamesTheActualState) {
    using eddy::poll_result;
    using eddy::result;
    const auto good = [] { return poll_result<result<int>>(eddy::ok(1)); };
    const auto bad = [] {
        return poll_result<result<int>>(result<int>(std::unexpect, std::make_error_code(std::errc::io_error)));
    };
    const auto none = [] { return poll_result<result<int>>(eddy::not_ready); };
    EXPECT_EQ(assert_ready_ok(good()), 1);
    EXPECT_EQ(assert_ready_error(bad()), std::errc::io_error);
    assert_pending(none());
    EXPECT_THROW(assert_pending(good()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(assert_ready(none())), eddy::misuse);
    EXPECT_THROW(static_cast<void>(assert_ready_error(good())), eddy::misuse);
    const auto text = text_of_misuse([&] { static_cast<void>(assert_ready_ok(bad())); });
    EXPECT_NE(text.find("ready with an error: Input/output error (at "), text.npos) << text;
}

}  // namespace
