// SPDX-License-Identifier: MIT
// The WebSocket protocol without I/O: a table of bytes and what they mean. The rows follow the list of cases of the
// Autobahn test suite; the number of the case is in each row. tests/clients has the table for connections.
// covers: P145
// runs: once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "deflate.hpp"
#include "engine.hpp"
#include "handshake.hpp"
#include "support/ws/ws_frames.hpp"

namespace {

using eddy::detail::ws_engine;
using eddy::detail::ws_parameters;
using eddy::detail::ws_role;
using support::ws_binary;
using support::ws_close;
using support::ws_close_payload;
using support::ws_fin;
using support::ws_frame;
using support::ws_more;
using support::ws_ping;
using support::ws_pong;
using support::ws_rsv1;
using support::ws_text;
namespace ws = eddy::ws;

constexpr const char* unexpected_end = "the stream ended early";
constexpr const char* violation = "the peer violates the WebSocket protocol";
constexpr const char* invalid_text = "a text message is not valid UTF-8";

struct frame {
    unsigned first;
    std::string payload;
};

struct row {
    const char* number;  // of the case in Autobahn's list
    std::vector<frame> frames;
    std::string received;
    std::string sent;
};

std::string bytes_of(const std::vector<frame>& frames, bool is_masked) {
    std::string all;
    for (const auto& each : frames) all += ws_frame(each.first, each.payload, is_masked);
    return all;
}

std::string repeat(std::string_view text, std::size_t count) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += text;
    return all;
}

row text_of_size(const char* number, std::size_t size) {
    const std::string text(size, '*');
    return {number,
            {{ws_text, text}, {ws_close, ws_close_payload(1000)}},
            "text \"" + text + "\" | closed 1000",
            "close 1000"};
}
row binary_of_size(const char* number, std::size_t size) {
    const std::string data(size, '\xfe');
    return {number,
            {{ws_binary, data}, {ws_close, ws_close_payload(1000)}},
            "binary \"" + data + "\" | closed 1000",
            "close 1000"};
}
row violating(const char* number, std::vector<frame> frames, std::string before = "") {
    return {number, std::move(frames), before + violation, "close 1002"};
}
row closing(const char* number, unsigned code) {
    const auto text = std::to_string(code);
    return {number, {{ws_close, ws_close_payload(code)}}, "closed " + text, "close " + text};
}
row invalid_code(const char* number, unsigned code) { return violating(number, {{ws_close, ws_close_payload(code)}}); }
row valid_text(const char* number, std::string text) {
    const auto received = "text \"" + text + "\" | closed 1000";
    return {number, {{ws_text, std::move(text)}, {ws_close, ws_close_payload(1000)}}, received, "close 1000"};
}
row bad_text(const char* number, std::string text) {
    return {number, {{ws_text, std::move(text)}}, invalid_text, "close 1007"};
}

