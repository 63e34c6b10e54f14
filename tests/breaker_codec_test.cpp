// SPDX-License-Identifier: MIT
// What breaks frames and codecs: writers and decoders that throw, and codecs that take over from each other.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/codec.hpp>
#include <eddy/io.hpp>
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

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

}  // namespace
