// SPDX-License-Identifier: MIT
// The shares of the memory for large compressed messages, and connections that wait for them.
// runs: once
#include <eddy/ws.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "message_share.hpp"
#include "state.hpp"
#include "support/ws/ws_frames.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::detail::message_share;
using eddy::detail::ws_role;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::ws_binary;
using support::ws_frame;
using support::ws_rsv1;
namespace io = eddy::io;
namespace ws = eddy::ws;

constexpr std::size_t all = message_share::most_shared;

/// A share that is polled by hand.
class asker {
public:
    /// Returns whether the share is held.
    bool asks(std::size_t bytes) {
        const auto waker = wakes_.waker();
        eddy::context cx(waker);
        return share_->poll_acquire(bytes, cx);
    }
    void takes(std::size_t bytes) { share_->take(bytes); }
    void releases() {
        EXPECT_TRUE(share_->release());
        message_share::wake_holders();
    }
    void is_destroyed() { share_.reset(); }
    [[nodiscard]] std::uint64_t wakes() const { return wakes_.wakes(); }

private:
    eddy::test::wake_counter wakes_;
    std::optional<message_share> share_{std::in_place};
};

/// Runs a function on an event loop, whose timers shares need.
template <class Fn>
void on_loop(Fn f) {
    eddy::test::run_paused([&]() -> task<void> {
        f();
        co_return;
    });
}

TEST(WsMessageShare, SharesAreHeldUpToTheTotal) {
    on_loop([] {
        asker first;
        asker second;
        asker third;
        EXPECT_TRUE(first.asks(all / 2));
        EXPECT_TRUE(second.asks(all / 2));
        EXPECT_FALSE(third.asks(1));
        EXPECT_TRUE(first.asks(all / 2));  // the next step
        EXPECT_FALSE(third.asks(1));
        EXPECT_EQ(third.wakes(), 0U);
        second.releases();
        EXPECT_EQ(third.wakes(), 1U);
        EXPECT_TRUE(third.asks(1));
        EXPECT_EQ(first.wakes() + second.wakes(), 0U);
    });
}

TEST(WsMessageShare, SharesAreHeldInTheOrderOfRequests) {
    on_loop([] {
        asker first;
        asker large;
        asker small;
        EXPECT_TRUE(first.asks(all / 2));
        EXPECT_FALSE(large.asks(all));
        EXPECT_FALSE(small.asks(1));  // it would fit, but the large one must not wait forever
        first.releases();
        EXPECT_EQ(large.wakes(), 1U);
        EXPECT_EQ(small.wakes(), 0U);
        EXPECT_TRUE(large.asks(all));
        EXPECT_FALSE(small.asks(1));
        large.releases();
        EXPECT_EQ(small.wakes(), 1U);
        EXPECT_TRUE(small.asks(1));
    });
}

TEST(WsMessageShare, MessageAboveTheTotalGetsAllOfIt) {
    on_loop([] {
        asker huge;
        asker small;
        EXPECT_TRUE(huge.asks(10 * all));
        EXPECT_FALSE(small.asks(1));
        huge.releases();
        EXPECT_TRUE(small.asks(1));
        EXPECT_FALSE(huge.asks(10 * all));
    });
}

TEST(WsMessageShare, TheEndOfAWaitLetsOthersThrough) {
    for (const bool is_destroyed : {false, true}) {
        on_loop([&] {
            asker first;
            asker large;
            asker small;
            EXPECT_TRUE(first.asks(all / 2));
            EXPECT_FALSE(large.asks(all));
            EXPECT_FALSE(small.asks(1));
            if (is_destroyed) {
                large.is_destroyed();
            } else {
                large.releases();
            }
            EXPECT_EQ(small.wakes(), 1U);
            EXPECT_TRUE(small.asks(1));
            EXPECT_EQ(large.wakes(), 0U);
        });
    }
}

TEST(WsMessageShare, DestroyedShareIsGivenBack) {
    on_loop([] {
        asker first;
        asker second;
        EXPECT_TRUE(first.asks(all));
        EXPECT_FALSE(second.asks(all));
        first.is_destroyed();
        EXPECT_EQ(second.wakes(), 1U);
        EXPECT_TRUE(second.asks(all));
    });
}

TEST(WsMessageShare, TakenShareDoesNotWaitButLetsOthersWait) {
    on_loop([] {
        asker first;
        asker taker;
        asker other;
        EXPECT_TRUE(first.asks(all));
        taker.takes(all);
        taker.takes(all);  // the next step
        first.releases();
        EXPECT_FALSE(other.asks(1));
        taker.releases();
        EXPECT_EQ(other.wakes(), 1U);
        EXPECT_TRUE(other.asks(all));
    });
}