std::vector<row> all_rows() {
    const std::string greeting = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!";
    const std::string ascii = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";  // a Greek word
    std::vector<row> rows;
    for (const std::size_t size : {0, 125, 126, 127, 128, 65535, 65536, 65537}) {
        rows.push_back(text_of_size("1.1", size));
        rows.push_back(binary_of_size("1.2", size));
    }
    const std::vector<row> fixed = {
        {"2.1", {{ws_ping, ""}, {ws_close, ""}}, "closed 1005", "pong \"\" | close"},
        {"2.2", {{ws_ping, "abc"}, {ws_close, ""}}, "closed 1005", "pong \"abc\" | close"},
        {"2.4", {{ws_ping, std::string(125, '\xfe')}}, unexpected_end, "pong \"" + std::string(125, '\xfe') + '"'},
        violating("2.5", {{ws_ping, std::string(126, 'x')}}),
        {"2.7", {{ws_pong, ""}}, unexpected_end, ""},
        {"2.9", {{ws_pong, "unasked"}, {ws_ping, "a"}}, unexpected_end, "pong \"a\""},
        {"2.10",
         {{ws_ping, "1"}, {ws_ping, "2"}, {ws_ping, "3"}},
         unexpected_end,
         "pong \"1\" | pong \"2\" | pong \"3\""},
        violating("3.1", {{ws_text | 0x10, "a"}}),
        violating("3.2", {{ws_text, "a"}, {ws_text | 0x20, "b"}, {ws_ping, ""}}, "text \"a\" | "),
        violating("3.4", {{ws_text, "a"}, {ws_text | 0x40, "b"}, {ws_ping, ""}}, "text \"a\" | "),
        violating("3.5", {{ws_binary | 0x50, "a"}}),
        violating("3.6", {{ws_ping | 0x60, "a"}}),
        violating("3.7", {{ws_close | 0x70, ""}}),
        violating("4.1.1", {{0x83, ""}}),
        violating("4.1.2", {{0x84, "payload"}}),
        violating("4.1.3", {{ws_text, "a"}, {0x85, ""}, {ws_ping, ""}}, "text \"a\" | "),
        violating("4.1.5", {{ws_text, "a"}, {0x87, "x"}}, "text \"a\" | "),
        violating("4.2.1", {{0x8b, ""}}),
        violating("4.2.2", {{0x8c, "payload"}}),
        violating("4.2.5", {{ws_text, "a"}, {0x8f, "x"}}, "text \"a\" | "),
        violating("5.1", {{ws_ping - ws_fin, "a"}, {ws_more, "b"}}),
        violating("5.2", {{ws_pong - ws_fin, "a"}, {ws_more, "b"}}),
        {"5.3", {{ws_text - ws_fin, "a"}, {ws_more, "b"}}, std::string("text \"ab\" | ") + unexpected_end, ""},
        {"5.6",
         {{ws_text - ws_fin, "a"}, {ws_ping, "p"}, {ws_more, "b"}},
         std::string("text \"ab\" | ") + unexpected_end,
         "pong \"p\""},
        violating("5.9", {{ws_more, "a"}, {ws_text, "b"}}),
        violating("5.11", {{0, "a"}, {ws_text, "b"}}),
        violating("5.12", {{ws_more, ""}}),
        violating("5.15", {{ws_text - ws_fin, "a"}, {ws_more, "b"}, {0, "c"}, {ws_text, "d"}}, "text \"ab\" | "),
        violating("5.18", {{ws_text - ws_fin, "a"}, {ws_text, "b"}}),
        {"5.19",
         {{ws_text - ws_fin, "1"}, {0, "2"}, {ws_ping, "p"}, {0, "3"}, {0, "4"}, {ws_ping, "q"}, {ws_more, "5"}},
         std::string("text \"12345\" | ") + unexpected_end,
         "pong \"p\" | pong \"q\""},
        {"6.1.1", {{ws_text, ""}}, std::string("text \"\" | ") + unexpected_end, ""},
        {"6.1.2", {{ws_text - ws_fin, ""}, {0, ""}, {ws_more, ""}}, std::string("text \"\" | ") + unexpected_end, ""},
        valid_text("6.2.1", greeting),
        {"6.2.3",
         {{ws_text - ws_fin, greeting.substr(0, 7)}, {0, greeting.substr(7, 4)}, {ws_more, greeting.substr(11)}},
         "text \"" + greeting + "\" | " + unexpected_end,
         ""},
        bad_text("6.3.1", ascii + "\xed\xa0\x80" + "edited"),
        {"6.4.1",
         {{ws_text - ws_fin, ascii}, {0, "\xf4\x90\x80\x80"}, {ws_more, "edited"}},
         invalid_text,
         "close 1007"},
        {"6.4.2", {{ws_text - ws_fin, ascii + "\xf4"}, {0, "\x90"}, {ws_more, ""}}, invalid_text, "close 1007"},
        valid_text("6.5", ascii),
        bad_text("6.6.1", "\xce"),
        valid_text("6.6.2", "\xce\xba"),
        bad_text("6.6.3", "\xce\xba\xe1"),
        bad_text("6.6.4", "\xce\xba\xe1\xbd"),
        valid_text("6.7.1", std::string(1, '\0')),
        valid_text("6.7.2", "\xc2\x80"),
        valid_text("6.7.3", "\xe0\xa0\x80"),
        valid_text("6.7.4", "\xf0\x90\x80\x80"),
        bad_text("6.8.1", "\xf8\x88\x80\x80\x80"),
        bad_text("6.8.2", "\xfc\x84\x80\x80\x80\x80"),
        valid_text("6.9.1", "\x7f"),
        valid_text("6.9.2", "\xdf\xbf"),
        valid_text("6.9.3", "\xef\xbf\xbf"),
        valid_text("6.9.4", "\xf4\x8f\xbf\xbf"),
        bad_text("6.10.1", "\xf7\xbf\xbf\xbf"),
        valid_text("6.11.1", "\xed\x9f\xbf"),
        valid_text("6.11.2", "\xee\x80\x80"),
        valid_text("6.11.3", "\xef\xbf\xbd"),
        bad_text("6.11.5", "\xf4\x90\x80\x80"),
        bad_text("6.12.1", "\x80"),
        bad_text("6.12.2", "\xbf"),
        bad_text("6.12.8", "\x80\xbf\x80\xbf"),
        bad_text("6.13.1", "\xc0 \xc1 "),
        bad_text("6.14.1", "\xc0"),
        bad_text("6.14.2", "\xe0\x80"),
        bad_text("6.14.5", "\xfc\x80\x80\x80\x80"),
        bad_text("6.15.1", "\xc0\xe0\x80\xf0\x80\x80"),
        bad_text("6.16.1", "\xfe"),
        bad_text("6.16.2", "\xff"),
        bad_text("6.17.1", "\xc0\xaf"),
        bad_text("6.17.2", "\xe0\x80\xaf"),
        bad_text("6.17.3", "\xf0\x80\x80\xaf"),
        bad_text("6.18.1", "\xc1\xbf"),
        bad_text("6.18.2", "\xe0\x9f\xbf"),
        bad_text("6.18.3", "\xf0\x8f\xbf\xbf"),
        bad_text("6.19.1", "\xc0\x80"),
        bad_text("6.20.1", "\xed\xa0\x80"),
        bad_text("6.20.7", "\xed\xbf\xbf"),
        bad_text("6.21.1", "\xed\xa0\x80\xed\xb0\x80"),
        valid_text("6.22.1", "\xef\xbf\xbe"),
        valid_text("6.23.1", "\xef\xbf\xb9"),
        {"7.1.1", {{ws_text, "a"}, {ws_close, ws_close_payload(1000)}}, "text \"a\" | closed 1000", "close 1000"},
        {"7.1.2",
         {{ws_close, ws_close_payload(1000)}, {ws_close, ws_close_payload(1000)}},
         "closed 1000",
         "close 1000"},
        {"7.1.3", {{ws_close, ws_close_payload(1000)}, {ws_ping, "a"}}, "closed 1000", "close 1000"},
        {"7.1.4", {{ws_close, ws_close_payload(1000)}, {ws_text, "a"}}, "closed 1000", "close 1000"},
        {"7.1.5",
         {{ws_text - ws_fin, "a"}, {ws_close, ws_close_payload(1000)}, {ws_more, "b"}},
         "closed 1000",
         "close 1000"},
        {"7.3.1", {{ws_close, ""}}, "closed 1005", "close"},
        violating("7.3.2", {{ws_close, "a"}}),
        {"7.3.4", {{ws_close, ws_close_payload(1000, "Hello World!")}}, "closed 1000 \"Hello World!\"", "close 1000"},
        {"7.3.5",
         {{ws_close, ws_close_payload(1000, std::string(123, '*'))}},
         "closed 1000 \"" + std::string(123, '*') + '"',
         "close 1000"},
        violating("7.3.6", {{ws_close, ws_close_payload(1000, std::string(124, '*'))}}),
        {"7.5.1", {{ws_close, ws_close_payload(1000, "\xce\xed\xa0\x80")}}, invalid_text, "close 1007"},
    };
    rows.insert(rows.end(), fixed.begin(), fixed.end());
    for (const unsigned code :
         {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999})
        rows.push_back(closing("7.7", code));
    for (const unsigned code : {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535})
        rows.push_back(invalid_code("7.9", code));
    // 9.3, 9.4, 10.1: fragments.
    for (const std::size_t piece : {64, 1300, 65536}) {
        const std::string text = repeat("*-", 65536);
        std::vector<frame> frames;
        for (std::size_t at = 0; at < text.size(); at += piece)
            frames.push_back({(at == 0 ? 1u : 0u) | (at + piece >= text.size() ? ws_fin : 0u), text.substr(at, piece)});
        rows.push_back({"9.3", frames, "text \"" + text + "\" | " + unexpected_end, ""});
    }
    return rows;
}

