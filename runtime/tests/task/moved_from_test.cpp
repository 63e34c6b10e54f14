// SPDX-License-Identifier: MIT
// Runtimes, event loops, sets, pools, handles and sockets that were moved from or shut down. Their operations throw
// misuse with a remedy and the call site, or have no effect.
// covers: P107 B20
// runs: asan, plain
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_thread.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/poll_semaphore.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/sync/watch.hpp>
#include <eddy/task/local_pool.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using support::nothing;

/// Expects that `f` throws a misuse with a call site in this file. Its text must contain `what` and the remedy.
template <class Fn>
void expect_misuse(Fn f, const std::string& what, const char* file = std::source_location::current().file_name()) {
    const auto thrown = support::misuse_of(f);
    ASSERT_TRUE(thrown.has_value()) << what << ": nothing was thrown";
    const std::string text = thrown->what();
    EXPECT_STREQ(thrown->where().file_name(), file) << text;
    EXPECT_NE(text.find(what), std::string::npos) << text;
    EXPECT_NE(text.find("make another one"), std::string::npos) << text;
}

void expect_refused(eddy::runtime& empty) {
    expect_misuse([&] { empty.block_on(nothing()); },
                  "runtime::block_on() on a runtime that was moved from, or shut down");
    expect_misuse([&] { static_cast<void>(empty.spawn(nothing())); }, "runtime::spawn()");
    expect_misuse([&] { static_cast<void>(empty.handle()); }, "runtime::handle()");
    expect_misuse([&] { const auto entered = empty.enter(); }, "runtime::enter()");
    expect_misuse([&] { empty.wait_until_idle(); }, "runtime::wait_until_idle()");
    expect_misuse([&] { std::move(empty).block_on_all(nothing()); }, "runtime::block_on_all()");
    EXPECT_EQ(empty.metrics().workers(), 0u);
    EXPECT_EQ(empty.metrics().alive_tasks, 0u);
    std::move(empty).shutdown_timeout(1s);
    std::move(empty).shutdown_background();
    eddy::wait(std::move(empty).shutdown_now());
    std::move(empty).shutdown_on_idle().wait();
}

TEST(MovedFrom, ShutDownRuntimeThrowsMisuse) {
    auto rt = support::make_runtime(1);
    std::move(rt).shutdown_timeout(1s);
    expect_refused(rt);
    rt = support::make_runtime(1);  // a new runtime can be assigned
    EXPECT_EQ(rt.block_on(support::number(5)), 5);
    std::move(rt).shutdown_background();
    expect_refused(rt);
    rt = support::make_runtime(1);
    rt.block_on(nothing());
    std::move(rt).shutdown_on_idle().wait();
    expect_refused(rt);
}

TEST(MovedFrom, RuntimeThrowsMisuse) {
    auto rt = support::make_runtime(1);
    const auto other = std::move(rt);
    expect_refused(rt);
    EXPECT_EQ(other.block_on(support::number(5)), 5);
}

TEST(MovedFrom, RuntimeHasNoDriver) {
    auto rt = support::make_runtime(1);
    EXPECT_TRUE(rt.driver().has_value());
    const auto other = std::move(rt);
    EXPECT_FALSE(rt.driver().has_value());
    EXPECT_NE(rt.why_driver().find("moved from"), std::string::npos);
}

TEST(MovedFrom, CoreThrowsMisuse) {
    eddy::core empty;
    eddy::core other(std::move(empty));
    expect_misuse([&] { empty.run(nothing()); }, "core::run() on a core that was moved from");
    expect_misuse([&] { empty.turn(0s); }, "core::turn()");
    expect_misuse([&] { empty.run_until_idle(); }, "core::run_until_idle()");
    expect_misuse([&] { static_cast<void>(empty.handle()); }, "core::handle()");
    expect_misuse([&] { static_cast<void>(empty.remote()); }, "core::remote()");
    EXPECT_EQ(empty.id(), 0u);
    EXPECT_EQ(empty.metrics().alive_tasks(), 0u);
    EXPECT_FALSE(empty.driver().has_value());
    EXPECT_NE(empty.why_driver().find("moved from"), std::string::npos);
    other.run(nothing());
}

