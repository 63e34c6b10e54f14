// SPDX-License-Identifier: MIT
#include <eddy/codec/udp_framed.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/codec/bytes_codec.hpp>
#include <eddy/codec/length_delimited_codec.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>

#include "support/net.hpp"
#include "support/runtime.hpp"

namespace {

namespace codec = eddy::codec;
using eddy::bytes_mut;
using eddy::errc;
using eddy::result;
using eddy::net::socket_addr;
using eddy::net::udp_socket;
using support::within;

const socket_addr any = socket_addr::parse("127.0.0.1:0").value();
udp_socket bound(const eddy::core& core) { return udp_socket::bind(any, core.handle()).value(); }

/// A codec for a number in decimal text.
struct count_codec {
    result<std::optional<int>> decode(bytes_mut& from) {
        if (from.empty()) return std::optional<int>();
        const std::string text(from.split().text());
        if (text.empty() || text.find_first_not_of("0123456789") != text.npos)
            return std::unexpected(std::make_error_code(std::errc::bad_message));
        return std::optional(std::stoi(text));
    }
    result<void> encode(int number, bytes_mut& into) {
        into.put(std::to_string(number));
        return {};
    }
};

TEST(UdpFramed, PingPongExchangesMessages) {
    eddy::core core;
    udp_socket a = bound(core);
    udp_socket b = bound(core);
    const auto at_b = b.local_addr().value();
    const auto play = [](udp_socket near, udp_socket far, socket_addr first) -> eddy::task<result<int>> {
        codec::udp_framed pings(std::move(near), count_codec());
        codec::udp_framed pongs(std::move(far), count_codec());
        co_await eddy::try_(pings.send(codec::udp_message(0, first)));
        for (;;) {
            auto ping = co_await pongs.next();
            auto [number, peer] = co_await eddy::try_(std::move(*ping));
            co_await eddy::try_(pongs.send(codec::udp_message(number + 1, peer)));
            auto pong = co_await pings.next();
            auto [next, other] = co_await eddy::try_(std::move(*pong));
            if (next > 4) co_return next;
            co_await eddy::try_(pings.send(codec::udp_message(next, other)));
        }
    };
    EXPECT_EQ(within(core, play(std::move(a), std::move(b), at_b)).value(), 5);
}

/// A codec for numbers of four bytes. Continues after any error, and has no decode_eof().
struct tolerant_codec {
    result<std::optional<std::uint32_t>> decode(bytes_mut& from) {
        if (from.size() < 4) return std::optional<std::uint32_t>();
        return std::optional(from.get_u32());
    }
    static bool can_continue_after(std::error_code) { return true; }
};

TEST(UdpFramed, PartialMessageIsOneErrorWithTolerantCodec) {
    eddy::core core;
    udp_socket from = bound(core);
    udp_socket to = bound(core);
    const auto peer = to.local_addr().value();
    const auto talk = [](udp_socket& sender, udp_socket& receiver, socket_addr there) -> eddy::task<std::uint32_t> {
        codec::udp_framed numbers(std::ref(receiver), tolerant_codec());
        for (const std::string_view datagram : {"ha", "good"}) {
            const auto sent = co_await sender.send_to(std::as_bytes(std::span(datagram)), there);
            EXPECT_EQ(sent.value(), datagram.size());
        }
        const auto half = co_await numbers.next();
        EXPECT_EQ(half.value().error(), errc::bytes_remaining);
        const auto whole = co_await numbers.next();
        co_return whole.value().value().message;
    };
    EXPECT_EQ(within(core, talk(from, to, peer)), 0x676f6f64u);
}

TEST(UdpFramed, CodecErrorIsAnItemAndReadingContinues) {
    eddy::core core;
    udp_socket from = bound(core);
    udp_socket to = bound(core);
    const auto peer = to.local_addr().value();
    const auto talk = [](udp_socket& sender, udp_socket& receiver, socket_addr there) -> eddy::task<std::string> {
        codec::udp_framed numbers(std::ref(receiver), count_codec());
        std::string got;
        for (const std::string datagram : {"1", "no number", "", "2"}) {
            static_cast<void>(co_await sender.send_to(support::bytes_of(datagram), there));
        }
        for (int i = 0; i < 3; ++i) {
            auto item = co_await numbers.next();
            got += *item ? std::to_string((*item)->message) + ";" : "<" + item->error().message() + ">;";
        }
        co_return got;
    };
    EXPECT_EQ(within(core, talk(from, to, peer)), "1;<Bad message>;2;") << "an empty datagram has no message";
}

TEST(UdpFramed, DatagramMayHoldSeveralMessages) {
    eddy::core core;
    udp_socket from = bound(core);
    udp_socket to = bound(core);
    const auto peer = to.local_addr().value();
    const auto talk = [](udp_socket& sender, udp_socket& receiver, socket_addr there) -> eddy::task<std::string> {
        codec::udp_framed lines(std::ref(receiver), codec::lines_codec(8));
        for (const std::string datagram : {"one\ntwo\nrest", "much too long\nnext", "much too long", "last"}) {
            static_cast<void>(co_await sender.send_to(support::bytes_of(datagram), there));
        }
        std::string got;
        while (!got.ends_with("last;")) {
            auto item = co_await lines.next();
            got += *item ? (*item)->message + ";" : "<>;";
        }
        co_return got;
    };
    EXPECT_EQ(within(core, talk(from, to, peer)), "one;two;rest;<>;next;<>;last;");
}

TEST(UdpFramed, PartialMessageIsAnErrorAndReadingContinues) {
    eddy::core core;
    udp_socket from = bound(core);
    udp_socket to = bound(core);
    const auto peer = to.local_addr().value();
    const auto talk = [](udp_socket& sender, udp_socket& receiver, socket_addr there) -> eddy::task<bool> {
        auto lengths = codec::length_delimited_options().length_field_length(1).build();
        codec::udp_framed frames(std::ref(receiver), lengths);
        for (const std::string datagram : {"\x05half", "\x02ok"}) {
            static_cast<void>(co_await sender.send_to(support::bytes_of(datagram), there));
        }
        auto half = co_await frames.next();
        EXPECT_EQ(half->error(), errc::bytes_remaining);
        auto whole = co_await frames.next();
        EXPECT_EQ(whole->value().message, "ok");
        co_return true;
    };
    EXPECT_TRUE(within(core, talk(from, to, peer)));
}

TEST(UdpFramed, TooLargeMessageIsAnErrorAndSinkContinues) {
    eddy::core core;
    udp_socket from = bound(core);
    udp_socket to = bound(core);
    const auto peer = to.local_addr().value();
    const auto talk = [](udp_socket sender, udp_socket receiver, socket_addr there) -> eddy::task<bool> {
        codec::udp_framed out(std::move(sender), codec::bytes_codec());
        codec::udp_framed in(std::move(receiver), codec::bytes_codec());
        codec::udp_message huge(std::string(70'000, 'x'), there);
        const auto refused = co_await out.send(std::move(huge));
        EXPECT_EQ(refused.error(), std::errc::message_size);
        codec::udp_message largest(std::string(65'507, 'y'), there);
        EXPECT_TRUE((co_await out.send(std::move(largest))).has_value());
        auto item = co_await in.next();
        EXPECT_EQ(item->value().message.size(), 65'507u);
        co_return true;
    };
    EXPECT_TRUE(within(core, talk(std::move(from), std::move(to), peer)));
}

TEST(UdpFramed, SplitHalvesSendAndReceive) {
    eddy::core core;
    udp_socket from = bound(core);
    udp_socket to = bound(core);
    const auto peer = to.local_addr().value();
    const auto talk = [](udp_socket sender, udp_socket receiver, socket_addr there) -> eddy::task<bool> {
        auto [sink, stream] = codec::udp_framed(std::move(sender), codec::lines_codec()).split();
        codec::udp_framed other(std::move(receiver), codec::lines_codec());
        codec::udp_message hello("hello", there);
        EXPECT_TRUE((co_await sink.send(std::move(hello))).has_value());
        auto got = co_await other.next();
        EXPECT_EQ(got->value().message, "hello");
        EXPECT_TRUE((co_await other.send(codec::udp_message("back", got->value().peer))).has_value());
        auto back = co_await stream.next();
        EXPECT_EQ(back->value().message, "back");
        EXPECT_TRUE(back->value().peer == there);
        co_return true;
    };
    EXPECT_TRUE(within(core, talk(std::move(from), std::move(to), peer)));
}

/// A codec of texts. decode() throws if the text begins with an exclamation mark.
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

TEST(UdpFramed, DatagramThatMakesTheDecoderThrowIsDropped) {
    eddy::core core;
    udp_socket receiver = bound(core);
    udp_socket sender = bound(core);
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

TEST(UdpFramed, PartialFrameDoesNotReachTheNextDatagram) {
    eddy::core core;
    udp_socket receiver = bound(core);
    udp_socket sender = bound(core);
    const auto to = receiver.local_addr().value();
    codec::udp_framed lines(std::move(receiver), codec::lines_codec(5));
    const auto talk = [&]() -> eddy::task<std::vector<std::string>> {
        std::vector<std::string> got;
        for (const std::string_view text : {"one\r", "\ntwo\r", "\r", "\nthree", "much too long", "\nfour\n"}) {
            const auto sent = co_await sender.send_to(support::bytes_of(text), to);
            EXPECT_TRUE(sent);
        }
        while (got.empty() || got.back() != "four") {
            auto item = co_await lines.next();
            got.push_back(*item ? (*item)->message : "<" + item->error().message() + ">");
        }
        co_return got;
    };
    EXPECT_EQ(within(core, talk()), (std::vector<std::string>{"one", "", "two", "", "three",
                                                              "<the line is longer than its limit>", "", "four"}));
}

}  // namespace
