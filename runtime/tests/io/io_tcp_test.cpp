// SPDX-License-Identifier: MIT
// The algorithms of eddy::io with sockets, and the events that wake a task of an event loop.
#include <eddy/io.hpp>
#include <eddy/net/tcp_stream.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/try.hpp>
#include <eddy/net/pipe.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/udp_socket.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/signal.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/choppy_io.hpp"
#include "support/driver.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"

namespace {

namespace io = eddy::io;
using eddy::result;
using eddy::task;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using support::as_bytes;

static_assert(io::async_read<tcp_stream> && io::async_write<tcp_stream>);
static_assert(io::vectored_read<tcp_stream> && io::vectored_write<tcp_stream>);

struct connected {
    tcp_stream client;
    tcp_stream server;
    connected(tcp_stream&& c, tcp_stream&& s) noexcept : client(std::move(c)), server(std::move(s)) {}
};

task<connected> connect() {
    auto listener = tcp_listener::bind(eddy::net::socket_addr::parse("127.0.0.1:0").value());
    auto bound = (co_await listener).value();
    const auto to = bound.local_addr().value();
    auto both = eddy::join(bound.accept(), tcp_stream::connect(to));
    auto made = co_await both;
    auto& [accepted, stream] = made;
    co_return connected(std::move(stream).value(), std::move(accepted.value().stream));
}

/// Runs `work` on an event loop and on a runtime.
template <class Fn>
void on_both(Fn work) {
    eddy::core loop;
    loop.run(work());
    support::make_runtime(2).block_on(work());
}

task<void> talk() {
    auto pair = co_await connect();
    const std::array<std::span<const std::byte>, 2> parts{as_bytes("head"), as_bytes("er\n")};
    const auto written = co_await io::write_vectored(pair.client, parts);
    EXPECT_EQ(written, 7u);
    const auto number = co_await io::write_u32(pair.client, 7);
    EXPECT_TRUE(number);
    const auto ended = co_await io::shutdown(pair.client);
    EXPECT_TRUE(ended);
    io::buf_reader from(std::ref(pair.server));
    std::string line;
    const auto read = co_await io::read_line(from, line);
    EXPECT_EQ(read, 7u);
    EXPECT_EQ(line, "header\n");
    const auto got = co_await io::read_u32(from);
    EXPECT_EQ(got, 7u);
    const auto early = co_await io::read_u32(from);
    EXPECT_EQ(early.error(), eddy::errc::unexpected_eof);
    const auto again = co_await io::shutdown(pair.client);
    EXPECT_TRUE(again);
}

// covers: S90
TEST(IoTcp, ReadAndWriteAlgorithmsWorkOverSocket) { on_both(talk); }

task<void> send_pattern(io::write_half<tcp_stream> to, std::size_t size) {
    auto all = io::take(io::repeat(std::byte{'x'}), size);
    const auto moved = co_await io::copy(all, to, 64 * 1024);
    EXPECT_EQ(moved, size);
    const auto ended = co_await io::shutdown(to);
    EXPECT_TRUE(ended);
}

task<void> count_pattern(io::read_half<tcp_stream> from, std::size_t size) {
    std::size_t others = 0;
    auto looked_at = io::inspect_read(std::move(from), [&others](std::span<const std::byte> bytes) {
        for (const std::byte b : bytes) others += b != std::byte{'x'} ? 1u : 0u;
    });
    io::sink to;
    const auto moved = co_await io::copy(looked_at, to, 64 * 1024);
    EXPECT_EQ(moved, size);
    EXPECT_EQ(others, 0u);
}

task<void> pump(std::size_t size) {
    auto pair = co_await connect();
    auto client = io::split(std::move(pair.client));
    auto server = io::split(std::move(pair.server));
    std::vector<eddy::join_handle<void>> tasks;
    tasks.push_back(eddy::spawn(send_pattern(std::move(client.writer), size)));
    tasks.push_back(eddy::spawn(send_pattern(std::move(server.writer), size)));
    tasks.push_back(eddy::spawn(count_pattern(std::move(client.reader), size)));
    tasks.push_back(eddy::spawn(count_pattern(std::move(server.reader), size)));
    for (auto& each : tasks) {
        const auto done = co_await each;
        EXPECT_TRUE(done);
    }
}

// covers: S86 P046
TEST(IoTcpStress, SplitHalvesCopyInBothDirections) {
    const std::size_t size = support::rounds(std::uint64_t{1} << 30);  // a GiB in `./dev soak`
    on_both([size] { return pump(size); });
}

task<void> relay(tcp_stream client, tcp_stream server) {
    const auto moved = co_await io::copy_bidirectional(client, server);
    EXPECT_EQ(moved.value(), io::copied(5, 11));
}

task<void> through_a_relay() {
    auto outer = co_await connect();
    auto inner = co_await connect();
    auto relaying = eddy::spawn(relay(std::move(outer.server), std::move(inner.client)));
    const auto asked = co_await io::write_all(outer.client, "hello");
    EXPECT_TRUE(asked);
    const auto ended = co_await io::shutdown(outer.client);
    EXPECT_TRUE(ended);
    const auto heard = co_await io::read_to_string(inner.server);
    EXPECT_EQ(heard.value(), "hello") << "the half-close must be forwarded";
    const auto answered = co_await io::write_all(inner.server, "hello again");
    EXPECT_TRUE(answered);
    const auto closed = co_await io::shutdown(inner.server);
    EXPECT_TRUE(closed);
    const auto answer = co_await io::read_to_string(outer.client);
    EXPECT_EQ(answer.value(), "hello again");
    const auto done = co_await relaying;
    EXPECT_TRUE(done);
}

// covers: P045
TEST(IoTcp, CopyBidirectionalForwardsHalfClose) { on_both(through_a_relay); }

task<void> with_blocking_code() {
    auto pair = co_await connect();
    auto work = eddy::spawn_blocking(
        [bridge = io::sync_io_bridge(io::buf_stream(std::move(pair.server)))]() mutable -> std::string {
            std::string line;
            EXPECT_EQ(bridge.read_line(line), 5u);
            EXPECT_TRUE(bridge.write_all("done"));
            EXPECT_TRUE(bridge.shutdown());
            return line;
        });
    const auto written = co_await io::write_all(pair.client, "line\n");
    EXPECT_TRUE(written);
    const auto answer = co_await io::read_to_string(pair.client);
    EXPECT_EQ(answer.value(), "done");
    const auto line = co_await work;
    EXPECT_EQ(line.value(), "line\n");
}

// covers: P051
TEST(IoTcp, SyncIoBridgeUsesSocketOfRuntime) { support::make_runtime(2).block_on(with_blocking_code()); }

TEST(IoSyncIoBridge, BuffersAreTextOrBytesInAnyContainer) {
    auto [near, far] = io::duplex(64);  // has room for all, so no call blocks
    io::sync_io_bridge from(std::move(near));
    io::sync_io_bridge to(std::move(far));
    EXPECT_TRUE(from.write_all(std::string("text, ")));
    EXPECT_TRUE(from.write_all("a literal, "));
    EXPECT_EQ(from.write(std::vector<char>{'b', 'y', 't', 'e', 's'}), 5u);
    std::array<char, 6> room{};
    EXPECT_TRUE(to.read_exact(room));
    EXPECT_EQ(std::string(room.data(), room.size()), "text, ");
    std::string rest(32, '\0');
    EXPECT_EQ(to.read(rest), 16u);
    EXPECT_EQ(rest.substr(0, 16), "a literal, bytes");
}

// ---- The four kinds of event ----

/// Records which event ended each wait of a task: a driver event, a wake-up by another thread, or a timer.
class event_trace {
public:
    void add(std::string what, std::uint64_t driver_events, bool by_other_thread) {
        const std::string_view why = by_other_thread ? "other thread" : driver_events != 0 ? "driver" : "timer";
        lines_.push_back(std::move(what) + ": " + std::string(why));
    }
    [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }

private:
    std::vector<std::string> lines_;
};

/// A future that awaits `inner` and records what woke it. Calls `cause` once `inner` waits.
template <class F>
class traced {
public:
    using output_type = eddy::output_t<F>;

