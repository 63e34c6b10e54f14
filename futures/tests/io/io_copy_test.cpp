// SPDX-License-Identifier: MIT
#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/choppy_io.hpp"

namespace {

namespace io = eddy::io;
using eddy::errc;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::all_chops;
using support::chop;
using support::choppy_reader;
using support::choppy_writer;
using support::finish;

const std::string some_text = "Not all those who wander are lost; the old that is strong does not wither.";

// covers: P045
TEST(IoCopy, CopiesAllBytesAndFlushes) {
    for (const chop& reads : all_chops()) {
        for (const chop& writes : all_chops()) {
            for (const std::size_t size : {1u, 5u, 8192u}) {
                choppy_reader from(some_text, reads);
                choppy_writer to(writes);
                EXPECT_EQ(finish(io::copy(from, to, size)), some_text.size());
                EXPECT_EQ(to.got(), some_text);
                EXPECT_EQ(to.flushed(), some_text.size());
                EXPECT_FALSE(to.is_shut_down());
            }
            io::buf_reader buffered(choppy_reader(some_text, reads), 16);
            choppy_writer to(writes);
            EXPECT_EQ(finish(io::copy_buf(buffered, to)), some_text.size());
            EXPECT_EQ(to.got(), some_text);
            EXPECT_EQ(to.flushed(), some_text.size());
        }
    }
    io::empty nothing;
    EXPECT_THROW(static_cast<void>(io::copy(nothing, nothing, 0)), eddy::misuse);
}

TEST(IoCopy, IsDescribedByItsWriterWhileThatWaits) {
    using copy = decltype(io::copy(std::declval<io::duplex_stream&>(), std::declval<io::duplex_stream&>()));
    const auto shape = copy::wait_shape();
    EXPECT_EQ(shape.children[0].alive_is, 1u) << "the writer: shown first, but only while it waits";
    EXPECT_EQ(shape.children[1].alive, eddy::detail::child_record::always);
}

// covers: P045 R088
TEST(IoCopy, FlushesWhileTheReaderWaits) {
    auto [near, far] = io::duplex(64);
    choppy_writer kept;
    io::buf_writer to(std::ref(kept));
    by_hand copying(io::copy(far, to));
    EXPECT_TRUE(finish(io::write_all(near, "prompt> ")));
    for (int i = 0; i < 30; ++i) assert_pending(copying.poll());
    EXPECT_EQ(kept.flushed(), 8u) << "the peer may wait for these bytes before it answers";
    EXPECT_EQ(kept.flushes(), 1);
    EXPECT_TRUE(finish(io::shutdown(near)));
    EXPECT_TRUE(copying.is_woken());
    EXPECT_EQ(finish(copying.future()), 8u);
}

// covers: R088
TEST(IoCopy, KeepsReadingWhileTheWriterWaits) {
    auto [near, far] = io::duplex(1);
    auto [source, from] = io::duplex(1);
    by_hand copying(io::copy(from, near, 8));
    for (const char c : std::string("12345678")) {
        by_hand writing(io::write_all(source, std::string_view(&c, 1)));
        EXPECT_TRUE(assert_ready(writing.poll())) << c;
        assert_pending(copying.poll());
        EXPECT_FALSE(copying.is_woken()) << "the copy waits for both sides";
    }
    EXPECT_TRUE(finish(io::shutdown(source)));
    std::array<std::byte, 1> some{};
    std::string got;
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(finish(io::read(far, some)), 1u);
        got += support::as_text(some);
        if (i == 7) break;
        EXPECT_TRUE(copying.is_woken());
        EXPECT_EQ(copying.poll().is_ready(), i == 6) << "the copy ends when the eighth byte is in the pipe";
    }
    EXPECT_EQ(got, "12345678");
}