TEST(WsEngine, AutobahnTableHoldsForBothRolesAndAllPieces) {
    const auto rows = all_rows();
    EXPECT_GT(rows.size(), 120U);
    for (const auto& each : rows) {
        for (const auto role : {ws_role::server, ws_role::client}) {
            ws_parameters with;
            with.role = role;
            const auto bytes = bytes_of(each.frames, role == ws_role::server);
            for (const std::size_t step :
                 {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{4096}, bytes.size()}) {
                if (bytes.size() > 1000 && step < 4096 && step != 7) continue;
                const auto outcome = support::ws_receive(bytes, std::max<std::size_t>(step, 1), with);
                EXPECT_EQ(outcome.received, each.received) << each.number << " in pieces of " << step;
                EXPECT_EQ(outcome.sent, each.sent) << each.number << " in pieces of " << step;
            }
        }
    }
}

TEST(WsEngine, WrongMaskingIsAViolation) {
    for (const auto role : {ws_role::server, ws_role::client}) {
        ws_parameters with;
        with.role = role;
        const auto outcome = support::ws_receive(ws_frame(ws_text, "hello", role != ws_role::server), 100, with);
        EXPECT_EQ(outcome.received, violation);
        EXPECT_EQ(outcome.sent, "close 1002");
    }
}

