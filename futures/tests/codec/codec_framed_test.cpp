// SPDX-License-Identifier: MIT
#include <eddy/codec.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/io/empty.hpp>
#include <eddy/io/joined_stream.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/stream.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/dice.hpp"
#include "support/futures/frames.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

// Frames over any reader and writer. Based on tokio-util's framed_read.rs, framed_write.rs, framed.rs and
// framed_stream.rs.

namespace {

namespace codec = eddy::codec;
namespace io = eddy::io;
using eddy::bytes_mut;
using eddy::errc;
using eddy::result;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::chop;
using support::choppy_reader;
using support::choppy_writer;
using support::dice;
using support::finish;
using support::shown_items;
using texts = std::vector<std::string>;

const std::string remaining = "<bytes remaining on stream: it ended in the middle of a frame>";

/// A codec for numbers of four bytes. Counts the calls of decode(). 666 fails to decode and to encode. 665 and 667 fail
/// to encode after their bytes were written: 665 throws, 667 returns an error.
class number_codec {
public:
    result<std::optional<std::uint32_t>> decode(bytes_mut& from) {
        ++asked;
        if (from.size() < 4) return std::optional<std::uint32_t>();
        const auto number = from.get_u32();
        if (number == 666) return std::unexpected(std::make_error_code(std::errc::bad_message));
        return std::optional(number);
    }
    result<void> encode(std::uint32_t number, bytes_mut& into) {
        if (number == 666) return std::unexpected(std::make_error_code(std::errc::bad_message));
        into.put_u32(number);
        if (number == 665) throw std::runtime_error("half a number");
        if (number == 667) return std::unexpected(std::make_error_code(std::errc::bad_message));
        return {};
    }
    int asked = 0;
};

/// A reader that returns the results of the given steps, one step for each call.
class scripted_reader {
public:
    using answer = eddy::poll_result<result<std::size_t>>;
    struct step {
        std::string bytes = {};
        std::error_code error = {};
        bool waits = false;
    };

    explicit scripted_reader(std::vector<step> steps) : steps_(std::move(steps)) {}

    answer poll_read(eddy::context& cx, std::span<std::byte> into) {
        ++polls;
        EXPECT_FALSE(into.empty()) << "a read into an empty span cannot report the end";
        if (at_ == steps_.size()) return eddy::ok(std::size_t{0});
        const step& now = steps_[at_++];
        if (now.waits) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        if (now.error) return result<std::size_t>(std::unexpect, now.error);
        std::ranges::copy(support::as_bytes(now.bytes), into.begin());
        return eddy::ok(now.bytes.size());
    }