// covers: R088
TEST(IoCopy, RelaysOverOneBytePipesDoNotDeadlock) {
    auto [client, left] = io::duplex(1);
    auto [middle_a, middle_b] = io::duplex(1);
    auto [right, server] = io::duplex(1);
    const auto request = [](io::duplex_stream& peer) -> eddy::task<std::string> {
        io::buf_stream buffered(std::ref(peer));
        std::string answer;
        for (int i = 0; i < 50; ++i) {
            const auto written = co_await io::write_all(buffered, "request\n");
            EXPECT_TRUE(written);
            const auto flushed = co_await io::flush(buffered);
            EXPECT_TRUE(flushed);
            const auto read = co_await io::read_line(buffered, answer);
            EXPECT_TRUE(read);
        }
        const auto ended = co_await io::shutdown(buffered);
        EXPECT_TRUE(ended);
        co_return answer;
    };
    const auto answer = [](io::duplex_stream& peer) -> eddy::task<int> {
        io::buf_stream buffered(std::ref(peer));
        int requests = 0;
        std::string line;
        for (;; ++requests) {
            const auto read = co_await io::read_line(buffered, line);
            if (read.value() == 0) break;
            const auto written = co_await io::write_all(buffered, "ok\n");
            EXPECT_TRUE(written);
            const auto flushed = co_await io::flush(buffered);
            EXPECT_TRUE(flushed);
        }
        const auto ended = co_await io::shutdown(buffered);
        EXPECT_TRUE(ended);
        co_return requests;
    };
    auto all = eddy::join(request(client), io::copy_bidirectional(left, middle_a),
                          io::copy_bidirectional(middle_b, right), answer(server));
    auto done = eddy::wait(std::move(all));
    const auto& [answers, first, second, requests] = done;
    EXPECT_EQ(answers.size(), 150u);
    EXPECT_EQ(requests, 50);
    EXPECT_EQ(first.value(), io::copied(400, 150));
    EXPECT_EQ(second.value(), io::copied(400, 150));
}

// covers: P045 R084
TEST(IoCopy, ReadOrWriteErrorEndsTheCopy) {
    chop bad;
    bad.fails_at = 5;
    choppy_reader from(some_text, bad);
    choppy_writer to;
    auto copying = io::copy(from, to);
    EXPECT_EQ(finish(copying).error(), std::errc::io_error);
    EXPECT_EQ(copying.count(), 5u) << "the bytes before the error were written";
    choppy_reader good(some_text);
    choppy_writer breaks(bad);
    EXPECT_EQ(finish(io::copy(good, breaks)).error(), std::errc::io_error);
    chop little;
    little.full_at = 5;
    choppy_writer full(little);
    EXPECT_EQ(finish(io::copy(good, full)).error(), errc::write_zero);
    io::buf_reader buffered{choppy_reader(some_text)};
    choppy_writer full_again(little);
    EXPECT_EQ(finish(io::copy_buf(buffered, full_again)).error(), errc::write_zero);
    EXPECT_EQ(finish(io::read_to_string(buffered)).value(), some_text.substr(5)) << "no byte may be lost";
}

// covers: P045
TEST(IoCopy, BytesReadBeforeAnErrorAreFlushed) {
    chop bad;
    bad.fails_at = 5;
    choppy_writer kept;
    io::buf_writer to(std::ref(kept));
    choppy_reader from(some_text, bad);
    EXPECT_EQ(finish(io::copy(from, to)).error(), std::errc::io_error);
    EXPECT_EQ(kept.flushed(), 5u);
    io::buf_reader buffered{choppy_reader(some_text, bad)};
    auto copying = io::copy_buf(buffered, to);
    EXPECT_EQ(finish(copying).error(), std::errc::io_error);
    EXPECT_EQ(copying.count(), 5u);
    EXPECT_EQ(kept.got(), some_text.substr(0, 5) + some_text.substr(0, 5));
    EXPECT_EQ(kept.flushed(), 10u);
}

// covers: P045
TEST(IoCopy, ReaderIsNotPolledDuringTheFinalFlush) {
    choppy_reader from("");
    io::buf_reader buffered{std::ref(from)};
    choppy_writer to;  // waits before it flushes
    EXPECT_EQ(finish(io::copy_buf(buffered, to)), 0u);
    EXPECT_EQ(to.flushes(), 1);
    EXPECT_EQ(from.polls(), 2u) << "one poll that waited, and one that returned the end";
}

