// SPDX-License-Identifier: MIT
// Connections of eddy::ws in memory, on a paused clock: both roles, and peers that send single bytes.
// covers: P145
// runs: once
#include <eddy/ws.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "state.hpp"
#include "support/poll_once.hpp"
#include "support/polling.hpp"
#include "support/ws/ws_frames.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::detail::ws_role;
using support::ws_close_payload;
using support::ws_fin;
using support::ws_frame;
using support::ws_more;
using support::ws_ping;
using support::ws_text;
namespace io = eddy::io;
namespace ws = eddy::ws;

template <class Stream>
ws::connection made(Stream&& stream, ws_role role, const ws::options& with = ws::options()) {
    auto parameters = eddy::detail::parameters_of(with, role);
    if (with.compression()) parameters.compression.emplace();
    return ws::connection(eddy::detail::ws_share(
        std::make_shared<eddy::detail::ws_state>(io::boxed_stream(std::move(stream)), parameters, std::string())));
}

/// Both ends of a WebSocket.
struct ends {
    ws::connection client;
    ws::connection server;

    explicit ends(std::size_t capacity = 64 * 1024, const ws::options& with = ws::options())
        : ends(io::duplex(capacity), with) {}

private:
    ends(io::duplex_ends&& pair, const ws::options& with)
        : client(made(std::move(pair.first), ws_role::client, with)),
          server(made(std::move(pair.second), ws_role::server, with)) {}
};

/// A server, and the other end of its connection.
struct raw_client {
    io::duplex_stream stream;
    ws::connection server;

    explicit raw_client(std::size_t capacity = 64 * 1024, const ws::options& with = ws::options())
        : raw_client(io::duplex(capacity), with) {}

    task<void> send(std::string bytes) {
        const auto sent = co_await io::write_all(stream, bytes);
        sent.value();
    }
    /// Receives what the server has sent, until the connection ends.
    task<std::string> receive_all() {
        std::string text;
        std::array<std::byte, 4096> some{};
        for (;;) {
            const auto count = co_await io::read(stream, some);
            if (!count || *count == 0) co_return support::describe_frames(text);
            text.append(reinterpret_cast<const char*>(some.data()), *count);
        }
    }
    /// Receives at most 4096 bytes.
    task<std::string> receive_some() {
        std::array<std::byte, 4096> some{};
        const auto count = (co_await io::read(stream, some)).value();
        co_return support::describe_frames({reinterpret_cast<const char*>(some.data()), count});
    }
    task<void> end() {
        (co_await eddy::poll_fn([this](eddy::context& cx) { return stream.poll_shutdown(cx); })).value();
    }

private:
    raw_client(io::duplex_ends&& pair, const ws::options& with)
        : stream(std::move(pair.first)), server(made(std::move(pair.second), ws_role::server, with)) {}
};

/// Sends each message back, until the connection is closed or fails.
task<std::error_code> echo(ws::connection& on) {
    for (;;) {
        auto message = co_await on.receive();
        if (!message) co_return message.error();
        const auto sent = co_await on.send(*std::move(message));
        if (!sent) co_return sent.error();
    }
}

TEST(WsConnection, EchoesMessagesAndCloses) {
    for (const bool compresses : {false, true}) {
        eddy::test::run_paused([&]() -> task<void> {
            ends both(1000, ws::options().compression(compresses));
            std::vector<ws::message> got;
            const auto play = [&]() -> task<result<void>> {
                const std::vector<ws::message> sent = {"", "hello", std::string(5000, 'x'),
                                                       eddy::bytes::copy_of(std::string_view("\xff\x00", 2))};
                for (const auto& each : sent) {
                    co_await try_(both.client.send(each));
                    got.push_back(co_await try_(both.client.receive()));
                    EXPECT_EQ(got.back(), each);
                }
                co_return co_await both.client.close(ws::close_code(4321), "enough");
            };
            const auto serve = [&]() -> task<std::error_code> {
                const auto why = co_await echo(both.server);
                static_cast<void>(co_await both.server.close());
                co_return why;
            };
            auto joined = eddy::join(play(), serve());
            auto [client, server] = co_await joined;
            EXPECT_TRUE(client.has_value()) << client.error().message();
            EXPECT_EQ(server, ws::errc::closed);
            EXPECT_EQ(got.size(), 4U);
            const auto frame = both.server.peer_close();
            EXPECT_TRUE(frame.has_value());
            if (!frame) co_return;
            EXPECT_EQ(frame->code, ws::close_code(4321));
            EXPECT_EQ(frame->reason, "enough");
            EXPECT_EQ(both.client.peer_close()->code, ws::close_code(4321));
        });
    }
}