TEST(MovedFrom, CoreThreadThrowsMisuse) {
    eddy::core_thread empty;
    const eddy::core_thread other(std::move(empty));
    expect_misuse([&] { static_cast<void>(empty.remote()); },
                  "core_thread::remote() on a core_thread that was moved from");
    EXPECT_EQ(other.remote().call([] { return 5; }).get(), 5);
}

TEST(MovedFrom, LocalSetThrowsMisuse) {
    eddy::local_set empty;
    eddy::local_set other(std::move(empty));
    expect_misuse([&] { static_cast<void>(empty.spawn_local(nothing())); },
                  "local_set::spawn_local() on a local_set that was moved from");
    expect_misuse([&] { static_cast<void>(empty.run_until(nothing())); }, "local_set::run_until()");
    expect_misuse([&] { const auto entered = empty.enter(); }, "local_set::enter()");
    const auto await = [](eddy::local_set& set) -> eddy::task<void> { co_await set; };
    expect_misuse([&] { eddy::wait(await(empty)); }, "co_await on a local_set that was moved from");
    eddy::wait(other);
}

TEST(MovedFrom, LocalPoolThrowsMisuse) {
    eddy::local_pool empty(1);
    const eddy::local_pool other(std::move(empty));
    expect_misuse([&] { static_cast<void>(empty.spawn_pinned([] {})); },
                  "local_pool::spawn_pinned() on a local_pool that was moved from");
    expect_misuse([&] { static_cast<void>(empty.spawn_pinned_by_idx([] {}, 0)); }, "local_pool::spawn_pinned_by_idx()");
    expect_misuse([&] { static_cast<void>(empty.load(0)); }, "local_pool::load()");
    EXPECT_EQ(empty.size(), 0u);
    EXPECT_EQ(eddy::wait(other.spawn_pinned([] { return 5; })).value(), 5);
}

/// Expects that awaiting `future` throws a misuse that contains `what`.
template <class F>
void expect_refused(eddy::core& core, F future, const std::string& what) {
    const auto await = [](F& awaited) -> eddy::task<void> { static_cast<void>(co_await awaited); };
    expect_misuse([&] { core.run(await(future)); }, what);
}

TEST(MovedFrom, StreamThrowsMisuse) {
    eddy::core core;
    const auto listener = support::raw_socket::listening();
    auto empty = support::within(core, eddy::net::tcp_stream::connect(listener.addr())).value();
    auto other = std::move(empty);
    const std::string what = "an operation on a socket that was moved from";
    std::array<std::byte, 8> buffer{};
    const std::array<std::span<std::byte>, 1> parts{buffer};
    expect_refused(core, empty.read(buffer), what);
    expect_refused(core, empty.read_vectored(parts), what);
    expect_refused(core, empty.receive(), what);
    expect_refused(core, empty.peek(buffer), what);
    expect_refused(core, empty.write_all(buffer), what);
    expect_refused(core, empty.readable(), what);
    const auto tried = support::text_of_misuse([&] { static_cast<void>(empty.try_read(buffer)); });
    EXPECT_TRUE(tried.contains(what)) << tried;
    expect_misuse([&] { static_cast<void>(core.run(empty.shutdown())); }, what);
    expect_misuse([&] { static_cast<void>(core.run(empty.flush())); }, what);
    const auto given_up = support::text_of_misuse([&] { static_cast<void>(core.run(std::move(empty).into_native())); });
    EXPECT_TRUE(given_up.contains(what)) << given_up;
    EXPECT_TRUE(support::within(core, other.write_all(buffer)));
    empty = std::move(other);
    EXPECT_TRUE(support::within(core, empty.write_all(buffer)));
}

