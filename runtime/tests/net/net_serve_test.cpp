// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <support/emulated.hpp>
#include <support/net.hpp>
#include <support/runtime/serve.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::ip_addr;
using eddy::net::serve;
using eddy::net::serve_options;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using eddy::net::unix_listener;
using eddy::net::unix_stream;
using eddy::sync::cancellation_token;
using support::ask;
using support::bytes_of;
using support::echo;
using support::within;

const socket_addr any(ip_addr::v4_loopback(), 0);

static_assert(eddy::net::listener<tcp_listener> && eddy::net::listener<unix_listener>);
static_assert(!eddy::net::listener<tcp_stream>);

// covers: P066
TEST(NetServe, ServesEachConnectionUntilShutdown) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto clients = [&]() -> eddy::task<int> {
        int served = 0;
        for (int i = 0; i < 20; ++i) served += co_await ask(at) ? 1 : 0;
        end.cancel();
        co_return served;
    };
    auto both = eddy::join(serve(std::move(listener), echo<tcp_stream>, serve_options().shutdown(end)), clients());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 20);
    EXPECT_EQ(done.first.value().accepted, 20u);
    EXPECT_EQ(done.first.value().failed, 0u);
    EXPECT_EQ(done.first.value().aborted, 0u);
    EXPECT_EQ(within(core, tcp_stream::connect(at)).error(), std::errc::connection_refused);
}

// covers: P066
TEST(NetServe, ServesUnixListener) {
    eddy::core core;
    const auto name = eddy::net::unix_addr::abstract("eddy.serve." + std::to_string(::getpid())).value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = co_await unix_stream::connect(name);
        if (!stream || !co_await stream->write_all(bytes_of("x"))) co_return false;
        std::array<std::byte, 1> back{};
        const auto read = co_await stream->read_exact(back);
        end.cancel();
        co_return read.has_value();
    };
    const auto handler = [](unix_stream stream, const eddy::net::unix_addr& peer) {
        EXPECT_TRUE(peer.is_unnamed());
        return echo(std::move(stream));
    };
    auto both = eddy::join(
        serve(unix_listener::bind(name, core.handle()).value(), handler, serve_options().shutdown(end)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_TRUE(done.first);
}

// covers: P066
TEST(NetServe, MaxConnectionsLimitsOpenConnections) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    int now = 0;
    int most = 0;
    const auto handler = [&](tcp_stream stream, const socket_addr&) -> eddy::task<void> {
        most = std::max(most, ++now);
        co_await echo(std::move(stream));
        --now;
    };
    const auto clients = [&]() -> eddy::task<int> {
        std::vector<eddy::task<bool>> asking;
        asking.reserve(10);
        for (int i = 0; i < 10; ++i) asking.push_back(ask(at));
        int served = 0;
        for (const bool each : co_await eddy::join_all(std::move(asking))) served += each ? 1 : 0;
        end.cancel();
        co_return served;
    };
    auto both =
        eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).max_connections(3)), clients());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 10);
    EXPECT_EQ(done.first.value().accepted, 10u);
    EXPECT_EQ(most, 3);
}

// covers: P066
TEST(NetServe, BurstBeyondLimitTakesNoDescriptors) {
    constexpr auto clients = support::fewer_on_windows<std::size_t>(300);
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    std::vector<support::raw_socket> burst;
    for (std::size_t i = 0; i < clients; ++i) {
        burst.push_back(support::raw_socket::connected(listener.local_addr().value()));
    }
    const std::size_t before = support::fd_count();
    std::size_t most = 0;
    std::size_t served = 0;
    const cancellation_token end;
    const auto handler = [&](tcp_stream stream) -> eddy::task<void> {
        const auto own = std::move(stream);
        for (int turns = 0; turns < 3; ++turns) co_await eddy::time::sleep(100us);
        most = std::max(most, support::fd_count());
        if (++served == clients) end.cancel();
    };
    const auto done =
        within(core, serve(std::move(listener), handler, serve_options().shutdown(end).max_connections(2)));
    EXPECT_EQ(done.value().accepted, clients);
    EXPECT_LE(most, before + 2) << "more connections were accepted than the limit allows";
}

// covers: P066
TEST(NetServe, ShutdownLetsOpenConnectionsFinish) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<std::string> {
        auto stream = co_await tcp_stream::connect(at);
        if (!stream || !co_await stream->write_all(bytes_of("a"))) co_return "not served";
        std::array<std::byte, 1> back{};
        if (!co_await stream->read_exact(back)) co_return "no answer";
        end.cancel();
        co_await eddy::yield_now();
        auto late = co_await tcp_stream::connect(at);
        if (late) co_return "a late client was served";
        if (!co_await stream->write_all(bytes_of("b"))) co_return "cut off";
        if (!co_await stream->read_exact(back)) co_return "cut off";
        co_return "served to the end";
    };
    auto both = eddy::join(serve(std::move(listener), echo<tcp_stream>, serve_options().shutdown(end)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, "served to the end");
    EXPECT_EQ(done.first.value().aborted, 0u);
}