    int polls = 0;

private:
    std::vector<step> steps_;
    std::size_t at_ = 0;
};

std::string number(std::uint32_t value) {
    bytes_mut bytes;
    bytes.put_u32(value);
    return support::as_text(bytes.chunk());
}
using items = std::vector<std::optional<std::uint32_t>>;  // nullopt: an error

template <class S>
items numbers_of(S& frames) {
    items all;
    while (auto item = finish(frames.next())) all.push_back(*item ? std::optional(**item) : std::nullopt);
    return all;
}

// covers: S88
TEST(FramedRead, FramesMayShareAReadOrSpanSeveralReads) {
    codec::framed_read many(scripted_reader({{number(1) + number(2) + number(3)}}), number_codec());
    EXPECT_EQ(numbers_of(many), (items{1, 2, 3}));
    EXPECT_EQ(many.inner().polls, 2) << "one read with bytes, and one at the end";

    codec::framed_read pieces(
        scripted_reader({{number(1).substr(0, 1)}, {number(1).substr(1, 2)}, {number(1).substr(3)}}), number_codec());
    EXPECT_EQ(numbers_of(pieces), items{1});
}

// covers: S88
TEST(FramedRead, DecodeIsNotRepeatedWithoutNewBytes) {
    codec::framed_read frames(scripted_reader({{number(1) + number(2)}, {.waits = true}, {number(3)}}), number_codec());
    EXPECT_EQ(finish(frames.next()).value().value(), 1u);
    EXPECT_EQ(frames.codec().asked, 1);
    EXPECT_EQ(finish(frames.next()).value().value(), 2u);
    EXPECT_EQ(frames.codec().asked, 2);
    by_hand third(frames.next());
    assert_pending(third.poll());
    EXPECT_EQ(frames.codec().asked, 3) << "one call for the empty buffer";
    EXPECT_EQ(assert_ready(third.poll()).value().value(), 3u);
    EXPECT_EQ(frames.codec().asked, 4) << "decode() must not be called while the reader waits";
}

// covers: S88
TEST(FramedRead, DroppedNextLosesNoBytes) {
    codec::framed_read frames(scripted_reader({{number(7).substr(0, 3)}, {.waits = true}, {number(7).substr(3)}}),
                              number_codec());
    {
        by_hand dropped(frames.next());
        assert_pending(dropped.poll());
    }
    EXPECT_EQ(finish(frames.next()).value().value(), 7u);
}

// covers: S87
TEST(FramedRead, BytesLeftAtEndOfInputAreAnError) {
    codec::framed_read frames(scripted_reader({{number(1) + "ab"}}), number_codec());
    EXPECT_EQ(finish(frames.next()).value().value(), 1u);
    EXPECT_EQ(finish(frames.next()).value().error(), errc::bytes_remaining);
    EXPECT_FALSE(finish(frames.next()));
}

// covers: S87
TEST(FramedRead, DecodesInputInPiecesOfAnySize) {
    const std::string text = "first\nsecond\r\nthird";
    for (const chop& how : support::all_chops()) {
        codec::framed_read lines(choppy_reader(text, how), codec::lines_codec());
        EXPECT_EQ(shown_items(lines), (texts{"first", "second", "third"}));
    }
    const std::string frame = number(5) + "hello";
    for (std::size_t size = 1; size < frame.size(); ++size) {
        codec::framed_read frames(choppy_reader(frame.substr(0, size)), codec::length_delimited_codec());
        EXPECT_EQ(shown_items(frames), texts{remaining}) << size;
    }
}

// covers: P099
TEST(FramedRead, ReadErrorEndsTheStreamAndReadingCanContinue) {
    const auto broken = std::make_error_code(std::errc::io_error);
    codec::framed_read frames(
        scripted_reader({{number(1) + number(2).substr(0, 1)}, {.error = broken}, {number(2).substr(1)}}),
        number_codec());
    EXPECT_EQ(finish(frames.next()).value().value(), 1u);
    EXPECT_EQ(finish(frames.next()).value().error(), broken);
    EXPECT_FALSE(finish(frames.next()));
    EXPECT_EQ(finish(frames.next()).value().value(), 2u) << "the byte read before is kept";
    EXPECT_FALSE(finish(frames.next()));
}

// covers: P099 R089
TEST(FramedRead, DecoderErrorEndsTheStreamAndReadingCanContinue) {
    codec::framed_read frames(scripted_reader({{number(1) + number(666) + number(2)}, {number(3)}}), number_codec());
    EXPECT_EQ(finish(frames.next()).value().value(), 1u);
    EXPECT_EQ(finish(frames.next()).value().error(), std::errc::bad_message);
    EXPECT_FALSE(finish(frames.next()));
    EXPECT_EQ(frames.inner().polls, 1);
    EXPECT_EQ(finish(frames.next()).value().value(), 2u) << "the bytes in the buffer are kept";
    EXPECT_EQ(finish(frames.next()).value().value(), 3u);
    EXPECT_FALSE(finish(frames.next()));
}

// covers: P099
TEST(FramedRead, RecoverableDecoderErrorDoesNotEndTheStream) {
    codec::framed_read lines(choppy_reader("good\nmuch too long\n\xff\nlast"), codec::lines_codec(5));
    EXPECT_EQ(shown_items(lines),
              (texts{"good", "<the line is longer than its limit>", "<the bytes are not UTF-8>", "last"}));
}

// covers: P099
TEST(FramedRead, ReadingContinuesAfterTheEndWhenBytesArrive) {
    codec::framed_read lines(scripted_reader({{"one\n"}, {""}, {"two\n"}, {""}, {""}}), codec::lines_codec());
    EXPECT_EQ(finish(lines.next()).value().value(), "one");
    EXPECT_FALSE(finish(lines.next()));
    EXPECT_EQ(finish(lines.next()).value().value(), "two");
    EXPECT_FALSE(finish(lines.next()));
    EXPECT_FALSE(finish(lines.next()));
}

// covers: R085
TEST(FramedRead, FullReadBufferIsNotTakenForEndOfStream) {
    for (const std::size_t capacity : {1u, 2u, 3u, 8u}) {
        chop how;
        how.most = 100;
        how.waits_between = false;
        codec::framed_read lines(choppy_reader("0123456789\nx\n", how), codec::lines_codec(), capacity);
        EXPECT_EQ(shown_items(lines), (texts{"0123456789", "x"}));
    }
    codec::framed_parts parts(io::join(choppy_reader("89\n"), choppy_writer()), codec::lines_codec());
    parts.read_buffer = bytes_mut(8);
    parts.read_buffer.put(std::string(parts.read_buffer.capacity(), '7'));
    const std::string expected = std::string(parts.read_buffer.size(), '7') + "89";
    codec::framed full(std::move(parts));
    EXPECT_EQ(shown_items(full), texts{expected});
    const codec::lines_codec how;
    support::expect_misuse_here([&] { static_cast<void>(codec::framed_read(choppy_reader(""), how, 0)); });
    auto both = io::join(choppy_reader(""), choppy_writer());
    support::expect_misuse_here([&] { static_cast<void>(codec::framed(std::ref(both), how, 0)); });
}

// covers: P099
TEST(FramedRead, ReaderThatReturnsTooLargeACountIsAnError) {
    chop how;
    how.overstates_by = 100'000;
    codec::framed_read lines(choppy_reader("x\n", how), codec::lines_codec());
    by_hand next(lines.next());
    assert_pending(next.poll());
    EXPECT_EQ(assert_ready(next.poll()).value().error(), errc::count_too_large);
}

// covers: P099
TEST(FramedRead, AlwaysReadyReaderYields) {
    codec::framed_read frames(io::repeat(std::byte{0}),
                              codec::length_delimited_options().length_field_length(8).build());
    auto all = std::move(frames).for_each([](auto&&) {});
    by_hand endless(std::move(all));
    assert_pending(endless.poll());
    EXPECT_TRUE(endless.is_woken());
}

/// A reader of a file that grows.
class growing_file {
public:
    explicit growing_file(std::string begin) : text_(std::move(begin)) {}
    void grow(std::string_view by) { text_ += by; }

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        const std::size_t count = std::min(into.size(), text_.size() - at_);
        std::ranges::copy(support::as_bytes(text_).subspan(at_, count), into.begin());
        at_ += count;
        return eddy::ok(count);
    }

private:
    std::string text_;
    std::size_t at_ = 0;
};