TEST(MovedFrom, SocketsThrowMisuse) {
    eddy::core core;
    const std::string what = "an operation on a socket that was moved from";
    std::array<std::byte, 8> buffer{};
    auto listener = support::within(core, eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto other_listener = std::move(listener);
    expect_refused(core, listener.accept(), what);
    auto datagrams = support::within(core, eddy::net::udp_socket::bind("127.0.0.1:0")).value();
    const auto other_datagrams = std::move(datagrams);
    expect_refused(core, datagrams.recv_from(buffer), what);
    expect_refused(core, datagrams.writable(), what);
}

TEST(MovedFrom, PipesThrowMisuse) {
    eddy::core core;
    std::array<std::byte, 8> buffer{};
    auto [sender, receiver] = eddy::net::pipe::make().value();
    const auto other_sender = std::move(sender);
    const auto other_receiver = std::move(receiver);
    expect_refused(core, sender.write_all(buffer), "an operation on a pipe that was moved from");
    expect_refused(core, receiver.read(buffer), "an operation on a pipe that was moved from");
}

/// Expects that each of `calls` throws a misuse that contains `what`.
template <class... Call>
void expect_each_refused(const std::string& what, Call... calls) {
    for (const std::string& text : {support::text_of_misuse([&] { static_cast<void>(calls()); })...})
        EXPECT_TRUE(text.contains(what)) << text;
}

TEST(MovedFrom, AddressesAndOptionsThrowMisuse) {
    eddy::core core;
    const std::string what = "an operation on a socket that was moved from";
    auto listener = support::within(core, eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    auto stream = support::within(core, eddy::net::tcp_stream::connect(listener.local_addr().value())).value();
    const auto other_stream = std::move(stream);
    const auto other_listener = std::move(listener);
    expect_each_refused(
        what, [&] { return stream.local_addr(); }, [&] { return stream.peer_addr(); },
        [&] { return stream.set_nodelay(true); }, [&] { return stream.keepalive(); },
        [&] { return stream.set_zero_linger(); }, [&] { return stream.take_error(); },
        [&] { return listener.local_addr(); }, [&] { return listener.ttl(); });
    auto socket = eddy::net::tcp_socket::v4().value();
    const auto other_socket = std::move(socket);
    expect_each_refused(
        what, [&] { return socket.set_reuse_port(true); },
        [&] { return socket.bind(other_socket.local_addr().value()); }, [&] { return std::move(socket).listen(1); });
    const auto to = other_listener.local_addr().value();
    expect_misuse([&] { static_cast<void>(core.run(std::move(socket).connect(to))); }, what);
    auto datagrams = support::within(core, eddy::net::udp_socket::bind("127.0.0.1:0")).value();
    const auto other_datagrams = std::move(datagrams);
    expect_each_refused(
        what, [&] { return datagrams.local_addr(); }, [&] { return datagrams.set_broadcast(true); },
        [&] { return datagrams.send_buffer_size(); });
    expect_misuse([&] { static_cast<void>(core.run(datagrams.connect(to))); }, what);
    EXPECT_EQ(stream.native_handle(), -1);
    EXPECT_TRUE(other_stream.peer_addr());
}

TEST(MovedFrom, AddressesAndOptionsOfUnixSocketsThrowMisuse) {
    eddy::core core;
    const std::string what = "an operation on a socket that was moved from";
    auto unix_datagrams = eddy::net::unix_datagram::unbound().value();
    const auto other_unix_datagrams = std::move(unix_datagrams);
    expect_each_refused(
        what, [&] { return unix_datagrams.local_addr(); },
        [&] { return unix_datagrams.shutdown(eddy::net::shutdown_side::both); });
    auto [near, far] = eddy::net::unix_stream::pair().value();
    const auto other_near = std::move(near);
    expect_each_refused(what, [&] { return near.peer_addr(); }, [&] { return near.peer_cred(); });
}

TEST(MovedFrom, AbortHandleDoesNothing) {
    eddy::core loop;
    loop.run([]() -> eddy::task<void> {
        auto task = eddy::spawn(eddy::pending<void>());
        auto empty = task.abort_handle();
        auto other = std::move(empty);
        empty.abort();
        const auto copy = empty;  // NOLINT(performance-unnecessary-copy-initialization): a copy of an empty handle
        copy.abort();
        EXPECT_TRUE(empty.is_finished());
        EXPECT_EQ(empty.id(), 0u);
        EXPECT_FALSE(task.is_finished());
        empty = other;
        EXPECT_EQ(empty.id(), task.id());
        other.abort();
        const auto ended = co_await task;
        EXPECT_FALSE(ended.has_value());
    }());
}

TEST(MovedFrom, TaskTrackerKeepsTheSharedState) {
    eddy::sync::task_tracker tracker;
    auto other = std::move(tracker);
    EXPECT_TRUE(tracker == other);  // NOLINT(bugprone-use-after-move): the moved-from state is under test
    const auto token = tracker.token();
    EXPECT_EQ(other.len(), 1u);
}

// NOLINTBEGIN(bugprone-use-after-move): the moved-from state is under test
TEST(MovedFrom, EndsOfAnMpscAreClosedAndHaveNoCounts) {
    auto [tx, rx] = eddy::sync::mpsc<int>::channel(3);
    auto weak = tx.downgrade();
    EXPECT_EQ(tx.max_capacity(), 3u);
    EXPECT_EQ(tx.weak_count(), 1u);
    EXPECT_EQ(weak.strong_count(), 1u);
    EXPECT_EQ(rx.sender_weak_count(), 1u);
    {
        const auto other_tx = std::move(tx);
        const auto other_weak = std::move(weak);
        const auto other_rx = std::move(rx);
        EXPECT_EQ(other_weak.weak_count(), 1u);
    }
    EXPECT_TRUE(tx.is_closed());
    EXPECT_EQ(tx.capacity() + tx.max_capacity() + tx.strong_count() + tx.weak_count(), 0u);
    EXPECT_FALSE(weak.upgrade());
    EXPECT_EQ(weak.strong_count() + weak.weak_count(), 0u);
    EXPECT_TRUE(rx.is_closed());
    EXPECT_TRUE(rx.is_empty());
    EXPECT_EQ(rx.len() + rx.capacity() + rx.max_capacity(), 0u);
    EXPECT_EQ(rx.sender_strong_count() + rx.sender_weak_count(), 0u);
}

TEST(MovedFrom, EndsOfAnUnboundedMpscAreClosedAndHaveNoCounts) {
    auto [tx, rx] = eddy::sync::mpsc<int>::unbounded_channel();
    auto weak = tx.downgrade();
    EXPECT_EQ(tx.weak_count(), 1u);
    EXPECT_EQ(rx.sender_weak_count(), 1u);
    {
        const auto other_tx = std::move(tx);
        const auto other_weak = std::move(weak);
        const auto other_rx = std::move(rx);
        EXPECT_TRUE(other_weak.upgrade());
    }
    EXPECT_TRUE(tx.is_closed());
    EXPECT_EQ(tx.strong_count() + tx.weak_count(), 0u);
    EXPECT_FALSE(weak.upgrade());
    EXPECT_TRUE(rx.is_closed());
    EXPECT_TRUE(rx.is_empty());
    EXPECT_EQ(rx.len() + rx.sender_strong_count(), 0u);
}

TEST(MovedFrom, EndsOfBroadcastsAndWatchesCanBeCopied) {
    eddy::sync::broadcast<int>::sender to_all(4);
    auto weak = to_all.downgrade();
    eddy::sync::watch<int>::sender watched(1);
    auto watches = watched.subscribe();
    const auto other_to_all = std::move(to_all);
    const auto other_weak = std::move(weak);
    const auto other_watched = std::move(watched);
    const auto other_watches = std::move(watches);
    const auto copies = std::tuple(to_all, weak, watched, watches);
    auto receiver = other_to_all.subscribe();
    EXPECT_EQ(other_to_all.send(5).value(), 1u);
    EXPECT_EQ(receiver.try_recv().value(), 5);
    EXPECT_TRUE(other_watched.send(2));
    EXPECT_EQ(*other_watches.borrow(), 2);
}

TEST(MovedFrom, TaskTrackerTokenCountsNothing) {
    const eddy::sync::task_tracker tracker;
    auto token = tracker.token();
    const auto other = std::move(token);
    const auto copy = token;  // NOLINT(performance-unnecessary-copy-initialization): a copy of an empty token
    EXPECT_EQ(tracker.len(), 1u);
}

TEST(MovedFrom, PollSemaphoreIsClosedAndHasNoPermits) {
    eddy::sync::poll_semaphore permits(std::make_shared<eddy::sync::semaphore>(2));
    EXPECT_FALSE(permits.is_closed());
    EXPECT_EQ(permits.available_permits(), 2u);
    const auto other = std::move(permits);
    EXPECT_TRUE(permits.is_closed());
    EXPECT_EQ(permits.available_permits(), 0u);
    EXPECT_EQ(permits.shared(), nullptr);
    other.close();
    EXPECT_TRUE(other.is_closed());
}
// NOLINTEND(bugprone-use-after-move)

}  // namespace