TEST(WsEngine, LengthsMustBeMinimalAndBelow2To63) {
    const ws_parameters with;
    const std::string mask(4, '\0');
    for (const auto& length :
         {support::ws_length(125, 0x80, 2), support::ws_length(0, 0x80, 2), support::ws_length(65535, 0x80, 8),
          support::ws_length(5, 0x80, 8), support::ws_length(std::uint64_t{1} << 63, 0x80, 8)}) {
        const auto outcome = support::ws_receive('\x82' + length + mask, 3, with);
        EXPECT_EQ(outcome.received, violation);
        EXPECT_EQ(outcome.sent, "close 1002");
    }
}

TEST(WsEngine, TooLargeMessageIsRefusedByItsHead) {
    ws_parameters with;
    with.message_limit = 1000;
    const std::string mask(4, '\0');
    const auto announced = support::ws_receive('\x82' + support::ws_length(1001, 0x80, 2) + mask, 1, with);
    EXPECT_EQ(announced.received, "the message is larger than its limit");
    EXPECT_EQ(announced.sent, "close 1009");
    const auto huge =
        support::ws_receive('\x82' + support::ws_length((std::uint64_t{1} << 63) - 1, 0x80, 8) + mask, 1, with);
    EXPECT_EQ(huge.sent, "close 1009");
    const auto in_parts = support::ws_receive(
        ws_frame(ws_text - ws_fin, std::string(600, 'a')) + ws_frame(ws_more, std::string(401, 'a')), 50, with);
    EXPECT_EQ(in_parts.sent, "close 1009");
    const auto fits = support::ws_receive(ws_frame(ws_text, std::string(1000, 'a')), 50, with);
    EXPECT_EQ(fits.sent, "");
}