TEST(FramedRead, TruncatedFrameCompletesWhenTheFileGrows) {
    growing_file file("\x02one");
    auto numbered = codec::length_delimited_options().length_field_length(1).build();
    codec::framed_read frames(std::ref(file), numbered);
    EXPECT_EQ(support::shown_items(frames).front(), "on");
    EXPECT_EQ(frames.read_buffer(), "e") << "the length field of the next frame, 101";
    const std::string rest(100, 'x');
    file.grow(rest);
    EXPECT_EQ(finish(frames.next())->error(), eddy::errc::bytes_remaining);
    EXPECT_FALSE(finish(frames.next()));
    EXPECT_EQ(finish(frames.next())->error(), eddy::errc::bytes_remaining) << "a truncated frame is an error each time";
    EXPECT_FALSE(finish(frames.next()));
    file.grow("y");
    EXPECT_EQ(support::shown(*finish(frames.next())), rest + "y");
    EXPECT_FALSE(finish(frames.next()));
}

TEST(FramedRead, MapCodecDecodesWhatTheFirstCodecLeft) {
    auto [near, far] = io::duplex(64);
    codec::framed_read lines(std::move(near), codec::lines_codec());
    EXPECT_TRUE(finish(io::write_all(far, "raw")));
    {
        by_hand next(lines.next());
        assert_pending(next.poll());
    }
    auto raw = std::move(lines).map_codec([](codec::lines_codec&&) { return codec::bytes_codec(); });
    by_hand next(raw.next());
    EXPECT_EQ(support::shown(*assert_ready(next.poll())), "raw");
}

// covers: S88
TEST(FramedWrite, FedFramesAreWrittenByFlush) {
    chop how;
    how.most = 3;
    codec::framed_write lines(choppy_writer(how), codec::lines_codec{});
    ASSERT_TRUE(finish(lines.feed("one")));
    ASSERT_TRUE(finish(lines.feed(std::string("two"))));
    EXPECT_EQ(lines.inner().got(), "");
    EXPECT_EQ(lines.write_buffer(), "one\ntwo\n");
    ASSERT_TRUE(finish(lines.flush()));
    EXPECT_EQ(lines.inner().got(), "one\ntwo\n");
    EXPECT_EQ(lines.inner().flushed(), 8u);
    ASSERT_TRUE(finish(lines.send("three")));
    EXPECT_EQ(lines.inner().flushed(), 14u);
}

