// SPDX-License-Identifier: MIT
// The driver of Windows, with sockets of the library's own wrappers, and TCP connections that use it.
// covers: S04 S05 P112
// runs: once, asan, windows
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "reactor/choose.hpp"
#include "reactor/drivers/afd.hpp"
#include "support/runtime/recorder.hpp"
#include "sys/syscall.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::afd_driver;
using eddy::io::interest;
using eddy::io::ready;
using std::chrono::steady_clock;

const eddy::net::socket_addr any_port(eddy::net::ipv4_addr::loopback(), 0);

support::reports reported;
support::recorder source{reported};

/// Runs ticks until one of them reports something, for at most 10 s.
support::reports events_of(afd_driver& driver) {
    reported.clear();
    for (const auto end = steady_clock::now() + 10s; reported.empty() && steady_clock::now() < end;) {
        driver.tick(1s).value();
    }
    return reported;
}

std::size_t events_now(afd_driver& driver) { return driver.tick(20ms).value().events; }

/// Two connected sockets.
struct connection {
    connection() {
        auto listener = eddy::sys::tcp_socket(eddy::sys::ip_version::v4).value();
        eddy::sys::bind(listener.get(), any_port).value();
        eddy::sys::listen(listener.get(), 1).value();
        client = eddy::sys::tcp_socket(eddy::sys::ip_version::v4).value();
        const auto begun = eddy::sys::connect(client.get(), eddy::sys::local_addr(listener.get()).value());
        EXPECT_TRUE(!begun || begun == std::errc::operation_in_progress);
        const auto driver = afd_driver::make(16).value();
        driver->watch(listener.get(), &source, interest::readable).value();
        EXPECT_EQ(events_of(*driver).size(), 1U);
        server = eddy::sys::accept(listener.get()).value().fd;
        EXPECT_FALSE(!driver->unwatch(listener.get()).has_value());
    }

    eddy::sys::unique_fd client;
    eddy::sys::unique_fd server;
};

constexpr std::array<std::byte, 3> abc{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};

TEST(AfdDriver, ReportsBytesOnceUntilTheyAreRequestedAgain) {
    const connection pair;
    const auto driver = afd_driver::make(16).value();
    driver->watch(pair.client.get(), &source, interest::readable).value();
    EXPECT_EQ(events_now(*driver), 0U);
    ASSERT_EQ(eddy::sys::send(pair.server.get(), abc).value(), 3U);

    auto seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen.begin()->first, &source);
    EXPECT_TRUE(seen[&source].is_readable());
    EXPECT_EQ(events_now(*driver), 0U);

    driver->rearm(pair.client.get(), &source, ready::readable);
    EXPECT_EQ(events_of(*driver).size(), 1U);
}

TEST(AfdDriver, ReportsBothDirectionsOneAfterTheOther) {
    const connection pair;
    const auto driver = afd_driver::make(16).value();
    driver->watch(pair.client.get(), &source, interest::readable | interest::writable).value();
    auto seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[&source].is_writable());
    EXPECT_FALSE(seen[&source].is_readable());

    ASSERT_EQ(eddy::sys::send(pair.server.get(), abc).value(), 3U);
    seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[&source].is_readable());
}

TEST(AfdDriver, RequestOfASecondDirectionReplacesTheOperation) {
    const connection pair;
    const auto driver = afd_driver::make(16).value();
    driver->watch(pair.client.get(), &source, interest::readable).value();
    EXPECT_EQ(events_now(*driver), 0U);
    driver->watch_again(pair.client.get(), &source, interest::readable | interest::writable).value();
    auto seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[&source].is_writable());
}

TEST(AfdDriver, ReportsTheEndOfTheStream) {
    connection pair;
    const auto driver = afd_driver::make(16).value();
    driver->watch(pair.client.get(), &source, interest::readable).value();
    pair.server.reset();
    auto seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[&source].is_readable() && seen[&source].is_read_closed());
}

TEST(AfdDriver, ReportsARefusedConnect) {
    auto closed = eddy::sys::tcp_socket(eddy::sys::ip_version::v4).value();
    eddy::sys::bind(closed.get(), any_port).value();  // no listener
    const auto addr = eddy::sys::local_addr(closed.get()).value();
    const auto driver = afd_driver::make(16).value();
    const auto socket = eddy::sys::tcp_socket(eddy::sys::ip_version::v4).value();
    EXPECT_EQ(eddy::sys::connect(socket.get(), addr), std::errc::operation_in_progress);
    driver->watch(socket.get(), &source, interest::writable).value();
    auto seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[&source].is_writable() && seen[&source].is_error());
    EXPECT_EQ(eddy::sys::take_error(socket.get()).value(), std::errc::connection_refused);
}