TEST(WsMessageShare, ReleaseOfNothingReturnsFalse) {
    message_share share;
    EXPECT_FALSE(share.release());
    share.take(1);
    EXPECT_TRUE(share.release());
    EXPECT_FALSE(share.release());
}

TEST(WsMessageShare, UnusedShareIsTakenBack) {
    asker unused;
    asker used;
    asker waiting;
    eddy::core loop;
    const auto begin = std::chrono::steady_clock::now();
    loop.run([&]() -> task<void> {
        EXPECT_TRUE(unused.asks(all / 2));
        EXPECT_TRUE(used.asks(all / 2));
        message_share share;
        auto acquired = eddy::poll_fn([&](eddy::context& cx) {
            EXPECT_TRUE(used.asks(all / 2));
            return share.poll_acquire(all / 2, cx) ? eddy::poll_result<void>::ready() : eddy::not_ready;
        });
        co_await acquired;
        EXPECT_FALSE(waiting.asks(1));
        EXPECT_FALSE(unused.asks(all / 2)) << "the share is someone else's now";
        EXPECT_TRUE(used.asks(all / 2));
    });
    EXPECT_GE(std::chrono::steady_clock::now() - begin, message_share::unused_limit);
}

// ---- Connections ----

constexpr std::size_t large_size = 1 << 20;

ws::options compressing() { return ws::options().compression(true).message_limit(large_size); }

/// A server of a connection.
template <class Stream>
ws::connection made(Stream&& stream, const ws::options& with = compressing()) {
    auto parameters = eddy::detail::parameters_of(with, ws_role::server);
    parameters.compression.emplace();
    return ws::connection(eddy::detail::ws_share(
        std::make_shared<eddy::detail::ws_state>(io::boxed_stream(std::move(stream)), parameters, std::string())));
}

/// A server, and the other end of its connection.
struct raw_client {
    std::optional<io::duplex_stream> stream;
    ws::connection server;

    explicit raw_client(const ws::options& with = compressing()) : raw_client(io::duplex(1 << 20), with) {}

    task<void> send(std::string bytes) { (co_await io::write_all(*stream, bytes)).value(); }

private:
    raw_client(io::duplex_ends&& pair, const ws::options& with)
        : stream(std::move(pair.first)), server(made(std::move(pair.second), with)) {}
};

std::string deflated(std::string_view message) {
    eddy::detail::ws_deflater deflater(false, 15);
    return support::ws_compress(deflater, message);
}

/// A frame of 1 KB for a message of large_size bytes.
std::string bomb() { return ws_frame(ws_binary | ws_rsv1, deflated(std::string(large_size, 'x'))); }

std::string small_message() { return ws_frame(ws_binary | ws_rsv1, deflated(std::string(1000, 's'))); }

/// Takes all shares, and releases them at its end.
class blocker {
public:
    blocker() { go_on(); }
    /// Uses the shares, which are taken back otherwise.
    void go_on() { share_.take(all); }
    void end() {
        EXPECT_TRUE(share_.release());
        message_share::wake_holders();
    }

private:
    message_share share_;
};

TEST(WsMessageShare, LargeMessageWaitsForItsShare) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        blocker others;
        co_await peer.send(bomb() + small_message());
        by_hand receiving(peer.server.receive());
        assert_pending(receiving.poll());
        const auto wakes = receiving.wakes();
        others.end();
        EXPECT_EQ(receiving.wakes(), wakes + 1);
        auto got = receiving.poll();
        while (!got) got = receiving.poll();  // it lets other tasks run
        EXPECT_TRUE(got->value().text() == std::string(large_size, 'x'));
        const auto next = co_await peer.server.receive();
        EXPECT_EQ(next->text(), std::string(1000, 's'));
    });
}

TEST(WsMessageShare, SmallMessagesNeedNoShare) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        const blocker others;
        const std::string most(64 * 1024 - 1, 'm');
        co_await peer.send(small_message() + ws_frame(ws_binary | ws_rsv1, deflated(most)) +
                           ws_frame(ws_binary, std::string(900'000, 'p')));
        EXPECT_EQ((co_await peer.server.receive())->text(), std::string(1000, 's'));
        EXPECT_TRUE((co_await peer.server.receive())->text() == most);
        EXPECT_EQ((co_await peer.server.receive())->text().size(), 900'000U);  // it is not compressed
    });
}

TEST(WsMessageShare, ShareIsGivenBackWithTheMessage) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        co_await peer.send(bomb());
        EXPECT_EQ((co_await peer.server.receive())->text().size(), large_size);
        asker other;
        EXPECT_TRUE(other.asks(all));
    });
}

TEST(WsMessageShare, FailedMessageGivesItsShareBack) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        co_await peer.send(ws_frame(ws_binary | ws_rsv1, deflated(std::string(large_size + 1, 'x'))));
        EXPECT_EQ((co_await peer.server.receive()).error(), ws::errc::message_too_large);
        asker other;
        EXPECT_TRUE(other.asks(all));
    });
}

