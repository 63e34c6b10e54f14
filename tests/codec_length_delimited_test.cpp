// SPDX-License-Identifier: MIT
#include <eddy/codec.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <eddy/error.hpp>

#include "support/frames.hpp"
#include "support/stress.hpp"

namespace {

namespace codec = eddy::codec;
using codec::length_delimited_codec;
using eddy::bytes_mut;
using eddy::errc;
using support::decode_all;
using texts = std::vector<std::string>;
using namespace std::string_literals;

codec::length_delimited_options options() { return {}; }

/// The same whatever the pieces are in which the bytes come.
void expect_frames(const length_delimited_codec& with, const std::string& text, const texts& expected) {
    for (std::size_t step = 1; step <= text.size(); ++step) EXPECT_EQ(decode_all(with, text, step), expected) << step;
}
texts and_error(texts frames, errc error) {
    frames.push_back("<" + make_error_code(error).message() + ">");
    return frames;
}

/// What comes of an empty buffer and one frame.
std::string encoded(length_delimited_codec with, std::string_view frame) {
    bytes_mut into;
    const auto done = with.encode(frame, into);
    return done ? support::as_text(into.chunk()) : "<" + done.error().message() + ">";
}

TEST(LengthDelimitedCodec, FourBytesOfTheNetworksOrderByDefault) {
    expect_frames(length_delimited_codec(),
                  "\0\0\0\x03"
                  "abc\0\0\0\0\0\0\0\x01z"s,
                  {"abc", "", "z"});
    EXPECT_EQ(encoded(length_delimited_codec(), "abc"),
              "\0\0\0\x03"
              "abc"s);
}

TEST(LengthDelimitedCodec, LengthFieldsOfOneToEightBytesInBothOrders) {
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

TEST(LengthDelimitedCodec, OffsetAdjustmentAndSkip) {
    // The examples of the class: what is before the field is dropped, or kept.
    expect_frames(options().length_field_offset(1).length_field_length(3).build(), "M\0\0\x02hiM\0\0\x01!"s,
                  {"hi", "!"});
    expect_frames(options().length_field_length(2).length_adjustment(-2).build(),
                  "\0\x05"
                  "abc\0\x02"s,
                  {"abc", ""});
    expect_frames(options().length_field_length(2).length_adjustment(2).num_skip(0).build(), "\0\x02hi"s,
                  {"\0\x02hi"s});
    // One byte before the field, and one behind it that the number does not count; only the first is dropped.
    expect_frames(options().length_field_offset(1).length_field_length(2).length_adjustment(3).num_skip(1).build(),
                  "\xca\0\x0b\xfeHello world\xca\0\x01\xfe!"s, {"\0\x0b\xfeHello world"s, "\0\x01\xfe!"s});
    // More is dropped than the head has.
    expect_frames(options().length_field_length(1).num_skip(3).build(), "\x02--hi\0--"s, {"hi", ""});
}

TEST(LengthDelimitedCodec, WhatGoesIsAdjustedTheOtherWay) {
    EXPECT_EQ(encoded(options().length_field_length(2).length_adjustment(-2).build(), "abc"),
              "\0\x05"
              "abc"s);
    EXPECT_EQ(encoded(options().length_field_length(2).length_adjustment(2).build(), "abc"),
              "\0\x01"
              "abc"s);
    const std::string refused = "<" + make_error_code(errc::bad_frame_length).message() + ">";
    EXPECT_EQ(encoded(options().length_adjustment(4).build(), "abc"), refused) << "it would be less than nothing";
}

TEST(LengthDelimitedCodec, LimitsAreCheckedBeforeAnythingIsReserved) {
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
    EXPECT_LT(buffer.capacity(), 1000u) << "memory comes with the bytes, and not with the number";
}

TEST(LengthDelimitedCodec, ALengthLessThanNothingIsAnError) {
    const auto counts_itself = options().length_field_length(2).length_adjustment(-2).build();
    expect_frames(counts_itself, "\0\x01"s, and_error({}, errc::bad_frame_length));
    const auto extreme = options().length_adjustment(std::numeric_limits<std::int64_t>::min()).build();
    expect_frames(extreme, "\0\0\0\x01"s, and_error({}, errc::bad_frame_length));
    // Frames with their heads: one that ends before its length field would come again and again.
    const auto with_head = options().length_field_length(2).num_skip(0).build();
    expect_frames(with_head, "\0\0"s, and_error({}, errc::bad_frame_length));
    expect_frames(with_head, "\0\x02\0\x01"s, and_error({"\0\x02"s}, errc::bad_frame_length));
}

TEST(LengthDelimitedCodec, HalfAFrameAtTheEndIsAnErrorAtEveryByte) {
    const std::string whole = "\0\0\0\x05hello"s;
    for (std::size_t size = 1; size < whole.size(); ++size) {
        expect_frames(length_delimited_codec(), whole.substr(0, size), and_error({}, errc::bytes_remaining));
    }
}

TEST(LengthDelimitedCodec, WhatGoesIsCheckedToo) {
    const std::string refused = "<" + make_error_code(errc::frame_too_large).message() + ">";
    EXPECT_EQ(encoded(options().max_frame_length(3).build(), "abcd"), refused);
    const auto one = options().length_field_length(1).build();
    EXPECT_EQ(encoded(one, std::string(255, 'x')).size(), 256u);
    EXPECT_EQ(encoded(one, std::string(256, 'x')), refused) << "one byte cannot say 256";
}

TEST(LengthDelimitedCodec, TheLimitCanBeChanged) {
    length_delimited_codec frames = options().length_field_length(1).max_frame_length(4).build();
    bytes_mut buffer = bytes_mut::copy_of("\x05hello"s);
    EXPECT_EQ(frames.decode(buffer).error(), errc::frame_too_large);
    frames.set_max_frame_length(5);
    EXPECT_EQ(frames.max_frame_length(), 5u);
    EXPECT_EQ(frames.decode(buffer).value(), "hello");
}

TEST(LengthDelimitedCodec, OptionsThatMakeNoSenseAreMisuse) {
    EXPECT_THROW(static_cast<void>(options().length_field_length(0).build()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(options().length_field_length(9).build()), eddy::misuse);
    constexpr auto most = std::numeric_limits<std::size_t>::max();
    EXPECT_THROW(static_cast<void>(options().length_field_offset(most).build()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(options().num_skip(most).build()), eddy::misuse);
}

TEST(LengthDelimitedCodecStress, WhatIsEncodedIsDecodedInPiecesOfAnySize) {
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

}  // namespace
