// SPDX-License-Identifier: MIT
// Receives and accepts of a ring: dropped operations and their memory, provided buffers and leases, restarts,
// large-transfer mode, and bursts of connections.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <liburing.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/runtime.hpp>
#include <support/runtime/conversation.hpp>
#include <support/runtime/ring_faults.hpp>
#include <support/runtime/uring_test.hpp>
#include <support/stress.hpp>
#include <support/system.hpp>

#include "reactor/ring/uring_abi.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using support::byte_pattern;
using support::connection;
using support::fault_chances;
using support::once;
using support::raw_socket;
using support::ring_fault;
using support::within;

constexpr unsigned buffers_of_a_ring = 1024;

class UringReceive : public support::uring_test {};
class UringReceiveStress : public support::uring_test {};
class UringAccept : public support::uring_test {};
class UringAcceptStress : public support::uring_test {};

/// A page that can be made inaccessible, also to the kernel.
class page {
public:
    page() : at_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
        if (at_ == MAP_FAILED) throw std::bad_alloc();
    }
    page(const page&) = delete;
    page& operator=(const page&) = delete;
    ~page() { ::munmap(at_, size); }

    [[nodiscard]] std::span<std::byte> bytes() {
        ::mprotect(at_, size, PROT_READ | PROT_WRITE);
        // SAFETY: `at_` is a mapping of `size` bytes that this object owns.
        return {static_cast<std::byte*>(at_), size};
    }
    void take_away() { ::mprotect(at_, size, PROT_NONE); }

    static constexpr std::size_t size = 4096;

private:
    void* at_;
};

// ---- Dropped operations ----

// covers: R098
TEST_F(UringReceiveStress, DroppedOperationsNeverTouchUserMemory) {
    // The kernel does not accept submissions immediately. This exposes the use of memory that is released too early.
    begin(fault_chances().set(ring_fault::nothing_taken, 200).set(ring_fault::some_taken, 200));
    const support::watchdog limit("dropped operations", support::is_sanitized ? 170s : 50s);
    const auto bytes = support::rounds(100'000) * 200;
    const byte_pattern ours(1);
    const byte_pattern theirs(2);
    connection pair;
    bool is_same = true;
    std::jthread sends([&] {
        for (std::uint64_t told = 0; told < bytes; told += 200) pair.peer.send(theirs.make(told, 200));
    });
    std::jthread receives([&] {
        for (std::uint64_t heard = 0; heard < bytes; heard += 200) {
            is_same = is_same && ours.matches(heard, support::bytes_of(pair.peer.receive(200)));
        }
    });
    const auto read_all = [&]() -> eddy::task<void> {
        page into;
        support::dice random(support::seed());
        for (std::uint64_t heard = 0; heard < bytes;) {
            const auto most = std::min<std::uint64_t>(random.between(1, page::size), bytes - heard);
            const auto count = co_await once(pair.stream.read(into.bytes().first(most)));
            if (count) {
                const bool is_right = theirs.matches(heard, into.bytes().first(count->value()));
                if (!is_right) throw std::runtime_error("other bytes were read");
                heard += count->value();
            }
            into.take_away();
            co_await eddy::yield_now();
        }
    };
    const auto write_all = [&]() -> eddy::task<void> {
        page from;
        support::dice random(support::seed() + 1);
        for (std::uint64_t told = 0; told < bytes;) {
            const auto part = from.bytes().first(std::min<std::uint64_t>(random.between(1, 500), bytes - told));
            ours.fill(told, part);
            const auto count = co_await once(pair.stream.write(part));
            if (count) told += count->value();
            from.take_away();
            if (random.one_in(10)) co_await eddy::yield_now();
            // Runs a driver tick, in which the ring sends the data in the send buffer.
            if (random.one_in(10)) co_await eddy::time::sleep(1us);
        }
        const auto flushed = co_await pair.stream.flush();
        EXPECT_TRUE(flushed.has_value());
    };
    {
        auto loop = make_core();
        auto both = eddy::join(read_all(), write_all());
        loop.run(std::move(both));
        receives.join();
        EXPECT_TRUE(is_same);
        EXPECT_GT(faults().happened(ring_fault::nothing_taken), 0u);
        // The stream must end before its loop.
        auto gone = std::move(pair.stream);
    }
}

// covers: S05
TEST_F(UringReceive, MetricsCountCancelledOperationsInTheKernel) {
    constexpr std::size_t count = 5;
    auto loop = make_core();
    const auto given_up = [&loop] { return loop.metrics().io().operations_given_up; };
    const auto drop_some = [&]() -> eddy::task<void> {
        std::vector<connection> some(count);
        std::array<std::byte, 1> into{};
        for (auto& each : some) {
            const auto nothing = co_await once(each.stream.read(into));
            EXPECT_FALSE(nothing.has_value());
        }
        co_await eddy::time::sleep(1us);  // a driver tick: the receives have begun
        EXPECT_EQ(given_up(), 0u);
        some.clear();
        // The next driver tick reports that the receives have ended.
        EXPECT_EQ(given_up(), count);
        co_await eddy::time::sleep(1us);
        EXPECT_EQ(given_up(), 0u);
    };
    loop.run(drop_some());
    EXPECT_EQ(given_up(), 0u);
}

// covers: R099
TEST_F(UringReceiveStress, BytesForDestroyedStreamsReturnTheirBuffer) {
    const auto rounds = support::rounds(5'000);
    auto loop = make_core();
    const auto close_them = [&]() -> eddy::task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::vector<connection> pairs(40);
            std::array<std::byte, 1> into{};
            for (auto& each : pairs) {
                const auto nothing = co_await once(each.stream.read(into));
                EXPECT_FALSE(nothing.has_value());
            }
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            for (auto& each : pairs) each.peer.send("these bytes are unread");
            // When the first stream is destroyed, the kernel processes the data of all streams. The driver sees the
            // completions with this data after all streams have been destroyed.
            pairs.clear();
        }
        // If these buffers were lost, the ring would have none left by now. This connection needs one.
        connection last;
        last.peer.send("last");
        std::array<std::byte, 4> got{};
        const auto read = co_await last.stream.read_exact(got);
        EXPECT_TRUE(read.has_value());
    };
    loop.run(close_them());
    EXPECT_GT(faults().buffers_used(), 0u);
}