TEST(WsConnection, IsAStreamAndASink) {
    eddy::test::run_paused([]() -> task<void> {
        ends both;
        const auto play = [&]() -> task<void> {
            (co_await both.client.feed("one")).value();
            (co_await both.client.feed("two")).value();
            (co_await both.client.flush()).value();
            (co_await both.client.close()).value();
        };
        std::string all;
        const auto collect = [&]() -> task<void> {
            for (;;) {
                auto next = co_await both.server.next();
                if (!next) co_return;
                all.append((*next)->text()).append(";");
            }
        };
        const auto finish = [&]() -> task<bool> {
            co_await collect();
            co_return (co_await both.server.close()).has_value();
        };
        const auto run = [&]() -> task<bool> {
            co_await play();
            co_return true;
        };
        auto joined = eddy::join(run(), finish());
        const auto [played, finished] = co_await joined;
        EXPECT_TRUE(played && finished);
        EXPECT_EQ(all, "one;two;");
    });
}

#if EDDY_CHECKS
TEST(WsConnectionDeathTest, DestroyedConnectionIsReported) {
    const auto destroy = [] {
        eddy::test::run_paused([]() -> task<void> {
            auto both = std::make_unique<ends>();
            const auto receive = [at = &both->client]() -> task<void> { static_cast<void>(co_await at->receive()); };
            auto receives = eddy::spawn(std::ref(receive));
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            both.reset();
            receives.abort();
            static_cast<void>(co_await receives);
        });
    };
    EXPECT_DEATH(destroy(), "a ws::connection was destroyed while a task awaits it: .*ws_connection_test.cpp:");
}
#endif

/// Awaits `operation` and returns the text of its misuse; empty if there was none.
template <class F>
task<std::string> misuse_of(F operation) {
    try {
        static_cast<void>(co_await std::move(operation));
    } catch (const eddy::misuse& thrown) {
        co_return thrown.what();
    }
    co_return "";
}

// covers: P142
TEST(WsConnection, SecondTaskThatReceivesIsMisuse) {
    eddy::test::run_paused([]() -> task<void> {
        ends both;
        const auto receive = [&]() -> task<std::string> {
            auto got = co_await both.client.receive();
            co_return std::string(got.value().text());
        };
        auto first = eddy::spawn(std::ref(receive));
        co_await eddy::yield_now();
        auto text = co_await misuse_of(both.client.receive());
        EXPECT_NE(text.find("two tasks receive from one WebSocket at the same time"), std::string::npos) << text;
        text = co_await misuse_of(both.client.next());
        EXPECT_NE(text.find("two tasks receive from one WebSocket at the same time"), std::string::npos) << text;
        text = co_await misuse_of(both.client.send("is legal"));
        EXPECT_EQ(text, "");
        const auto sent = co_await both.server.send("hello");
        EXPECT_TRUE(sent);
        const auto got = co_await first;
        EXPECT_EQ(got.value(), "hello");
        first = eddy::spawn(std::ref(receive));
        co_await eddy::yield_now();
        first.abort();
        static_cast<void>(co_await first);
        const auto again = co_await both.server.send("again");
        EXPECT_TRUE(again);
        const auto later = co_await both.client.receive();
        EXPECT_EQ(later.value().text(), "again");
    });
}

