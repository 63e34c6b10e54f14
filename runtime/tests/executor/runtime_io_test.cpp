// SPDX-License-Identifier: MIT
// Sockets and timers of the work-stealing runtime: on any worker, next to busy workers, on foreign threads, and without
// I/O.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/coop.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/driver.hpp"
#include "support/driver_fds.hpp"
#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using support::bytes_of;
using support::nothing;
using support::number;

class RuntimeIo : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeIo);

/// Echoes received bytes until the end of the stream.
eddy::task<void> echo(eddy::net::tcp_stream stream) {
    std::array<std::byte, 256> buffer{};
    for (;;) {
        const auto count = co_await stream.read(buffer);
        if (!count || *count == 0) co_return;
        if (!(co_await stream.write_all(std::span(buffer).first(*count)))) co_return;
    }
}

/// Accepts connections until an error, and echoes each one in its own task.
eddy::task<void> serve(eddy::net::tcp_listener& listener) {
    for (;;) {
        auto accepted = co_await listener.accept();
        if (!accepted) co_return;
        eddy::spawn(echo(std::move(accepted->stream))).detach();
    }
}

eddy::net::tcp_listener bind_on(const eddy::runtime& rt) {
    return rt.block_on(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
}

/// Returns how many descriptors the runtime's drivers watch. A ring releases a connection in the driver tick after the
/// connection has ended.
std::uint64_t watched_by(const eddy::runtime& rt) {
    const auto io = rt.metrics().io();
    return io.fds_registered - io.fds_deregistered;
}

// ---- A busy worker ----

// covers: R026
TEST(RuntimeIo, SocketsAndTimersProceedWhileOneWorkerIsBusy) {
    std::atomic<bool> stop = false;
    std::atomic<bool> is_computing = false;
    std::array<std::atomic<int>, 6> echoes{};
    std::array<std::atomic<int>, 6> ticks{};
    const auto rt = support::make_runtime(2);
    // Six connections and six intervals, so that each worker has some of each kind, the busy worker too.
    std::vector<eddy::join_handle<void>> all;
    for (auto& count : echoes) {
        all.push_back(rt.spawn([&]() -> eddy::task<void> {
            auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
            auto near = (co_await eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
            auto far = (co_await listener.accept()).value();
            auto other = eddy::spawn(echo(std::move(far.stream)));
            std::array<std::byte, 8> buffer{};
            while (!stop) {
                EXPECT_TRUE((co_await near.write_all(bytes_of("question"))).has_value());
                EXPECT_TRUE((co_await near.read_exact(buffer)).has_value());
                if (is_computing) ++count;
                co_await eddy::time::sleep(1ms);
            }
            EXPECT_TRUE((co_await near.shutdown()).has_value());
            static_cast<void>(co_await other);
        }));
    }
    for (auto& count : ticks) {
        all.push_back(rt.spawn([&]() -> eddy::task<void> {
            auto every = eddy::time::interval(5ms);
            while (!stop) {
                co_await every.tick();
                if (is_computing) ++count;
            }
        }));
    }
    // The busy task ends when all other tasks have progressed, at best after 0.5 s. The limit of 20 s tolerates load on
    // the machine, but not a delay of 200 ms per tick.
    const auto least = [](const auto& counts) {
        return std::ranges::min_element(counts, {}, [](const auto& each) { return each.load(); })->load();
    };
    const int least_ticks = support::is_sanitized ? 20 : 100;
    // Only its own worker drives a ring: data for the ring of the busy worker has to wait.
    const int least_echoes = support::has_ring() ? 0 : support::is_sanitized ? 10 : 50;
    auto busy = rt.spawn([&] {
        is_computing = true;
        return support::spin_until([&] { return least(ticks) >= least_ticks && least(echoes) >= least_echoes; });
    });
    EXPECT_TRUE(eddy::wait(busy).value()) << "ticks: " << least(ticks) << ", echoes: " << least(echoes);
    stop = true;
    for (auto& each : all) EXPECT_TRUE(eddy::wait(each).has_value());
}

// covers: R026
TEST(RuntimeIo, OneFreeWorkerServesSocketsOfBusyWorkers) {
    support::tally held;
    std::atomic<bool> go_on = false;
    const auto rt = support::make_runtime(4);
    auto listener = bind_on(rt);
    auto server = rt.spawn(serve(listener));
    // Connections whose sources are distributed over all drivers.
    std::vector<support::raw_socket> clients;
    for (int i = 0; i < 16; ++i) {
        clients.push_back(support::raw_socket::connected(listener.local_addr().value()));
        clients.back().send("x");
        EXPECT_EQ(clients.back().receive(1), "x");
    }
    std::vector<eddy::join_handle<void>> busy;
    for (int i = 0; i < 3; ++i) {
        busy.push_back(rt.spawn([&] {
            held.add();
            support::spin_until([&] { return go_on.load(); });
        }));
    }
    ASSERT_TRUE(held.wait_for(3));
    for (int round = 0; round < 5; ++round) {
        for (auto& each : clients) each.send("ping");
        // Only its own worker drives a ring: data for the rings of busy workers has to wait.
        if (support::has_ring()) go_on = true;
        for (auto& each : clients) EXPECT_EQ(each.receive(4), "ping");
    }
    rt.block_on([]() -> eddy::task<void> { co_await eddy::time::sleep(1ms); }());
    go_on = true;
    for (auto& each : busy) EXPECT_TRUE(eddy::wait(each).has_value());
    server.abort();
    EXPECT_FALSE(eddy::wait(server).has_value());
    clients.clear();
    rt.wait_until_idle();
}

// ---- Handing over a worker ----

// A poll that has used up its coop budget was long: 61 of them would make the others wait for many milliseconds.
TEST(RuntimeIo, SocketsProceedBetweenPollsThatUseUpTheirBudget) {
    for (const unsigned workers : {0U, 1U}) {
        SCOPED_TRACE(workers);
        support::executor on(workers);
        support::connection pair;
        unsigned polls = 0;
        std::optional<unsigned> sent_at;
        std::optional<unsigned> seen_at;
        const auto busy = [&]() -> eddy::task<void> {
            while (!seen_at && polls < 2000) {
                const auto until = steady_clock::now() + 40us;
                while (steady_clock::now() < until) {
                }
                if (++polls == 100) {
                    pair.peer.send("x");
                    sent_at = polls;
                }
                for (unsigned i = 0; i <= eddy::context::default_budget; ++i) co_await eddy::consume_budget();
            }
        };
        const auto read = [&]() -> eddy::task<void> {
            std::array<std::byte, 1> byte{};
            static_cast<void>(co_await pair.stream.read(byte));
            seen_at = polls;
        };
        on.run([&]() -> eddy::task<void> {
            auto all = eddy::join(eddy::spawn(read()), eddy::spawn(busy()), eddy::spawn(busy()), eddy::spawn(busy()));
            static_cast<void>(co_await all);
        });
        ASSERT_TRUE(sent_at && seen_at);
        EXPECT_LE(*seen_at - *sent_at, 12U);
    }
}

TEST_P(RuntimeIo, BlockInPlaceCanWaitForSocketOfItsWorker) {
    const auto rt = make();
    support::connection pair;
    rt.block_on([&]() -> eddy::task<void> {
        std::array<std::byte, 4> buffer{};
        // A pending read registers the socket.
        EXPECT_FALSE((co_await eddy::time::timeout(1ms, pair.stream.read(buffer))).has_value());
        std::string got;
        eddy::block_in_place([&] {
            pair.peer.send("ping");
            got = rt.block_on([&]() -> eddy::task<std::string> {
                EXPECT_TRUE((co_await pair.stream.read_exact(buffer)).has_value());
                EXPECT_TRUE((co_await pair.stream.write_all(buffer)).has_value());
                co_return std::string(support::text_of(buffer));
            }());
        });
        EXPECT_EQ(got, "ping");
        EXPECT_EQ(pair.peer.receive(4), "ping");
        pair.peer.send("pong");
        EXPECT_TRUE((co_await pair.stream.read_exact(buffer)).has_value());
        EXPECT_EQ(support::text_of(buffer), "pong");
    }());
}

// ---- Balance ----

/// The number of workers of a runtime that has two drivers.
unsigned with_two_drivers() { return support::drivers_of(2) == 2 ? 2 : 16; }

/// Returns the number of sources of the first or second driver of such a runtime.
std::size_t sources_of_driver(const eddy::runtime& rt, std::size_t driver) {
    const auto now = rt.metrics();
    return now.worker(driver * now.workers() / 2).sources;
}

TEST(RuntimeIo, AcceptedConnectionsAreBalancedOverDrivers) {
    constexpr int count = 200;
    const auto rt = support::make_runtime(with_two_drivers());
    auto listener = bind_on(rt);
    auto server = rt.spawn(serve(listener));
    std::vector<support::raw_socket> clients;
    for (int i = 0; i < count; ++i) {
        clients.push_back(support::raw_socket::connected(listener.local_addr().value()));
        clients.back().send("x");
        ASSERT_EQ(clients.back().receive(1), "x");
    }
    const auto sources = [&](std::size_t driver) { return sources_of_driver(rt, driver); };
    // The task of the last connection may be between its write and the read that registers the connection.
    EXPECT_TRUE(support::comes_true([&] { return sources(0) + sources(1) >= count; }));
    const auto all = sources(0) + sources(1);
    EXPECT_GE(sources(0), all * 40 / 100) << sources(0) << " and " << sources(1);
    EXPECT_LE(sources(0), all * 60 / 100) << sources(0) << " and " << sources(1);
    server.abort();
    EXPECT_FALSE(eddy::wait(server).has_value());
    clients.clear();
    rt.wait_until_idle();
    EXPECT_TRUE(support::comes_true([&] { return sources(0) + sources(1) <= 1; })) << "only the listener may be left";
}

TEST(RuntimeIo, ConnectionsUsedByOneTaskAreBalancedOverDrivers) {
    constexpr int count = 200;
    const auto rt = support::make_runtime(with_two_drivers());
    rt.block_on([&]() -> eddy::task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        std::vector<support::raw_socket> clients;
        std::vector<eddy::net::tcp_stream> kept;
        std::array<std::byte, 1> byte{};
        for (int i = 0; i < count; ++i) {
            clients.push_back(support::raw_socket::connected(listener.local_addr().value()));
            kept.push_back((co_await listener.accept()).value().stream);
            // A pending read registers the stream on the worker that runs this task at the moment.
            EXPECT_FALSE((co_await eddy::time::timeout(0ms, kept.back().read(byte))).has_value());
        }
        const auto first = sources_of_driver(rt, 0);
        const auto all = first + sources_of_driver(rt, 1);
        EXPECT_GE(all, static_cast<std::size_t>(count));
        EXPECT_GE(first, all * 40 / 100) << first << " of " << all;
        EXPECT_LE(first, all * 60 / 100) << first << " of " << all;
    }());
}

// ---- Sockets and timers in use ----

TEST_P(RuntimeIo, FiftyConnectionsEchoUncorrupted) {
    const auto rt = make();
    auto listener = bind_on(rt);
    auto server = rt.spawn(serve(listener));
    rt.block_on([&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> all;
        for (int i = 0; i < 50; ++i) {
            all.push_back(eddy::spawn([&, i]() -> eddy::task<void> {
                auto stream = (co_await eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
                for (int round = 0; round < 20; ++round) {
                    const auto text = "connection " + std::to_string(i) + " round " + std::to_string(round);
                    EXPECT_TRUE((co_await stream.write_all(bytes_of(text))).has_value());
                    std::string back(text.size(), '\0');
                    EXPECT_TRUE((co_await stream.read_exact(std::as_writable_bytes(std::span(back)))).has_value());
                    EXPECT_EQ(back, text);
                    if (round % 5 == i % 5) co_await eddy::yield_now();
                }
            }));
        }
        for (auto& each : all) EXPECT_TRUE((co_await each).has_value());
    }());
    server.abort();
    EXPECT_FALSE(eddy::wait(server).has_value());
    rt.wait_until_idle();
    EXPECT_TRUE(support::comes_true([&] { return watched_by(rt) <= 1; })) << "only the listener may be left";
}

TEST_P(RuntimeIo, SocketCanMoveBetweenTasks) {
    const auto rt = make();
    support::connection pair;
    rt.block_on([&]() -> eddy::task<void> {
        auto stream = std::make_shared<eddy::net::tcp_stream>(std::move(pair.stream));
        for (int i = 0; i < 50; ++i) {
            auto reader = eddy::spawn([stream]() -> eddy::task<char> {
                std::array<std::byte, 1> byte{};
                EXPECT_EQ((co_await stream->read(byte)).value(), 1u);
                co_return static_cast<char>(byte[0]);
            });
            co_await eddy::yield_now();
            pair.peer.send(std::string(1, static_cast<char>('a' + i % 26)));
            EXPECT_EQ((co_await reader).value(), 'a' + i % 26);
        }
    }());
}

TEST_P(RuntimeIo, TwoTasksReadAndWriteOneStream) {
    const auto rt = make();
    auto listener = bind_on(rt);
    constexpr std::size_t total = 4 * 1024 * 1024;
    rt.block_on([&]() -> eddy::task<void> {
        auto near = (co_await eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
        auto far = (co_await listener.accept()).value();
        auto server = eddy::spawn(echo(std::move(far.stream)));
        auto writer = eddy::spawn([&]() -> eddy::task<void> {
            const std::vector<std::byte> chunk(64 * 1024, std::byte{7});
            for (std::size_t sent = 0; sent < total; sent += chunk.size()) {
                EXPECT_TRUE((co_await near.write_all(chunk)).has_value());
            }
        });
        std::vector<std::byte> into(64 * 1024);
        std::size_t got = 0;
        while (got < total) {
            const auto count = co_await near.read(into);
            if (!count || *count == 0) break;
            EXPECT_TRUE(
                std::ranges::all_of(std::span(into).first(*count), [](std::byte b) { return b == std::byte{7}; }));
            got += *count;
        }
        EXPECT_EQ(got, total);
        static_cast<void>(co_await writer);
        EXPECT_TRUE((co_await near.shutdown()).has_value());
        static_cast<void>(co_await server);
    }());
}

TEST_P(RuntimeIo, SocketWorksOnForeignThreadWithEnteredHandle) {
    const auto rt = make();
    support::connection pair;
    std::string got;
    std::thread other([&, handle = rt.handle()] {
        const auto entered = handle.enter();
        got = eddy::wait([&]() -> eddy::task<std::string> {
            std::array<std::byte, 5> into{};
            EXPECT_TRUE((co_await pair.stream.read_exact(into)).has_value());
            EXPECT_TRUE((co_await pair.stream.write_all(bytes_of("done"))).has_value());
            co_return support::text_of(into);
        }());
    });
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().io().fds_registered == 1; }));
    pair.peer.send("hello");
    EXPECT_EQ(pair.peer.receive(4), "done");
    other.join();
    EXPECT_EQ(got, "hello");
}

