// SPDX-License-Identifier: MIT
#include <eddy/codec.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <eddy/bytes/int128.hpp>
#include <eddy/error.hpp>

#include "support/dice.hpp"
#include "support/futures/frames.hpp"
#include "support/stress.hpp"

namespace {

namespace codec = eddy::codec;
using codec::length_delimited_codec;
using eddy::bytes_mut;
using eddy::errc;
using support::decode_all;
using support::dice;
using support::shown_error;
using texts = std::vector<std::string>;
using namespace std::string_literals;

codec::length_delimited_options options() { return {}; }

/// Expects that decoding `text` in pieces of every size yields the frames in `expected`.
void expect_frames(const length_delimited_codec& with, const std::string& text, const texts& expected) {
    for (std::size_t step = 1; step <= text.size(); ++step) EXPECT_EQ(decode_all(with, text, step), expected) << step;
}
texts and_error(texts frames, errc error) {
    frames.push_back("<" + make_error_code(error).message() + ">");
    return frames;
}

/// Encodes one frame into an empty buffer. Returns the bytes, or the error.
std::string encoded(length_delimited_codec with, std::string_view frame) {
    bytes_mut into;
    const auto done = with.encode(frame, into);
    return done ? support::as_text(into.chunk()) : "<" + done.error().message() + ">";
}

// covers: P101
TEST(LengthDelimitedCodec, DefaultLengthFieldHasFourBigEndianBytes) {
    expect_frames(length_delimited_codec(),
                  "\0\0\0\x03"
                  "abc\0\0\0\0\0\0\0\x01z"s,
                  {"abc", "", "z"});
    EXPECT_EQ(encoded(length_delimited_codec(), "abc"),
              "\0\0\0\x03"
              "abc"s);
}

// covers: P101
TEST(LengthDelimitedCodec, EncodesAndDecodesLengthFieldsOfAllSizes) {
    for (std::size_t size = 1; size <= 8; ++size) {
        const auto big = options().length_field_length(size).build();
        const auto little = options().length_field_length(size).little_endian().build();
        EXPECT_EQ(encoded(big, "abc"), std::string(size - 1, '\0') +
                                           "\x03"
                                           "abc");
        EXPECT_EQ(encoded(little, "abc"), "\x03" + std::string(size - 1, '\0') + "abc");
        expect_frames(big, encoded(big, "abc") + encoded(big, ""), {"abc", ""});
        expect_frames(little, encoded(little, "abc") + encoded(little, ""), {"abc", ""});
    }
    const auto native = options().length_field_type<std::uint16_t>().native_endian().build();
    expect_frames(native, encoded(native, std::string(300, 'x')), {std::string(300, 'x')});
}

// covers: P101
TEST(LengthDelimitedCodec, OffsetAdjustmentAndSkipCombine) {
    // The examples in the class comment: bytes before the length field are dropped or kept.
    expect_frames(options().length_field_offset(1).length_field_length(3).build(), "M\0\0\x02hiM\0\0\x01!"s,
                  {"hi", "!"});
    expect_frames(options().length_field_length(2).length_adjustment(-2).build(),
                  "\0\x05"
                  "abc\0\x02"s,
                  {"abc", ""});
    expect_frames(options().length_field_length(2).length_adjustment(2).num_skip(0).build(), "\0\x02hi"s,
                  {"\0\x02hi"s});
    // The frame has one byte before the length field, and one byte after it that the length does not include.
    // num_skip(1) drops only the first byte.
    expect_frames(options().length_field_offset(1).length_field_length(2).length_adjustment(3).num_skip(1).build(),
                  "\xca\0\x0b\xfeHello world\xca\0\x01\xfe!"s, {"\0\x0b\xfeHello world"s, "\0\x01\xfe!"s});
    // num_skip is larger than the head of the frame.
    expect_frames(options().length_field_length(1).num_skip(3).build(), "\x02--hi\0--"s, {"hi", ""});
}

// covers: P101
TEST(LengthDelimitedCodec, EncodingReversesTheLengthAdjustment) {
    EXPECT_EQ(encoded(options().length_field_length(2).length_adjustment(-2).build(), "abc"),
              "\0\x05"
              "abc"s);
    EXPECT_EQ(encoded(options().length_field_length(2).length_adjustment(2).build(), "abc"),
              "\0\x01"
              "abc"s);
    const std::string refused = "<" + make_error_code(errc::bad_frame_length).message() + ">";
    EXPECT_EQ(encoded(options().length_adjustment(4).build(), "abc"), refused) << "the length would be negative";
}

// covers: P101 R091
TEST(LengthDelimitedCodec, LimitIsCheckedBeforeMemoryIsReserved) {
    const auto small = options().max_frame_length(3).build();
    expect_frames(small,
                  "\0\0\0\x03"
                  "abc\0\0\0\x04"s,
                  and_error({"abc"}, errc::frame_too_large));
    expect_frames(length_delimited_codec(), "\xff\xff\xff\xff"s, and_error({}, errc::frame_too_large));
    constexpr auto no_limit = std::numeric_limits<std::size_t>::max();
    const auto eight = options().length_field_length(8).max_frame_length(no_limit);
    expect_frames(auto(eight).build(), std::string(8, '\xff'), and_error({}, errc::bad_frame_length));
    expect_frames(auto(eight).length_adjustment(1).build(), std::string(8, '\xff'),
                  and_error({}, errc::bad_frame_length));

    auto four = options().max_frame_length(no_limit).build();
    bytes_mut buffer = bytes_mut::copy_of("\xff\xff\xff\xff"s);
    EXPECT_FALSE(four.decode(buffer).value());
    EXPECT_LT(buffer.capacity(), 1000u) << "memory must grow with the bytes, not with the length field";
}

// covers: R091
TEST(LengthDelimitedCodec, NegativeLengthIsAnError) {
    const auto counts_itself = options().length_field_length(2).length_adjustment(-2).build();
    expect_frames(counts_itself, "\0\x01"s, and_error({}, errc::bad_frame_length));
    const auto extreme = options().length_adjustment(std::numeric_limits<std::int64_t>::min()).build();
    expect_frames(extreme, "\0\0\0\x01"s, and_error({}, errc::bad_frame_length));
    // num_skip(0) keeps the head in the frame. A frame shorter than its head is an error: it could be decoded forever.
    const auto with_head = options().length_field_length(2).num_skip(0).build();
    expect_frames(with_head, "\0\0"s, and_error({}, errc::bad_frame_length));
    expect_frames(with_head, "\0\x02\0\x01"s, and_error({"\0\x02"s}, errc::bad_frame_length));
}

// covers: P101
TEST(LengthDelimitedCodec, FrameTruncatedAtAnyByteIsAnError) {
    const std::string whole = "\0\0\0\x05hello"s;
    for (std::size_t size = 1; size < whole.size(); ++size) {
        expect_frames(length_delimited_codec(), whole.substr(0, size), and_error({}, errc::bytes_remaining));
    }
}

// covers: P101
TEST(LengthDelimitedCodec, EncodingChecksTheLimit) {
    const std::string refused = "<" + make_error_code(errc::frame_too_large).message() + ">";
    EXPECT_EQ(encoded(options().max_frame_length(3).build(), "abcd"), refused);
    const auto one = options().length_field_length(1).build();
    EXPECT_EQ(encoded(one, std::string(255, 'x')).size(), 256u);
    EXPECT_EQ(encoded(one, std::string(256, 'x')), refused) << "256 does not fit in one byte";
}

// covers: P101
TEST(LengthDelimitedCodec, LimitCanBeChanged) {
    length_delimited_codec frames = options().length_field_length(1).max_frame_length(4).build();
    bytes_mut buffer = bytes_mut::copy_of("\x05hello"s);
    EXPECT_EQ(frames.decode(buffer).error(), errc::frame_too_large);
    frames.set_max_frame_length(5);
    EXPECT_EQ(frames.max_frame_length(), 5u);
    EXPECT_EQ(frames.decode(buffer).value(), "hello");
}

TEST(LengthDelimitedCodec, LoweredLimitAppliesFromTheNextFrame) {
    auto frames = codec::length_delimited_options().length_field_length(1).max_frame_length(5).build();
    auto buffer = bytes_mut::copy_of("\x05hel");
    EXPECT_FALSE(frames.decode(buffer).value());
    frames.set_max_frame_length(4);
    buffer.put("lo\x05hello");
    EXPECT_EQ(frames.decode(buffer).value(), "hello");
    EXPECT_EQ(frames.decode(buffer).error(), eddy::errc::frame_too_large);
}

// covers: P101
TEST(LengthDelimitedCodec, InvalidOptionsAreMisuse) {
    EXPECT_THROW(static_cast<void>(options().length_field_length(0).build()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(options().length_field_length(9).build()), eddy::misuse);
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    EXPECT_THROW(static_cast<void>(options().length_field_offset(most).build()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(options().num_skip(most).build()), eddy::misuse);
}

// covers: P101
TEST(LengthDelimitedCodecStress, EncodedFramesAreDecodedInPieces) {
    std::mt19937_64 random(1);
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        auto how = options().length_field_length(2 + random() % 7).length_adjustment(-static_cast<int>(random() % 5));
        if (random() % 2 == 0) how.little_endian();
        auto frames = how.build();
        texts expected;
        bytes_mut all;
        for (std::size_t n = random() % 6; n != 0; --n) {
            expected.emplace_back(random() % 400, static_cast<char>(random()));
            ASSERT_TRUE(frames.encode(expected.back(), all));
        }
        ASSERT_EQ(decode_all(frames, all.text(), 1 + random() % 50), expected) << i;
    }
}

using wide = eddy::int128_t;  // holds every sum of a length and an adjustment

/// The options of a codec, and a second implementation of its decoder.
struct options_model {
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

TEST(LengthDelimitedCodecStress, RandomOptionsMatchAModel) {
    constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
    for (std::uint64_t seed = support::rounds(75'000); seed != 0; --seed) {
        dice random(seed);
        options_model how{};
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
            // As many bytes as the frame needs, or one more.
            const auto rest = static_cast<std::int64_t>(number) + (random.one_in(8) ? 1 : 0) +
                              (std::abs(how.adjustment / 2) < 100 ? how.adjustment : 0) +
                              static_cast<std::int64_t>(how.skip) - static_cast<std::int64_t>(how.offset + how.field);
            for (std::int64_t i = 0; i < rest; ++i) text += static_cast<char>('a' + i % 26);
        }
        text.resize(text.size() - std::min(text.size(), random.below(3)));
        support::expect_frames(how.build(), text, how.frames_of(text), "seed " + std::to_string(seed));
        if (HasFatalFailure()) return;
    }
}

}  // namespace