// covers: P066 B13
TEST(NetServe, DrainTimeoutAbortsOpenConnections) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto held = std::make_shared<int>();
    const auto handler = [&](tcp_stream stream, const socket_addr&) -> eddy::task<void> {
        const std::shared_ptr<const int> mine = held;  // destroyed with the coroutine frame
        end.cancel();
        co_await echo(std::move(stream));
    };
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = co_await tcp_stream::connect(at);
        std::array<std::byte, 1> into{};
        if (!stream) co_return false;
        const auto read = co_await stream->read(into);
        co_return read == 0u;
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).drain(5ms)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
    EXPECT_EQ(held.use_count(), 1);
}

TEST(NetServe, BackgroundServerDoesNotKeepRunFromReturning) {
    std::optional<tcp_stream> client;  // stays connected
    const auto work = [&]() -> eddy::task<void> {
        auto listener = (co_await tcp_listener::bind(any)).value();
        const auto at = listener.local_addr().value();
        eddy::spawn_background(serve(std::move(listener), echo<tcp_stream>)).detach();
        client = (co_await tcp_stream::connect(at)).value();
        EXPECT_TRUE((co_await client->write_all(bytes_of("x"))).has_value());
        std::array<std::byte, 1> back{};
        EXPECT_TRUE((co_await client->read_exact(back)).has_value());
    };
    EXPECT_EQ(eddy::run(work()), 0);
}

// covers: P066
TEST(NetServe, DroppedServeAbortsAllConnections) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = co_await tcp_stream::connect(at);
        if (!stream || !co_await stream->write_all(bytes_of("x"))) co_return false;
        std::array<std::byte, 1> back{};
        const auto read = co_await stream->read_exact(back);
        co_return read.has_value();
    };
    auto either = eddy::select(serve(std::move(listener), echo<tcp_stream>), client());
    EXPECT_EQ(within(core, std::move(either)).index(), 1u);
    EXPECT_EQ(within(core, tcp_stream::connect(at)).error(), std::errc::connection_refused);
}

// covers: P066
TEST(NetServeStress, ServesManyClientsOnRuntime) {
    eddy::runtime pool;
    const cancellation_token end;
    std::atomic<int> calls{0};
    const auto all = [&]() -> eddy::task<int> {
        auto listener = co_await tcp_listener::bind(any);
        const auto at = listener->local_addr().value();
        const auto handler = [&calls](tcp_stream stream, const socket_addr&) {
            ++calls;
            return echo(std::move(stream));
        };
        auto serving =
            eddy::spawn(serve(*std::move(listener), handler, serve_options().shutdown(end).max_connections(50)));
        eddy::join_set<bool> clients;
        for (int i = 0; i < 200; ++i) clients.spawn(ask(at));
        int served = 0;
        for (const bool each : co_await std::move(clients).join_all()) served += each ? 1 : 0;
        end.cancel();
        auto ended = co_await serving;
        co_return ended.value() && (*ended)->accepted == 200 ? served : -1;
    };
    auto limited = eddy::time::timeout(support::operation_limit(), all());
    EXPECT_EQ(pool.block_on(std::move(limited)), 200);
    EXPECT_EQ(calls, 200);
}

TEST(NetServe, PollCancelStopsAccepting) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    auto server = serve(std::move(listener), echo<tcp_stream>);
    auto cancel = eddy::poll_fn([&](eddy::context& cx) { return server.poll_cancel(cx); });
    within(core, std::move(cancel));
    EXPECT_EQ(within(core, tcp_stream::connect(at)).error(), std::errc::connection_refused);
}

// ---- Idle connections ----

/// Answers each byte with a byte. The connection is idle while it waits for a byte.
eddy::task<eddy::result<void>> answer(tcp_stream stream, eddy::net::serve_connection connection) {
    for (;;) {
        auto idle = connection.idle();
        std::array<std::byte, 1> request{};
        const auto got = co_await stream.read(request);
        if (!idle.end() || !got || *got == 0) co_return eddy::ok();
        co_await eddy::try_(stream.write_all(request));
    }
}

// covers: P134 I20.3.20
TEST(NetServe, DrainClosesIdleConnectionsImmediately) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = (co_await tcp_stream::connect(at)).value();
        static_cast<void>(co_await stream.write_all(bytes_of("x")));
        std::array<std::byte, 1> into{};
        static_cast<void>(co_await stream.read_exact(into));
        end.cancel();
        const auto last = co_await stream.read(into);  // the end of the stream, long before the drain time is over
        co_return last == 0u;
    };
    auto both = eddy::join(serve(std::move(listener), answer, serve_options().shutdown(end).drain(1h)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
}

// covers: B13 I20.3.20
TEST(NetServe, DrainLetsBusyConnectionsFinishTheirRequest) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto handler = [&](tcp_stream stream,
                             eddy::net::serve_connection connection) -> eddy::task<eddy::result<void>> {
        std::array<std::byte, 1> request{};
        {
            const auto idle = connection.idle();
            co_await eddy::try_(stream.read_exact(request));
        }
        end.cancel();  // the drain begins while the request is being answered
        for (int i = 0; i < 20; ++i) co_await eddy::yield_now();
        co_await eddy::try_(stream.write_all(request));
        const auto idle = connection.idle();  // is aborted here
        co_await eddy::pending<void>();
        co_return eddy::ok();
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).drain(1h)), ask(at));
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
}

