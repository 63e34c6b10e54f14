// SPDX-License-Identifier: MIT
// Sockets that are awaited in another event loop than the one with which they are registered.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/future/join.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/udp_socket.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>

#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::io::interest;
using support::connection;
using support::read_some;
using support::within;

/// Begins to read, which registers the stream with the event loop that runs here, and gives up.
task<void> begin_to_read(eddy::net::tcp_stream& stream) {
    std::array<std::byte, 1> into{};
    auto first = eddy::select(stream.read(into), eddy::yield_now());
    static_cast<void>(co_await first);
}

/// Sends after the other tasks of the event loop have begun to wait.
task<void> send_later(connection& pair, std::string text) {
    co_await eddy::yield_now();
    pair.peer.send(text);
}

TEST(NetOtherLoop, LoopOnAnotherThreadWakesTask) {
    const eddy::core_thread owner;
    connection pair;
    owner.remote().call([&] { return begin_to_read(pair.stream); }).get();
    eddy::core here;
    for (int i = 0; i < 3; ++i) {
        auto both = eddy::join(read_some(pair.stream), send_later(pair, "hello"));
        EXPECT_EQ(within(here, std::move(both)).first, "hello");
    }
    EXPECT_EQ(here.metrics().io().fds_registered, 0u);
}

/// Expects that the work is refused in `other`, with the location of the co_await in the line after `at`.
void expect_refused(eddy::core& other, const std::source_location& at, task<void> work) {
    const auto thrown = support::misuse_of([&] { within(other, std::move(work)); });
    ASSERT_TRUE(thrown.has_value()) << "nothing was thrown for line " << at.line();
    EXPECT_NE(std::string(thrown->what()).find("another event loop of this thread"), std::string::npos);
    EXPECT_EQ(thrown->where().line(), at.line() + 1);
}

TEST(NetOtherLoop, WaitForStoppedLoopOfThisThreadIsMisuse) {
    eddy::core owner;
    eddy::core other;
    connection pair;
    owner.run(begin_to_read(pair.stream));
    std::source_location at;
    const auto reads = [&]() -> task<void> {
        std::array<std::byte, 8> into{};
        at = std::source_location::current();
        static_cast<void>(co_await pair.stream.read(into));
    };
    const auto waits = [&]() -> task<void> {
        at = std::source_location::current();
        static_cast<void>(co_await pair.stream.readable());
    };
    expect_refused(other, at, reads());
    expect_refused(other, at, waits());
    pair.peer.send("once");
    EXPECT_EQ(within(owner, read_some(pair.stream)), "once") << "the refused waits leave nothing behind";
}

TEST(NetOtherLoop, OperationThatNeedsNoWaitIsAllowed) {
    eddy::core owner;
    eddy::core other;
    connection pair;
    owner.run(begin_to_read(pair.stream));
    owner.turn(0ms);  // reports that the socket is writable
    within(other, pair.stream.write_all("out")).value();
    other.run(eddy::yield_now());
    EXPECT_EQ(pair.peer.receive(3), "out");
}

TEST(NetOtherLoop, WaitForListenerOfStoppedLoopIsMisuse) {
    eddy::core owner;
    eddy::core other;
    const auto any = eddy::net::socket_addr::parse("127.0.0.1:0").value();
    auto listener = eddy::net::tcp_listener::bind(any, owner.handle()).value();
    std::source_location at;
    const auto accepts = [&]() -> task<void> {
        at = std::source_location::current();
        static_cast<void>(co_await listener.accept());
    };
    expect_refused(other, at, accepts());
}

TEST(NetOtherLoop, WaitForDescriptorOfStoppedLoopIsMisuse) {
    eddy::core owner;
    eddy::core other;
    const support::counter events;
    using source = eddy::io::source_fd;
    auto watched = owner.run([&]() -> task<eddy::io::async_fd<source>> {
        co_return eddy::io::async_fd<source>(source(events.native_handle()), interest::readable);
    }());
    std::source_location at;
    const auto waits = [&]() -> task<void> {
        at = std::source_location::current();
        static_cast<void>(co_await watched.readable());
    };
    const auto waits_for_level = [&]() -> task<void> {
        at = std::source_location::current();
        static_cast<void>(co_await watched.wait_readable());
    };
    expect_refused(other, at, waits());
    expect_refused(other, at, waits_for_level());
}

TEST(NetOtherLoop, BlockingWaitForStoppedLoopIsMisuse) {
    eddy::core owner;
    connection pair;
    owner.run(begin_to_read(pair.stream));
    std::array<std::byte, 8> into{};
    support::expect_misuse_here([&] { static_cast<void>(eddy::wait(pair.stream.read(into))); });
}

// Two loops on one thread that take turns do not stop each other.
TEST(NetOtherLoop, LoopsThatTakeTurnsWakeEachOthersTasks) {
    eddy::core owner;
    eddy::core other;
    connection pair;
    owner.run(begin_to_read(pair.stream));
    std::optional<std::string> got;
    const auto reads = [&]() -> task<void> { got = co_await read_some(pair.stream); };
    other.handle().spawn(reads());
    other.turn(0ms);
    pair.peer.send("hello");
    EXPECT_TRUE(support::comes_true([&] {
        owner.turn(1ms);
        other.turn(0ms);
        return got.has_value();
    }));
    EXPECT_EQ(got, "hello");
}

}  // namespace
