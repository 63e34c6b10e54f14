// SPDX-License-Identifier: MIT
// HTTP/2 of eddy::http with clients that break the protocol or flood the server. They send their own frames, because
// nghttp2 does not send such ones. The connections are in memory, on a paused clock.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http_server.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;

task<http::response> say_path(http::request asked) {
    co_return http::response(http::status::ok, std::string(asked.path()));
}
task<result<http::response>> say_body(http::request asked) {
    auto text = co_await try_(asked.body.read_text());
    co_return http::response(http::status::ok, std::move(text));
}

/// Counts the calls of a service that are in progress.
struct counted {
    explicit counted(int& in) : all(&in) { ++*all; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --*all; }
    int* all;
};

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload = "") {
    std::string made;
    for (const auto shift : {16, 8, 0}) made += static_cast<char>(payload.size() >> shift);
    made += static_cast<char>(type);
    made += static_cast<char>(flags);
    for (const auto shift : {24, 16, 8, 0}) made += static_cast<char>(stream >> shift);
    return made.append(payload);
}
std::string number(std::uint32_t value) {
    std::string made;
    for (const auto shift : {24, 16, 8, 0}) made += static_cast<char>(value >> shift);
    return made;
}
const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(NGHTTP2_SETTINGS, 0, 0);
const std::string get_fields =
    "\x82\x86\x84\x41\x01"
    "a";  // GET, http, /, :authority: a

/// Returns the error code of the last GOAWAY in `bytes`, or nullopt.
std::optional<std::uint32_t> goaway_in(std::string_view bytes) {
    std::optional<std::uint32_t> found;
    while (bytes.size() >= 9) {
        const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
        const std::size_t size = at(0) << 16 | at(1) << 8 | at(2);
        if (bytes.size() < 9 + size) break;
        if (at(3) == NGHTTP2_GOAWAY) found = at(13) << 24 | at(14) << 16 | at(15) << 8 | at(16);
        bytes.remove_prefix(9 + size);
    }
    return found;
}

/// Sends the preface and the parts, and returns the error code of the GOAWAY with which the server ends the connection.
/// The server answers each part before the next one is sent.
std::optional<std::uint32_t> end_after(http::service app, std::vector<std::string> parts,
                                       http::serve_options options = http::serve_options()) {
    return eddy::test::run_paused([&]() -> task<std::optional<std::uint32_t>> {
        auto [near, far] = io::duplex(64 * 1024);
        io::duplex_stream client(std::move(near));
        const auto send = [&]() -> task<bool> {
            auto sent = co_await io::write_all(client, preface);
            for (const auto& part : parts) {
                if (sent) sent = co_await io::write_all(client, part);
                co_await eddy::time::sleep(1ms);
            }
            co_return sent.has_value();
        };
        // Sends and receives at the same time: the server stops reading while the client does not read its answers.
        auto all =
            eddy::join(http::serve_connection(std::move(far), app, options), send(), support::receive_all(client));
        auto [served, sent, got] = co_await all;
        EXPECT_TRUE(served.has_value());
        co_return goaway_in(got);
    });
}
std::optional<std::uint32_t> end_after(http::service app, std::string bytes,
                                       http::serve_options options = http::serve_options()) {
    return end_after(std::move(app), std::vector<std::string>(1, std::move(bytes)), std::move(options));
}

TEST(Http2Attack, RapidResetEndsConnection) {
    int running = 0;
    int most = 0;
    const auto app = [&](http::request) -> task<http::response> {
        const counted mark(running);
        most = std::max(most, running);
        co_await eddy::time::sleep(1h);
        co_return http::response(http::status::ok);
    };
    std::string attack;
    for (std::uint32_t i = 1; i < 2500; i += 2)
        attack += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, i, get_fields) +
                  frame(NGHTTP2_RST_STREAM, 0, i, number(NGHTTP2_CANCEL));
    // Some versions of nghttp2 have a limit of their own, which ends the connection with INTERNAL_ERROR.
    const auto ended = end_after(app, attack);
    EXPECT_TRUE(ended && *ended != NGHTTP2_NO_ERROR);
    EXPECT_LE(most, 200);
}