TEST(WsMessageShare, DroppedReceiveKeepsItsTurn) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        asker other;
        {
            blocker others;
            co_await peer.send(bomb());
            {
                by_hand receiving(peer.server.receive());
                assert_pending(receiving.poll());
            }
            EXPECT_FALSE(other.asks(all));
            others.end();
        }
        EXPECT_FALSE(other.asks(all));  // the connection was first
        EXPECT_EQ((co_await peer.server.receive())->text().size(), large_size);
        EXPECT_EQ(other.wakes(), 1U);
        EXPECT_TRUE(other.asks(all));
    });
}

TEST(WsMessageShare, UnfinishedMessageHoldsNoShare) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        const auto whole = bomb();
        co_await peer.send(whole.substr(0, whole.size() - 1));
        by_hand receiving(peer.server.receive());
        for (int i = 0; i < 100; ++i) assert_pending(receiving.poll());
        asker other;
        EXPECT_TRUE(other.asks(all));
        co_await peer.send(whole.substr(whole.size() - 1));
        assert_pending(receiving.poll());
        other.releases();
        auto got = receiving.poll();
        while (!got) got = receiving.poll();
        EXPECT_EQ(got->value().text().size(), large_size);
    });
}

/// Polls until a message has arrived. Each poll decompresses a part of it.
eddy::result<ws::message> received(by_hand<ws::receive_future<ws::connection>>& receiving) {
    auto got = receiving.poll();
    while (!got) got = receiving.poll();
    return *std::move(got);
}

TEST(WsMessageShare, PeerThatLeavesDuringTheWaitLosesNothing) {
    for (const bool sends_close : {false, true}) {
        eddy::test::run_paused([&]() -> task<void> {
            raw_client peer;
            blocker others;
            co_await peer.send(bomb() + small_message());
            if (sends_close) co_await peer.send(ws_frame(support::ws_close, support::ws_close_payload(1000)));
            by_hand receiving(peer.server.receive());
            assert_pending(receiving.poll());
            peer.stream.reset();
            others.go_on();
            for (int i = 0; i < 10; ++i) assert_pending(receiving.poll());
            others.end();
            EXPECT_EQ(received(receiving)->text().size(), large_size);
            EXPECT_EQ((co_await peer.server.receive())->text(), std::string(1000, 's'));
            const auto end = co_await peer.server.receive();
            EXPECT_EQ(end.error(),
                      sends_close ? make_error_code(ws::errc::closed) : make_error_code(eddy::errc::unexpected_eof));
            EXPECT_EQ(peer.server.peer_close().has_value(), sends_close);
        });
    }
}

TEST(WsMessageShare, ResetDuringTheWaitLosesNothing) {
    eddy::test::run_paused([]() -> task<void> {
        auto server = made(
            eddy::test::io_builder().read(bomb() + small_message()).read_error(std::errc::connection_reset).build());
        blocker others;
        by_hand receiving(server.receive());
        for (int i = 0; i < 10; ++i) assert_pending(receiving.poll());
        others.end();
        EXPECT_EQ(received(receiving)->text().size(), large_size);
        EXPECT_EQ((co_await server.receive())->text(), std::string(1000, 's'));
        EXPECT_EQ((co_await server.receive()).error(), std::errc::connection_reset);
    });
}

TEST(WsMessageShare, WaitBeyondThePingIntervalDoesNotTimeOut) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        blocker others;
        co_await peer.send(bomb());
        by_hand receiving(peer.server.receive());
        for (int i = 0; i < 10; ++i) {
            others.go_on();
            assert_pending(receiving.poll());
            co_await eddy::time::sleep(2 * compressing().ping_interval());
        }
        others.end();
        EXPECT_EQ(received(receiving)->text().size(), large_size);
        co_await peer.send(small_message());
        EXPECT_EQ((co_await peer.server.receive())->text(), std::string(1000, 's'));
    });
}

TEST(WsMessageShare, WaitNeedsNoTimers) {
    raw_client peer(compressing().ping_interval(0s));
    blocker others;
    by_hand sending(peer.send(bomb()));
    assert_ready(sending.poll());
    by_hand receiving(peer.server.receive());
    assert_pending(receiving.poll());  // on a thread without an event loop
    const auto wakes = receiving.wakes();
    others.end();
    EXPECT_EQ(receiving.wakes(), wakes + 1);
    EXPECT_EQ(received(receiving)->text().size(), large_size);
}