// The next request has arrived when the handler becomes idle, so its read does not wait.
TEST(NetServe, DrainDoesNotBeginARequestOfAConnectionThatItAborts) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    int begun = 0;
    std::optional<bool> second;
    const auto handler = [&](tcp_stream stream,
                             eddy::net::serve_connection connection) -> eddy::task<eddy::result<void>> {
        std::array<std::byte, 1> request{};
        for (;;) {
            auto idle = connection.idle();
            co_await eddy::try_(stream.read_exact(request));
            const bool begins = idle.end();
            if (begun > 0) second = begins;
            if (!begins) co_return eddy::ok();
            ++begun;
            end.cancel();
            for (int i = 0; i < 20; ++i) co_await eddy::yield_now();
            co_await eddy::try_(stream.write_all(request));
        }
    };
    const auto client = [&]() -> eddy::task<std::size_t> {
        auto stream = (co_await tcp_stream::connect(at)).value();
        static_cast<void>(co_await stream.write_all(bytes_of("xy")));
        std::string got;
        static_cast<void>(co_await eddy::io::read_to_string(stream, got));
        co_return got.size();
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).drain(1h)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 1u);
    EXPECT_EQ(begun, 1);
    EXPECT_EQ(second, false);
}

TEST(NetServe, IdleTimeStaysWithTheObjectItIsMovedTo) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto handler = [](tcp_stream stream,
                            eddy::net::serve_connection connection) -> eddy::task<eddy::result<void>> {
        auto first = connection.idle();
        auto second = std::move(first);
        EXPECT_TRUE(first.end());  // NOLINT(bugprone-use-after-move): it is empty, so the connection stays idle
        first = std::move(second);
        co_await eddy::try_(stream.write_all(bytes_of("x")));
        co_await eddy::pending<void>();
        co_return eddy::ok();
    };
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = (co_await tcp_stream::connect(at)).value();
        std::array<std::byte, 1> into{};
        static_cast<void>(co_await stream.read_exact(into));
        end.cancel();
        const auto last = co_await stream.read(into);  // the end of the stream, long before the drain time is over
        co_return last == 0u;
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).drain(1h)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
}

// covers: P134 I20.3.12
TEST(NetServe, IdleTimeoutAbortsIdleConnections) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<int> {
        auto first = (co_await tcp_stream::connect(at)).value();
        auto second = (co_await tcp_stream::connect(at)).value();
        std::array<std::byte, 1> into{};
        int ended = 0;
        for (tcp_stream* each : {&first, &second}) {
            static_cast<void>(co_await each->write_all(bytes_of("x")));
            static_cast<void>(co_await each->read_exact(into));
        }
        for (tcp_stream* each : {&first, &second}) {
            const auto last = co_await each->read(into);
            if (last == 0u) ++ended;
        }
        end.cancel();
        co_return ended;
    };
    auto options = serve_options().shutdown(end).idle_timeout(5ms);
    auto both = eddy::join(serve(std::move(listener), answer, std::move(options)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 2);
    EXPECT_EQ(done.first.value().aborted, 2u);
}

// covers: I20.3.20
TEST(NetServe, IdleConnectionsOfAPoolAreClosedByDrain) {
    const eddy::runtime pool = eddy::runtime::builder().worker_threads(3).build().value();
    const auto main = [&]() -> eddy::task<int> {
        auto listener = (co_await tcp_listener::bind(any)).value();
        const auto at = listener.local_addr().value();
        const cancellation_token end;
        auto server = eddy::spawn(serve(std::move(listener), answer, serve_options().shutdown(end).drain(1h)));
        std::vector<tcp_stream> clients;
        for (int i = 0; i < 20; ++i) clients.push_back((co_await tcp_stream::connect(at)).value());
        std::array<std::byte, 1> into{};
        for (auto& each : clients) {
            static_cast<void>(co_await each.write_all(bytes_of("x")));
            static_cast<void>(co_await each.read_exact(into));
        }
        end.cancel();
        int ended = 0;
        for (auto& each : clients) {
            const auto last = co_await each.read(into);
            if (last == 0u) ++ended;
        }
        static_cast<void>(co_await server);
        co_return ended;
    };
    EXPECT_EQ(pool.block_on(main()), 20);
}

TEST(NetServe, IdleTimeoutWithoutServeConnectionIsMisuse) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    EXPECT_THROW(static_cast<void>(serve(std::move(listener), echo<tcp_stream>, serve_options().idle_timeout(1s))),
                 eddy::misuse);
}

}  // namespace