// ---- Restarts and buffers ----

// covers: R103
TEST_F(UringReceive, ReceiveEndedByTheKernelRestartsWithoutLoss) {
    for (const auto what : {ring_fault::ended_receive, ring_fault::ended_with_bytes}) {
        begin(fault_chances().set(what, 1000));
        auto loop = make_core();
        within(loop, support::read_from_a_peer_that_only_writes(3'000'000, support::seed()));
        EXPECT_GT(faults().happened(what), 0u);
    }
}

// covers: R104
TEST_F(UringReceive, NoSpinAndNoStallWhileAllBuffersAreInUse) {
    const byte_pattern pattern(5);
    std::vector<connection> slow(buffers_of_a_ring + 100);
    std::vector<connection> others(300);
    auto loop = make_core();
    const auto read_one = [&](connection& pair, std::uint64_t place) -> eddy::task<void> {
        std::array<std::byte, 1> into{};
        const auto count = co_await pair.stream.read(into);
        EXPECT_EQ(count, 1u);
        EXPECT_TRUE(pattern.matches(place, into));
    };
    const auto hold_all = [&]() -> eddy::task<void> {
        for (auto& each : slow) each.peer.send(pattern.make(0, 64));
        for (auto& each : slow) co_await read_one(each, 0);
    };
    const auto use_others = [&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> reads;
        for (auto& each : others) reads.push_back(eddy::spawn(read_one(each, 0)));
        co_await eddy::time::sleep(10ms);
        const auto before = support::thread_cpu_time();
        co_await eddy::time::sleep(100ms);  // Nothing happens meanwhile.
        EXPECT_LT(support::thread_cpu_time() - before, 20ms);
        for (auto& each : others) each.peer.send(pattern.make(0, 3));
        for (auto& each : reads) {
            const auto done = co_await each;
            EXPECT_TRUE(done.has_value());
        }
        for (auto& each : others) co_await read_one(each, 1);
        for (auto& each : others) co_await read_one(each, 2);
    };
    const auto read_the_rest = [&]() -> eddy::task<void> {
        for (auto& each : slow) {
            std::array<std::byte, 63> into{};
            const auto read = co_await each.stream.read_exact(into);
            EXPECT_TRUE(read.has_value());
            EXPECT_TRUE(pattern.matches(1, into));
        }
        // The buffers are back: the ring receives new data again.
        const auto used = faults().buffers_used();
        for (auto& each : slow) {
            std::array<std::byte, 1> into{};
            const auto nothing = co_await once(each.stream.read(into));
            EXPECT_FALSE(nothing.has_value());
        }
        for (auto& each : slow) each.peer.send(pattern.make(64, 1));
        for (auto& each : slow) {
            std::array<std::byte, 1> into{};
            const auto count = co_await each.stream.read(into);
            EXPECT_EQ(count, 1u);
        }
        EXPECT_GT(faults().buffers_used(), used);
    };
    within(loop, hold_all());
    EXPECT_GE(faults().buffers_used(), buffers_of_a_ring);
    within(loop, use_others());
    within(loop, read_the_rest());
    slow.clear();
    others.clear();
}

