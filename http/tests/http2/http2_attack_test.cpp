// SPDX-License-Identifier: MIT
// HTTP/2 of eddy::http with clients that break the protocol or flood the server. They send their own frames, because
// nghttp2 does not send such ones. The connections are in memory, on a paused clock.
// covers: P146
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/stream.hpp>
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
#include <tuple>
#include <utility>
#include <vector>

#include "support/http/http2_client.hpp"
#include "support/http/http_server.hpp"

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
    EXPECT_EQ(end_after(app, attack), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
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

std::string flood(const std::string& one, int times = 3000) {
    std::string all;
    for (int i = 0; i < times; ++i) all += one;
    return all;
}

constexpr std::uint8_t whole_request = NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM;

TEST(Http2Attack, FloodsEndConnection) {
    const std::uint32_t calm = NGHTTP2_ENHANCE_YOUR_CALM;
    const std::string head = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PING, 0, 0, "12345678"))), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678"))), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_SETTINGS, 0, 0))), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PRIORITY, 0, 1, number(0) + "x"))), calm);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_DATA, 0, 1))), calm);
    const std::string padding("\x03\0\0\0", 4);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, padding))), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(0x77, 0, 0))), calm);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0)))), calm);
    // Frames on a stream that the server has reset, because the request has no path.
    const std::string malformed = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\x82\x86");
    const auto on_reset = [&](const std::string& one) { return std::vector<std::string>({malformed, flood(one)}); };
    EXPECT_EQ(end_after(say_body, on_reset(frame(NGHTTP2_HEADERS, whole_request, 1, get_fields))), calm);
    EXPECT_EQ(end_after(say_body, on_reset(frame(NGHTTP2_DATA, 0, 1, ""))), calm);
    EXPECT_EQ(end_after(say_body, on_reset(frame(NGHTTP2_DATA, 0, 1, "x"))), calm);
}

TEST(Http2Attack, WindowFloodsEndConnection) {
    const std::uint32_t calm = NGHTTP2_ENHANCE_YOUR_CALM;
    const auto open_by_one = [](std::uint32_t stream) { return frame(NGHTTP2_WINDOW_UPDATE, 0, stream, number(1)); };
    const std::string head = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    EXPECT_EQ(end_after(say_path, flood(open_by_one(0))), calm);
    EXPECT_EQ(end_after(say_body, head + flood(open_by_one(1))), calm);
    // Each frame makes the server send one byte of a large body.
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(1 << 20, 'x'));
    };
    const std::string no_window("\0\x04\0\0\0\0", 6);
    std::vector<std::string> attack = {frame(NGHTTP2_SETTINGS, 0, 0, no_window)};
    std::string round;
    for (std::uint32_t stream = 1; stream < 200; stream += 2) {
        attack[0] += frame(NGHTTP2_HEADERS, whole_request, stream, get_fields);
        round += open_by_one(stream);
    }
    for (int i = 0; i < 30; ++i) attack.push_back(round);
    EXPECT_EQ(end_after(app, attack), calm);
}

TEST(Http2Attack, ClientThatOpensItsWindowForEachPartIsServed) {
    // A client that answers each DATA frame with two WINDOW_UPDATE frames, as some libraries do.
    const auto app = [](http::request) -> task<http::response> {
        const auto events = []() -> eddy::async_generator<std::string> {
            for (int i = 0; i < 3000; ++i) {
                co_yield "data: x\n\n";
                co_await eddy::time::sleep(1us);
            }
        };
        co_return http::response(http::status::ok, http::body::from_reader(io::stream_reader(events())));
    };
    const auto events = eddy::test::run_paused([&]() -> task<std::size_t> {
        auto [near, far] = io::duplex(64 * 1024);
        support::http2_client client(std::move(near));
        const auto play = [&]() -> task<std::size_t> {
            const auto id = client.ask("GET", "/");
            std::size_t seen = 0;
            while (!client.at(id).closed) {
                const bool continues = co_await client.step();
                if (!continues) break;
                const auto size = client.at(id).body.size();
                if (std::exchange(seen, size) == size) continue;
                nghttp2_submit_window_update(client.session(), NGHTTP2_FLAG_NONE, 0, 1);
                nghttp2_submit_window_update(client.session(), NGHTTP2_FLAG_NONE, id, 1);
            }
            co_await client.close();
            co_return client.at(id).closed == 0U ? seen : 0;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), app), play());
        auto [served, seen] = co_await both;
        EXPECT_TRUE(served.has_value());
        co_return seen;
    });
    EXPECT_EQ(events, 3000 * 9U);
}