TEST(Http2Attack, ServerMadeToResetStreamsEndsConnection) {
    std::string attack;
    for (std::uint32_t i = 1; i < 4500; i += 2)
        attack += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, i, get_fields) +
                  frame(NGHTTP2_WINDOW_UPDATE, 0, i, number(0x7fffffff));  // overflows
    // Newer versions of nghttp2 end the connection with FLOW_CONTROL_ERROR.
    const auto ended = end_after(say_body, attack);
    EXPECT_TRUE(ended && *ended != NGHTTP2_NO_ERROR);
}

TEST(Http2Attack, RequestsThatResetTheirStreamsEndConnection) {
    // Content-Length is 2, and the body has three bytes. The first of them is valid.
    const std::string head(
        "\x83\x86\x84\x41\x01"
        "a"
        "\x0f\x0d\x01"
        "2",
        10);
    std::vector<std::string> attack(
        50);  // in parts, so that the server sends RST_STREAM before it has too many streams
    for (std::uint32_t i = 0; i < 2500; ++i) {
        const std::uint32_t id = 2 * i + 1;
        attack[i / 50] += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, head) + frame(NGHTTP2_DATA, 0, id, "x") +
                          frame(NGHTTP2_DATA, 0, id, "xx");
    }
    EXPECT_EQ(end_after(say_body, attack), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

TEST(Http2Attack, FloodsEndConnection) {
    const auto flood = [](const std::string& one, int times) {
        std::string all;
        for (int i = 0; i < times; ++i) all += one;
        return all;
    };
    const std::uint32_t calm = NGHTTP2_ENHANCE_YOUR_CALM;
    const std::string head = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PING, 0, 0, "12345678"), 3000)), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_SETTINGS, 0, 0), 3000)), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PRIORITY, 0, 1, number(0) + "x"), 3000)), calm);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_DATA, 0, 1), 3000)), calm);
    const std::string padding("\x03\0\0\0", 4);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, padding), 3000)), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(0x77, 0, 0), 3000)), calm);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0)), 3000)), calm);
    const std::uint8_t whole = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM;
    const std::string later = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 5, get_fields);
    EXPECT_EQ(end_after(say_body, later + flood(frame(NGHTTP2_HEADERS, whole, 3, get_fields), 3000)), calm);
}

TEST(Http2Attack, ContinuationFloodEndsConnection) {
    const std::string field = std::string("\x40\x01x\x7f\x81\x07", 6) + std::string(262, 'y');
    std::string attack = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    std::string empty = attack;
    for (int i = 0; i < 1500; ++i) {
        attack += frame(NGHTTP2_CONTINUATION, 0, 1, field);
        empty += frame(NGHTTP2_CONTINUATION, 0, 1);
    }
    const auto ended = end_after(say_path, attack);
    EXPECT_TRUE(ended && *ended != NGHTTP2_NO_ERROR);
    const auto ended_empty = end_after(say_path, empty);
    EXPECT_TRUE(ended_empty && *ended_empty != NGHTTP2_NO_ERROR);
}

TEST(Http2Attack, HpackBombsEndConnection) {
    // One field of 4000 bytes in the dynamic table, then 15,000 references of one byte to it.
    std::string block = get_fields + std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'y');
    std::vector<std::string> heads(
        1, frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block));
    auto trailers = heads;
    for (std::uint32_t i = 3; i < 2300; i += 2) {
        const std::string bomb(15'000, '\xbe');
        heads.push_back(
            frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, i, get_fields + bomb));
        trailers.push_back(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, i, get_fields) +
                           frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, i, bomb));
    }
    int calls = 0;
    const auto app = [&](http::request) -> task<http::response> {
        ++calls;
        co_return http::response(http::status::ok);
    };
    EXPECT_EQ(end_after(app, heads), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(end_after(say_body, trailers), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

/// The connection of a client that sends `first` and then never stops to open the window of the connection.
class window_flood {
public:
    window_flood(std::string first, std::string& answers) : first_(std::move(first)), answers_(&answers) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return eddy::not_ready;
        const auto text = std::exchange(first_, frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1)));
        std::ranges::copy(std::as_bytes(std::span(text)), into.begin());
        return eddy::ok(text.size());
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        answers_->append(reinterpret_cast<const char*>(from.data()), from.size());
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    std::string first_;
    std::string* answers_;
};

