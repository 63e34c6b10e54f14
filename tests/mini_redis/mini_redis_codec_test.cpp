// SPDX-License-Identifier: MIT
// runs: once
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/error.hpp>
#include <support/stress.hpp>

#include "mini_redis/reply_codec.hpp"
#include "mini_redis/request_codec.hpp"
#include "mini_redis/split_words.hpp"

// The protocol of mini_redis, in both directions, without a connection.

namespace {

using mini_redis::reply;
using mini_redis::reply_codec;
using mini_redis::reply_limits;
using mini_redis::request_codec;
using mini_redis::request_limits;
using mini_redis::resp_errc;
using words = std::vector<std::string>;

words owned(request_codec::item from) { return {from.begin(), from.end()}; }
reply owned(reply&& from) { return std::move(from); }

/// The result of decoding: the items, and the error that ended decoding.
template <class T>
struct decoded {
    std::vector<T> items;
    std::error_code error;
    std::size_t left = 0;
    friend bool operator==(const decoded&, const decoded&) = default;
};

template <class Codec>
using owned_t = decltype(owned(std::declval<typename Codec::item>()));

/// Decodes all complete items. Returns false after an error.
template <class Codec>
bool drain(Codec& codec, eddy::bytes_mut& in, decoded<owned_t<Codec>>& into) {
    for (;;) {
        auto next = codec.decode(in);
        into.left = in.size();
        if (!next) {
            into.error = next.error();
            return false;
        }
        if (!*next) return true;
        into.items.push_back(owned(**std::move(next)));
    }
}

/// Decodes `text`, which arrives in pieces that end at `cuts`.
template <class Codec>
decoded<owned_t<Codec>> decode_cut(std::string_view text, const std::vector<std::size_t>& cuts, Codec codec = Codec()) {
    decoded<owned_t<Codec>> got;
    eddy::bytes_mut in;
    std::size_t from = 0;
    for (const std::size_t cut : cuts) {
        in.put(text.substr(from, cut - from));
        from = cut;
        if (!drain(codec, in, got)) return got;
    }
    in.put(text.substr(from));
    drain(codec, in, got);
    return got;
}

template <class Codec>
decoded<owned_t<Codec>> decode_whole(std::string_view text, Codec codec = Codec()) {
    return decode_cut(text, {}, std::move(codec));
}

/// Expects the same items from the whole text, from each single cut, and from pieces of each size.
template <class Codec>
void expect_same_for_all_cuts(std::string_view text) {
    const auto whole = decode_whole<Codec>(text);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        EXPECT_EQ(decode_cut<Codec>(text, {cut}).items, whole.items) << text << " cut at " << cut;
    }
    for (std::size_t step = 1; step < text.size(); ++step) {
        std::vector<std::size_t> cuts;
        for (std::size_t at = step; at < text.size(); at += step) cuts.push_back(at);
        const auto got = decode_cut<Codec>(text, cuts);
        EXPECT_EQ(got.items, whole.items) << text << " in pieces of " << step;
        EXPECT_EQ(got.error, whole.error) << text << " in pieces of " << step;
    }
}

// ---- Requests ----

const std::string binary("\0\r\n$3\r\n*", 9);

const std::array<std::string, 8> requests{
    "*1\r\n$4\r\nPING\r\n",
    "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n",
    "*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
    "*2\r\n$4\r\nECHO\r\n$9\r\n" + binary + "\r\n",
    "*0\r\n*-1\r\n\r\n\n*1\r\n$4\r\nPING\r\n",
    "PING\r\n",
    "set  key \"a \\x41\\n\\\"\" 'it\\'s'\n",
    "*12\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$"
    "1\r\n9\r\n$1\r\na\r\n"
    "$10\r\n0123456789\r\n",
};

TEST(MiniRedisRequests, DecodeArraysAndLines) {
    const auto only = [](const std::string& text) {
        const auto got = decode_whole<request_codec>(text);
        EXPECT_EQ(got.error, std::error_code());
        EXPECT_EQ(got.left, 0u);
        return got.items.size() == 1 ? got.items.front() : words{"not one request"};
    };
    EXPECT_EQ(only(requests[0]), words{"PING"});
    EXPECT_EQ(only(requests[1]), (words{"SET", "key", "value"}));
    EXPECT_EQ(only(requests[2]), (words{"GET", ""}));
    EXPECT_EQ(only(requests[3]), (words{"ECHO", binary}));
    EXPECT_EQ(only(requests[4]), words{"PING"}) << "empty requests are skipped";
    EXPECT_EQ(only(requests[5]), words{"PING"});
    EXPECT_EQ(only(requests[6]), (words{"set", "key", "a A\n\"", "it's"}));
    EXPECT_EQ(only(requests[7]).back(), "0123456789");
}

TEST(MiniRedisRequests, DecodeTheSameWhereverInputIsCut) {
    std::string all;
    for (const auto& each : requests) {
        expect_same_for_all_cuts<request_codec>(each);
        all += each;
    }
    expect_same_for_all_cuts<request_codec>(all);
    EXPECT_EQ(decode_whole<request_codec>(all).items.size(), requests.size());
}