TEST_P(RuntimeIo, SocketsOfForeignThreadAreBalancedOverDrivers) {
    const auto rt = make();
    const auto entered = rt.enter();
    std::vector<support::connection> pairs(8);
    std::array<std::byte, 1> byte{};
    for (auto& each : pairs) {
        EXPECT_FALSE(eddy::wait(eddy::time::timeout(0ms, each.stream.read(byte))).has_value());
    }
    const auto now = rt.metrics();
    const std::size_t drivers = support::drivers_of(now.workers());
    for (std::size_t i = 0; i < now.workers(); ++i)
        EXPECT_EQ(now.worker(i).sources, i < drivers ? 8 / drivers : 0) << i;
}

TEST_P(RuntimeIo, SleepsNeverEndEarly) {
    const auto rt = make();
    std::atomic<int> early = 0;
    std::vector<eddy::join_handle<void>> all;
    for (int i = 0; i < 200; ++i) {
        all.push_back(rt.spawn([&, i]() -> eddy::task<void> {
            const auto wanted = std::chrono::microseconds(250 * (i % 40));
            const auto began = steady_clock::now();
            co_await eddy::time::sleep(wanted);
            if (steady_clock::now() - began < wanted) ++early;
        }));
    }
    for (auto& each : all) EXPECT_TRUE(eddy::wait(each).has_value());
    EXPECT_EQ(early, 0);
}