    traced(event_trace& into, std::string what, F inner, std::function<void()> cause)
        : into_(into), what_(std::move(what)), inner_(std::move(inner)), cause_(std::move(cause)), waker_([this] {
              woken_by_ = std::this_thread::get_id();
              outer_->wake_by_ref();
          }) {}
    traced(const traced&) = delete;
    traced& operator=(const traced&) = delete;

    eddy::poll_result<output_type> poll(eddy::context& cx) {
        outer_ = cx.waker();
        auto answer = support::poll_with(inner_, waker_.waker());
        if (!answer && !std::exchange(waits_, true)) {
            events_before_ = driver_events();
            cause_();
        }
        if (answer) {
            EXPECT_TRUE(waits_) << what_ << " did not wait";
            into_.add(what_, driver_events() - events_before_, woken_by_.load() != std::this_thread::get_id());
        }
        return answer;
    }

private:
    static std::uint64_t driver_events() { return eddy::core_handle::current().metrics().io().ready_events; }

    event_trace& into_;
    std::string what_;
    F inner_;
    std::function<void()> cause_;
    std::optional<eddy::waker> outer_;
    std::atomic<std::thread::id> woken_by_{};
    support::calling_waker waker_;
    bool waits_ = false;
    std::uint64_t events_before_ = 0;
};

task<void> wait_for_each_kind(event_trace& trace) {
    traced sleeping(trace, "sleep", eddy::time::sleep(std::chrono::milliseconds(1)), [] {});
    co_await sleeping;

    auto [sender, receiver] = eddy::sync::oneshot<int>::channel();
    std::jthread worker;
    traced computing(trace, "work", std::move(receiver), [&worker, &sends = sender] {
        worker = std::jthread([mine = std::move(sends)]() mutable { static_cast<void>(mine.send(42)); });
    });
    const auto computed = co_await computing;
    EXPECT_EQ(computed.value(), 42);

    support::connection pair;
    std::array<std::byte, 8> into{};
    traced reading(trace, "read", pair.stream.read(into), [&] { pair.peer.send("hello"); });
    const auto read = co_await reading;
    EXPECT_EQ(read, 5u);

    const std::size_t filled = co_await support::fill(pair.stream);
    std::jthread peer;
    traced writing(trace, "write", pair.stream.write(as_bytes("more")), [&] {
        peer = std::jthread([&pair, filled] { EXPECT_EQ(pair.peer.receive(filled).size(), filled); });
    });
    const auto written = co_await writing;
    EXPECT_EQ(written, 4u);
    const auto flushed = co_await pair.stream.flush();
    EXPECT_TRUE(flushed);
}

// covers: S53
TEST(IoTcp, OneTaskIsWokenByEachKindOfEvent) {
    eddy::core loop;
    event_trace trace;
    support::within(loop, wait_for_each_kind(trace));
    std::vector<std::string> expected{"sleep: timer", "work: other thread", "read: driver", "write: driver"};
    // With io_uring, a tick that submits queued operations may also free send buffer space. It counts no event, so the
    // trace reports a timer.
    if (support::has_ring() && trace.lines().back() == "write: timer") expected.back() = "write: timer";
    EXPECT_EQ(trace.lines(), expected);
}

// ---- Closed standard descriptors ----

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
bool a_standard_one_is_open() { return is_open(0) || is_open(1) || is_open(2); }

/// Opens one descriptor of each kind. The standard descriptors must be closed.
task<bool> open_all_kinds() {
    auto pair = co_await connect();
    const auto unix_pair = eddy::net::unix_stream::pair();
    const auto pipe = eddy::net::pipe::make();
    const auto hangups = eddy::signal::stream(eddy::signal::kind::hangup());
    auto bind = eddy::net::udp_socket::bind("127.0.0.1:0");
    const auto datagrams = co_await bind;
    const bool has_all = unix_pair && pipe && hangups && datagrams;
    auto work = eddy::spawn_blocking([] { return 42; });  // wakes the loop from its thread
    const auto woken = co_await work;
    const auto written = co_await io::write_all(pair.client, "hello");
    std::array<std::byte, 5> read{};
    const auto count = co_await io::read_exact(pair.server, read);
    co_return has_all&& woken&& written&& count && !a_standard_one_is_open();
}

/// Exits with 0 if no descriptor of an event loop or a runtime reuses the number of a closed standard descriptor.
[[noreturn]] void run_without_standard_descriptors(bool on_loop) {
    for (const int fd : {0, 1, 2}) ::close(fd);
    bool is_well = false;
    if (on_loop) {
        auto loop = eddy::core::builder().build().value();
        is_well = loop.run(open_all_kinds());
    } else {
        const auto pool = eddy::runtime::builder().worker_threads(2).build().value();
        is_well = pool.block_on(open_all_kinds());
    }
    std::_Exit(is_well ? 0 : 1);
}

TEST(IoTcpDeathTest, ClosedStandardDescriptorsAreNotReused) {
    for (const bool on_loop : {true, false}) {
        EXPECT_EXIT(run_without_standard_descriptors(on_loop), testing::ExitedWithCode(0), "") << on_loop;
    }
}

}  // namespace