// covers: S88
TEST(FramedWrite, FeedWaitsAtTheBackpressureBoundary) {
    codec::framed_write numbers(choppy_writer(), number_codec{});
    EXPECT_EQ(numbers.backpressure_boundary(), 8192u);
    numbers.set_backpressure_boundary(8);
    ASSERT_TRUE(finish(numbers.feed(1u)));
    ASSERT_TRUE(finish(numbers.feed(2u)));
    EXPECT_EQ(numbers.inner().polls(), 0u) << "below the boundary nothing is written";
    by_hand third(numbers.feed(3u));
    assert_pending(third.poll());
    EXPECT_EQ(numbers.write_buffer().size(), 8u);
    ASSERT_TRUE(third.is_woken());
    assert_pending(third.poll());  // a byte is written
    ASSERT_TRUE(assert_ready(third.poll()));
    EXPECT_EQ(numbers.write_buffer().size(), 11u) << "one byte below the boundary is enough";
    ASSERT_TRUE(finish(numbers.flush()));
    EXPECT_EQ(numbers.inner().got(), number(1) + number(2) + number(3));
}

// covers: S88
TEST(FramedWrite, WriteOfZeroBytesIsAnError) {
    chop how;
    how.full_at = 2;
    codec::framed_write lines(choppy_writer(how), codec::lines_codec{});
    EXPECT_EQ(finish(lines.send("one")).error(), errc::write_zero);
    how.full_at = how.fails_at = 2;
    codec::framed_write broken(choppy_writer(how), codec::lines_codec{});
    EXPECT_EQ(finish(broken.send("one")).error(), std::errc::io_error);
}

// covers: P099
TEST(FramedWrite, FrameThatFailsToEncodeIsNotSent) {
    codec::framed_write numbers(choppy_writer(), number_codec{});
    EXPECT_EQ(finish(numbers.feed(666u)).error(), std::errc::bad_message);
    EXPECT_EQ(finish(numbers.feed(667u)).error(), std::errc::bad_message);
    EXPECT_THROW(static_cast<void>(finish(numbers.feed(665u))), std::runtime_error);
    ASSERT_TRUE(finish(numbers.send(1u)));
    EXPECT_EQ(numbers.inner().got(), number(1)) << "a partly encoded frame must be removed";
}

// covers: S88
TEST(FramedWrite, CloseFlushesAndShutsDown) {
    codec::framed_write lines(choppy_writer(), codec::lines_codec{});
    ASSERT_TRUE(finish(lines.feed("last words")));
    ASSERT_TRUE(finish(lines.close()));
    EXPECT_EQ(lines.inner().got(), "last words\n");
    EXPECT_TRUE(lines.inner().is_shut_down());
}

// covers: P099
TEST(FramedWrite, MapCodecKeepsWriteBufferAndBoundary) {
    codec::framed_write lines(choppy_writer(), codec::lines_codec{});
    lines.set_backpressure_boundary(100);
    ASSERT_TRUE(finish(lines.feed("hello")));
    auto numbers = std::move(lines).map_codec([](codec::lines_codec) { return number_codec(); });
    EXPECT_EQ(numbers.backpressure_boundary(), 100u);
    ASSERT_TRUE(finish(numbers.send(1u)));
    EXPECT_EQ(std::move(numbers).into_inner().got(), "hello\n" + number(1));
}

/// A writer that takes three bytes at a time. The second call throws.
class throwing_writer {
public:
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        if (++calls_ == 2) throw std::runtime_error("the second write");
        const std::size_t count = std::min<std::size_t>(from.size(), 3);
        got += support::as_text(from.first(count));
        return eddy::ok(count);
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

    std::string got;

private:
    int calls_ = 0;
};

TEST(FramedWrite, ThrowingWriterGetsNoByteTwice) {
    throwing_writer to;
    codec::framed_write lines(std::ref(to), codec::lines_codec());
    EXPECT_THROW(static_cast<void>(finish(lines.send("12345678"))), std::runtime_error);
    EXPECT_EQ(lines.write_buffer(), "45678\n");
    EXPECT_TRUE(finish(lines.flush()));
    EXPECT_EQ(to.got, "12345678\n");
}

