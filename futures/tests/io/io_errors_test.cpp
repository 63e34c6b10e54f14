// SPDX-License-Identifier: MIT
// Adapters whose inner reader or writer fails, waits, or moves no byte, and adapters in memory without coop budget.
#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/result.hpp>
#include <eddy/stream.hpp>

#include "support/choppy_io.hpp"

namespace {

namespace io = eddy::io;
using eddy::result;
using support::as_bytes;
using support::as_text;
using support::chop;
using support::choppy_reader;
using support::choppy_writer;
using support::finish;

constexpr auto io_error = std::errc::io_error;

chop failing(std::size_t after) {
    chop how;
    how.most = 1000;
    how.fails_at = after;
    return how;
}

/// Polls with a coop budget that is used up. Returns whether `poll` is ready.
template <class Poll>
bool is_ready_without_budget(Poll poll) {
    const auto nothing = eddy::waker::noop();
    eddy::context cx(nothing);
    while (cx.consume_budget()) {
    }
    return poll(cx).is_ready();
}

TEST(IoBudget, ReadersAndWritersInMemoryWaitForTheNextPoll) {
    std::array<std::byte, 4> into{};
    const std::array<std::span<const std::byte>, 1> parts{as_bytes("x")};
    io::empty none;
    io::sink all;
    io::cursor text(std::string("abc"));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return none.poll_read(cx, into); }));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return none.poll_fill_buf(cx); }));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return all.poll_write(cx, as_bytes("x")); }));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return all.poll_write_vectored(cx, parts); }));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return text.poll_read(cx, into); }));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return text.poll_fill_buf(cx); }));
    EXPECT_FALSE(is_ready_without_budget([&](auto& cx) { return text.poll_write(cx, as_bytes("x")); }));
    EXPECT_EQ(text.position(), 0u);
}

TEST(IoErrors, ReadersPassOnErrors) {
    auto both = io::chain(choppy_reader("first", failing(3)), choppy_reader("second"));
    std::array<std::byte, 16> into{};
    EXPECT_EQ(finish(io::read(both, into)), 3u);
    EXPECT_EQ(finish(io::read(both, into)).error(), io_error);
    auto buffered = io::chain(io::buf_reader(choppy_reader("first", failing(0))), io::buf_reader(choppy_reader("x")));
    EXPECT_EQ(finish(io::fill_buf(buffered)).error(), io_error);
    auto limited = io::take(io::buf_reader(choppy_reader("text", failing(0))), 2);
    EXPECT_EQ(finish(io::fill_buf(limited)).error(), io_error);
    EXPECT_EQ(limited.limit(), 2u);
    int calls = 0;
    auto seen = io::inspect_read(choppy_reader("text", failing(0)), [&](std::span<const std::byte>) { ++calls; });
    EXPECT_EQ(finish(io::read(seen, into)).error(), io_error);
    EXPECT_EQ(calls, 0);
    io::buf_reader lines(choppy_reader("text", failing(2)));
    std::string line;
    EXPECT_EQ(finish(io::read_line(lines, line)).error(), io_error);
    choppy_reader broken("text", failing(2));
    EXPECT_EQ(finish(io::read_to_string(broken)).error(), io_error);
}

TEST(IoErrors, SkippedRestOfALineMayFail) {
    auto lines = io::lines(io::buf_reader(choppy_reader("a long line", failing(6))), 2);
    const auto next = [&] { return finish(lines.next()); };
    EXPECT_EQ(next().value().error(), eddy::errc::line_too_long);
    EXPECT_EQ(next().value().error(), io_error);
    EXPECT_FALSE(next().has_value());
}

TEST(IoErrors, LastPartOfASplitMayLackItsDelimiter) {
    auto parts = io::split(io::buf_reader(choppy_reader("ab;cdef")), std::byte{';'}, 3);
    const auto next = [&] { return finish(parts.next()); };
    EXPECT_EQ(as_text(next().value().value()), "ab");
    EXPECT_EQ(next().value().error(), eddy::errc::line_too_long);
    EXPECT_FALSE(next().has_value());
    auto fits = io::split(io::buf_reader(choppy_reader("ab;cd")), ';', 3);
    EXPECT_EQ(as_text(finish(fits.next()).value().value()), "ab");
    EXPECT_EQ(as_text(finish(fits.next()).value().value()), "cd");
}

TEST(IoErrors, WritersPassOnErrors) {
    io::buf_writer buffered(choppy_writer(failing(2)), 4);
    EXPECT_TRUE(finish(io::write_all(buffered, "abc")));
    EXPECT_EQ(finish(io::write_all(buffered, "def")).error(), io_error);
    EXPECT_EQ(finish(io::shutdown(buffered)).error(), io_error);
    EXPECT_FALSE(buffered.inner().is_shut_down());
    EXPECT_EQ(as_text(buffered.buffered()), "c");
    int calls = 0;
    auto seen = io::inspect_write(choppy_writer(failing(0)), [&](std::span<const std::byte>) { ++calls; });
    EXPECT_EQ(finish(io::write(seen, "x")).error(), io_error);
    chop full;
    full.full_at = 0;
    auto takes_none = io::inspect_write(choppy_writer(full), [&](std::span<const std::byte>) { ++calls; });
    EXPECT_EQ(finish(io::write(takes_none, "x")), 0u);
    EXPECT_EQ(calls, 0);
}