TEST_P(RuntimeIo, TimerSetByForeignThreadWakesParkedWorker) {
    const auto rt = make();
    rt.wait_until_idle();
    const auto entered = rt.enter();
    const auto began = steady_clock::now();
    for (int i = 0; i < 20; ++i) eddy::wait(eddy::time::sleep(1ms));
    EXPECT_LT(steady_clock::now() - began, support::is_sanitized ? 10s : 2s);
}

TEST_P(RuntimeIo, RuntimeDestructorClosesAllDescriptors) {
    // Descriptor counts are compared with <=, here and below: an earlier test of the process may have left a runtime
    // that closes its descriptors late.
    const auto before = support::count_fds();
    {
        std::optional<eddy::net::tcp_listener> listener;  // outlives the task that waits for it
        const auto rt = make();
        listener = bind_on(rt);
        rt.spawn(serve(*listener)).detach();
        std::vector<support::raw_socket> clients;
        for (int i = 0; i < 20; ++i) {
            clients.push_back(support::raw_socket::connected(listener->local_addr().value()));
            clients.back().send("x");
            EXPECT_EQ(clients.back().receive(1), "x");
        }
    }
    EXPECT_LE(support::count_fds(), before);
}

// ---- Without I/O ----

eddy::runtime make_without_io(unsigned workers) {
    return eddy::runtime::builder().worker_threads(workers).enable_io(false).build().value();
}