/// A writer that randomly takes a few bytes, is not ready, or fails.
class random_writer {
public:
    explicit random_writer(const dice& random) : random_(random) {}

    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        EXPECT_FALSE(is_shut_down);
        switch (random_.below(6)) {
        case 0: return eddy::not_ready;
        case 1: return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::io_error));
        case 2: return eddy::ok(std::size_t{0});
        default: break;
        }
        const std::size_t count = std::min<std::size_t>(from.size(), 1 + random_.below(9));
        got += support::as_text(from.first(count));
        return eddy::ok(count);
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return random_outcome(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) {
        auto done = random_outcome();
        is_shut_down = is_shut_down || (done && *done);
        return done;
    }

    std::string got;
    bool is_shut_down = false;

private:
    eddy::poll_result<result<void>> random_outcome() {
        switch (random_.below(3)) {
        case 0: return eddy::not_ready;
        case 1: return result<void>(std::unexpect, std::make_error_code(std::errc::io_error));
        default: return eddy::ok();
        }
    }

    dice random_;
};

TEST(FramedWrite, FailedWritesNeitherLoseNorRepeatBytes) {
    const eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker);
    for (std::uint64_t seed = support::rounds(100'000); seed != 0; --seed) {
        dice random(seed);
        random_writer to(random);
        codec::framed_write lines(std::ref(to), codec::lines_codec());
        lines.set_backpressure_boundary(random.one_of<std::size_t>({0, 1, 10, 100}));
        std::string sent;
        for (int i = 0; i < 20; ++i) {
            const std::string line(random.below(12), static_cast<char>('a' + i));
            for (auto ready = lines.poll_ready(cx); !ready || !*ready; ready = lines.poll_ready(cx)) {
            }
            ASSERT_LT(lines.write_buffer().size(), std::max<std::size_t>(lines.backpressure_boundary(), 1)) << seed;
            ASSERT_TRUE(lines.start_send(std::string_view(line)));
            sent += line + "\n";
            if (random.one_in(3)) static_cast<void>(lines.poll_flush(cx));
            ASSERT_EQ(to.got + std::string(lines.write_buffer().text()), sent) << "seed " << seed;
        }
        for (auto closed = lines.poll_close(cx); !closed || !*closed; closed = lines.poll_close(cx)) {
        }
        ASSERT_EQ(to.got, sent) << "seed " << seed;
        ASSERT_TRUE(to.is_shut_down) << "seed " << seed;
    }
}

// covers: S88
TEST(Framed, LinesTravelBothWaysUntilEachSideCloses) {
    auto [near, far] = io::duplex(16);
    codec::framed client(std::move(near), codec::lines_codec());
    codec::framed server(std::move(far), codec::lines_codec(1024));
    ASSERT_TRUE(finish(client.send("hello")));
    EXPECT_EQ(finish(server.next()).value().value(), "hello");
    ASSERT_TRUE(finish(server.send("welcome")));
    EXPECT_EQ(finish(client.next()).value().value(), "welcome");
    ASSERT_TRUE(finish(client.close()));
    EXPECT_FALSE(finish(server.next()));
    ASSERT_TRUE(finish(server.send("too late?"))) << "only one side is shut down";
    EXPECT_EQ(finish(client.next()).value().value(), "too late?");
}

