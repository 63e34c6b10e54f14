// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <support/emulated.hpp>
#include <support/net.hpp>
#include <support/resolver.hpp>
#include <support/runtime/more_descriptors.hpp>
#include <support/stress.hpp>

#include "support/driver.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::accepted;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using support::raw_socket;
using support::text_of;
using support::within;

const socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);

tcp_listener listener_on(const eddy::core& core) { return tcp_listener::bind(any, core.handle()).value(); }

// ---- Binding ----

// covers: S63
TEST(TcpListener, PortZeroBindsFreePort) {
    eddy::core core;
    const auto listener = listener_on(core);
    EXPECT_NE(listener.local_addr().value().port(), 0);
    EXPECT_EQ(listener.local_addr().value().ip(), any.ip());
    EXPECT_FALSE(listener.take_error().value());
    listener.set_ttl(17).value();
    EXPECT_EQ(listener.ttl().value(), 17u);
}

// covers: S63
TEST(TcpListener, BindToUsedAddressFails) {
    eddy::core core;
    const auto fds = support::fd_count();
    const auto first = listener_on(core);
    EXPECT_EQ(tcp_listener::bind(first.local_addr().value(), core.handle()).error(), std::errc::address_in_use);
    EXPECT_EQ(within(core, tcp_listener::bind(first.local_addr().value())).error(), std::errc::address_in_use);
    EXPECT_EQ(support::fd_count(), fds + 1);
}

TEST(TcpListener, BindFutureBindsAndNeedsLoop) {
    eddy::core core;
    EXPECT_TRUE(within(core, tcp_listener::bind(any)));
    EXPECT_TRUE(within(core, tcp_listener::bind("127.0.0.1:0")));
    EXPECT_EQ(within(core, tcp_listener::bind("127.0.0.1")).error(), eddy::errc::bad_address);
    by_hand nowhere{tcp_listener::bind(any)};
    EXPECT_THROW(static_cast<void>(nowhere.poll()), eddy::misuse);
}

// covers: S27
TEST(TcpListener, BindAcceptsEachFormOfAddress) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto taken = raw_socket::listening().addr();
    const std::vector<socket_addr> several{any, taken};
    EXPECT_TRUE(within(core, tcp_listener::bind(any.ip(), 0)));
    EXPECT_TRUE(within(core, tcp_listener::bind("127.0.0.1", 0)));
    EXPECT_TRUE(within(core, tcp_listener::bind(several)));
    EXPECT_TRUE(within(core, tcp_listener::bind("localhost", 0)));
    EXPECT_TRUE(within(core, tcp_listener::bind("localhost:0")).value().local_addr()->ip().is_loopback());
    EXPECT_EQ(within(core, tcp_listener::bind(std::vector<socket_addr>())).error(), eddy::errc::no_address);
}

TEST(TcpListener, NameBindsToFirstUsableAddress) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const auto fds = support::fd_count();
    const auto taken = raw_socket::listening();
    const socket_addr foreign(eddy::net::ipv4_addr(192, 0, 2, 1), 0);  // a documentation address (RFC 5737)
    const auto bind_to = [&](std::vector<socket_addr> addrs) {
        const support::stub_resolver stub(std::move(addrs));
        return within(core, tcp_listener::bind("name:1"));
    };
    EXPECT_EQ(bind_to({taken.addr(), any}).value().local_addr().value().ip(), any.ip());
    EXPECT_EQ(bind_to({taken.addr(), foreign}).error(), std::errc::address_not_available);
    EXPECT_EQ(bind_to({foreign, taken.addr()}).error(), std::errc::address_in_use);
    EXPECT_EQ(bind_to({}).error(), eddy::errc::no_address);
    EXPECT_EQ(support::fd_count(), fds + 1);
}

TEST(TcpListener, BindWithoutLoopIoOrDescriptorsFails) {
    eddy::core core;
    const auto gone = eddy::core().handle();
    EXPECT_EQ(tcp_listener::bind(any, gone).error(), eddy::errc::runtime_shutdown);
    auto without = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(tcp_listener::bind(any, without.handle()).error(), eddy::errc::io_disabled);
    EXPECT_EQ(within(without, tcp_listener::bind(any)).error(), eddy::errc::io_disabled);
    const support::descriptor_limit none(0);
    const auto full = tcp_listener::bind(any, core.handle()).error();
    none.lift();
    EXPECT_EQ(full, std::errc::too_many_files_open);
}