// covers: S42
TEST_P(RuntimeIo, RuntimeWithoutIoOpensNoDescriptors) {
    const auto before = support::count_fds();
    const auto rt = make_without_io(workers());
    EXPECT_LE(support::count_fds(), before);
    EXPECT_EQ(rt.block_on(number(3)), 3);
    const auto began = steady_clock::now();
    rt.block_on([]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> all;
        for (int i = 0; i < 20; ++i) {
            all.push_back(eddy::spawn([i]() -> eddy::task<void> {
                for (int k = 0; k < 3; ++k) co_await eddy::time::sleep(std::chrono::milliseconds(i % 4 + 1));
            }));
        }
        for (auto& each : all) static_cast<void>(co_await each);
    }());
    EXPECT_GE(steady_clock::now() - began, 12ms);
    EXPECT_LE(support::count_fds(), before);
}

// covers: S42
TEST_P(RuntimeIo, RuntimeWithoutIoFailsSocketsWithIoDisabled) {
    const auto rt = make_without_io(workers());
    support::connection pair;
    std::array<std::byte, 1> byte{};
    const auto bound = rt.block_on(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    if (!bound) {
        EXPECT_EQ(bound.error(), eddy::errc::io_disabled);
    }
    const auto accepted = rt.block_on([]() -> eddy::task<std::error_code> {
        auto listener = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
        if (!listener) co_return listener.error();
        co_return (co_await listener->accept()).error();
    }());
    EXPECT_EQ(accepted, eddy::errc::io_disabled);
    EXPECT_FALSE(accepted.message().empty());
    EXPECT_EQ(rt.block_on(pair.stream.read(byte)).error(), eddy::errc::io_disabled);
    const auto entered = rt.enter();
    EXPECT_EQ(eddy::wait(pair.stream.read(byte)).error(), eddy::errc::io_disabled);
}

// covers: S42
TEST(RuntimeIo, RuntimeWithoutIoFiresTimersOfBusyWorker) {
    std::atomic<bool> stop = false;
    std::array<std::atomic<int>, 6> ticks{};
    support::gate begun;
    const auto rt = make_without_io(2);
    std::vector<eddy::join_handle<void>> all;
    for (auto& count : ticks) {
        all.push_back(rt.spawn([&]() -> eddy::task<void> {
            while (!stop) {
                co_await eddy::time::sleep(1ms);
                ++count;
            }
        }));
    }
    auto busy = rt.spawn([&] {
        begun.open();
        const auto least = [&] {
            return std::ranges::min_element(ticks, {}, [](const auto& each) { return each.load(); })->load();
        };
        const int before = least();
        return support::spin_until([&] { return least() >= before + 20; });
    });
    EXPECT_TRUE(eddy::wait(busy).value());
    stop = true;
    for (auto& each : all) EXPECT_TRUE(eddy::wait(each).has_value());
}

// covers: S42
TEST_P(RuntimeIo, RuntimeWithoutIoRunsBlockOnFromManyThreads) {
    const auto rt = make_without_io(workers());
    const support::threads all(4, [&](unsigned) {
        for (int i = 0; i < 300; ++i) EXPECT_EQ(rt.block_on(number(i)), i);
    });
}

// ---- Races ----

class RuntimeIoStress : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeIoStress);