// covers: S88 P098
TEST(Framed, StreamCanBeForwardedIntoFramed) {
    auto [near, far] = io::duplex(10'000);
    codec::framed to(std::move(near), codec::lines_codec());
    ASSERT_TRUE(finish(eddy::streams::iter(texts{"a", "b", "c"}).forward(std::ref(to))));
    codec::framed from(std::move(far), codec::lines_codec());
    EXPECT_EQ(shown_items(from), (texts{"a", "b", "c"}));
}

// covers: S88
TEST(Framed, SplitHalvesWorkInTwoTasksAndReunite) {
    auto [near, far] = io::duplex(64);
    auto [sink, stream] = codec::framed(std::move(near), codec::lines_codec()).split();
    codec::framed peer(std::move(far), codec::lines_codec());
    ASSERT_TRUE(finish(sink.send("ping")));
    EXPECT_EQ(finish(peer.next()).value().value(), "ping");
    ASSERT_TRUE(finish(peer.send("pong")));
    EXPECT_EQ(finish(stream.next()).value().value(), "pong");
    auto whole = eddy::streams::reunite(std::move(stream), std::move(sink));
    ASSERT_TRUE(finish(whole.send("again")));
    EXPECT_EQ(finish(peer.next()).value().value(), "again");
}

// covers: P099
TEST(Framed, PartsAndMapCodecKeepBothBuffers) {
    auto [near, far] = io::duplex(1000);
    codec::framed peer(std::move(far), codec::bytes_codec());
    ASSERT_TRUE(finish(peer.send("first\nsecond\n" + number(3) + number(4))));
    codec::framed lines(std::ref(near), codec::lines_codec());
    EXPECT_EQ(finish(lines.next()).value().value(), "first");
    ASSERT_TRUE(finish(lines.feed("answer")));
    auto parts = std::move(lines).into_parts();
    EXPECT_EQ(parts.read_buffer, "second\n" + number(3) + number(4));
    EXPECT_EQ(parts.write_buffer, "answer\n");
    codec::framed again(std::move(parts));
    EXPECT_EQ(finish(again.next()).value().value(), "second");
    auto numbers = std::move(again).map_codec([](codec::lines_codec) { return number_codec(); });
    EXPECT_EQ(finish(numbers.next()).value().value(), 3u) << "without a read: it is in the buffer";
    EXPECT_EQ(finish(numbers.next()).value().value(), 4u);
    ASSERT_TRUE(finish(numbers.flush()));
    EXPECT_EQ(support::shown(finish(peer.next()).value()), "answer\n");
}

TEST(Framed, MapCodecKeepsTheBackpressureBoundary) {
    auto [near, far] = io::duplex(64);
    codec::framed lines(std::move(near), codec::lines_codec());
    lines.set_backpressure_boundary(100);
    const auto numbers = std::move(lines).map_codec([](codec::lines_codec) { return number_codec(); });
    EXPECT_EQ(numbers.backpressure_boundary(), 100u);
}

TEST(Framed, MapCodecDecodesWhatTheFirstCodecLeft) {
    auto [near, far] = io::duplex(64);
    codec::framed lines(std::move(near), codec::lines_codec());
    EXPECT_TRUE(finish(io::write_all(far, "upgrade\nraw")));
    EXPECT_EQ(finish(lines.next()).value(), "upgrade");
    {
        by_hand next(lines.next());
        assert_pending(next.poll());  // "raw" is not a complete line
    }
    auto raw = std::move(lines).map_codec([](codec::lines_codec&&) { return codec::bytes_codec(); });
    by_hand next(raw.next());
    EXPECT_EQ(support::shown(*assert_ready(next.poll())), "raw");
}

// covers: P099
TEST(Framed, FramesCanOutliveLaterReads) {
    chop how;
    how.most = 50'000;
    std::string text;
    for (int i = 0; i < 5000; ++i) text += number(8) + std::to_string(10'000'000 + i);
    codec::framed_read frames(choppy_reader(text, how), codec::length_delimited_codec());
    std::vector<bytes_mut> all;
    while (auto item = finish(frames.next())) all.push_back(item->value());
    ASSERT_EQ(all.size(), 5000u);
    for (int i = 0; i < 5000; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], std::to_string(10'000'000 + i));
}

/// A codec that recovers from any error and has no decode_eof().
struct recovering_codec : number_codec {
    static bool can_continue_after(std::error_code) { return true; }
};

// covers: P099
TEST(Framed, RecoveringCodecEndsAtATruncatedFrame) {
    codec::framed_read frames(choppy_reader(number(7) + number(666) + number(8) + "ha", chop()), recovering_codec());
    EXPECT_EQ(finish(frames.next()).value().value(), 7u);
    EXPECT_EQ(finish(frames.next()).value().error(), std::errc::bad_message);
    EXPECT_EQ(finish(frames.next()).value().value(), 8u);
    EXPECT_EQ(finish(frames.next()).value().error(), errc::bytes_remaining);
    EXPECT_FALSE(finish(frames.next())) << "the stream must end and must not repeat the error";
}