// covers: P142
TEST(WsConnection, SecondTaskThatSendsIsMisuse) {
    eddy::test::run_paused([]() -> task<void> {
        ends both;
        const std::string much(500'000, 'x');  // more than the connection can hold
        const auto send = [&]() -> task<bool> {
            const auto sent = co_await both.client.send(much);
            co_return sent.has_value();
        };
        auto first = eddy::spawn(std::ref(send));
        co_await eddy::yield_now();
        EXPECT_FALSE(first.is_finished());
        const auto expect_misuse = [](auto operation) -> task<void> {
            const auto text = co_await misuse_of(std::move(operation));
            EXPECT_NE(text.find("two tasks send to one WebSocket at the same time"), std::string::npos) << text;
        };
        co_await expect_misuse(both.client.send("more"));
        co_await expect_misuse(both.client.feed("more"));
        co_await expect_misuse(both.client.flush());
        co_await expect_misuse(both.client.ping());
        const auto got = co_await both.server.receive();
        EXPECT_EQ(got.value().text(), much);
        const auto sent = co_await first;
        EXPECT_TRUE(sent.value());
        const auto later = co_await both.client.send("more");
        EXPECT_TRUE(later);
    });
}

TEST(WsConnection, StreamEndsAfterAnError) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        co_await peer.send(ws_frame(ws_text, "a") + ws_frame(0x83, ""));
        auto first = co_await peer.server.next();
        EXPECT_EQ((*first)->text(), "a");
        auto second = co_await peer.server.next();
        EXPECT_EQ(second->error(), ws::errc::protocol_violation);
        auto third = co_await peer.server.next();
        EXPECT_FALSE(third.has_value());
        EXPECT_EQ((co_await peer.server.receive()).error(), ws::errc::protocol_violation);
    });
}

TEST(WsConnection, ViolationGetsCloseFrameWithCode) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        co_await peer.send(ws_frame(ws_text, "\xff"));
        EXPECT_EQ((co_await peer.server.receive()).error(), ws::errc::invalid_text);
        EXPECT_EQ(co_await peer.receive_some(), "close 1007");
        EXPECT_EQ((co_await peer.server.send("late")).error(), ws::errc::invalid_text);
        co_await peer.send("bytes that are discarded");
        co_await peer.end();
        EXPECT_EQ((co_await peer.server.close()).error(), ws::errc::invalid_text);
        EXPECT_EQ(co_await peer.receive_all(), "");
    });
}

TEST(WsConnection, EndWithoutCloseFrameIsAnError) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        co_await peer.send(ws_frame(ws_text - ws_fin, "half"));
        co_await peer.end();
        EXPECT_EQ((co_await peer.server.receive()).error(), eddy::errc::unexpected_eof);
        EXPECT_EQ((co_await peer.server.send("late")).error(), eddy::errc::unexpected_eof);
        EXPECT_FALSE(peer.server.peer_close().has_value());
    });
}

TEST(WsConnection, DroppedReceiveLosesNothing) {
    const std::string input = ws_frame(ws_text - ws_fin, "he") + ws_frame(ws_ping, "p") + ws_frame(ws_more, "llo") +
                              ws_frame(ws_text, "again");
    eddy::test::run_paused([&]() -> task<void> {
        raw_client peer;
        std::string got;
        for (const char each : input) {
            co_await peer.send(std::string(1, each));
            // A new future for each byte, which is dropped when it waits.
            auto receiving = peer.server.receive();
            auto once = eddy::poll_fn([&](eddy::context& cx) {
                auto message = receiving.poll(cx);
                if (message) got.append((*message)->text()).append(";");
                return eddy::poll_result<void>::ready();
            });
            co_await once;
        }
        EXPECT_EQ(got, "hello;again;");
        EXPECT_EQ(co_await peer.receive_some(), "pong \"p\"");
    });
}

TEST(WsConnection, DroppedSendIsCompletedByNextOne) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(10);  // less than a frame
        {
            auto sending = peer.server.send(std::string(50, 'a'));
            auto once = eddy::poll_fn([&](eddy::context& cx) {
                EXPECT_FALSE(sending.poll(cx).is_ready());
                return eddy::poll_result<void>::ready();
            });
            co_await once;
        }
        const auto send = [&]() -> task<bool> {
            const auto sent = co_await peer.server.send("b");
            const auto closed = co_await peer.server.close();
            co_return sent.has_value() && closed.has_value();
        };
        const auto receive = [&]() -> task<std::string> {
            std::string text;
            std::array<std::byte, 7> some{};
            while (!text.ends_with(ws_close_payload(1000))) {
                const auto count = (co_await io::read(peer.stream, some)).value();
                text.append(reinterpret_cast<const char*>(some.data()), count);
            }
            co_await peer.send(ws_frame(support::ws_close, ws_close_payload(1000)));
            co_return support::describe_frames(text);
        };
        auto joined = eddy::join(send(), receive());
        const auto [is_sent, got] = co_await joined;
        EXPECT_TRUE(is_sent);
        EXPECT_EQ(got, "text \"" + std::string(50, 'a') + "\" | text \"b\" | close 1000");
    });
}