TEST(WsMessageShare, CloseEndsTheWait) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        const blocker others;
        co_await peer.send(bomb() + std::string(ws_frame(support::ws_close, support::ws_close_payload(1000))));
        {
            by_hand dropped(peer.server.receive());  // of another task
            assert_pending(dropped.poll());
        }
        by_hand receiving(peer.server.receive());
        assert_pending(receiving.poll());
        by_hand closing(peer.server.close());
        static_cast<void>(closing.poll());
        EXPECT_TRUE(receiving.is_woken());
        EXPECT_EQ(assert_ready(receiving.poll()).error(), ws::errc::closed);
    });
}

TEST(WsMessageShare, LittleIsReceivedDuringTheWait) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        blocker others;
        co_await peer.send(bomb());
        const std::string later(200'000, 'l');
        co_await peer.send(ws_frame(ws_binary, later));
        by_hand receiving(peer.server.receive());
        assert_pending(receiving.poll());
        // The connection holds 1 MiB, which is 5 KB less than what is sent and not received with the first message.
        const std::string filling(large_size - 180'000, 'f');
        auto sending = eddy::spawn(peer.send(ws_frame(ws_binary, filling)));
        for (int i = 0; i < 100; ++i) {
            others.go_on();
            assert_pending(receiving.poll());
            co_await eddy::yield_now();
        }
        EXPECT_FALSE(sending.is_finished());
        EXPECT_TRUE(receiving.wakes() < 100);
        others.end();
        EXPECT_EQ(received(receiving)->text().size(), large_size);
        EXPECT_TRUE((co_await peer.server.receive())->text() == later);
        EXPECT_TRUE((co_await peer.server.receive())->text() == filling);
        (co_await std::move(sending)).value();
    });
}

TEST(WsMessageShare, CompressionOfALargeMessageIsCounted) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        asker other;
        by_hand sending(peer.server.send(eddy::bytes(std::string(large_size, 'x'))));
        assert_pending(sending.poll());
        EXPECT_FALSE(other.asks(all));
        auto sent = sending.poll();
        while (!sent) sent = sending.poll();
        EXPECT_TRUE(sent->has_value());
        EXPECT_EQ(other.wakes(), 1U);
        EXPECT_TRUE(other.asks(all));
        co_return;
    });
}

TEST(WsMessageShare, CompressionOfASmallMessageIsNotCounted) {
    eddy::test::run_paused([]() -> task<void> {
        raw_client peer;
        by_hand sending(peer.server.send(eddy::bytes(std::string(64 * 1024, 'x'))));
        static_cast<void>(sending.poll());
        asker other;
        EXPECT_TRUE(other.asks(all));
        co_return;
    });
}

TEST(WsMessageShare, SendAfterAnErrorHoldsNoShare) {
    auto peer = eddy::test::io_builder()
                    .read(ws_frame(support::ws_fin | support::ws_ping, "?"))
                    .write_error(std::errc::broken_pipe)
                    .build_with_handle();
    auto server = made(std::move(peer.mock), compressing().ping_interval(0s));
    const eddy::test::wake_counter wakes;
    const auto waker = wakes.waker();
    eddy::context cx(waker);
    EXPECT_TRUE(assert_ready(server.poll_ready(cx)).has_value());
    by_hand receiving(server.receive());
    assert_pending(receiving.poll());  // the answer to the ping fails
    const auto started = server.start_send(eddy::bytes(std::string(large_size, 'x')));
    EXPECT_EQ(started, eddy::result<void>(std::unexpect, std::make_error_code(std::errc::broken_pipe)));
    EXPECT_EQ(assert_ready(server.poll_flush(cx)).error(), std::errc::broken_pipe);
    asker other;
    EXPECT_TRUE(other.asks(all));
}

TEST(WsMessageShare, ManyLargeMessagesAreDeliveredInTurn) {
    eddy::test::run_paused([]() -> task<void> {
        constexpr int count = 100;  // three times the number that fits
        std::vector<std::unique_ptr<raw_client>> peers;
        int delivered = 0;
        std::vector<eddy::join_handle<bool>> tasks;
        const auto echo = [&delivered](raw_client& peer) -> task<bool> {
            for (int i = 0; i < 2; ++i) {
                auto message = co_await peer.server.receive();
                if (!message || message->text().size() != large_size) co_return false;
                ++delivered;
                const auto sent = co_await peer.server.send(*std::move(message));
                if (!sent) co_return false;
            }
            co_return true;
        };
        const auto frame = bomb();
        for (int i = 0; i < count; ++i) {
            peers.push_back(std::make_unique<raw_client>());
            co_await peers.back()->send(frame + frame);
            tasks.push_back(eddy::spawn(echo(*peers.back())));
        }
        for (auto& each : tasks) {
            const auto outcome = co_await std::move(each);
            EXPECT_TRUE(outcome.value_or(false));
        }
        EXPECT_EQ(delivered, 2 * count);
        asker other;
        EXPECT_TRUE(other.asks(all));
    });
}

}  // namespace
