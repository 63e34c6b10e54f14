// SPDX-License-Identifier: MIT
// WebSockets of which one allocation fails. A separate executable, since it replaces operator new.
// runs: once, memory
#include <eddy/ws.hpp>

#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "engine.hpp"
#include "state.hpp"
#include "support/failing_allocations.hpp"
#include "support/ws/ws_frames.hpp"

namespace {

using eddy::task;
using eddy::detail::ws_role;
using support::allocations_left;
using support::no_limit;
using support::one_has_failed;
namespace io = eddy::io;
namespace ws = eddy::ws;

ws::connection made(io::duplex_stream&& stream, ws_role role, bool is_compressed) {
    auto parameters = eddy::detail::parameters_of(ws::options(), role);
    if (is_compressed) parameters.compression.emplace();
    return ws::connection(eddy::detail::ws_share(
        std::make_shared<eddy::detail::ws_state>(io::boxed_stream(std::move(stream)), parameters, std::string())));
}

/// Both ends of a WebSocket.
struct ends {
    ws::connection client;
    ws::connection server;

    explicit ends(bool is_compressed) : ends(io::duplex(1 << 20), is_compressed) {}

private:
    ends(io::duplex_ends&& pair, bool is_compressed)
        : client(made(std::move(pair.first), ws_role::client, is_compressed)),
          server(made(std::move(pair.second), ws_role::server, is_compressed)) {}
};

/// Messages that refer to each other if they are compressed.
const std::vector<std::string>& texts() {
    static const auto all = [] {
        std::string words;
        for (int i = 0; i < 20'000; ++i) words += std::to_string(i * i) + ' ';
        return std::vector<std::string>{words.substr(0, 1000), words, words.substr(500, 3000), "hello"};
    }();
    return all;
}

/// Receives messages while the n-th allocation fails. Returns whether an allocation has failed.
task<bool> receive_with_failure(long nth, bool is_compressed) {
    ends both(is_compressed);
    for (const auto& text : texts()) {
        const auto sent = co_await both.client.send(text);
        sent.value();
    }
    allocations_left = nth;
    bool has_ended = false;
    for (std::size_t next = 0; next != texts().size() && !has_ended;) {
        try {
            const auto got = co_await both.server.receive();
            if (got) {
                EXPECT_TRUE(got->text() == texts()[next]) << nth;
                ++next;
            } else {
                EXPECT_EQ(got.error(), std::errc::not_enough_memory) << nth;
                has_ended = true;
            }
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the call is repeated
        }
    }
    const bool has_failed = allocations_left == one_has_failed;
    allocations_left = no_limit;
    co_return has_failed;
}

TEST(WsMemory, FailedAllocationDoesNotDamageReceivedMessages) {
    for (const bool is_compressed : {false, true}) {
        bool has_failed = true;
        for (long nth = 0; has_failed && !testing::Test::HasFailure(); ++nth)
            has_failed = eddy::test::run_paused([&] { return receive_with_failure(nth, is_compressed); });
    }
}

/// Sends messages while the n-th allocation fails. Returns whether an allocation has failed.
task<bool> send_with_failure(long nth, bool is_compressed) {
    ends both(is_compressed);
    std::size_t failed = texts().size();  // the message that was not sent
    allocations_left = nth;
    for (std::size_t i = 0; i != texts().size(); ++i) {
        try {
            const auto sent = co_await both.client.send(texts()[i]);
            EXPECT_TRUE(sent.has_value()) << nth;
        } catch (const std::bad_alloc&) {
            failed = i;
        }
    }
    const bool has_failed = allocations_left == one_has_failed;
    allocations_left = no_limit;
    static_cast<void>(co_await both.client.send("end"));
    std::size_t next = 0;
    for (;;) {
        const auto got = co_await both.server.receive();
        EXPECT_TRUE(got.has_value()) << nth << ": " << (got ? "" : got.error().message());
        if (!got || got->text() == "end") break;
        if (next == failed && got->text() != texts()[next]) ++next;
        EXPECT_TRUE(next < texts().size() && got->text() == texts()[next]) << nth;
        ++next;
    }
    EXPECT_GE(next + (failed == next ? 1 : 0), texts().size()) << nth;
    co_return has_failed;
}

TEST(WsMemory, FailedAllocationOfSendDoesNotDamageOtherMessages) {
    for (const bool is_compressed : {false, true}) {
        bool has_failed = true;
        for (long nth = 0; has_failed && !testing::Test::HasFailure(); ++nth)
            has_failed = eddy::test::run_paused([&] { return send_with_failure(nth, is_compressed); });
    }
}

/// Returns what a server answers to a ping and a Close frame while the n-th allocation fails.
std::string answers_with_failure(long nth) {
    eddy::detail::ws_engine server(eddy::detail::parameters_of(ws::options(), ws_role::server));
    const auto frames = support::ws_frame(support::ws_ping, std::string(100, 'p')) +
                        support::ws_frame(support::ws_close, support::ws_close_payload(1000, std::string(40, 'r')));
    std::string_view input = frames;
    allocations_left = nth;
    while (!server.is_over()) {
        try {
            static_cast<void>(server.receive(input));
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the call is repeated
        }
    }
    const bool has_failed = allocations_left == one_has_failed;
    allocations_left = no_limit;
    EXPECT_EQ(server.reason(), ws::errc::closed) << nth;
    return has_failed ? std::string(server.unsent()) : std::string();
}

TEST(WsMemory, ControlFramesAreAnsweredAfterAFailedAllocation) {
    const auto expected = support::ws_frame(support::ws_pong, std::string(100, 'p'), false) +
                          support::ws_frame(support::ws_close, support::ws_close_payload(1000), false);
    long nth = 0;
    for (std::string answers; !(answers = answers_with_failure(nth)).empty(); ++nth)
        ASSERT_EQ(answers, expected) << nth;
    EXPECT_GE(nth, 3) << "payloads and answers take memory";
}

}  // namespace