TEST(WsConnection, HalvesSendAndReceiveAtTheSameTime) {
    eddy::test::run_paused([]() -> task<void> {
        ends both(100);
        auto client = std::move(both.client).split();
        constexpr int count = 200;
        const auto send = [&]() -> task<bool> {
            for (int i = 0; i < count; ++i) {
                const auto sent = co_await client.sender.send(std::to_string(i) + std::string(100, 'x'));
                if (!sent) co_return false;
            }
            co_return true;
        };
        const auto receive = [&]() -> task<int> {
            for (int i = 0; i < count; ++i) {
                const auto got = co_await client.receiver.receive();
                if (!got || !got->text().starts_with(std::to_string(i))) co_return i;
            }
            co_return count;
        };
        const auto use = [&]() -> task<int> {
            auto joined = eddy::join(send(), receive());
            const auto [is_sent, received] = co_await joined;
            EXPECT_TRUE(is_sent);
            EXPECT_TRUE((co_await client.sender.close()).has_value());
            co_return received;
        };
        const auto serve = [&]() -> task<std::error_code> {
            const auto why = co_await echo(both.server);
            static_cast<void>(co_await both.server.close());
            co_return why;
        };
        auto joined = eddy::join(use(), serve());
        const auto [received, why] = co_await joined;
        EXPECT_EQ(received, count);
        EXPECT_EQ(why, ws::errc::closed);
    });
}

TEST(WsConnection, CloseWakesTaskThatReceives) {
    eddy::test::run_paused([]() -> task<void> {
        ends both;
        auto client = std::move(both.client).split();
        const auto receive = [&]() -> task<std::error_code> {
            const auto got = co_await client.receiver.receive();
            co_return got ? std::error_code() : got.error();
        };
        const auto close = [&]() -> task<bool> {
            co_await eddy::time::sleep(1s);
            const auto closed = co_await client.sender.close();
            co_return closed.has_value();
        };
        const auto serve = [&]() -> task<bool> {
            const auto why = co_await echo(both.server);
            const auto closed = co_await both.server.close();
            co_return why == ws::errc::closed&& closed.has_value();
        };
        auto joined = eddy::join(receive(), close(), serve());
        const auto [why, is_closed, is_served] = co_await joined;
        EXPECT_EQ(why, ws::errc::closed);
        EXPECT_TRUE(is_closed && is_served);
    });
}

TEST(WsConnection, CloseEndsAfterItsTimeLimit) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(64 * 1024, ws::options().close_timeout(3s));
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await peer.server.close()).error(), eddy::errc::timed_out);
        const auto passed = eddy::time::clock::now() - begin;
        EXPECT_TRUE(passed >= 3s && passed < 4s);
        EXPECT_EQ((co_await peer.server.receive()).error(), eddy::errc::timed_out);
    });
}

/// The connection to a peer that never stops sending pongs, and that reads everything.
struct flood {
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return eddy::not_ready;
        const auto frame = ws_frame(support::ws_pong, "");
        for (auto& byte : into) byte = static_cast<std::byte>(frame[at_++ % frame.size()]);
        return eddy::ok(into.size());
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    std::size_t at_ = 0;
};

TEST(WsConnection, CloseTimesOutIfPeerKeepsSending) {
    eddy::test::run_paused([]() -> task<void> {
        auto server = made(flood(), ws_role::server, ws::options().close_timeout(3s));
        auto closing = server.close();
        EXPECT_FALSE(co_await support::poll_once(closing));
        co_await eddy::test::advance(4s);
        EXPECT_TRUE(co_await support::poll_once(closing));
        EXPECT_EQ((co_await server.close()).error(), eddy::errc::timed_out);
    });
}

TEST(WsConnection, CloseTimesOutIfViolatingPeerKeepsSending) {
    eddy::test::run_paused([]() -> task<void> {
        auto client = made(flood(), ws_role::client, ws::options().close_timeout(3s));
        EXPECT_EQ((co_await client.receive()).error(), ws::errc::protocol_violation);  // the frames have masks
        auto closing = client.close();
        EXPECT_FALSE(co_await support::poll_once(closing));
        co_await eddy::test::advance(4s);
        EXPECT_TRUE(co_await support::poll_once(closing));
    });
}