TEST(MiniRedisRequests, PartialRequestAtEndIsAnError) {
    for (const auto& each : {requests[1], requests[3], requests[5], requests[6]}) {
        for (std::size_t cut = 1; cut < each.size(); ++cut) {
            request_codec codec;
            auto in = eddy::bytes_mut::copy_of(each.substr(0, cut));
            const auto got = codec.decode_eof(in);
            ASSERT_FALSE(got) << each << " cut at " << cut;
            EXPECT_EQ(got.error(), make_error_code(eddy::errc::unexpected_eof)) << each << " cut at " << cut;
        }
        request_codec codec;
        auto in = eddy::bytes_mut::copy_of(each);
        EXPECT_TRUE(codec.decode_eof(in).value());
        EXPECT_FALSE(codec.decode_eof(in).value());
    }
}

TEST(MiniRedisRequests, InvalidLengthsHaveErrorTextsOfRedis) {
    const auto error = [](std::string_view text) {
        expect_same_for_all_cuts<request_codec>(text);
        return decode_whole<request_codec>(text).error.message();
    };
    for (const char* text : {"*x\r\n", "*\r\n", "*1x\r\n", "*+1\r\n", "*01\r\n", "* 1\r\n", "*1048577\r\n",
                             "*9223372036854775807\r\n", "*9223372036854775808\r\n", "*99999999999999999999\r\n"}) {
        EXPECT_EQ(error(text), "Protocol error: invalid multibulk length") << text;
    }
    for (const char* text : {"*1\r\n$-1\r\n", "*1\r\n$x\r\n", "*1\r\n$\r\n", "*1\r\n$536870913\r\n",
                             "*1\r\n$18446744073709551615\r\n", "*1\r\n$-9223372036854775808\r\n", "*1\r\n$3 \r\n"}) {
        EXPECT_EQ(error(text), "Protocol error: invalid bulk length") << text;
    }
    EXPECT_EQ(error("*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
    EXPECT_EQ(error("*1\r\n\r\n"), "Protocol error: expected '$', got ' '");
    EXPECT_EQ(error("*2\r\n$3\r\nhello\r\n"), "Protocol error: expected '$', got ' '") << "the length is too short";
    EXPECT_EQ(error("set \"open\r\n"), "Protocol error: unbalanced quotes in request");
    EXPECT_EQ(error("set \"a\"b\r\n"), "Protocol error: unbalanced quotes in request");
    EXPECT_EQ(error("set 'a\r\n"), "Protocol error: unbalanced quotes in request");
}

TEST(MiniRedisRequests, LargeLengthReservesNoMemory) {
    request_codec codec;
    auto in = eddy::bytes_mut::copy_of("*1000000\r\n$536870912\r\n0123456789");
    const auto room = in.capacity();
    EXPECT_FALSE(codec.decode(in).value());
    EXPECT_EQ(in.capacity(), room);
    EXPECT_EQ(codec.decode_eof(in).error(), make_error_code(eddy::errc::unexpected_eof));
}

TEST(MiniRedisRequests, LimitsAreEnforced) {
    request_limits limits;
    limits.word = 10;
    limits.words = 3;
    limits.line = 20;
    limits.frame = 40;
    const auto error = [&](std::string_view text) { return decode_whole(text, request_codec(limits)).error; };
    EXPECT_EQ(error("*1\r\n$10\r\n0123456789\r\n"), std::error_code());
    EXPECT_EQ(error("*1\r\n$11\r\n"), resp_errc::bad_bulk_length);
    EXPECT_EQ(error("*3\r\n$1\r\na\r\n$1\r\na\r\n$1\r\na\r\n"), std::error_code());
    EXPECT_EQ(error("*4\r\n"), resp_errc::bad_array_length);
    EXPECT_EQ(error("*3\r\n$10\r\n0123456789\r\n$10\r\n0123456789\r\n$10\r\n"), resp_errc::frame_too_large);
    EXPECT_EQ(error(std::string(20, 'x')), std::error_code());
    EXPECT_EQ(error(std::string(21, 'x')), resp_errc::line_too_long);
    EXPECT_EQ(error("*" + std::string(20, '1')), resp_errc::array_length_too_long);
    EXPECT_EQ(error("*1\r\n$" + std::string(20, '1')), resp_errc::bulk_length_too_long);
}

TEST(MiniRedisRequests, UnquotedWordMayContainVerticalTabs) {
    EXPECT_EQ(mini_redis::split_words("a\vb c\f"), (words{"a\vb", "c\f"}));
    EXPECT_EQ(mini_redis::split_words("\v\fa \"b\"\vc"), (words{"a", "b", "c"}));
}

// ---- Replies ----

const std::array<std::string, 10> replies{
    "+OK\r\n",
    "-ERR syntax error\r\n",
    ":-9223372036854775808\r\n",
    "$-1\r\n",
    "$0\r\n\r\n",
    "$9\r\n" + binary + "\r\n",
    "*-1\r\n",
    "*0\r\n",
    "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n",
    "*4\r\n*0\r\n*2\r\n:1\r\n*1\r\n+x\r\n$-1\r\n:2\r\n",
};

TEST(MiniRedisReplies, DecodeToTheirTypes) {
    std::string all;
    for (const auto& each : replies) all += each;
    const auto got = decode_whole<reply_codec>(all);
    EXPECT_EQ(got.error, std::error_code());
    const std::vector<reply> expected{
        reply::status("OK"),
        reply::error("ERR syntax error"),
        std::numeric_limits<std::int64_t>::min(),
        reply(),
        std::string(),
        binary,
        reply(),
        reply::array(),
        reply::array{std::string("message"), std::string("c"), std::string("hello")},
        reply::array{reply::array(), reply::array{std::int64_t{1}, reply::array{reply::status("x")}}, reply(),
                     std::int64_t{2}},
    };
    EXPECT_EQ(got.items, expected);
}

TEST(MiniRedisReplies, DecodeTheSameWhereverInputIsCut) {
    std::string all;
    for (const auto& each : replies) {
        expect_same_for_all_cuts<reply_codec>(each);
        all += each;
    }
    expect_same_for_all_cuts<reply_codec>(all);
}

TEST(MiniRedisReplies, PartialReplyAtEndIsAnError) {
    for (const auto& each : replies) {
        for (std::size_t cut = 1; cut < each.size(); ++cut) {
            reply_codec codec;
            auto in = eddy::bytes_mut::copy_of(each.substr(0, cut));
            EXPECT_EQ(codec.decode_eof(in).error(), make_error_code(eddy::errc::unexpected_eof))
                << each << " at " << cut;
        }
    }
}

TEST(MiniRedisReplies, InvalidRepliesAreErrors) {
    const auto error = [](std::string_view text) {
        expect_same_for_all_cuts<reply_codec>(text);
        return decode_whole<reply_codec>(text).error;
    };
    EXPECT_EQ(error("?\r\n"), resp_errc::unknown_type);
    EXPECT_EQ(error(":\r\n"), resp_errc::bad_number);
    EXPECT_EQ(error(":1x\r\n"), resp_errc::bad_number);
    EXPECT_EQ(error("$-2\r\n"), resp_errc::bad_bulk_length);
    EXPECT_EQ(error("$536870913\r\n"), resp_errc::bad_bulk_length);
    EXPECT_EQ(error("*-2\r\n"), resp_errc::bad_array_length);
    EXPECT_EQ(error("*1048577\r\n"), resp_errc::bad_array_length);
    EXPECT_EQ(error("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), resp_errc::nested_too_deep);
    const auto too_long = "+" + std::string(64 << 10, 'x');
    EXPECT_EQ(decode_whole<reply_codec>(too_long).error, resp_errc::line_too_long);
}

TEST(MiniRedisReplies, EncodeToBytesTheyWereDecodedFrom) {
    for (const auto& each : replies) {
        if (each == "*-1\r\n") continue;  // nil has two encodings
        eddy::bytes_mut out;
        request_codec server;
        ASSERT_TRUE(server.encode(decode_whole<reply_codec>(each).items.at(0), out));
        EXPECT_EQ(out.text(), each);
    }
}

TEST(MiniRedisReplies, ServerDecodesRequestsOfClient) {
    eddy::bytes_mut out;
    reply_codec client;
    const std::array<std::string_view, 3> request{"SET", "", binary};
    ASSERT_TRUE(client.encode(request, out));
    EXPECT_EQ(decode_whole<request_codec>(out.text()).items, (std::vector<words>{{"SET", "", binary}}));
}

// ---- Requests and replies ----

/// Changes some bytes of valid input, and decodes it in pieces of random sizes. Expects the same result as for the
/// whole input.
template <class Codec, class Messages>
void fuzz(const Messages& messages, unsigned seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(random() % limit); };
    for (auto round = support::rounds(100'000); round > 0; --round) {
        std::string text;
        for (std::size_t i = 0; i < 4; ++i) text += messages[below(messages.size())];
        for (std::size_t i = below(4); i > 0; --i) text[below(text.size())] = "\r\n$*-:+0129a\0"[below(13)];
        std::vector<std::size_t> cuts;
        for (std::size_t at = 1 + below(9); at < text.size(); at += 1 + below(9)) cuts.push_back(at);
        const auto whole = decode_whole<Codec>(text);
        const auto got = decode_cut<Codec>(text, cuts);
        ASSERT_EQ(got.items, whole.items) << text;
        ASSERT_EQ(got.error, whole.error) << text;
    }
}

TEST(MiniRedisCodecStress, CorruptInputDecodesTheSameWhereverCut) {
    fuzz<request_codec>(requests, 1);
    fuzz<reply_codec>(replies, 2);
}

}  // namespace