// covers: P045
TEST(IoCopy, EndlessCopyYields) {
    io::repeat from(std::byte{1});
    io::sink to;
    by_hand copying(io::copy(from, to));
    assert_pending(copying.poll());
    EXPECT_TRUE(copying.is_woken());
    EXPECT_GT(copying.future().count(), 0u);
    chop at_once;
    at_once.waits_between = false;
    choppy_reader without_budget(std::string(10'000, 'x'), at_once);
    choppy_writer as_well(at_once);
    by_hand other(io::copy(without_budget, as_well));
    assert_pending(other.poll());
    EXPECT_TRUE(other.is_woken()) << "the copy must yield even if neither side uses the budget";
}

// covers: P047
TEST(IoCopy, FullPipeStopsReading) {
    auto [near, far] = io::duplex(4);
    choppy_reader from(some_text);
    by_hand copying(io::copy(from, near, 3));
    for (int i = 0; i < 100; ++i) assert_pending(copying.poll());
    EXPECT_EQ(from.position(), 4u + 3u) << "the capacity of the pipe and of the copy buffer";
    std::array<std::byte, 2> some{};
    EXPECT_EQ(finish(io::read(far, some)), 2u);
    EXPECT_TRUE(copying.is_woken());
}

// covers: P045
TEST(IoCopyBidirectional, HalfCloseIsForwarded) {
    auto [client, left] = io::duplex(16);
    auto [right, server] = io::duplex(16);
    by_hand relay(io::copy_bidirectional(left, right));
    assert_pending(relay.poll());
    EXPECT_TRUE(finish(io::write_all(client, "ask")));
    EXPECT_TRUE(finish(io::shutdown(client)));
    EXPECT_TRUE(relay.is_woken());
    assert_pending(relay.poll());
    EXPECT_EQ(finish(io::read_to_string(server)).value(), "ask") << "the half-close has arrived";
    EXPECT_TRUE(finish(io::write_all(server, "the answer")));
    assert_pending(relay.poll());
    std::array<std::byte, 10> answer{};
    EXPECT_TRUE(finish(io::read_exact(client, answer)));
    EXPECT_TRUE(finish(io::shutdown(server)));
    EXPECT_EQ(assert_ready(relay.poll()).value(), io::copied(3, 10));
    EXPECT_EQ(finish(io::read(client, answer)), 0u);
}

TEST(IoCopyBidirectional, FloodInOneDirectionDoesNotStarveTheOther) {
    for (const bool is_reversed : {false, true}) {
        auto flood = io::join(io::repeat(std::byte{'f'}), io::cursor(std::string()));
        auto quiet = io::join(io::cursor(std::string("ping")), io::sink());
        const auto poll_often = [](auto both) {
            by_hand copying(std::move(both));
            for (int i = 0; i < 100; ++i) assert_pending(copying.poll());
        };
        if (is_reversed) {
            poll_often(io::copy_bidirectional(quiet, flood));
        } else {
            poll_often(io::copy_bidirectional(flood, quiet));
        }
        EXPECT_EQ(flood.writer().inner(), "ping") << is_reversed;
    }
}

// covers: P045
TEST(IoCopyBidirectional, ErrorEndsBothDirections) {
    chop bad;
    bad.fails_at = 2;
    auto a = io::join(choppy_reader("abc", bad), choppy_writer());
    auto [b, far] = io::duplex(16);
    EXPECT_EQ(finish(io::copy_bidirectional(a, b)).error(), std::errc::io_error);
}

// covers: P045
TEST(IoCopyBidirectional, CopiesBothDirectionsThroughSmallBuffers) {
    auto [client, left] = io::duplex(7);
    auto [right, server] = io::duplex(5);
    std::string there;
    std::string back;
    for (int i = 0; i < 20'000; ++i) {
        there += static_cast<char>('a' + i % 26);
        back += static_cast<char>('0' + i % 10);
    }
    const auto talk = [](io::duplex_stream peer, const std::string& mine) -> eddy::task<std::string> {
        auto halves = io::split(std::move(peer));
        auto say = [](io::write_half<io::duplex_stream> to, const std::string& text) -> eddy::task<void> {
            const auto written = co_await io::write_all(to, text);
            EXPECT_TRUE(written);
            const auto ended = co_await io::shutdown(to);
            EXPECT_TRUE(ended);
        };
        auto both = eddy::join(say(std::move(halves.writer), mine), io::read_to_string(halves.reader));
        auto done = co_await both;
        auto& [said, heard] = done;
        static_cast<void>(said);
        co_return std::move(heard).value();
    };
    auto all = eddy::join(talk(std::move(client), there), talk(std::move(server), back),
                          io::copy_bidirectional(left, right, 3, 11));
    auto done = eddy::wait(std::move(all));
    const auto& [at_client, at_server, moved] = done;
    EXPECT_EQ(at_client, back);
    EXPECT_EQ(at_server, there);
    EXPECT_EQ(moved.value(), io::copied(20'000, 20'000));
}

}  // namespace