TEST(WsConnection, ReceiveEndsIfPeerDoesNotAnswerClose) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(64 * 1024, ws::options().close_timeout(3s));
        {
            auto closing = peer.server.close();
            EXPECT_FALSE(co_await support::poll_once(closing));
        }
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await peer.server.receive()).error(), eddy::errc::timed_out);
        EXPECT_LT(eddy::time::clock::now() - begin, 4s);
    });
}

TEST(WsConnection, CloseEndsSendThatWaitsForPeer) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(100, ws::options().close_timeout(3s));
        const auto send = [&]() -> task<std::error_code> {
            const auto sent = co_await peer.server.send(std::string(1000, 'x'));
            co_return sent ? std::error_code() : sent.error();
        };
        const auto close = [&]() -> task<bool> {
            auto closing = peer.server.close();
            co_return co_await support::poll_once(closing);
        };
        auto both = eddy::join(send(), close());
        const auto [error, is_closed] = co_await both;
        EXPECT_FALSE(is_closed);
        EXPECT_EQ(error, eddy::errc::timed_out);
    });
}

TEST(WsConnection, ErrorIsReturnedAlthoughPeerDoesNotRead) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(40, ws::options().close_timeout(3s));
        {
            auto sending = peer.server.send(std::string(1000, 'a'));  // fills the connection
            auto once = eddy::poll_fn([&](eddy::context& cx) {
                EXPECT_FALSE(sending.poll(cx).is_ready());
                return eddy::poll_result<void>::ready();
            });
            co_await once;
        }
        co_await peer.send(ws_frame(0x83, ""));
        EXPECT_EQ((co_await peer.server.receive()).error(), ws::errc::protocol_violation);
    });
}

TEST(WsConnection, SilentPeerIsPingedAndThenReceiveTimesOut) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(64 * 1024, ws::options().ping_interval(10s));
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await peer.server.receive()).error(), eddy::errc::timed_out);
        const auto passed = eddy::time::clock::now() - begin;
        EXPECT_TRUE(passed >= 20s && passed <= 31s);
        EXPECT_EQ(co_await peer.receive_some(), "ping \"\"");
    });
}

TEST(WsConnection, PingsKeepAnIdleConnection) {
    eddy::test::run_paused([]() -> task<void> {
        ends both(64 * 1024, ws::options().ping_interval(10s));
        auto server = echo(both.server);
        const auto use = [&]() -> task<bool> {
            auto idle = eddy::time::timeout(1h, both.client.receive());
            const auto nothing = co_await idle;
            if (nothing) co_return false;
            const auto sent = co_await both.client.send("still there");
            if (!sent) co_return false;
            const auto got = co_await both.client.receive();
            co_return got.has_value() && got->text() == "still there";
        };
        auto first = eddy::select(use(), std::move(server));
        const auto ended = co_await first;
        EXPECT_EQ(ended.index(), 0U);
        EXPECT_TRUE(std::get<0>(ended));
    });
}

TEST(WsConnection, DecompressionLeavesTimeForOtherTasks) {
    eddy::test::run_paused([]() -> task<void> {
        ends both(1 << 20, ws::options().compression(true));
        const eddy::bytes large(std::string(1 << 20, 'x'));
        for (int i = 0; i < 30; ++i) {
            const auto sent = co_await both.client.send(large);
            sent.value();
        }
        auto closing = eddy::spawn([&]() -> task<void> { static_cast<void>(co_await both.client.close()); });
        int received = 0;
        int seen = 0;  // by the other task
        int most = 0;
        auto other = eddy::spawn([&]() -> task<void> {
            for (;;) {
                seen = received;
                co_await eddy::yield_now();
            }
        });
        for (;;) {
            const auto message = co_await both.server.receive();
            if (!message) break;
            most = std::max(most, ++received - seen);
        }
        EXPECT_EQ(received, 30);
        EXPECT_LE(most, 4);
        other.abort();
        const auto closed = co_await closing;
        EXPECT_TRUE(closed.has_value());
    });
}