/// A user-defined error type, which the stream and the sink return.
struct own_error {
    explicit own_error(std::error_code from) : code(from) {}
    std::error_code code;
};
struct own_codec {
    std::expected<std::optional<char>, own_error> decode(bytes_mut& from) {
        if (from.empty()) return std::optional<char>();
        return std::optional(static_cast<char>(from.get_u8()));
    }
    std::expected<void, own_error> encode(char c, bytes_mut& into) {
        into.put_u8(static_cast<std::uint8_t>(c));
        return {};
    }
};

// covers: P099
TEST(Framed, CodecCanUseItsOwnErrorType) {
    chop how;
    how.fails_at = 1;
    codec::framed frames(io::join(choppy_reader("ab", how), choppy_writer(how)), own_codec());
    EXPECT_EQ(finish(frames.next()).value().value(), 'a');
    EXPECT_EQ(finish(frames.next()).value().error().code, std::errc::io_error);
    ASSERT_TRUE(finish(frames.send('x')));
    EXPECT_EQ(finish(frames.send('y')).error().code, std::errc::io_error);
}

static_assert(codec::decoder<codec::lines_codec> && codec::encoder<codec::lines_codec, const char*>);
static_assert(codec::decoder<own_codec> && !codec::encoder<own_codec, std::string>);
static_assert(!codec::decoder<int> && !codec::encoder<int, int>);

// ---- Memory ----

TEST(Framed, BuffersOfALargeFrameAreFreed) {
    const std::string large(100'000, 'x');
    auto [here, there] = io::duplex(1 << 20);
    codec::framed one(std::move(here), codec::lines_codec());
    codec::framed other(std::move(there), codec::lines_codec());
    for (const auto& text : {std::string("small"), large, std::string("small")}) {
        by_hand sending(one.send(text));
        EXPECT_TRUE(assert_ready(sending.poll()).has_value());
        EXPECT_LE(one.write_buffer().capacity(), 16'384U);
        by_hand receiving(other.next());
        EXPECT_TRUE(**assert_ready(receiving.poll()) == text);
        EXPECT_LE(other.read_buffer().capacity(), 16'384U);
        by_hand waiting(other.next());
        assert_pending(waiting.poll());
        EXPECT_LE(other.read_buffer().capacity(), 16'384U);
    }
}

TEST(Framed, BuffersOfUsualFramesAreKept) {
    const std::string usual(5000, 'x');
    auto [here, there] = io::duplex(1 << 20);
    codec::framed one(std::move(here), codec::lines_codec());
    codec::framed other(std::move(there), codec::lines_codec());
    for (int i = 0; i < 3; ++i) {
        by_hand sending(one.send(usual));
        EXPECT_TRUE(assert_ready(sending.poll()).has_value());
        EXPECT_TRUE(one.write_buffer().try_reclaim(5000)) << "the memory was freed";
        by_hand receiving(other.next());
        EXPECT_TRUE(**assert_ready(receiving.poll()) == usual);
        EXPECT_TRUE(other.read_buffer().try_reclaim(8192)) << "the memory was freed";
    }
}

TEST(Framed, FrameAfterALargeOneIsNotLost) {
    const std::string large(100'000, 'x');
    auto [here, there] = io::duplex(1 << 20);
    codec::framed one(std::move(here), codec::lines_codec());
    codec::framed other(std::move(there), codec::lines_codec());
    by_hand feeding(one.feed(large));
    EXPECT_TRUE(assert_ready(feeding.poll()).has_value());
    by_hand sending(one.send(std::string("next")));
    EXPECT_TRUE(assert_ready(sending.poll()).has_value());
    for (const auto& text : {large, std::string("next")}) {
        by_hand receiving(other.next());
        EXPECT_TRUE(**assert_ready(receiving.poll()) == text);
    }
}

TEST(Framed, LineThatIsTooLongLeavesNoMemory) {
    auto [here, there] = io::duplex(1 << 20);
    codec::framed lines(std::move(there), codec::lines_codec(1 << 16));
    by_hand sending(io::write_all(here, std::string(300'000, 'x')));
    EXPECT_TRUE(assert_ready(sending.poll()).has_value());
    {
        by_hand receiving(lines.next());
        EXPECT_FALSE(assert_ready(receiving.poll())->has_value());  // the line is too long, and is discarded
    }
    for (bool waits = false; !waits;) {
        by_hand receiving(lines.next());
        waits = !receiving.poll().is_ready();
    }
    EXPECT_LE(lines.read_buffer().capacity(), 16'384U);
}

}  // namespace
