// SPDX-License-Identifier: MIT
// What breaks frames and codecs: writers and decoders that throw, and codecs that take over from each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
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

#include <eddy/codec.hpp>
#include <eddy/int128.hpp>
#include <eddy/io.hpp>
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/dice.hpp"
#include "support/frames.hpp"
#include "support/net.hpp"

namespace {

namespace codec = eddy::codec;
namespace io = eddy::io;
using eddy::bytes_mut;
using eddy::result;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::finish;
using support::within;

/// Takes three bytes at a time, and throws at the second call, once.
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

TEST(BreakerFramedWrite, AWriterThatThrowsGetsNoByteTwice) {
    throwing_writer to;
    codec::framed_write lines(std::ref(to), codec::lines_codec());
    EXPECT_THROW(static_cast<void>(finish(lines.send("12345678"))), std::runtime_error);
    EXPECT_EQ(lines.write_buffer(), "45678\n");
    EXPECT_TRUE(finish(lines.flush()));
    EXPECT_EQ(to.got, "12345678\n");
}

TEST(BreakerFramed, TheNextCodecSeesWhatTheFirstOneHasLeft) {
    auto [near, far] = io::duplex(64);
    codec::framed lines(std::move(near), codec::lines_codec());
    EXPECT_TRUE(finish(io::write_all(far, "upgrade\nraw")));
    EXPECT_EQ(finish(lines.next()).value(), "upgrade");
    {
        by_hand next(lines.next());
        assert_pending(next.poll());  // "raw" is no line
    }
    auto raw = std::move(lines).map_codec([](codec::lines_codec&&) { return codec::bytes_codec(); });
    by_hand next(raw.next());
    EXPECT_EQ(support::shown(*assert_ready(next.poll())), "raw");
}

/// A file that grows.
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

TEST(BreakerFramedRead, HalfAFrameAtTheEndOfAFileMayBecomeAWholeOne) {
    growing_file file("\x02one");
    auto numbered = codec::length_delimited_options().length_field_length(1).build();
    codec::framed_read frames(std::ref(file), numbered);
    EXPECT_EQ(support::items_of(frames).front(), "on");
    EXPECT_EQ(frames.read_buffer(), "e") << "a length of 101";
    const std::string rest(100, 'x');
    file.grow(rest);
    EXPECT_EQ(finish(frames.next())->error(), eddy::errc::bytes_remaining);
    EXPECT_FALSE(finish(frames.next()));
    EXPECT_EQ(finish(frames.next())->error(), eddy::errc::bytes_remaining) << "and half a frame is one each time";
    EXPECT_FALSE(finish(frames.next()));
    file.grow("y");
    EXPECT_EQ(support::shown(*finish(frames.next())), rest + "y");
    EXPECT_FALSE(finish(frames.next()));
}

TEST(BreakerFramedRead, TheNextDecoderSeesWhatTheFirstOneHasLeft) {
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

TEST(BreakerLinesCodec, AReturnAloneAtTheEndIsNoLine) {
    for (const std::size_t step : {1u, 2u, 100u}) {
        EXPECT_EQ(support::decode_all(codec::lines_codec(), "a\r\n\r", step), std::vector<std::string>{"a"});
    }
    codec::lines_codec lines;
    auto buffer = bytes_mut::copy_of("\r");
    EXPECT_FALSE(lines.decode_eof(buffer).value());
    buffer.put("k");
    EXPECT_EQ(lines.decode_eof(buffer).value(), "\rk") << "what was no end is a character";
}

TEST(BreakerLengthDelimited, AFrameThatHasBegunIsTakenThoughTheLimitIsLowered) {
    auto frames = codec::length_delimited_options().length_field_length(1).max_frame_length(5).build();
    auto buffer = bytes_mut::copy_of("\x05hel");
    EXPECT_FALSE(frames.decode(buffer).value());
    frames.set_max_frame_length(4);
    buffer.put("lo\x05hello");
    EXPECT_EQ(frames.decode(buffer).value(), "hello");
    EXPECT_EQ(frames.decode(buffer).error(), eddy::errc::frame_too_large);
}

/// Texts; throws at one that begins with an exclamation mark.
class throwing_codec {
public:
    using sent_type = std::string;
    result<std::optional<std::string>> decode(bytes_mut& from) {
        if (from.empty()) return std::optional<std::string>();
        if (from.text().starts_with('!')) throw std::runtime_error("an exclamation mark");
        return std::optional<std::string>(std::string(from.split().text()));
    }
    result<void> encode(const std::string& text, bytes_mut& into) {
        into.put(text);
        return {};
    }
};

TEST(BreakerUdpFramed, ADatagramThatADecoderThrowsAtIsGone) {
    eddy::core core;
    const eddy::net::socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);
    auto receiver = eddy::net::udp_socket::bind(any, core.handle()).value();
    auto sender = eddy::net::udp_socket::bind(any, core.handle()).value();
    const auto to = receiver.local_addr().value();
    codec::udp_framed messages(std::move(receiver), throwing_codec());
    const auto talk = [&]() -> eddy::task<std::string> {
        for (const std::string_view text : {"!bad", "good"}) {
            const auto sent = co_await sender.send_to(support::bytes_of(text), to);
            EXPECT_TRUE(sent);
        }
        std::string got;
        for (int i = 0; i < 2; ++i) {
            try {
                const auto item = co_await messages.next();
                if (item && *item) got += (*item)->message;
            } catch (const std::runtime_error&) {
                got += "(thrown) ";
            }
        }
        co_return got;
    };
    EXPECT_EQ(within(core, talk()), "(thrown) good");
}

// ---- Against models ----

using support::dice;
using texts = std::vector<std::string>;

std::string shown_error(std::error_code error) { return "<" + error.message() + ">"; }
std::string shown_error(eddy::errc error) { return shown_error(make_error_code(error)); }

/// All frames of `text` wherever it is cut in two, and byte by byte, by the decoder alone and through a framed_read.
template <class D>
void expect_frames(const D& decoder, const std::string& text, const texts& expected, const std::string& of) {
    for (std::size_t step = 1; step <= text.size() + 1; ++step) {
        ASSERT_EQ(support::decode_all(decoder, text, step), expected) << of << " in pieces of " << step;
    }
    for (const auto& chop : support::all_chops()) {
        codec::framed_read frames(support::choppy_reader(text, chop), decoder, 1 + text.size() / 3);
        ASSERT_EQ(support::items_of(frames), expected) << of << ", " << chop.most << " at a time";
    }
}

using wide = eddy::int128_t;  // large enough for all

struct lengths {
    std::size_t offset;
    std::size_t field;
    std::int64_t adjustment;
    std::size_t skip;
    std::size_t most;
    bool is_little;