/// Serves a window_flood until it ends, or until `seconds` have passed. Returns the answers.
std::string answers_to_flood(std::string first, http::serve_options options, int seconds) {
    std::string answers;
    eddy::test::run_paused([&]() -> task<void> {
        const auto wait = [&]() -> task<result<void>> {
            for (int i = 0; i < seconds; ++i) co_await eddy::test::advance(1s);
            ADD_FAILURE() << "the connection has not ended";
            co_return eddy::ok();
        };
        auto ended = eddy::race(http::serve_connection(window_flood(first, answers), say_body, options), wait());
        static_cast<void>(co_await ended);
    });
    return answers;
}

TEST(Http2Attack, TimeLimitsHoldWhileClientKeepsSending) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);  // its body does not follow
    const auto answers = answers_to_flood(preface + ask, http::serve_options().io_timeout(5s), 20);
    EXPECT_EQ(goaway_in(answers), std::uint32_t{NGHTTP2_NO_ERROR});
}

TEST(Http2Attack, ShutdownEndsAlthoughClientKeepsSending) {
    const eddy::sync::cancellation_token end;
    end.cancel();
    const auto answers = answers_to_flood(preface, http::serve_options().shutdown(end), 20);
    EXPECT_EQ(goaway_in(answers), std::uint32_t{NGHTTP2_NO_ERROR});
}

/// The connection of a client that sends 16 KiB of WINDOW_UPDATE in each read. Counts the reads between two turns of
/// another task.
class full_reads {
public:
    explicit full_reads(int& reads) : reads_(&reads) {
        while (next_.size() < 16 * 1024) next_ += frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1));
        next_.insert(0, preface);
    }

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return eddy::not_ready;
        const auto count = std::min(into.size(), next_.size() - at_);
        std::ranges::copy(std::as_bytes(std::span(next_).subspan(at_, count)), into.begin());
        at_ += count;
        if (at_ == next_.size()) at_ = preface.size();
        if (count > 1000) ++*reads_;
        return eddy::ok(count);
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    std::string next_;
    std::size_t at_ = 0;
    int* reads_;
};

TEST(Http2Attack, SmallFramesLeaveTimeForOtherTasks) {
    eddy::test::run_paused([]() -> task<void> {
        int reads = 0;
        int most = 0;
        const auto other = [&]() -> task<result<void>> {
            for (int i = 0; i < 50; ++i) {
                reads = 0;
                co_await eddy::yield_now();
                most = std::max(most, reads);
            }
            co_return eddy::ok();
        };
        auto ended = eddy::race(http::serve_connection(full_reads(reads), say_path), other());
        static_cast<void>(co_await ended);
        EXPECT_GE(most, 1);
        EXPECT_LE(most, 16);
    });
}

TEST(Http2Attack, HeadThatIsNotCompletedEndsConnection) {
    const auto begin = frame(NGHTTP2_HEADERS, 0, 1, get_fields);  // without END_HEADERS
    EXPECT_EQ(end_after(say_path, begin, http::serve_options().header_timeout(3s)),
              std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

TEST(Http2Attack, FramesOnEndedStreamsEndConnection) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    const auto reset = frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL));
    EXPECT_EQ(end_after(say_path, ask + reset + ask), std::uint32_t{NGHTTP2_STREAM_CLOSED});
    EXPECT_EQ(end_after(say_path, ask + reset + frame(NGHTTP2_DATA, 0, 1, "x")), std::uint32_t{NGHTTP2_STREAM_CLOSED});
}

}  // namespace