// covers: S63
TEST(TcpListener, TwoLoopsAcceptOnTheirOwnThreads) {
    const auto serve = [](eddy::core_handle& handle) -> eddy::task<bool> {
        const auto here = std::this_thread::get_id();
        auto listener = tcp_listener::bind(any, handle).value();
        std::jthread client([to = listener.local_addr().value()] {
            for (int i = 0; i < 20; ++i) raw_socket::connected(to).send("x");
        });
        bool same = true;
        for (int i = 0; i < 20; ++i) {
            auto one = co_await listener.accept();
            same = same && one && std::this_thread::get_id() == here;
        }
        co_return same;
    };
    eddy::core_thread first;
    eddy::core_thread second;
    auto one = first.remote().call(serve);
    auto other = second.remote().call(serve);
    EXPECT_TRUE(one.get());
    EXPECT_TRUE(other.get());
}

TEST(TcpListener, ListenerRegistersWithLoopOfHandle) {
    eddy::core owner;
    eddy::core other;
    auto listener = listener_on(owner);
    // Waiting on another event loop must also register with the owner's reactor.
    by_hand waiting{listener.accept()};
    static_cast<void>(other.handle().spawn([&] { EXPECT_FALSE(waiting.poll()); }));
    other.turn(0ms);
    EXPECT_EQ(owner.metrics().io().fds_registered, 1u);
    EXPECT_EQ(other.metrics().io().fds_registered, 0u);
}

// ---- Accepting ----