    /// The number in a length field.
    [[nodiscard]] std::uint64_t number(const std::string& field_bytes) const {
        std::uint64_t number = 0;
        for (std::size_t i = 0; i < field; ++i) {
            const auto byte = static_cast<unsigned char>(field_bytes[is_little ? field - 1 - i : i]);
            number = number << 8 | byte;
        }
        return number;
    }

    [[nodiscard]] texts frames_of(std::string left) const {
        texts all;
        const std::size_t head = offset + field;
        constexpr wide largest = std::numeric_limits<std::uint64_t>::max();
        while (left.size() >= head) {
            const auto size = static_cast<wide>(number(left.substr(offset, field))) + adjustment;
            if (size < 0 || size > largest) return with(all, eddy::errc::bad_frame_length);
            if (size > static_cast<wide>(most)) return with(all, eddy::errc::frame_too_large);
            if (size + static_cast<wide>(skip) < static_cast<wide>(head)) {
                return with(all, eddy::errc::bad_frame_length);
            }
            const auto whole = skip + static_cast<std::size_t>(size);
            if (left.size() < whole) break;
            all.push_back(left.substr(skip, whole - skip));
            left.erase(0, whole);
        }
        return left.empty() ? all : with(all, eddy::errc::bytes_remaining);
    }

    [[nodiscard]] codec::length_delimited_codec build() const {
        auto options = codec::length_delimited_options();
        options.length_field_offset(offset).length_field_length(field).length_adjustment(adjustment);
        options.num_skip(skip).max_frame_length(most);
        return is_little ? options.little_endian().build() : options.big_endian().build();
    }

private:
    static texts with(texts all, eddy::errc error) {
        all.push_back(shown_error(error));
        return all;
    }
};

TEST(BreakerLengthDelimited, AllOptionsTogetherAreAsAModelSays) {
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
    for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
        dice random(seed);
        lengths how{};
        how.offset = random.one_of<std::size_t>({0, 0, 1, 3});
        how.field = 1 + random.below(8);
        how.adjustment = random.one_of<std::int64_t>({0, 0, 1, 2, 5, -1, -2, -5, 100, -100, least, largest});
        how.skip = random.one_of<std::size_t>({how.offset + how.field, how.offset + how.field, 0, 1, 12});
        how.most = random.one_of<std::size_t>({0, 3, 10, 300, 1 << 20});
        how.is_little = random.one_in(2);
        std::string text;
        for (std::size_t frames = 1 + random.below(4); frames > 0; --frames) {
            text.append(how.offset, 'o');
            const std::size_t number = random.below(8);
            std::string field(how.field, '\0');
            field[how.is_little ? 0 : how.field - 1] = static_cast<char>(number);
            if (random.one_in(10)) field[random.below(how.field)] = random.one_of<char>({'\1', '\x7f', '\xff'});
            text += field;
            // As many as there should be, or nearly so.
            const auto rest = static_cast<std::int64_t>(number) + (random.one_in(8) ? 1 : 0) +
                              (std::abs(how.adjustment / 2) < 100 ? how.adjustment : 0) +
                              static_cast<std::int64_t>(how.skip) - static_cast<std::int64_t>(how.offset + how.field);
            for (std::int64_t i = 0; i < rest; ++i) text += static_cast<char>('a' + i % 26);
        }
        text.resize(text.size() - std::min(text.size(), random.below(3)));
        expect_frames(how.build(), text, how.frames_of(text), "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

/// Of the characters that are in the texts below: whether they are UTF-8.
bool is_whole(std::string text) {
    for (auto at = text.find("\xc3\xa9"); at != text.npos; at = text.find("\xc3\xa9")) text.replace(at, 2, "e");
    return text.find_first_of("\xc3\xa9") == text.npos;
}

texts lines_of(std::string text, std::size_t most) {
    texts all;
    const auto add = [&](std::string line) {
        if (line.ends_with('\r')) line.pop_back();
        if (line.size() > most) {
            all.push_back(shown_error(eddy::errc::line_too_long));
        } else {
            all.push_back(is_whole(line) ? line : shown_error(eddy::errc::invalid_utf8));
        }
    };
    for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
        add(text.substr(0, end));
        text.erase(0, end + 1);
    }
    if (!text.empty() && text != "\r") add(text);
    return all;
}

std::string some_text(dice& random, const texts& alphabet) {
    std::string text;
    for (std::size_t count = random.below(25); count > 0; --count) text += random.one_of(alphabet);
    return text;
}

TEST(BreakerLinesCodec, LinesOfAnyKindAreAsAModelSays) {
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        dice random(seed);
        const auto text = some_text(random, {"\n", "\n", "\r", "\r\n", "a", "b", "cde", "\xc3\xa9", "\xc3", "\xa9"});
        const auto most = random.one_of<std::size_t>({0, 1, 2, 3, 5, io::no_limit});
        expect_frames(codec::lines_codec(most), text, lines_of(text, most), "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

TEST(BreakerAnyDelimiterCodec, FramesOfAnyKindAreAsAModelSays) {
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        dice random(seed);
        const auto text = some_text(random, {";", ";", ",", "\xff", "a", "bc", "def"});
        const auto delimiters = random.one_of<std::string>({";", ";,", ";,\xff", ""});
        const auto most = random.one_of<std::size_t>({0, 1, 2, 3, 5, io::no_limit});
        texts expected(1);
        for (const char c : text) {
            if (delimiters.find(c) == delimiters.npos) {
                expected.back() += c;
            } else {
                expected.emplace_back();
            }
        }
        if (expected.back().empty()) expected.pop_back();
        for (auto& frame : expected) {
            if (frame.size() > most) frame = shown_error(eddy::errc::line_too_long);
        }
        expect_frames(codec::any_delimiter_codec(delimiters, ";", most), text, expected,
                      "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

TEST(BreakerLinesCodec, ALineIsTooLongAsSoonAsThatIsKnown) {
    for (const std::string_view end : {"", "\n", "\r\n"}) {
        codec::lines_codec lines(3);
        auto buffer = bytes_mut::copy_of("abcd");
        const auto early = lines.decode(buffer);
        ASSERT_FALSE(early) << "without waiting for a further byte";
        EXPECT_EQ(early.error(), eddy::errc::line_too_long);
        buffer.put(end);
        EXPECT_FALSE(lines.decode(buffer).value());
    }
    codec::lines_codec lines(3);
    auto buffer = bytes_mut::copy_of("abc\r");
    EXPECT_FALSE(lines.decode(buffer).value()) << "half an end does not count";
    buffer.put("\n");
    EXPECT_EQ(lines.decode(buffer).value(), "abc");
}

// ---- Writers that fail now and then ----

/// Takes a few bytes, or waits, or fails, as the dice say.
class fickle_writer {
public:
    explicit fickle_writer(const dice& random) : random_(random) {}

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
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return perhaps(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) {
        auto done = perhaps();
        is_shut_down = is_shut_down || (done && *done);
        return done;
    }

    std::string got;
    bool is_shut_down = false;

private:
    eddy::poll_result<result<void>> perhaps() {
        switch (random_.below(3)) {
        case 0: return eddy::not_ready;
        case 1: return result<void>(std::unexpect, std::make_error_code(std::errc::io_error));
        default: return eddy::ok();
        }
    }

    dice random_;
};

TEST(BreakerFramedWrite, NoByteIsLostOrDoubledWhicheverStepFails) {
    const eddy::test::wake_counter counter;
    const eddy::waker waker = counter.waker();
    eddy::context cx(waker);
    for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
        dice random(seed);
        fickle_writer to(random);
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

// ---- Datagrams ----

TEST(BreakerUdpFramed, WhatOneDatagramLeavesHalfIsNothingToTheNext) {
    eddy::core core;
    const eddy::net::socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);
    auto receiver = eddy::net::udp_socket::bind(any, core.handle()).value();
    auto sender = eddy::net::udp_socket::bind(any, core.handle()).value();
    const auto to = receiver.local_addr().value();
    codec::udp_framed lines(std::move(receiver), codec::lines_codec(5));
    const auto talk = [&]() -> eddy::task<texts> {
        texts got;
        for (const std::string_view text : {"one\r", "\ntwo\r", "\r", "\nthree", "much too long", "\nfour\n"}) {
            const auto sent = co_await sender.send_to(support::bytes_of(text), to);
            EXPECT_TRUE(sent);
        }
        while (got.empty() || got.back() != "four") {
            auto item = co_await lines.next();
            got.push_back(*item ? (*item)->message : shown_error((*item).error()));
        }
        co_return got;
    };
    EXPECT_EQ(within(core, talk()),
              (texts{"one", "", "two", "", "three", shown_error(eddy::errc::line_too_long), "", "four"}));
}

}  // namespace