TEST(AfdDriver, UnwatchedSocketReportsNothing) {
    const connection pair;
    const auto driver = afd_driver::make(16).value();
    driver->watch(pair.client.get(), &source, interest::readable).value();
    driver->unwatch(pair.client.get()).value();
    EXPECT_EQ(driver->unwatch(pair.client.get()).error(), std::errc::no_such_file_or_directory);
    ASSERT_EQ(eddy::sys::send(pair.server.get(), abc).value(), 3U);
    EXPECT_EQ(events_now(*driver), 0U);
}

TEST(AfdDriver, WatchRefusesWatchedSocketsAndNonSockets) {
    const connection pair;
    const auto driver = afd_driver::make(16).value();
    driver->watch(pair.client.get(), &source, interest::readable).value();
    EXPECT_EQ(driver->watch(pair.client.get(), &source, interest::readable).error(), std::errc::file_exists);
    const auto refused = driver->watch(12'345'678, &source, interest::readable);
    ASSERT_FALSE(refused.has_value());
    // wine finds only later that this is no handle at all.
    EXPECT_TRUE(refused.error() == std::errc::not_a_socket || refused.error() == std::errc::bad_file_descriptor)
        << refused.error().message();
    EXPECT_EQ(driver->unwatch(12'345'678).error(), std::errc::no_such_file_or_directory);
}

TEST(AfdDriver, SocketThatIsClosedWhileWatchedIsForgotten) {
    connection pair;
    const auto driver = afd_driver::make(16).value();
    const int fd = pair.client.get();
    driver->watch(fd, &source, interest::readable).value();
    pair.client.reset();
    EXPECT_EQ(events_now(*driver), 0U);
    EXPECT_EQ(driver->unwatch(fd).error(), std::errc::no_such_file_or_directory);
}

TEST(AfdDriver, RequestForAClosedSocketIsReportedAsAnError) {
    connection pair;
    const auto driver = afd_driver::make(16).value();
    const int fd = pair.client.get();
    driver->watch(fd, &source, interest::writable).value();
    ASSERT_EQ(events_of(*driver).size(), 1U);
    pair.client.reset();
    driver->rearm(fd, &source, ready::writable);
    auto seen = events_of(*driver);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[&source].is_error());
    EXPECT_EQ(driver->unwatch(fd).error(), std::errc::bad_file_descriptor);
}

TEST(AfdDriver, SocketsOnSeveralDevicesAreReported) {
    constexpr std::size_t count = 70;  // more than two handles of the device serve
    const auto driver = afd_driver::make(16).value();
    std::vector<connection> pairs(count);
    std::deque<support::recorder> sources;
    for (auto& each : pairs) {
        driver->watch(each.client.get(), &sources.emplace_back(reported), interest::readable).value();
    }
    for (auto& each : pairs) ASSERT_EQ(eddy::sys::send(each.server.get(), abc).value(), 3U);
    std::size_t all = 0;
    while (all != count) {
        const std::size_t now = events_of(*driver).size();
        ASSERT_NE(now, 0U);
        all += now;
    }
    EXPECT_EQ(events_now(*driver), 0U);
}

TEST(AfdDriver, WakeOfAnotherThreadEndsTheTick) {
    const auto driver = afd_driver::make(16).value();
    std::thread other([&] { driver->wake(); });
    const auto done = driver->tick(std::nullopt).value();
    other.join();
    EXPECT_TRUE(done.was_woken);
    EXPECT_FALSE(driver->tick(0ns).value().was_woken);
    driver->wake_within(1h);
    EXPECT_TRUE(driver->tick(std::nullopt).value().was_woken);
}

TEST(AfdDriver, AlarmEndsTheTick) {
    const auto driver = afd_driver::make(16).value();
    driver->make_alarm().value();
    const auto begun = steady_clock::now();
    driver->set_alarm(30ms);
    EXPECT_EQ(driver->tick(10s).value().events, 0U);
    EXPECT_GE(steady_clock::now() - begun, 29ms);
    EXPECT_LT(steady_clock::now() - begun, 9s);
}