// covers: R105
TEST_F(UringReceiveStress, EachLeasedBufferIsReturnedExactlyOnce) {
    const support::watchdog limit("leases", support::is_sanitized ? 170s : 50s);
    const auto rounds = support::rounds(2'000);
    {
        const auto pool = make_runtime(2);
        std::mutex lock;
        std::vector<eddy::io::leased_buffer> leases;
        std::atomic<bool> is_over = false;
        // Ends some of the leases on a separate thread.
        std::jthread elsewhere([&] {
            while (!is_over) {
                std::vector<eddy::io::leased_buffer> some;
                {
                    const std::lock_guard guard(lock);
                    some.swap(leases);
                }
                std::this_thread::yield();
            }
        });
        const auto receive_some = [&](std::uint64_t seed) -> eddy::task<void> {
            support::dice random(seed);
            connection pair;
            const byte_pattern pattern(seed);
            std::uint64_t heard = 0;
            pair.peer.send(pattern.make(0, 5'000));
            // The connection is sometimes dropped with unread bytes.
            const auto enough = random.between(1, 5'000);
            while (heard < enough) {
                if (random.one_in(2)) {
                    auto lease = co_await once(pair.stream.receive());
                    if (!lease) continue;
                    EXPECT_TRUE(pattern.matches(heard, std::span(lease->value().data(), lease->value().size())));
                    heard += lease->value().size();
                    const std::lock_guard guard(lock);
                    if (random.one_in(2)) leases.push_back(std::move(*lease).value());
                } else {
                    // Reads all bytes of a ring buffer, or a part of them.
                    std::array<std::byte, 6'000> into{};
                    const auto count = co_await pair.stream.read(std::span(into).first(random.between(1, into.size())));
                    EXPECT_TRUE(pattern.matches(heard, std::span(into).first(count.value())));
                    heard += count.value();
                }
            }
        };
        const auto seed = support::seed();
        pool.block_on([&]() -> eddy::task<void> {
            for (std::uint64_t round = 0; round < rounds; ++round) {
                std::vector<eddy::join_handle<void>> all;
                for (unsigned i = 0; i < 20; ++i) all.push_back(eddy::spawn(receive_some(seed + round * 20 + i)));
                for (auto& each : all) {
                    const auto done = co_await each;
                    EXPECT_TRUE(done.has_value());
                }
            }
        }());
        is_over = true;
        EXPECT_GT(faults().buffers_used(), rounds);
    }
}

// ---- Large-transfer mode ----

TEST_F(UringReceive, LargeChunksBypassTheRingUntilSmallOnesArrive) {
    const byte_pattern pattern(7);
    connection pair;
    auto loop = make_core();
    std::uint64_t place = 0;
    const auto exchange = [&](std::size_t size, int times) {
        const auto used = faults().buffers_used();
        for (int i = 0; i < times; ++i) {
            const auto sent = pattern.make(place, size);
            std::jthread peer([&] { pair.peer.send(sent); });
            std::vector<std::byte> into(size);
            const auto read_all = [&]() -> eddy::task<void> {
                const auto read = co_await pair.stream.read_exact(into);
                EXPECT_TRUE(read.has_value());
            };
            within(loop, read_all());
            EXPECT_TRUE(pattern.matches(place, into));
            place += size;
        }
        return faults().buffers_used() - used;
    };
    EXPECT_GE(exchange(100, 20), 20u) << "the ring receives small chunks";
    exchange(256 * 1024, 20);
    EXPECT_EQ(exchange(16 * 1024, 50), 0u) << "large chunks bypass the ring";
    exchange(100, 40);
    EXPECT_GE(exchange(100, 20), 20u) << "the ring receives small chunks again";
    pair.peer.shutdown();
    std::array<std::byte, 1> into{};
    EXPECT_EQ(within(loop, pair.stream.read(into)), 0u);
}

// covers: R003
TEST_F(UringReceive, DataAfterUrgentByteIsReadInLargeTransferMode) {
    connection pair;
    auto loop = make_core();
    const std::string large(256 * 1024, 'l');
    std::vector<std::byte> into(large.size());
    for (int i = 0; i < 10; ++i) {
        std::jthread peer([&] { pair.peer.send(large); });
        const auto read = within(loop, pair.stream.read_exact(into));
        EXPECT_TRUE(read.has_value());
    }
    const auto used = faults().buffers_used();
    const auto waits = [&]() -> eddy::task<void> { static_cast<void>(co_await once(pair.stream.read(into))); };
    within(loop, waits());
    pair.peer.send("before");
    pair.peer.send_urgent('!');
    pair.peer.send("behind");
    raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLPRI);
    std::string got;
    const auto read_all = [&]() -> eddy::task<void> {
        while (got.find("behind") == got.npos) {
            const auto count = co_await pair.stream.read(into);
            if (!count || *count == 0) co_return;
            got += support::text_of(std::span(into).first(*count));
        }
    };
    within(loop, read_all());
    EXPECT_EQ(got, "beforebehind");
    EXPECT_EQ(faults().buffers_used(), used) << "the ring has read it: the tested situation did not occur";
}

TEST_F(UringReceiveStress, ChunksOfAllSizesKeepTheirOrder) {
    const support::watchdog limit("pieces", support::is_sanitized ? 170s : 50s);
    const byte_pattern pattern(8);
    connection pair;
    auto loop = make_core();
    support::dice random(support::seed());
    const auto phases = support::rounds(2'000);
    std::uint64_t told = 0;
    std::vector<std::pair<std::size_t, int>> plan;
    for (std::uint64_t i = 0; i < phases; ++i) {
        plan.emplace_back(random.one_in(2) ? random.between(8'000, 40'000) : random.between(1, 2'500),
                          static_cast<int>(random.between(1, 30)));
    }
    std::uint64_t total = 0;
    for (const auto& [size, times] : plan) total += size * static_cast<std::uint64_t>(times);
    std::jthread peer([&] {
        for (const auto& [size, times] : plan) {
            for (int i = 0; i < times; ++i, told += size) pair.peer.send(pattern.make(told, size));
        }
        pair.peer.shutdown();
    });
    std::uint64_t heard = 0;
    const auto read_all = [&]() -> eddy::task<void> {
        std::vector<std::byte> into(64 * 1024);
        for (;;) {
            const auto count = co_await pair.stream.read(std::span(into).first(random.between(1, into.size())));
            EXPECT_TRUE(count.has_value());
            if (!count || *count == 0) co_return;
            const bool is_right = pattern.matches(heard, std::span(into).first(*count));
            EXPECT_TRUE(is_right) << "at " << heard;
            if (!is_right) co_return;
            heard += *count;
        }
    };
    within(loop, read_all(), 100s);
    EXPECT_EQ(heard, total);
}

// ---- Accepts ----

// covers: R099
TEST_F(UringAcceptStress, DroppedAcceptLeavesConnectionToNextAccept) {
    const auto rounds = support::rounds(20'000);
    auto loop = make_core();
    const auto accept_all = [&]() -> eddy::task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        support::dice random(support::seed());
        for (std::uint64_t round = 0; round < rounds; ++round) {
            {
                const auto never_polled = listener.accept();
            }
            const auto nothing = co_await once(listener.accept());
            EXPECT_FALSE(nothing.has_value());
            const auto client = raw_socket::connected(listener.local_addr().value());
            client.send("x");
            std::optional<tcp_stream> stream;
            // Drops an accept that is in flight, or whose connection has arrived.
            auto either = eddy::select(eddy::yield_now(), listener.accept());
            auto first = co_await either;
            if (first.index() == 1) stream.emplace(std::get<1>(std::move(first)).value().stream);
            if (!stream) {
                auto accepted = co_await listener.accept();
                stream.emplace(std::move(accepted).value().stream);
            }
            std::array<std::byte, 2> got{};
            const auto count = co_await stream->read(got);
            EXPECT_EQ(count, 1u);
        }
    };
    loop.run(accept_all());
}

/// Accepts `clients` connections that exist at the same time, and then `clients` connections one after another. Returns
/// the number of driver ticks for the first group.
eddy::task<std::uint64_t> accept_burst_and_trickle(const eddy::core& loop, std::size_t clients) {
    auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto nothing = co_await once(listener.accept());
    EXPECT_FALSE(nothing.has_value());
    const auto at = listener.local_addr().value();
    std::vector<raw_socket> burst;
    for (std::size_t i = 0; i < clients; ++i) burst.push_back(raw_socket::connected(at));
    const auto before = loop.metrics().turns();
    for (std::size_t i = 0; i < clients; ++i) {
        const auto accepted = co_await listener.accept();
        EXPECT_EQ(accepted.value().peer, burst[i].addr());
    }
    const auto turns = loop.metrics().turns() - before;
    for (std::size_t i = 0; i < clients; ++i) {
        const auto again = co_await once(listener.accept());
        EXPECT_FALSE(again.has_value());
        const auto client = raw_socket::connected(at);
        const auto accepted = co_await listener.accept();
        EXPECT_EQ(accepted.value().peer, client.addr());
    }
    co_return turns;
}

// covers: P053
TEST_F(UringAccept, BurstIsAcceptedInFewDriverTicks) {
    auto loop = make_core();
    EXPECT_LT(loop.run(accept_burst_and_trickle(loop, 200)), 50u);
}

TEST_F(UringAccept, BurstIsAcceptedInFewTicksWithoutKernelHints) {
    faults().hide_features(IORING_FEAT_RECVSEND_BUNDLE);
    auto loop = make_core();
    EXPECT_LT(loop.run(accept_burst_and_trickle(loop, 200)), 50u);
}

// covers: R099
TEST_F(UringAcceptStress, ClosingListenerClosesUnacceptedConnections) {
    const auto rounds = support::rounds(2'000);
    auto loop = make_core();
    const auto close_it = [&]() -> eddy::task<void> {
        support::dice random(support::seed());
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::optional<eddy::net::tcp_listener> listener;
            listener.emplace((co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value());
            const auto nothing = co_await once(listener->accept());
            EXPECT_FALSE(nothing.has_value());
            std::vector<raw_socket> clients;
            for (int i = 0; i < 10; ++i) clients.push_back(raw_socket::connected(listener->local_addr().value()));
            // The ring has accepted one connection or none, or is about to accept one.
            for (auto polls = random.between(0, 3); polls > 0; --polls) co_await eddy::yield_now();
            const bool was_accepted = random.one_in(2);
            if (was_accepted) {
                const auto accepted = co_await listener->accept();
                EXPECT_TRUE(accepted.has_value());
            }
            listener.reset();
            // Each client sees the end: the end of the stream if a task has accepted its connection, otherwise a reset.
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            int ends = 0;
            for (const auto& each : clients) {
                each.wait_for(POLLIN);
                char byte = 0;
                if (support::repeated([&] { return ::recv(each.fd(), &byte, 1, MSG_DONTWAIT); }) == 0) ++ends;
            }
            EXPECT_EQ(ends, was_accepted ? 1 : 0);
        }
    };
    loop.run(close_it());
}

}  // namespace