TEST(Http2Attack, ClientThatResetsThirdOfItsRequestsIsServed) {
    std::vector<std::string> parts(120);
    std::uint32_t stream = 1;
    for (auto& part : parts) {
        for (int i = 0; i < 10; ++i, stream += 6) {
            for (const std::uint32_t more : {0, 2, 4})
                part += frame(NGHTTP2_HEADERS, whole_request, stream + more, get_fields);
            part += frame(NGHTTP2_RST_STREAM, 0, stream + 2, number(NGHTTP2_CANCEL));
        }
    }
    parts.push_back(frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0)));
    EXPECT_EQ(end_after(say_path, parts), std::nullopt);
}

TEST(Http2Attack, RequestsOnSkippedStreamsEndConnection) {
    const auto ask = [](std::uint32_t stream) { return frame(NGHTTP2_HEADERS, whole_request, stream, get_fields); };
    const std::uint32_t wrong = NGHTTP2_PROTOCOL_ERROR;
    EXPECT_EQ(end_after(say_path, ask(5) + ask(3)), wrong);
    EXPECT_EQ(end_after(say_path, ask(5) + ask(1)), wrong);
    EXPECT_EQ(end_after(say_path, ask(1) + ask(3) + ask(9) + ask(11) + ask(7)), wrong);
    EXPECT_EQ(end_after(say_path, ask(5) + frame(NGHTTP2_DATA, 0, 3, "x")), wrong);
    // Streams are skipped, but not used later.
    EXPECT_EQ(end_after(say_path, ask(5) + ask(11) + frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0))), std::nullopt);
}