TEST(WsEngine, HeadsOfTinyFramesAreLimited) {
    ws_parameters with;
    with.overhead_limit = 100;
    const auto message = [](std::size_t frames, std::size_t size) {
        std::string all = ws_frame(ws_text - ws_fin, std::string(size, 'a'));
        for (std::size_t i = 2; i < frames; ++i) all += ws_frame(0, std::string(size, 'a'));
        return all + ws_frame(ws_ping, "p") + ws_frame(ws_more, std::string(size, 'a'));
    };
    const auto text = [](std::size_t size) { return "text \"" + std::string(size, 'a') + "\" | " + unexpected_end; };
    // The head of a masked frame has 6 bytes. It may exceed the payload by 100 bytes: in 20 frames with one byte each,
    // and in any number of frames with 6 bytes.
    EXPECT_EQ(support::ws_receive(message(20, 1), 100, with).received, text(20));
    EXPECT_EQ(support::ws_receive(message(10'000, 6), 100, with).received, text(60'000));
    const auto refused = support::ws_receive(message(21, 1), 100, with);
    EXPECT_EQ(refused.received, "the heads of the frames of a message are larger than overhead_limit()");
    EXPECT_EQ(refused.sent, "pong \"p\" | close 1008");
    const auto empty = support::ws_receive(message(18, 0), 100, with);  // 17 heads have 102 bytes
    EXPECT_EQ(empty.sent, "close 1008");
    // The limit holds for each message.
    EXPECT_EQ(support::ws_receive(message(20, 1) + ws_frame(ws_text, "b"), 100, with).sent, "pong \"p\"");
}

TEST(WsEngine, AutobahnFragmentsPassWithTheDefaultLimits) {
    // 9.3 and 9.4: 4 MiB in fragments of 64 bytes and more. The size of the message needs an option.
    ws_parameters with;
    with.message_limit = 4 << 20;
    std::string all = ws_frame(ws_binary - ws_fin, std::string(64, 'a'));
    for (int i = 2; i < 65'536; ++i) all += ws_frame(0, std::string(64, 'a'));
    all += ws_frame(ws_more, std::string(64, 'a'));
    const auto outcome = support::ws_receive(all, 16 * 1024, with);
    EXPECT_EQ(outcome.sent, "");
    EXPECT_TRUE(outcome.received.starts_with("binary \"aaa"));
}

TEST(WsEngine, UnsentAnswersToPingsAreBounded) {
    ws_engine engine{ws_parameters()};
    for (int i = 0; i < 10'000; ++i) {
        const auto frame = ws_frame(ws_ping, std::to_string(i) + std::string(100, 'x'));
        std::string_view input = frame;
        EXPECT_EQ(engine.receive(input), ws_engine::event::none);
    }
    EXPECT_LT(engine.unsent().size(), 20'000U);
    std::string sent(engine.unsent());
    engine.sent(sent.size());
    sent = support::describe_frames(engine.unsent());
    EXPECT_EQ(sent, "pong \"9999" + std::string(100, 'x') + '"');  // the latest one
}

TEST(WsEngine, InvalidUtf8IsFoundBeforeTheFrameEnds) {
    ws_engine engine{ws_parameters()};
    const auto frame = ws_frame(ws_text, "abc\xff" + std::string(1000, 'x'));
    std::string_view input = std::string_view(frame).substr(0, 8 + 4);  // the head and four bytes
    EXPECT_EQ(engine.receive(input), ws_engine::event::none);
    EXPECT_EQ(engine.reason(), ws::errc::invalid_text);
}

TEST(WsEngine, SendsMaskedFramesAsClientOnly) {
    for (const auto role : {ws_role::server, ws_role::client}) {
        ws_parameters with;
        with.role = role;
        for (const std::size_t size : {0, 5, 125, 126, 65535, 65536}) {
            ws_engine engine(with);
            const std::string text(size, 'y');
            EXPECT_FALSE(engine.send(ws::message(text)));
            EXPECT_EQ((static_cast<unsigned char>(engine.unsent()[1]) & 0x80) != 0, role == ws_role::client);
            EXPECT_EQ(support::describe_frames(engine.unsent()), "text \"" + text + '"');
        }
    }
    ws_engine engine{ws_parameters()};
    EXPECT_EQ(engine.send(ws::message("\xff")), ws::errc::invalid_text);
    EXPECT_TRUE(engine.unsent().empty());
}

TEST(WsEngine, NothingFollowsACloseFrame) {
    ws_engine engine{ws_parameters()};
    engine.close(ws::close_code::going_away, "bye");
    EXPECT_EQ(engine.send(ws::message("late")), ws::errc::closed);
    EXPECT_EQ(engine.ping(""), ws::errc::closed);
    engine.close(ws::close_code::normal, "again");
    const auto input =
        ws_frame(ws_ping, "p") + ws_frame(ws_text, "discarded") + ws_frame(ws_close, ws_close_payload(1001));
    std::string_view left = input;
    EXPECT_EQ(engine.receive(left), ws_engine::event::none);
    EXPECT_TRUE(engine.is_over());
    EXPECT_EQ(engine.reason(), ws::errc::closed);
    EXPECT_EQ(support::describe_frames(engine.unsent()), "close 1001 \"bye\"");
}

// ---- Compression ----

ws_parameters compressing(ws_role role, bool has_takeover = true) {
    ws_parameters with;
    with.role = role;
    with.compression.emplace();
    with.compression->has_own_takeover = has_takeover;
    with.compression->has_peer_takeover = has_takeover;
    return with;
}

TEST(WsDeflate, MessagesSurviveBothWays) {
    for (const bool has_takeover : {true, false}) {
        ws_engine client(compressing(ws_role::client, has_takeover));
        ws_engine server(compressing(ws_role::server, has_takeover));
        std::size_t sent = 0;
        std::size_t first = 0;
        for (int i = 0; i < 20; ++i) {
            const auto text = repeat("some words and number " + std::to_string(i), 50);
            EXPECT_FALSE(client.send(ws::message(text)));
            std::string bytes(client.unsent());
            if (i == 0) first = bytes.size();
            sent = bytes.size();
            client.sent(bytes.size());
            std::string_view input = bytes;
            EXPECT_EQ(server.receive(input), ws_engine::event::message);
            EXPECT_EQ(server.take_message().text(), text);
        }
        EXPECT_LT(first, 200U);
        EXPECT_EQ(sent < first, has_takeover) << sent << " after " << first;
    }
}

TEST(WsDeflate, ReadsTheExamplesOfRfc7692) {
    const std::string hello("\xf2\x48\xcd\xc9\xc9\x07\x00", 7);
    const std::string hello_again("\xf2\x00\x11\x00\x00", 5);
    const std::string stored("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11);
    const std::string final_block("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8);
    const std::string two_blocks("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13);
    const auto with = compressing(ws_role::server);
    for (const auto& payload : {hello, stored, final_block, two_blocks}) {
        for (const std::size_t step : {1, 100}) {
            const auto one = support::ws_receive(ws_frame(ws_text | ws_rsv1, payload), step, with);
            EXPECT_EQ(one.received, std::string("text \"Hello\" | ") + unexpected_end);
        }
    }
    const auto both = ws_frame(ws_text | ws_rsv1, hello) + ws_frame(ws_text | ws_rsv1, hello_again);
    EXPECT_EQ(support::ws_receive(both, 3, with).received,
              std::string("text \"Hello\" | text \"Hello\" | ") + unexpected_end);
    const auto parts = ws_frame((ws_text | ws_rsv1) - ws_fin, hello.substr(0, 3)) + ws_frame(ws_more, hello.substr(3));
    EXPECT_EQ(support::ws_receive(parts, 2, with).received, std::string("text \"Hello\" | ") + unexpected_end);
}

TEST(WsDeflate, BombStopsAtTheMessageLimit) {
    eddy::detail::ws_deflater deflater(true, 15);
    const auto bomb = support::ws_compress(deflater, std::string(64 << 20, '\0'));
    EXPECT_LT(bomb.size(), 100'000U);
    auto with = compressing(ws_role::server);
    with.message_limit = 100'000;
    const auto outcome = support::ws_receive(ws_frame(ws_binary | ws_rsv1, bomb), 1000, with);
    EXPECT_EQ(outcome.received, "the message is larger than its limit");
    EXPECT_EQ(outcome.sent, "close 1009");
    std::string content;
    eddy::detail::ws_inflater inflater(true);
    std::string_view left = bomb;
    EXPECT_EQ(inflater.add(left, content, 100'000), eddy::detail::ws_inflater::outcome::more);
    EXPECT_LT(content.size(), eddy::detail::deflate_step + 16 * 1024);
    EXPECT_EQ(inflater.add(left, content, 100'000), eddy::detail::ws_inflater::outcome::too_large);
    EXPECT_LE(content.size(), 100'001U);
}

TEST(WsDeflate, LargestLimitIsNoLimit) {
    auto with = compressing(ws_role::server);
    with.message_limit = std::numeric_limits<std::size_t>::max();
    eddy::detail::ws_deflater deflater(true, 15);
    const std::string text(100'000, 'x');
    const auto all = ws_frame(ws_text | ws_rsv1, support::ws_compress(deflater, text)) + ws_frame(ws_text, text);
    EXPECT_EQ(support::ws_receive(all, 1000, with).received,
              "text \"" + text + "\" | text \"" + text + "\" | " + unexpected_end);
}

TEST(WsDeflate, ShortMessageKeepsLittleMemory) {
    eddy::detail::ws_deflater deflater(true, 15);
    eddy::detail::ws_inflater inflater(true);
    std::string content;
    const auto compressed = support::ws_compress(deflater, "hello");
    for (std::string_view part : {std::string_view(compressed), eddy::detail::ws_inflater::message_end})
        EXPECT_EQ(inflater.add(part, content, 1 << 20), eddy::detail::ws_inflater::outcome::ok);
    EXPECT_EQ(content, "hello");
    EXPECT_LT(content.capacity(), 1024U);
}

TEST(WsDeflate, LargeMessagesTakeSmallSteps) {
    // 10 MB of zeros arrive in one frame of 10 KB, and are sent back.
    const std::size_t size = 10'000'000;
    auto with = compressing(ws_role::server);
    with.message_limit = size;
    ws_engine server(with);
    eddy::detail::ws_deflater deflater(true, 15);
    const auto frame = ws_frame(ws_binary | ws_rsv1, support::ws_compress(deflater, std::string(size, '\0')));
    std::string_view input = frame;
    int steps = 0;
    const auto take_step = [&] {
        const auto work = server.take_work();
        EXPECT_LE(work, 2 * eddy::detail::deflate_step);  // a step ends after this many bytes
        ++steps;
    };
    for (auto got = server.receive(input); got != ws_engine::event::message; got = server.receive(input)) {
        ASSERT_NE(got, ws_engine::event::none);
        take_step();
        if (got == ws_engine::event::needs_share) server.permit_step();
    }
    EXPECT_GT(steps, 100);
    const auto message = server.take_message();
    EXPECT_TRUE(message.text() == std::string(size, '\0'));
    take_step();
    EXPECT_FALSE(server.send(message));
    take_step();
    for (steps = 0; server.is_compressing(); take_step()) {
        EXPECT_EQ(server.unsent(), "");
        server.compress_step();
    }
    EXPECT_GT(steps, 100);
    auto other = compressing(ws_role::client);
    other.message_limit = size;
    const auto back = support::ws_receive(server.unsent(), 4096, other);
    EXPECT_TRUE(back.received == "binary \"" + std::string(size, '\0') + "\" | " + unexpected_end);
}

TEST(WsDeflate, FramesAfterAnUnfinishedMessageFollowIt) {
    const std::string text(300'000, 'a');
    const auto with = compressing(ws_role::client);
    ws_engine server(compressing(ws_role::server));
    EXPECT_FALSE(server.send(ws::message(text)));
    EXPECT_FALSE(server.ping("now"));  // may overtake the message
    EXPECT_FALSE(server.send(ws::message("b")));
    EXPECT_FALSE(server.send(ws::message(text)));
    server.close(ws::close_code::normal, "");
    EXPECT_FALSE(server.is_compressing());
    const auto got = support::ws_receive(server.unsent(), 1000, with);
    const auto large = "text \"" + text + "\" | ";
    EXPECT_TRUE(got.received == large + "text \"b\" | " + large + "closed 1000");
    EXPECT_EQ(got.sent, "pong \"now\" | close 1000");
}

TEST(WsDeflate, LimitsHoldForTheSumOfAllFrames) {
    auto with = compressing(ws_role::server);
    with.message_limit = 1000;
    eddy::detail::ws_deflater deflater(true, 15);
    const auto parts = [&](std::size_t size) {
        const auto all = support::ws_compress(deflater, std::string(size, 'a'));
        const auto half = all.size() / 2;
        return ws_frame((ws_text | ws_rsv1) - ws_fin, all.substr(0, half)) + ws_frame(ws_more, all.substr(half));
    };
    std::string all = parts(1000);
    EXPECT_EQ(support::ws_receive(all, 7, with).sent, "");
    all += parts(1000);  // the limit holds for each message
    EXPECT_EQ(support::ws_receive(all, 7, with).sent, "");
    all += parts(1001);
    EXPECT_EQ(support::ws_receive(all, 7, with).sent, "close 1009");
}

TEST(WsDeflate, EndlessInputWithoutOutputIsRefused) {
    auto with = compressing(ws_role::server);
    with.message_limit = 1000;
    const auto nothing = repeat(std::string_view("\x00\x00\x00\xff\xff", 5), 100);  // empty blocks
    std::string all = ws_frame((ws_binary | ws_rsv1) - ws_fin, nothing);
    for (int i = 0; i < 100; ++i) all += ws_frame(0, nothing);
    EXPECT_EQ(support::ws_receive(all, 1000, with).sent, "close 1009");
}

TEST(WsDeflate, InvalidDataGets1007) {
    const auto with = compressing(ws_role::server);
    EXPECT_EQ(support::ws_receive(ws_frame(ws_text | ws_rsv1, "\xff\xff\xff\xff"), 100, with).sent, "close 1007");
    eddy::detail::ws_deflater deflater(true, 15);
    const auto bad_text = support::ws_compress(deflater, "abc\xff");
    const auto outcome = support::ws_receive(ws_frame(ws_text | ws_rsv1, bad_text), 100, with);
    EXPECT_EQ(outcome.received, invalid_text);
    EXPECT_EQ(outcome.sent, "close 1007");
}

TEST(WsDeflate, ReservedBitOnLaterFramesIsAViolation) {
    const auto with = compressing(ws_role::server);
    const auto all = ws_frame(ws_text - ws_fin, "a") + ws_frame(ws_more | ws_rsv1, "b");
    EXPECT_EQ(support::ws_receive(all, 100, with).sent, "close 1002");
    EXPECT_EQ(support::ws_receive(ws_frame(ws_ping | ws_rsv1, ""), 100, with).sent, "close 1002");
}

TEST(WsDeflate, NegotiatesTheFirstOfferItSupports) {
    const auto answer_to = [](std::string_view offers) {
        eddy::http::headers asked;
        asked.add("Sec-WebSocket-Extensions", offers);
        const auto agreed = eddy::detail::accept_deflate(asked);
        return agreed ? agreed->answer : std::string("none");
    };
    EXPECT_EQ(answer_to("permessage-deflate"), "permessage-deflate");
    EXPECT_EQ(answer_to("permessage-deflate; client_max_window_bits"), "permessage-deflate");
    EXPECT_EQ(answer_to("x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=10"), "permessage-deflate");
    EXPECT_EQ(answer_to("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
              "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
    EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=\"10\""),
              "permessage-deflate; server_max_window_bits=10");
    EXPECT_EQ(answer_to("permessage-deflate; server_max_window_bits=8, permessage-deflate"), "permessage-deflate");
    for (const char* const invalid :
         {"permessage-deflate; unknown", "permessage-deflate; server_max_window_bits",
          "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=07",
          "permessage-deflate; client_max_window_bits=x", "permessage-deflate; server_no_context_takeover=1",
          "permessage-bzip2", "permessage-deflate; client_no_context_takeover; client_no_context_takeover"})
        EXPECT_EQ(answer_to(invalid), "none") << invalid;
}

TEST(WsDeflate, ClientRefusesExtensionsThatItDidNotOffer) {
    const auto accepts = [](std::string_view extension, bool has_offered) {
        eddy::http::headers answer;
        answer.add("Sec-WebSocket-Extensions", extension);
        return eddy::detail::parse_accepted_extensions(answer, has_offered).is_valid;
    };
    EXPECT_TRUE(accepts("permessage-deflate; server_no_context_takeover; server_max_window_bits=9", true));
    EXPECT_FALSE(accepts("permessage-deflate", false));
    EXPECT_FALSE(accepts("permessage-deflate; client_max_window_bits=9", true));
    EXPECT_FALSE(accepts("permessage-deflate, permessage-deflate", true));
    EXPECT_FALSE(accepts("other", true));
}

TEST(WsHandshake, AcceptKeyMatchesExampleOfRfc6455) {
    EXPECT_EQ(eddy::detail::ws_accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const auto key = eddy::detail::ws_new_key();
    EXPECT_TRUE(eddy::detail::is_ws_key(key)) << key;
    EXPECT_NE(key, eddy::detail::ws_new_key());
    EXPECT_FALSE(eddy::detail::is_ws_key("dGhlIHNhbXBsZSBub25jZQ="));
    EXPECT_FALSE(eddy::detail::is_ws_key("dGhlIHNhbXBsZSBub25j*Q=="));
}

}  // namespace