/// A file in memory. Seeks wait once before they are complete. The writes fail if `fails` is set.
class slow_file {
public:
    explicit slow_file(bool fails = false) : fails_(fails) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        return inner_.poll_read(cx, into);
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        if (fails_) return result<std::size_t>(std::unexpect, std::make_error_code(io_error));
        return inner_.poll_write(cx, from);
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) {
        if (fails_) return result<void>(std::unexpect, std::make_error_code(io_error));
        return eddy::ok();
    }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }
    result<void> start_seek(io::seek_from to) {
        has_waited_ = false;
        return inner_.start_seek(to);
    }
    eddy::poll_result<result<std::uint64_t>> poll_seek_complete(eddy::context& cx) {
        if (!std::exchange(has_waited_, true)) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        return inner_.poll_seek_complete(cx);
    }

private:
    io::cursor<std::string> inner_{std::string("0123456789")};
    bool fails_;
    bool has_waited_ = true;
};

TEST(IoErrors, SeekReportsTheErrorOfASeekInProgress) {
    io::buf_stream both(io::cursor(std::string("0123456789")));
    const auto nothing = eddy::waker::noop();
    eddy::context cx(nothing);
    for (int i = 0; i < 2; ++i) {
        // A buf_writer starts its seek after it has flushed, so poll_seek_complete() returns the error.
        ASSERT_TRUE(both.start_seek(io::seek_from::current(-2)));
        const auto reported = i == 0 ? finish(io::stream_position(both)) : finish(io::rewind(both));
        EXPECT_EQ(reported.error(), std::errc::invalid_argument);
    }
    EXPECT_EQ(finish(io::seek(both, io::seek_from::start(5))), 5u);
}

TEST(IoErrors, SeekWaitsForASeekThatWasDropped) {
    slow_file file;
    const auto nothing = eddy::waker::noop();
    eddy::context cx(nothing);
    {
        auto dropped = io::seek(file, io::seek_from::start(5));
        EXPECT_FALSE(dropped.poll(cx).is_ready());
    }
    ASSERT_TRUE(file.start_seek(io::seek_from::start(1)));  // is in progress
    EXPECT_EQ(finish(io::seek(file, io::seek_from::current(3))), 4u);
}

TEST(IoErrors, BuffersWaitForTheSeekOfTheirFile) {
    io::buf_reader reader{slow_file()};
    EXPECT_EQ(finish(io::seek(reader, io::seek_from::start(7))), 7u);
    EXPECT_EQ(as_text(finish(io::fill_buf(reader)).value()), "789");
    io::buf_writer writer{slow_file()};
    EXPECT_TRUE(finish(io::write_all(writer, "ab")));
    EXPECT_EQ(finish(io::seek(writer, io::seek_from::current(1))), 3u);
}

TEST(IoErrors, SeekOfABufferThatCannotBeWrittenFails) {
    io::buf_writer writer{slow_file(true)};
    EXPECT_TRUE(finish(io::write_all(writer, "ab")));
    EXPECT_EQ(finish(io::seek(writer, io::seek_from::start(0))).error(), io_error);
    EXPECT_EQ(as_text(writer.buffered()), "ab");
}

/// A writer whose writes succeed and whose flushes fail.
class cannot_flush {
public:
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) {
        return result<void>(std::unexpect, std::make_error_code(io_error));
    }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }
};

TEST(IoErrors, CopyFailsIfItCannotFlush) {
    chop pauses;
    pauses.most = 2;
    for (const bool waits : {false, true}) {
        pauses.waits_between = waits;
        choppy_reader from("abcde", pauses);
        cannot_flush to;
        EXPECT_EQ(finish(io::copy(from, to)).error(), io_error);
        io::buf_reader buffered(choppy_reader("abcde", pauses));
        EXPECT_EQ(finish(io::copy_buf(buffered, to)).error(), io_error);
    }
    io::buf_reader source(choppy_reader("abcde"));
    choppy_writer broken(failing(2));
    EXPECT_EQ(finish(io::copy_buf(source, broken)).error(), io_error);
}

TEST(IoErrors, StreamReaderEndsPollsWithoutBudget) {
    std::vector<std::string> items(200);
    items.emplace_back("last");
    io::stream_reader reader(eddy::streams::iter(std::move(items)));
    EXPECT_EQ(finish(io::read(reader, {})), 0u);
    std::size_t polls = 0;
    for (bool is_ready = false; !is_ready; ++polls) {
        const auto nothing = eddy::waker::noop();
        eddy::context cx(nothing);
        is_ready = reader.poll_fill_buf(cx).is_ready();
    }
    EXPECT_GT(polls, 1u);
    EXPECT_THROW(reader.consume(5), std::out_of_range);
    EXPECT_EQ(finish(io::read_to_string(reader)).value(), "last");
}

TEST(IoErrors, MovedFromReaderOfASimplexThrowsMisuse) {
    auto [reader, writer] = io::simplex(8);
    auto other = std::move(reader);
    std::array<std::byte, 4> into{};
    // NOLINTNEXTLINE(bugprone-use-after-move): the moved-from state is under test
    EXPECT_THROW(finish(io::read(reader, into)), eddy::misuse);
    EXPECT_EQ(finish(io::write(writer, "ab")), 2u);
    EXPECT_EQ(finish(io::read(other, into)), 2u);
}

TEST(IoErrors, MovedFromHalfIsNotPartOfAPair) {
    auto [reader, writer] = io::split(io::duplex(8).first);
    EXPECT_TRUE(reader.is_pair_of(writer));
    const auto other = std::move(reader);
    EXPECT_FALSE(reader.is_pair_of(writer));  // NOLINT(bugprone-use-after-move): the moved-from state is under test
    EXPECT_TRUE(other.is_pair_of(writer));
}

}  // namespace