TEST(Http2Attack, SettingsThatOverflowWindowEndConnection) {
    const auto open = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    const auto largest = frame(NGHTTP2_WINDOW_UPDATE, 0, 1, number(0x7fffffff - 65'535));
    const auto window = [](std::uint32_t size) {
        return frame(NGHTTP2_SETTINGS, 0, 0, std::string("\0\x04", 2) + number(size));
    };
    const std::uint32_t overflow = NGHTTP2_FLOW_CONTROL_ERROR;
    EXPECT_EQ(end_after(say_body, open + largest + window(65'536)), overflow);
    EXPECT_EQ(end_after(say_body, open + window(0) + largest + window(65'535) + window(65'536)), overflow);
    const auto end =
        frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, "x") + frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0));
    EXPECT_EQ(end_after(say_body, open + largest + window(0) + window(65'535) + end), std::nullopt);
}

TEST(Http2Attack, ContinuationFloodEndsConnection) {
    const std::string field = std::string("\x40\x01x\x7f\x81\x07", 6) + std::string(262, 'y');
    std::string attack = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    std::string empty = attack;
    for (int i = 0; i < 1500; ++i) {
        attack += frame(NGHTTP2_CONTINUATION, 0, 1, field);
        empty += frame(NGHTTP2_CONTINUATION, 0, 1);
    }
    EXPECT_EQ(end_after(say_path, attack), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    EXPECT_EQ(end_after(say_path, empty), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

TEST(Http2Attack, BlockOfManyContinuationsIsAccepted) {
    std::string head = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    for (int i = 0; i < 100; ++i) head += frame(NGHTTP2_CONTINUATION, 0, 1, std::string("\x40\x01x\x01y", 5));
    head += frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1);
    int fields = 0;
    const auto app = [&](http::request asked) -> task<http::response> {
        fields = static_cast<int>(asked.headers.count("x"));
        co_return http::response(http::status::ok);
    };
    EXPECT_EQ(end_after(app, head + frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0)),
                        http::serve_options().max_headers(200)),
              std::nullopt);
    EXPECT_EQ(fields, 100);
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

/// The connection of a client that sends `first` and then never stops to send requests, from stream 3 on.
class request_flood {
public:
    request_flood(std::string first, std::string& answers) : first_(std::move(first)), answers_(&answers) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return eddy::not_ready;
        auto text = std::exchange(first_, "");
        if (text.empty()) text = frame(NGHTTP2_HEADERS, whole_request, stream_ += 2, get_fields);
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
    std::uint32_t stream_ = 1;
    std::string* answers_;
};

/// Serves a request_flood until it ends, or until `seconds` have passed. Returns the answers.
std::string answers_to_flood(std::string first, http::serve_options options, int seconds,
                             http::service app = say_body) {
    std::string answers;
    eddy::test::run_paused([&]() -> task<void> {
        const auto wait = [&]() -> task<result<void>> {
            for (int i = 0; i < seconds; ++i) co_await eddy::test::advance(1s);
            ADD_FAILURE() << "the connection has not ended";
            co_return eddy::ok();
        };
        auto ended = eddy::race(http::serve_connection(request_flood(first, answers), app, options), wait());
        static_cast<void>(co_await ended);
    });
    return answers;
}

TEST(Http2Attack, TimeLimitsHoldWhileClientKeepsSending) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);  // its body does not follow
    const eddy::sync::cancellation_token end;
    const auto app = [&](http::request asked) -> task<result<http::response>> {
        auto answer = co_await say_body(std::move(asked));
        if (!answer) end.cancel();  // the body has timed out
        co_return answer;
    };
    const auto options = http::serve_options().io_timeout(5s).shutdown(end);
    const auto answers = answers_to_flood(preface + ask, options, 20, app);
    EXPECT_EQ(goaway_in(answers), std::uint32_t{NGHTTP2_NO_ERROR});
}

TEST(Http2Attack, ShutdownEndsAlthoughClientKeepsSending) {
    const eddy::sync::cancellation_token end;
    end.cancel();
    const auto answers = answers_to_flood(preface, http::serve_options().shutdown(end), 20);
    EXPECT_EQ(goaway_in(answers), std::uint32_t{NGHTTP2_NO_ERROR});
}

/// The connection of a client that sends 16 KiB of DATA frames with one byte in each read. Counts the reads between two
/// turns of another task.
class full_reads {
public:
    explicit full_reads(int& reads) : reads_(&reads) {
        while (next_.size() < 16 * 1024) next_ += frame(NGHTTP2_DATA, 0, 1, "x");
        next_.insert(0, first_);
    }

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return eddy::not_ready;
        const auto count = std::min(into.size(), next_.size() - at_);
        std::ranges::copy(std::as_bytes(std::span(next_).subspan(at_, count)), into.begin());
        at_ += count;
        if (at_ == next_.size()) at_ = first_.size();
        if (count > 1000) ++*reads_;
        return eddy::ok(count);
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    const std::string first_ = preface + frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
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
        auto ended = eddy::race(http::serve_connection(full_reads(reads), say_body), other());
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

// ---- The time for fields ----

/// The connection of a client that has chosen HTTP/2 by ALPN.
struct negotiated_stream : io::duplex_stream {
    explicit negotiated_stream(io::duplex_stream&& from) : io::duplex_stream(std::move(from)) {}
    static std::string_view alpn() { return "h2"; }
};

/// How a server ends a connection.
struct ending {
    std::optional<std::uint32_t> goaway;
    std::chrono::duration<double> after{};
};

/// Sends each part after a pause, and returns when and how the server ends the connection.
ending end_of_slow(bool is_negotiated, std::vector<std::pair<std::chrono::seconds, std::string>> parts,
                   http::serve_options options = http::serve_options()) {
    ending seen;
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        io::duplex_stream client(std::move(near));
        const auto begin = eddy::time::clock::now();
        const auto send = [&]() -> task<bool> {
            for (const auto& [pause, part] : parts) {
                co_await eddy::time::sleep(pause);
                static_cast<void>(co_await io::write_all(client, part));
            }
            co_return true;
        };
        const auto receive = [&]() -> task<bool> {
            seen.goaway = goaway_in(co_await support::receive_all(client));
            seen.after = eddy::time::clock::now() - begin;
            co_return true;
        };
        auto serving = is_negotiated ? http::serve_connection(negotiated_stream(std::move(far)), say_body, options)
                                     : http::serve_connection(std::move(far), say_body, options);
        auto all = eddy::join(std::move(serving), send(), receive());
        static_cast<void>(co_await all);
    });
    return seen;
}

TEST(Http2Attack, FirstRequestHasHeaderTimeout) {
    const auto head = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    const auto pings =
        std::vector<std::pair<std::chrono::seconds, std::string>>(9, {1s, frame(NGHTTP2_PING, 0, 0, "12345678")});
    for (const bool is_negotiated : {false, true}) {
        for (const std::size_t size : {std::size_t{18}, std::size_t{23}, std::size_t{24}, preface.size()}) {
            const auto seen = end_of_slow(is_negotiated, {{0s, preface.substr(0, size)}});
            EXPECT_EQ(seen.goaway, std::uint32_t{NGHTTP2_NO_ERROR}) << size;
            EXPECT_NEAR(seen.after.count(), 10, 0.2) << size;
        }
        const auto shorter = end_of_slow(is_negotiated, {{0s, preface}}, http::serve_options().header_timeout(3s));
        EXPECT_NEAR(shorter.after.count(), 3, 0.2);
        auto parts = pings;
        parts.insert(parts.begin(), {0s, preface});
        EXPECT_NEAR(end_of_slow(is_negotiated, parts).after.count(), 10, 0.2);
        const auto late = end_of_slow(is_negotiated, {{4s, preface}, {4s, head.substr(0, 11)}});
        EXPECT_EQ(late.goaway, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
        EXPECT_NEAR(late.after.count(), 10, 0.2);
    }
    EXPECT_NEAR(end_of_slow(true, {}).after.count(), 10, 0.2);
}

TEST(Http2Attack, LaterHeadsAndTrailersHaveHeaderTimeout) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    const auto open = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    const auto head = frame(NGHTTP2_HEADERS, 0, 3, get_fields);
    const auto trailers = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, std::string("\x00\x01x\x01y", 5));
    for (const auto& [first, second, more] : {std::tuple(ask, head, frame(NGHTTP2_CONTINUATION, 0, 3)),
                                              std::tuple(ask, head.substr(0, 10), head.substr(10)),
                                              std::tuple(open, trailers, frame(NGHTTP2_CONTINUATION, 0, 1)),
                                              std::tuple(open, trailers.substr(0, 9), trailers.substr(9, 1))}) {
        // The time does not begin with the connection, nor with a further part of the fields.
        const auto seen = end_of_slow(true, {{9s, preface + first}, {20s, second}, {9s, more}});
        EXPECT_EQ(seen.goaway, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
        EXPECT_NEAR(seen.after.count(), 39, 0.2);
    }
}

TEST(Http2Attack, FramesOnEndedStreamsEndConnection) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    const auto reset = frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL));
    EXPECT_EQ(end_after(say_path, ask + reset + ask), std::uint32_t{NGHTTP2_STREAM_CLOSED});
    EXPECT_EQ(end_after(say_path, ask + reset + frame(NGHTTP2_DATA, 0, 1, "x")), std::uint32_t{NGHTTP2_STREAM_CLOSED});
}

}  // namespace