TEST(WsConnection, LargeMessageLeavesTimeForOtherTasks) {
    eddy::test::run_paused([]() -> task<void> {
        constexpr std::size_t size = 8 << 20;
        ends both(64 * 1024, ws::options().compression(true).message_limit(size));
        const eddy::bytes large(std::string(size, 'x'));
        int turns = 0;  // of the other task
        auto other = eddy::spawn([&]() -> task<void> {
            for (;; ++turns) co_await eddy::yield_now();
        });
        const auto sent = co_await both.client.send(large);  // its compressed form has 8 KiB
        sent.value();
        const int turns_of_send = std::exchange(turns, 0);
        const auto got = co_await both.server.receive();
        EXPECT_TRUE(got->content() == large);
        // A poll has a coop budget for 128 KiB.
        EXPECT_GE(turns_of_send, 60);
        EXPECT_GE(turns, 60);
        other.abort();
    });
}

TEST(WsConnection, SendWaitsForSlowPeer) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer(1000);
        std::size_t sent = 0;
        auto sending = [&]() -> task<bool> {
            for (; sent < 1000; ++sent) {
                const auto done = co_await peer.server.send(std::string(1000, 'x'));
                if (!done) co_return false;
            }
            co_return true;
        };
        auto limited = eddy::time::timeout(10s, sending());
        const auto nothing = co_await limited;
        EXPECT_FALSE(nothing.has_value());
        EXPECT_LT(sent, 100U);
    });
}

TEST(WsConnection, PingsAreAnsweredWhileTaskReceives) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        const auto play = [&]() -> task<std::string> {
            co_await peer.send(ws_frame(ws_ping, "1"));
            auto got = co_await peer.receive_some();
            co_await peer.send(ws_frame(support::ws_close, ""));
            got += ' ' + co_await peer.receive_some();
            co_return got;
        };
        auto joined = eddy::join(play(), echo(peer.server));
        const auto [got, why] = co_await joined;
        EXPECT_EQ(got, "pong \"1\" close");
        EXPECT_EQ(why, ws::errc::closed);
        EXPECT_EQ(peer.server.peer_close()->code, ws::close_code::none);
    });
}

TEST(WsConnection, OwnPingIsSent) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        EXPECT_TRUE((co_await peer.server.ping("are you there")).has_value());
        EXPECT_EQ(co_await peer.receive_some(), "ping \"are you there\"");
    });
}

TEST(WsConnection, MisuseIsReported) {
    ends both;
    EXPECT_THROW(static_cast<void>(both.client.close(ws::close_code::none)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(both.client.close(ws::close_code(999))), eddy::misuse);
    EXPECT_THROW(static_cast<void>(both.client.close(ws::close_code::normal, std::string(124, 'x'))), eddy::misuse);
    EXPECT_THROW(static_cast<void>(both.client.close(ws::close_code::normal, "\xff")), eddy::misuse);
    EXPECT_THROW(static_cast<void>(both.client.ping(std::string(126, 'x'))), eddy::misuse);
    EXPECT_THROW(ws::options().protocol("two words"), eddy::misuse);
}

/// Expects that `f` throws a misuse in this file that names split().
template <class Fn>
void expect_split(Fn f, const std::source_location& here = std::source_location::current()) {
    const auto thrown = support::misuse_of(f);
    ASSERT_TRUE(thrown.has_value()) << here.line();
    EXPECT_STREQ(thrown->where().file_name(), here.file_name()) << here.line();
    EXPECT_TRUE(std::string_view(thrown->what()).contains("moved from, or split")) << thrown->what();
}

TEST(WsConnection, UseAfterSplitNamesTheCaller) {
    ends both;
    auto halves = std::move(both.client).split();
    auto& empty = both.client;  // NOLINT(bugprone-use-after-move): the moved-from state is under test
    expect_split([&] { static_cast<void>(empty.protocol()); });
    expect_split([&] { static_cast<void>(empty.peer_close()); });
    expect_split([&] { static_cast<void>(empty.is_compressed()); });
    expect_split([&] { eddy::wait([&]() -> task<void> { static_cast<void>(co_await empty.receive()); }()); });
    expect_split([&] { eddy::wait([&]() -> task<void> { static_cast<void>(co_await empty.send("x")); }()); });
    expect_split([&] { eddy::wait([&]() -> task<void> { static_cast<void>(co_await empty.close()); }()); });
    expect_split([&] { eddy::wait([&]() -> task<void> { static_cast<void>(co_await empty.ping()); }()); });
}

}  // namespace