TEST_P(RuntimeIoStress, ConnectionsOfAbortedTasksAreReleased) {
    const support::watchdog limit("connections", 50s);
    const auto rounds = support::rounds(5'000);
    const auto rt = make();
    auto listener = bind_on(rt);
    auto server = rt.spawn(serve(listener));
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::vector<eddy::join_handle<void>> all;
        for (int i = 0; i < 8; ++i) {
            all.push_back(rt.spawn([&, i]() -> eddy::task<void> {
                auto stream = (co_await eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
                std::array<std::byte, 4> into{};
                for (int k = 0; k < 1 + i % 3; ++k) {
                    EXPECT_TRUE((co_await stream.write_all(bytes_of("ping"))).has_value());
                    EXPECT_TRUE((co_await stream.read_exact(into)).has_value());
                }
                // This read gets no answer: it is aborted, or it times out.
                if (i % 2 == 0) static_cast<void>(co_await eddy::time::timeout(1ms, stream.read(into)));
            }));
        }
        for (std::size_t i = 0; i < all.size(); i += 3) all[i].abort();
        for (auto& each : all) static_cast<void>(eddy::wait(each));
    }
    server.abort();
    EXPECT_FALSE(eddy::wait(server).has_value());
    rt.wait_until_idle();
    EXPECT_TRUE(support::comes_true([&] { return watched_by(rt) <= 1; })) << "only the listener may be left";
}

TEST_P(RuntimeIoStress, RuntimeDroppedWithBusyConnectionsClosesThem) {
    const support::watchdog limit("drop of a runtime with busy connections", 50s);
    const auto before = support::count_fds();
    int round = 0;
    for (support::handover_rounds rounds(2'000); rounds.next(); ++round) {
        std::atomic<int> echoes = 0;
        std::optional<eddy::net::tcp_listener> listener;
        const auto rt = make();
        listener = bind_on(rt);
        rt.spawn(serve(*listener)).detach();
        for (int i = 0; i < 8; ++i) {
            rt.spawn([&]() -> eddy::task<void> {
                  auto stream = co_await eddy::net::tcp_stream::connect(listener->local_addr().value());
                  std::array<std::byte, 4> into{};
                  // A write or read fails if the task of the other side is destroyed first.
                  while (stream) {
                      const auto written = co_await stream->write_all(bytes_of("ping"));
                      if (!written) break;
                      const auto read = co_await stream->read_exact(into);
                      if (!read) break;
                      ++echoes;
                  }
              }).detach();
        }
        ASSERT_TRUE(support::comes_true([&] { return echoes > round % 50; }));
    }
    EXPECT_LE(support::count_fds(), before);
}

}  // namespace