// ---- The choice ----

TEST(AfdDriver, IsTheOnlyDriver) {
    EXPECT_EQ(eddy::core().why_driver(), "afd: the default on Windows");
    auto loop = eddy::core::builder().driver(eddy::driver_kind::afd).build().value();
    EXPECT_EQ(loop.why_driver(), "afd: asked for by the builder");
    EXPECT_EQ(loop.native_handle(), -1);
    for (const auto other : {eddy::driver_kind::epoll, eddy::driver_kind::poll, eddy::driver_kind::kqueue}) {
        EXPECT_EQ(eddy::core::builder().driver(other).build().error(), std::errc::not_supported);
    }
    EXPECT_EQ(eddy::detail::decide_driver({}, "afd", {})->why, "afd: asked for by EDDY_DRIVER");
    EXPECT_EQ(eddy::detail::decide_driver({}, "poll", {}).error(), eddy::errc::unknown_driver);
}

// ---- Connections ----

eddy::task<void> echo(eddy::net::tcp_stream peer) {
    std::array<std::byte, 4096> buffer;
    for (;;) {
        const auto count = co_await peer.read(buffer);
        if (!count || *count == 0) co_return;
        const auto written = co_await peer.write_all(std::span(buffer).first(*count));
        if (!written) co_return;
    }
}

eddy::task<void> echo_all(eddy::net::tcp_listener listener) {
    for (;;) {
        auto accepted = co_await listener.accept();
        if (!accepted) co_return;
        eddy::spawn(echo(std::move(accepted->stream))).detach();
    }
}

/// Sends messages and returns how many of them came back unchanged.
eddy::task<int> exchange(eddy::net::socket_addr addr, unsigned number, int messages) {
    auto stream = co_await eddy::net::tcp_stream::connect(addr);
    if (!stream) co_return 0;
    std::array<std::byte, 1000> sent;
    std::array<std::byte, 1000> received;
    int equal = 0;
    for (int i = 0; i != messages; ++i) {
        for (auto& each : sent) {
            number = number * 1664525U + 1013904223U;
            each = static_cast<std::byte>(number >> 24U);
        }
        const auto written = co_await stream->write_all(sent);
        if (!written) co_return equal;
        for (std::size_t size = 0; size != received.size();) {
            const auto count = co_await stream->read(std::span(received).subspan(size));
            if (!count || *count == 0) co_return equal;
            size += *count;
        }
        equal += sent == received ? 1 : 0;
    }
    co_return equal;
}

eddy::task<int> exchange_on_all(unsigned connections, int messages) {
    auto listener = (co_await eddy::net::tcp_listener::bind(any_port)).value();
    const auto addr = listener.local_addr().value();
    auto server = eddy::spawn(echo_all(std::move(listener)));
    std::vector<eddy::join_handle<int>> clients;
    for (unsigned i = 0; i != connections; ++i) clients.push_back(eddy::spawn(exchange(addr, i, messages)));
    int equal = 0;
    for (auto& each : clients) {
        const auto done = co_await each;
        equal += done.value();
    }
    server.abort();
    co_return equal;
}

TEST(AfdConnections, LoopEchoesEachByteOf200Connections) {
    eddy::core core;
    EXPECT_EQ(core.driver(), eddy::driver_kind::afd);
    EXPECT_EQ(core.run(exchange_on_all(200, 3)), 600);
}

TEST(AfdConnections, RuntimeEchoesEachByteOf200Connections) {
    eddy::runtime runtime;
    EXPECT_EQ(runtime.block_on(exchange_on_all(200, 3)), 600);
}

TEST(AfdConnections, ReadTimesOutAndTheStreamStaysUsable) {
    eddy::core core;
    core.run([]() -> eddy::task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind(any_port)).value();
        auto client = (co_await eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
        auto server = (co_await listener.accept()).value();
        std::array<std::byte, 8> buffer;
        const auto late = co_await eddy::time::timeout(20ms, client.read(buffer));
        EXPECT_FALSE(late.has_value());
        const auto written = co_await server.stream.write_all(abc);
        EXPECT_TRUE(written.has_value());
        const auto count = co_await client.read(buffer);
        EXPECT_EQ(count.value_or(0), 3U);
    }());
}

}  // namespace
