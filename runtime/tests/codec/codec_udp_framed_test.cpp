// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/codec/udp_framed.hpp>

#include <gtest/gtest.h>

#include <array>
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
#include <eddy/future/future.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
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

// covers: S84
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

// covers: S84
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

// covers: S84
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
    const std::string bad = support::message_of(std::errc::bad_message);
    EXPECT_EQ(within(core, talk(from, to, peer)), "1;<" + bad + ">;2;") << "an empty datagram has no message";
}

// covers: P102
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

// covers: P102
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

// covers: P102
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

// covers: S84
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

/// Receives one datagram.
eddy::task<std::string> text_at(udp_socket& receiver) {
    std::string text(16, ' ');
    const auto size = co_await receiver.recv(text);
    text.resize(size.value_or(0));
    co_return text;
}

/// A codec that refuses to encode negative numbers.
struct natural_codec : count_codec {
    result<void> encode(int number, bytes_mut& into) {
        if (number < 0) return std::unexpected(std::make_error_code(std::errc::argument_out_of_domain));
        return count_codec::encode(number, into);
    }
};

TEST(UdpFramed, RefusedMessageIsDroppedAndSinkContinues) {
    eddy::core core;
    udp_socket receiver = bound(core);
    const auto to = receiver.local_addr().value();
    codec::udp_framed numbers(bound(core), natural_codec());
    const auto talk = [&]() -> eddy::task<std::string> {
        const auto refused = co_await numbers.send(codec::udp_message(-1, to));
        EXPECT_EQ(refused.error(), std::errc::argument_out_of_domain);
        EXPECT_TRUE((co_await numbers.flush()).has_value());
        EXPECT_TRUE((co_await numbers.send(codec::udp_message(7, to))).has_value());
        co_return co_await text_at(receiver);
    };
    EXPECT_EQ(within(core, talk()), "7");
}

TEST(UdpFramed, FedMessageIsSentByTheNextFeedOrFlush) {
    eddy::core core;
    udp_socket receiver = bound(core);
    const auto to = receiver.local_addr().value();
    codec::udp_framed numbers(bound(core), count_codec());
    const auto talk = [&]() -> eddy::task<std::string> {
        EXPECT_TRUE((co_await numbers.feed(codec::udp_message(1, to))).has_value());
        std::array<std::byte, 8> into{};
        EXPECT_EQ(receiver.try_recv(into).error(), std::errc::operation_would_block);
        EXPECT_TRUE((co_await numbers.feed(codec::udp_message(2, to))).has_value());
        auto got = co_await text_at(receiver);
        EXPECT_TRUE((co_await numbers.close()).has_value());
        got += co_await text_at(receiver);
        co_return got;
    };
    EXPECT_EQ(within(core, talk()), "12");
    EXPECT_EQ(numbers.inner().peer_addr().error(), std::errc::not_connected);
}

// The coop budget is used up, as if the socket were not writable.
TEST(UdpFramed, MessageStaysInTheSinkWhileItCannotBeSent) {
    eddy::core core;
    udp_socket receiver = bound(core);
    const auto to = receiver.local_addr().value();
    codec::udp_framed numbers(bound(core), count_codec());
    bool was_pending = false;
    const auto flush = [&](eddy::context& cx) {
        while (!was_pending && cx.consume_budget()) {
        }
        auto flushed = numbers.poll_flush(cx);
        was_pending = was_pending || !flushed;
        return flushed;
    };
    const auto talk = [&]() -> eddy::task<std::string> {
        EXPECT_TRUE((co_await numbers.feed(codec::udp_message(3, to))).has_value());
        EXPECT_TRUE((co_await eddy::poll_fn(flush)).has_value());
        co_return co_await text_at(receiver);
    };
    EXPECT_EQ(within(core, talk()), "3");
    EXPECT_TRUE(was_pending);
}

TEST(UdpFramed, ErrorOfTheSocketIsAnItemAndReadingContinues) {
    eddy::core core;
    udp_socket socket = bound(core);
    udp_socket peer = bound(core);
    const auto to = peer.local_addr().value();
    const auto talk = [&](socket_addr back) -> eddy::task<std::string> {
        EXPECT_TRUE((co_await socket.connect(to)).has_value());
        codec::udp_framed numbers(std::move(socket), count_codec());
        {
            const auto closed = std::move(peer);
        }
        EXPECT_TRUE((co_await numbers.send(codec::udp_message(1, to))).has_value());
        const auto refused = co_await numbers.next();
        EXPECT_EQ(refused.value().error(), std::errc::connection_refused);
        auto again = udp_socket::bind(to, core.handle()).value();
        EXPECT_TRUE((co_await again.send_to(support::bytes_of("4"), back)).has_value());
        const auto next = co_await numbers.next();
        co_return std::to_string(next.value().value().message);
    };
    const auto at = socket.local_addr().value();
    EXPECT_EQ(within(core, talk(at)), "4");
}

TEST(UdpFramed, StreamEndsAfterTheErrorOfAStoppedLoop) {
    std::optional<eddy::core> core(std::in_place);
    codec::udp_framed numbers(bound(*core), count_codec());
    core.reset();
    const auto first = eddy::wait(numbers.next());
    EXPECT_EQ(first.value().error(), errc::runtime_shutdown);
    EXPECT_FALSE(eddy::wait(numbers.next()).has_value());
}

TEST(UdpFramed, ManyEmptyDatagramsUseUpTheCoopBudget) {
    eddy::core core;
    udp_socket sender = bound(core);
    udp_socket receiver = bound(core);
    const auto to = receiver.local_addr().value();
    codec::udp_framed numbers(std::move(receiver), count_codec());
    for (int i = 0; i < 150; ++i) ASSERT_TRUE(sender.try_send_to({}, to));
    ASSERT_TRUE(sender.try_send_to(support::bytes_of("5"), to));
    bool was_left = false;
    const auto next = [&](eddy::context& cx) {
        auto item = numbers.poll_next(cx);
        was_left = was_left || (!item && cx.budget() == 0);
        return item;
    };
    const auto talk = [&]() -> eddy::task<int> {
        const auto item = co_await eddy::poll_fn(next);
        co_return item.value().value().message;
    };
    EXPECT_EQ(within(core, talk()), 5);
    EXPECT_TRUE(was_left);
}

}  // namespace