TEST(TcpListener, AcceptedStreamIsNonBlockingAndCloseOnExec) {
    eddy::core core;
    auto listener = listener_on(core);
    const auto client = raw_socket::connected(listener.local_addr().value());
    auto [stream, peer] = within(core, listener.accept()).value();
    EXPECT_NE(::fcntl(stream.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(stream.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_EQ(peer, client.addr());
    EXPECT_EQ(stream.peer_addr().value(), peer);
}

// covers: P053
TEST(TcpListener, DroppedAcceptLosesNoConnection) {
    eddy::core core;
    auto listener = listener_on(core);
    for (int i = 0; i < 50; ++i) {
        auto limited = eddy::select(listener.accept(), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
        const auto client = raw_socket::connected(listener.local_addr().value());
        EXPECT_TRUE(within(core, listener.accept()));
    }
}

// covers: P053
TEST(TcpListener, UnacceptedConnectionsStayInKernelQueue) {
    eddy::core core;
    auto listener = listener_on(core);
    // Registers the listener with the driver.
    auto waited = eddy::select(listener.accept(), eddy::yield_now());
    EXPECT_EQ(within(core, std::move(waited)).index(), 1u);
    std::vector<raw_socket> clients;
    for (int i = 0; i < 100; ++i) clients.push_back(raw_socket::connected(listener.local_addr().value()));
    const auto before = support::fd_count();
    const auto turns = []() -> eddy::task<void> {
        for (int i = 0; i < 3; ++i) co_await eddy::time::sleep(100us);
    };
    within(core, turns());
    // A ring has started one accept, at the first poll.
    EXPECT_LE(support::fd_count(), before + 1);
    const auto first = within(core, listener.accept());
    within(core, turns());
    EXPECT_EQ(support::fd_count(), before + 1) << "the other connections wait for further accepts";
    // The other connections are still in the queue of the released socket.
    const auto given_up = within(core, std::move(listener).into_native()).value();
    EXPECT_TRUE(given_up.connections.empty());
    const raw_socket again(given_up.native_handle);
    for (int i = 1; i < 100; ++i) EXPECT_GE(again.accept().fd(), 0);
}

TEST(TcpListener, DroppedAcceptReleasesWaker) {
    eddy::core core;
    auto listener = listener_on(core);
    by_hand accept{listener.accept()};
    auto incoming = std::make_unique<eddy::net::incoming_stream>(listener.incoming());
    auto poll_once = eddy::poll_fn([&](eddy::context&) {
        assert_pending(accept.poll());
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(poll_once));
    EXPECT_EQ(accept.wakers(), 1u);
    accept.drop();
    EXPECT_EQ(accept.wakers(), 0u);
}

// covers: R013
TEST(TcpListener, AcceptContinuesAfterResetConnections) {
    eddy::core core;
    auto listener = listener_on(core);
    for (int i = 0; i < 10; ++i) raw_socket::connected(listener.local_addr().value()).reset();
    const auto good = raw_socket::connected(listener.local_addr().value());
    good.send("good");
    // Linux returns reset connections as accepted ones, whose first read fails. Other systems return an error.
    const auto find_good = [&]() -> eddy::task<bool> {
        for (;;) {
            auto one = co_await listener.accept();
            if (!one) co_return false;
            std::array<std::byte, 4> buffer{};
            if (co_await one->stream.read_exact(buffer)) co_return text_of(buffer) == "good";
        }
    };
    EXPECT_TRUE(within(core, find_good()));
}

// covers: S62 P053
TEST(TcpListener, ThousandSimultaneousClientsAreServed) {
    const support::more_descriptors descriptors;  // each client takes two
    eddy::core core;
    auto listener = listener_on(core);
    const auto to = listener.local_addr().value();
    const auto echo = [](tcp_stream client) -> eddy::task<void> {
        while (auto data = co_await client.receive()) {
            if (data->empty()) break;
            if (!co_await client.write_all(*data)) break;
        }
    };
    const auto handle = core.handle();
    int served = 0;
    const auto serve = [&]() -> eddy::task<void> {
        auto incoming = listener.incoming();
        while (auto one = co_await incoming.next()) {
            if (!*one) continue;
            ++served;
            handle.spawn(echo(std::move((*one)->stream)));
        }
    };
    int right = 0;
    const auto ask = [&](int number) -> eddy::task<void> {
        auto stream = co_await tcp_stream::connect(to);
        if (!stream) co_return;
        const auto question = "client " + std::to_string(number);
        static_cast<void>(co_await stream->write_all(support::bytes_of(question)));
        std::vector<std::byte> answer(question.size());
        if (co_await stream->read_exact(answer) && text_of(answer) == question) ++right;
    };
    const int clients = support::fewer_on_windows(descriptors.limit() > 2'100 ? 1'000 : 400);
    const auto all = [&]() -> eddy::task<void> {
        for (int i = 0; i < clients; ++i) handle.spawn(ask(i));
        while (right < clients) co_await eddy::time::sleep(1ms);
    };
    auto either = eddy::select(serve(), all());
    EXPECT_EQ(within(core, std::move(either)).index(), 1u);
    EXPECT_EQ(served, clients);
    EXPECT_EQ(right, clients);
}

TEST(TcpListener, AcceptingManyConnectionsYieldsToOtherTasks) {
    eddy::core core;
    auto listener = listener_on(core);
    std::vector<raw_socket> clients;
    for (int i = 0; i < 300; ++i) clients.push_back(raw_socket::connected(listener.local_addr().value()));
    int accepted = 0;
    int at_first_turn = -1;
    const auto accept_all = [&]() -> eddy::task<void> {
        while (accepted < 300) {
            if (co_await listener.accept()) ++accepted;
        }
    };
    const auto look = [&]() -> eddy::task<void> {
        at_first_turn = accepted;
        co_return;
    };
    core.handle().spawn(accept_all()).value();
    core.handle().spawn(look()).value();
    core.run_until_idle();
    EXPECT_EQ(accepted, 300);
    if (!support::has_ring()) {  // a ring has not accepted a connection at this point
        EXPECT_GT(at_first_turn, 0);
    }
    EXPECT_LT(at_first_turn, 300) << "one poll accepted them all";
}

// ---- Streams of connections ----

// covers: S64
TEST(TcpListener, ForEachEndsWhenDescriptorsRunOut) {
    eddy::core core;
    auto listener = listener_on(core);
    std::vector<raw_socket> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(raw_socket::connected(listener.local_addr().value()));
    std::vector<tcp_stream> kept;
    auto server =
        listener.incoming().for_each([&](tcp_stream client, socket_addr) { kept.push_back(std::move(client)); });
    const support::descriptor_limit two(2);
    const auto ended = within(core, std::move(server));
    two.lift();
    EXPECT_EQ(ended.error(), std::errc::too_many_files_open);
    EXPECT_EQ(kept.size(), 2u);
}

// covers: R012
TEST(TcpListener, ShortageIsReportedOnlyWithPendingClient) {
    // accept(2) reports a lack of descriptors even if no connection is pending.
    eddy::core core;
    auto listener = listener_on(core);
    const raw_socket client;
    std::vector<bool> elapsed;
    std::error_code error;
    {
        const support::descriptor_limit none(0);
        for (int i = 0; i < 2; ++i) {  // the first one registers the listener
            auto limited = eddy::time::timeout(5ms, listener.accept());
            elapsed.push_back(!core.run(std::move(limited)));
        }
        const auto call = [&]() -> eddy::task<void> {
            client.connect(listener.local_addr().value());
            co_return;
        };
        core.handle().spawn(call()).value();
        const auto answer = within(core, listener.accept());
        error = answer ? std::error_code() : answer.error();
    }
    EXPECT_EQ(elapsed, (std::vector<bool>{true, true}));
    EXPECT_EQ(error, std::errc::too_many_files_open);
    EXPECT_TRUE(within(core, listener.accept()));
}

// covers: S64 R012
TEST(TcpListener, IncomingPausesUntilDescriptorsAreFreed) {
    eddy::core core;
    auto listener = listener_on(core);
    std::vector<raw_socket> clients;
    for (int i = 0; i < 200; ++i) clients.push_back(raw_socket::connected(listener.local_addr().value()));
    std::vector<tcp_stream> kept;
    int errors = 0;
    int all = 0;
    auto incoming = listener.incoming();
    const auto accept_all = [&]() -> eddy::task<void> {
        while (auto one = co_await incoming.next()) {
            if (*one) {
                kept.push_back(std::move((*one)->stream));
                if (++all == 200) co_return;
            } else {
                EXPECT_EQ(one->error(), std::errc::too_many_files_open);
                ++errors;
            }
        }
    };
    core.handle().spawn(accept_all()).value();
    const auto pause = [](std::chrono::milliseconds time) -> eddy::task<void> { co_await eddy::time::sleep(time); };
    {
        const support::descriptor_limit fifty(50);
        const auto cpu = support::cpu_time();
        within(core, pause(600ms));
        EXPECT_EQ(kept.size(), 50u);
        EXPECT_GE(errors, 2);
        EXPECT_LT(errors, 50) << "it must wait before it tries again";
        EXPECT_LT(support::cpu_time() - cpu, 300ms);
        // After some descriptors are freed, the server continues by itself.
        kept.erase(kept.begin(), kept.begin() + 20);
        within(core, pause(300ms));
        EXPECT_EQ(all, 70);
    }
    kept.clear();
    for (int i = 0; i < 500 && core.metrics().alive_tasks() > 0; ++i) core.turn(10ms);
    EXPECT_EQ(all, 200);
}

TEST(TcpListener, AcceptDroppedDuringPauseReleasesWaker) {
    auto core = eddy::core::builder().start_paused(true).build().value();  // the pause must not end too early
    auto listener = listener_on(core);
    const auto client = raw_socket::connected(listener.local_addr().value());
    {
        const support::descriptor_limit none(0);
        EXPECT_EQ(within(core, listener.accept()).error(), std::errc::too_many_files_open);
        by_hand accept{listener.accept()};
        auto poll_once = eddy::poll_fn([&](eddy::context&) {
            assert_pending(accept.poll());
            return eddy::poll_result<void>::ready();
        });
        within(core, std::move(poll_once));
        EXPECT_EQ(accept.wakers(), 1u);
        accept.drop();
        EXPECT_EQ(accept.wakers(), 0u) << "the pause keeps a waker of a dropped future";
    }
    EXPECT_TRUE(within(core, listener.accept()));
}

TEST(TcpListener, AcceptOnListenerOfEndedLoopFailsDespiteEmfilePause) {
    // After EMFILE, the listener does not accept for 50 ms. With a paused clock, the timeout of 1 ms certainly expires
    // first.
    std::optional<eddy::core> core(eddy::core::builder().start_paused(true).build().value());
    auto listener = listener_on(*core);
    const auto client = raw_socket::connected(listener.local_addr().value());
    {
        const support::descriptor_limit none(0);
        EXPECT_EQ(within(*core, listener.accept()).error(), std::errc::too_many_files_open);
        auto limited = eddy::time::timeout(1ms, listener.accept());
        EXPECT_FALSE(core->run(std::move(limited)));
    }
    core.reset();
    eddy::core other;
    // The listener was never registered, because a connection was available immediately. But it is bound to a loop that
    // has ended, so accept() reports runtime_shutdown, at the latest in the second call.
    auto again = within(other, listener.accept());
    if (!again) {
        EXPECT_EQ(again.error(), eddy::errc::runtime_shutdown);
    }
    EXPECT_EQ(within(other, listener.accept()).error(), eddy::errc::runtime_shutdown);
}

// covers: S65
TEST(TcpListener, ForEachServesConnectionsOneAtATime) {
    eddy::core core;
    auto listener = listener_on(core);
    const auto first = raw_socket::connected(listener.local_addr().value());
    const auto second = raw_socket::connected(listener.local_addr().value());
    std::string order;
    const auto body = [&](tcp_stream client, socket_addr) -> eddy::task<eddy::result<void>> {
        order += "begin ";
        std::array<std::byte, 4> buffer{};
        co_await eddy::try_(client.read_exact(buffer));
        order += text_of(buffer) + " ";
        if (text_of(buffer) == "stop") co_return std::unexpected(std::make_error_code(std::errc::interrupted));
        co_return eddy::ok();
    };
    auto server = listener.incoming().for_each(body);
    second.send("stop");  // sent first, but has to wait
    const auto send_later = [&]() -> eddy::task<void> {
        co_await eddy::time::sleep(20ms);
        EXPECT_EQ(order, "begin ");
        first.send("good");
    };
    core.handle().spawn(send_later()).value();
    const auto ended = within(core, std::move(server));
    EXPECT_EQ(ended.error(), std::errc::interrupted) << "an error of the body ends for_each";
    EXPECT_EQ(order, "begin good begin stop ");
}

// covers: S54
TEST(TcpListener, EchoAndTimeoutRunInOneLoop) {
    eddy::core core;
    auto listener = listener_on(core);
    std::string order;
    const auto serve = [&]() -> eddy::task<eddy::result<void>> {
        auto [client, peer] = co_await eddy::try_(listener.accept());
        order += "accepted ";
        std::array<std::byte, 16> buffer{};
        const auto count = co_await eddy::try_(client.read(buffer));  // a write after a read
        co_await eddy::try_(client.write_all(std::span(buffer).first(count)));
        order += "echoed ";
        auto silent = eddy::time::timeout(10ms, client.read(buffer));
        if (!co_await silent) order += "timeout ";
        co_return eddy::ok();
    };
    const auto ask = [&]() -> eddy::task<eddy::result<std::string>> {
        auto stream = co_await eddy::try_(tcp_stream::connect(listener.local_addr().value()));
        co_await eddy::try_(stream.write_all(support::bytes_of("hello")));
        std::array<std::byte, 5> answer{};
        co_await eddy::try_(stream.read_exact(answer));
        order += text_of(answer) + " ";
        std::array<std::byte, 1> more{};
        static_cast<void>(co_await stream.read(more));  // until the server has closed the connection
        order += "end";
        co_return text_of(answer);
    };
    auto both = eddy::try_join(serve(), ask());
    EXPECT_TRUE(within(core, std::move(both)));
    // On a busy machine, the timeout passes before the client has run.
    EXPECT_TRUE(order == "accepted echoed hello timeout end" || order == "accepted echoed timeout hello end") << order;
}

// ---- Adopting ----

// covers: S81 P065
TEST(TcpListener, FromNativeAndIntoNativeKeepDescriptor) {
    eddy::core core;
    auto made_by_hand = raw_socket::listening();
    const auto addr = made_by_hand.addr();
    made_by_hand.set_nonblocking();
    const int fd = made_by_hand.release();
    auto listener = tcp_listener::from_native(fd).value();
    auto limited = eddy::time::timeout(1ms, listener.accept());
    EXPECT_FALSE(core.run(std::move(limited)));
    const auto client = raw_socket::connected(addr);
    EXPECT_TRUE(within(core, listener.accept()));

    const auto given_up = within(core, std::move(listener).into_native()).value();
    EXPECT_EQ(given_up.native_handle, fd);
    EXPECT_TRUE(given_up.connections.empty());
    const raw_socket again(given_up.native_handle);
    const auto other = raw_socket::connected(addr);
}

// covers: S81 P065
TEST(TcpListener, FromNativeRefusesAndClosesOtherDescriptors) {
    const auto fds = support::fd_count();
    EXPECT_EQ(tcp_listener::from_native(raw_socket::listening().release()).error(), eddy::errc::blocking_descriptor);
    raw_socket plain;
    plain.set_nonblocking();
    EXPECT_EQ(tcp_listener::from_native(plain.release()).error(), std::errc::invalid_argument);
    EXPECT_EQ(tcp_listener::from_native(::open("/proc/self/exe", O_RDONLY | O_NONBLOCK)).error(),
              std::errc::not_a_socket);
    EXPECT_EQ(tcp_listener::from_native(-1).error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(support::fd_count(), fds) << "refused descriptors are closed";
}

TEST(TcpListener, DroppedListenerResetsUnacceptedClients) {
    eddy::core core;
    auto listener = std::make_unique<tcp_listener>(listener_on(core));
    const auto client = raw_socket::connected(listener->local_addr().value());
    listener.reset();
    EXPECT_THROW(static_cast<void>(client.receive(1)), std::system_error);
}

TEST(TcpListener, ServersDroppedWithLoopCloseDescriptors) {
    const auto fds = support::fd_count();
    {
        eddy::core core;
        const auto handle = core.handle();
        std::vector<raw_socket> clients;
        const auto serve = [&](tcp_listener mine) -> eddy::task<void> {
            auto server = mine.incoming().for_each([handle](tcp_stream client, socket_addr) {
                handle.spawn([client = std::move(client)]() mutable -> eddy::task<void> {
                    std::array<std::byte, 4> buffer{};
                    static_cast<void>(co_await client.read_exact(buffer));
                });
            });
            static_cast<void>(co_await server);
        };
        for (int i = 0; i < 3; ++i) {
            auto listener = listener_on(core);
            for (int j = 0; j < 3; ++j) clients.push_back(raw_socket::connected(listener.local_addr().value()));
            core.handle().spawn(serve(std::move(listener))).value();
        }
        for (int i = 0; i < 10; ++i) core.turn(0ms);
        EXPECT_EQ(core.metrics().alive_tasks(), 12u);
    }
    EXPECT_EQ(support::fd_count(), fds);
}

// covers: P097
TEST(TcpListener, IncomingWithAdaptorsLosesNoConnection) {
    eddy::core core;
    auto listener = listener_on(core);
    {
        auto limited = eddy::select(listener.incoming().take(1).count(), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);  // no client has connected yet
    }
    std::vector<raw_socket> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(raw_socket::connected(listener.local_addr().value()));
    const auto port_of = [](eddy::result<accepted> one) { return one.value().peer.port(); };
    std::vector<std::uint16_t> ports = within(core, listener.incoming().map(port_of).take(2).collect());
    const auto last = within(core, listener.incoming().try_next());
    ports.push_back(last.value()->peer.port());
    std::vector<std::uint16_t> expected;
    for (const auto& client : clients) expected.push_back(client.addr().port());
    EXPECT_EQ(ports, expected);
}

}  // namespace
