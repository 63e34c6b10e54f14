// SPDX-License-Identifier: MIT
// The bugs that runtimes on io_uring have had (coverage.tsv, R098 to R113), each as a test.
#include <support/ring_faults.hpp>

#include <gtest/gtest.h>

#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <support/conversation.hpp>
#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/polling.hpp>
#include <support/ring_parts.hpp>
#include <support/runtime.hpp>
#include <support/stress.hpp>
#include <support/system.hpp>

#include "driver/send_slot.hpp"
#include "driver/uring_abi.hpp"

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

class Uring : public testing::Test {
protected:
    /// Before the first ring. Without this, rings are as the library wants them, and nothing fails.
    void begin(const fault_chances& chances, unsigned submissions = 0, unsigned completions = 0) {
        faults_.reset();
        faults_.emplace(support::seed(), chances, submissions, completions);
    }
    [[nodiscard]] support::ring_faults& faults() { return *faults_; }

    [[nodiscard]] static eddy::core make_core() {
        return eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value();
    }
    [[nodiscard]] static eddy::runtime make_runtime(unsigned workers) {
        return eddy::runtime::builder().worker_threads(workers).driver(eddy::driver_kind::io_uring).build().value();
    }

    void SetUp() override { begin({}); }
    /// When loops and connections are gone, nothing is left of the rings.
    void TearDown() override {
        EXPECT_TRUE(support::comes_true([&] { return support::fd_count() == descriptors_; }))
            << support::fd_count() << " descriptors and not " << descriptors_;
        EXPECT_EQ(faults_->rings_alive(), 0u);
        EXPECT_EQ(faults_->buffer_mistakes(), 0u);
        EXPECT_EQ(support::mapped_buffers(), mapped_);
    }

private:
    const std::size_t descriptors_ = support::fd_count();
    const std::size_t mapped_ = support::mapped_buffers();
    std::optional<support::ring_faults> faults_;
};

class UringStress : public Uring {};

/// A page that can be taken away from everybody, the kernel included.
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
        return {static_cast<std::byte*>(at_), size};
    }
    void take_away() { ::mprotect(at_, size, PROT_NONE); }

    static constexpr std::size_t size = 4096;

private:
    void* at_;
};

// ---- Memory, and what comes for nobody ----

TEST_F(UringStress, MemoryOfEndedOrDroppedOperationsIsTheUsersAtOnce) {
    // The kernel does not take at once what it is given: that is when memory that is gone too early is seen.
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
            // A turn, in which the ring sends what is in the slot.
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
        // The stream ends before its loop.
        auto gone = std::move(pair.stream);
    }
}

TEST_F(UringStress, AConnectionForAnAcceptThatWasDroppedIsTheNextOnes) {
    const auto rounds = support::rounds(20'000);
    auto loop = make_core();
    const auto accept_all = [&]() -> eddy::task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        support::dice random(support::seed());
        for (std::uint64_t round = 0; round < rounds; ++round) {
            {
                const auto never_polled = listener.accept();
            }
            const auto nobody = co_await once(listener.accept());
            EXPECT_FALSE(nobody.has_value());
            const auto client = raw_socket::connected(listener.local_addr().value());
            client.send("x");
            std::optional<tcp_stream> stream;
            // Dropped in flight, or when it is ready and nobody has asked.
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

/// So many clients at once, each of which is accepted, and then so many one after the other. How often the loop has turned for
/// those at once.
eddy::task<std::uint64_t> accept_burst_and_trickle(const eddy::core& loop, std::size_t clients) {
    auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    const auto nobody = co_await once(listener.accept());
    EXPECT_FALSE(nobody.has_value());
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

TEST_F(Uring, SaysHowManyCancelledOperationsAreStillTheKernels) {
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
        co_await eddy::time::sleep(1us);  // a turn: their receives have begun
        EXPECT_EQ(given_up(), 0u);
        some.clear();
        // That they have ended is told in the next turn.
        EXPECT_EQ(given_up(), count);
        co_await eddy::time::sleep(1us);
        EXPECT_EQ(given_up(), 0u);
    };
    loop.run(drop_some());
    EXPECT_EQ(given_up(), 0u);
}

TEST_F(Uring, ABurstIsAcceptedWithoutATurnForEach) {
    auto loop = make_core();
    EXPECT_LT(loop.run(accept_burst_and_trickle(loop, 200)), 50u);
}

TEST_F(Uring, ABurstIsAcceptedAlsoWhereTheKernelDoesNotSayThatOthersWait) {
    faults().hide_features(IORING_FEAT_RECVSEND_BUNDLE);
    auto loop = make_core();
    EXPECT_LT(loop.run(accept_burst_and_trickle(loop, 200)), 50u);
}

TEST_F(UringStress, ConnectionsThatNobodyHasAcceptedAreClosedWithTheirListener) {
    const auto rounds = support::rounds(2'000);
    auto loop = make_core();
    const auto close_it = [&]() -> eddy::task<void> {
        support::dice random(support::seed());
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::optional<eddy::net::tcp_listener> listener;
            listener.emplace((co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value());
            const auto nobody = co_await once(listener->accept());
            EXPECT_FALSE(nobody.has_value());
            std::vector<raw_socket> clients;
            for (int i = 0; i < 10; ++i) clients.push_back(raw_socket::connected(listener->local_addr().value()));
            // The ring has accepted one of them, or none, or is about to.
            for (auto polls = random.between(0, 3); polls > 0; --polls) co_await eddy::yield_now();
            const bool was_accepted = random.one_in(2);
            if (was_accepted) {
                const auto accepted = co_await listener->accept();
                EXPECT_TRUE(accepted.has_value());
            }
            listener.reset();
            // Each hears of it: of an end if it was accepted by somebody, else of a reset.
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

TEST_F(UringStress, BytesForAStreamThatIsGoneGiveTheirBufferBack) {
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
            for (auto& each : pairs) each.peer.send("these bytes are nobody's");
            // The end of the first one has the kernel look for bytes of all, which are told when the others have ended, too.
            pairs.clear();
        }
        // More buffers than there are would have been lost by now; this one needs one.
        connection last;
        last.peer.send("last");
        std::array<std::byte, 4> got{};
        const auto read = co_await last.stream.read_exact(got);
        EXPECT_TRUE(read.has_value());
    };
    loop.run(close_them());
    EXPECT_GT(faults().buffers_used(), 0u);
}

// ---- Queues that are full ----

TEST_F(Uring, AThousandReadsThatAreReadyAtOnceAreAllSeen) {
    begin({}, 4, 8);
    std::vector<connection> pairs(1000);
    auto loop = make_core();
    const auto read_all = [&]() -> eddy::task<std::chrono::nanoseconds> {
        std::vector<eddy::join_handle<std::byte>> reads;
        for (auto& each : pairs) {
            reads.push_back(eddy::spawn([](tcp_stream& from) -> eddy::task<std::byte> {
                std::array<std::byte, 1> into{};
                const auto count = co_await from.read(into);
                EXPECT_EQ(count, 1u);
                co_return into[0];
            }(each.stream)));
        }
        // The loop has nothing to do but to hand all of them to the ring.
        co_await eddy::time::sleep(1ms);
        for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].peer.send(std::string(1, static_cast<char>(i)));
        const auto begin = std::chrono::steady_clock::now();
        for (std::size_t i = 0; i < reads.size(); ++i) {
            const auto got = co_await reads[i];
            EXPECT_EQ(got.value(), static_cast<std::byte>(i));
        }
        co_return std::chrono::steady_clock::now() - begin;
    };
    const auto time = within(loop, read_all());
    EXPECT_LT(time, support::is_sanitized ? 10s : 1s);
    EXPECT_GT(faults().overflows(), 0u) << "the test has shown nothing";
    pairs.clear();
}

TEST_F(Uring, ASendsFailureThatTheQueueHasNoRoomForIsSeenBeforeItsBytesAreForgotten) {
    begin(fault_chances().set(ring_fault::short_send, 1000), 4, 8);
    std::vector<connection> pairs(200);
    auto loop = make_core();
    const byte_pattern pattern(3);
    const auto sent = pattern.make(0, 1000);
    const auto write_all = [&]() -> eddy::task<void> {
        for (auto& each : pairs) {
            const auto count = co_await each.stream.write(sent);
            EXPECT_EQ(count, sent.size());
        }
        for (auto& each : pairs) {
            const auto flushed = co_await each.stream.flush();
            EXPECT_TRUE(flushed.has_value());
        }
    };
    const auto write_in_one_turn = [&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> writes;
        for (auto& each : pairs) {
            writes.push_back(eddy::spawn([](tcp_stream& to, std::span<const std::byte> all) -> eddy::task<void> {
                const auto count = co_await to.write(all);
                EXPECT_EQ(count, all.size());
            }(each.stream, sent)));
        }
        for (auto& each : writes) co_await each;
        co_await write_all();
    };
    within(loop, write_in_one_turn());
    for (auto& each : pairs) {
        const auto got = each.peer.receive(2 * sent.size());
        ASSERT_TRUE(pattern.matches(0, support::bytes_of(got).first(sent.size())));
        ASSERT_TRUE(pattern.matches(0, support::bytes_of(got).last(sent.size())));
    }
    EXPECT_GT(faults().overflows(), 0u) << "the test has shown nothing";
    EXPECT_GT(faults().happened(ring_fault::short_send), 0u);
    pairs.clear();
}

// The kernel has taken one entry of two. What becomes of that wakes somebody, whose code has it take the second one, too: the send of
// which fails after the turn has looked at its completions.
TEST_F(Uring, ASendThatAWakerHasTheKernelTakeIsNotForgottenThoughItHasFailed) {
    using eddy::detail::io_handle;
    using eddy::detail::stream_source;
    begin(fault_chances().set(ring_fault::some_taken, 1000));
    const connection first_pair;
    const connection full_pair;
    const connection spare_pair;
    const support::owned_io io(io_handle::make(eddy::driver_kind::io_uring).value());
    const auto turn = [&] { EXPECT_TRUE(io->turn(0ms).has_value()); };
    const auto write = [&](stream_source& to, std::string_view text) {
        const auto bytes = support::bytes_of(text);
        return to.write(*io, io->own_ring(), std::span(&bytes, 1));
    };
    turn();
    stream_source& first = support::add_to(*io, first_pair);
    stream_source& full = support::add_to(*io, full_pair);
    stream_source& spare = support::add_to(*io, spare_pair);
    ASSERT_EQ(spare.take(*io).what, stream_source::received::nothing);
    for (int i = 0; i < 8; ++i) turn();  // all that is begun has been taken
    support::fill_socket(full.fd());

    // Somebody waits for the slot of the first, whose socket was full, and has room again when that is sent.
    support::fill_socket(first.fd());
    const std::string whole_slot(eddy::detail::send_slot::most, 'x');
    ASSERT_EQ(write(first, whole_slot), whole_slot.size());
    ASSERT_EQ(write(full, "rest"), 4u);
    ASSERT_EQ(write(first, "more").error(), std::errc::operation_would_block);
    const auto drain = [](const connection& pair, std::string& last) {
        std::array<char, 65536> some{};
        for (;;) {
            const auto count = ::recv(pair.peer.fd(), some.data(), some.size(), MSG_DONTWAIT);
            if (count <= 0) return;
            last.assign(some.data(), static_cast<std::size_t>(count));
        }
    };
    std::string got;
    pollfd room{first.fd(), POLLOUT, 0};
    ASSERT_TRUE(support::comes_true([&] {
        drain(first_pair, got);
        return ::poll(&room, 1, 0) == 1;
    }));
    int calls = 0;
    support::calling_waker enters([&] {
        if (calls++ == 0) io->close_stream(spare);
    });
    const eddy::waker waker = enters.waker();
    eddy::context cx(waker);
    first.clear_blocked(first.look(eddy::io::ready::all));
    ASSERT_FALSE(first.wait(eddy::detail::direction::write, cx, nullptr).is_ready());
    turn();
    ASSERT_EQ(calls, 1) << "the test has shown nothing";
    turn();

    EXPECT_TRUE(support::comes_true([&] {
        turn();
        drain(full_pair, got);
        return got.ends_with("rest");
    })) << "what was written is lost";
    io->close_stream(first);
    io->close_stream(full);
}

TEST_F(Uring, TenThousandOperationsInOneTurnOfARingOfFour) {
    begin({}, 4, 8);
    const byte_pattern pattern(4);
    std::vector<connection> pairs(5'000);
    for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i].peer.send(pattern.make(i, 8));
    auto loop = make_core();
    const auto move_all = [&]() -> eddy::task<void> {
        std::vector<eddy::join_handle<void>> all;
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            all.push_back(eddy::spawn([](tcp_stream& at, byte_pattern bytes, std::size_t place) -> eddy::task<void> {
                const auto sent = bytes.make(place, 8);
                std::array<std::byte, 8> got{};
                auto both = eddy::join(at.read_exact(got), at.write_all(sent));
                const auto done = co_await both;
                const auto& [read, written] = done;
                EXPECT_TRUE(read.has_value() && written.has_value());
                EXPECT_TRUE(bytes.matches(place, got));
            }(pairs[i].stream, pattern, i)));
        }
        for (auto& each : all) {
            const auto done = co_await each;
            EXPECT_TRUE(done.has_value());
        }
    };
    within(loop, move_all());
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        ASSERT_TRUE(pattern.matches(i, support::bytes_of(pairs[i].peer.receive(8))));
    }
    EXPECT_GT(faults().full_submissions(), 0u) << "the test has shown nothing";
    pairs.clear();
}

TEST_F(Uring, WhatAnEntryHadBeforeDoesNotMatter) {
    // Entries that were taken keep the user_data of their operation: with two of them, each is used again at once.
    begin({}, 2, 64);
    auto loop = make_core();
    const auto cancel_in_vain = [&]() -> eddy::task<void> {
        for (int round = 0; round < 50; ++round) {
            connection stays;
            std::vector<connection> pairs(20);
            std::array<std::byte, 4> into{};
            for (auto& each : pairs) static_cast<void>(co_await once(each.stream.read(into)));
            static_cast<void>(co_await once(stays.stream.read(into)));
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            for (auto& each : pairs) each.peer.close();
            // The end of the first has the kernel look at all. So the receives of the others have ended before they are
            // cancelled, and each of those cancels fails and says so.
            for (auto& each : pairs) auto gone = std::move(each.stream);
            stays.peer.send("ping");
            const auto read = co_await stays.stream.read_exact(into);
            EXPECT_TRUE(read.has_value());
            const auto written = co_await stays.stream.write_all(support::bytes_of("pong"));
            EXPECT_TRUE(written.has_value());
            const auto flushed = co_await stays.stream.flush();
            EXPECT_TRUE(flushed.has_value());
            EXPECT_EQ(stays.peer.receive(4), "pong");
        }
    };
    within(loop, cancel_in_vain());
}

// ---- Receives that end, and buffers ----

TEST_F(Uring, AReceiveThatEndsByItselfIsBegunAgainAndLosesNoByte) {
    for (const auto what : {ring_fault::ended_receive, ring_fault::ended_with_bytes}) {
        begin(fault_chances().set(what, 1000));
        auto loop = make_core();
        within(loop, support::hear_a_deaf_peer(3'000'000, support::seed()));
        EXPECT_GT(faults().happened(what), 0u);
    }
}

TEST_F(Uring, AWatchThatEndsByItselfIsBegunAgain) {
    begin(fault_chances().set(ring_fault::ended_poll, 1000));
    auto loop = make_core();
    const auto remote = loop.remote();
    const auto be_woken = [&]() -> eddy::task<void> {
        connection pair;  // so that there is a ring
        std::array<std::byte, 1> into{};
        static_cast<void>(co_await once(pair.stream.read(into)));
        for (int i = 0; i < 50; ++i) {
            support::async_gate gate;
            std::jthread other([&] { gate.open(); });
            co_await gate.wait();
        }
    };
    within(loop, be_woken());
    EXPECT_GT(faults().happened(ring_fault::ended_poll), 0u);
}

TEST_F(Uring, WhereAllBuffersAreTakenNothingSpinsAndNothingStalls) {
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
        co_await eddy::time::sleep(300ms);  // nothing happens meanwhile
        EXPECT_LT(support::thread_cpu_time() - before, 60ms);
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
        // The buffers are back: what is received now comes by the ring again.
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

TEST_F(Uring, LargePiecesAreReadWithoutTheRingAndSmallOnesWithItAgain) {
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
    EXPECT_GE(exchange(100, 20), 20u) << "small ones come by the ring";
    exchange(256 * 1024, 20);
    EXPECT_EQ(exchange(16 * 1024, 50), 0u) << "large ones do not";
    exchange(100, 40);
    EXPECT_GE(exchange(100, 20), 20u) << "small ones do again";
    pair.peer.shutdown();
    std::array<std::byte, 1> into{};
    EXPECT_EQ(within(loop, pair.stream.read(into)), 0u);
}

TEST_F(Uring, AnUrgentByteAmongLargePiecesDoesNotHideWhatIsBehindIt) {
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
    EXPECT_EQ(faults().buffers_used(), used) << "it was read by the ring: the test has shown nothing";
}

TEST_F(UringStress, PiecesOfAllSizesInTurnKeepTheirOrder) {
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

TEST_F(UringStress, EachBufferIsGivenBackOnceWhereverItsLeaseEnds) {
    const support::watchdog limit("leases", support::is_sanitized ? 170s : 50s);
    const auto rounds = support::rounds(2'000);
    {
        const auto pool = make_runtime(2);
        std::mutex lock;
        std::vector<eddy::io::leased_buffer> leases;
        std::atomic<bool> is_over = false;
        // Ends some of them on a thread of its own.
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
            // Dropped with bytes that were not read, sometimes.
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
                    // The whole of a buffer, or a part.
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

// ---- Its end, where it may not be, and where it is twice ----

/// Waits for everything that there is, for ever; says when it waits.
eddy::task<void> wait_for_all(connection pair, std::atomic<int>& waits) {
    auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    pair.peer.send(std::string(100'000, 'x'));
    std::array<std::byte, 10> some{};
    const auto read = co_await pair.stream.read_exact(some);
    EXPECT_TRUE(read.has_value());
    connection quiet;
    std::array<std::byte, 1> into{};
    const std::vector<std::byte> much(1'000'000);
    const auto write_for_ever = [&]() -> eddy::task<void> {
        for (;;) {
            const auto written = co_await pair.stream.write_all(std::span(much).first(700));
            if (!written) co_return;
        }
    };
    auto all = eddy::join(listener.accept(), quiet.stream.read(into), quiet.stream.write_all(much), write_for_ever(),
                          eddy::time::sleep(1h));
    ++waits;
    static_cast<void>(co_await all);
}

TEST_F(Uring, ALoopOrARuntimeEndsAtOnceWithOperationsInFlight) {
    for (const unsigned workers : {0u, 1u, 2u}) {
        SCOPED_TRACE(workers);
        std::optional<eddy::core> loop;
        std::optional<eddy::runtime> pool;
        std::atomic<int> waits = 0;
        const auto begin_all = [&]() -> eddy::task<void> {
            for (int i = 0; i < 50; ++i) eddy::spawn(wait_for_all(connection(), waits)).detach();
            while (waits < 50) co_await eddy::yield_now();
            co_await eddy::time::sleep(5ms);
        };
        if (workers == 0) {
            loop.emplace(make_core());
            loop->run(begin_all());
        } else {
            pool.emplace(make_runtime(workers));
            pool->block_on(begin_all());
        }
        const auto begin = std::chrono::steady_clock::now();
        loop.reset();
        pool.reset();
        EXPECT_LT(std::chrono::steady_clock::now() - begin, support::is_sanitized ? 10s : 1s);
        EXPECT_EQ(faults().rings_alive(), 0u);
    }
}

TEST_F(Uring, WhatWasWrittenBeforeTheEndIsSent) {
    connection pair;
    {
        auto loop = make_core();
        const auto write = [&]() -> eddy::task<void> {
            std::array<std::byte, 1> into{};
            static_cast<void>(co_await once(pair.stream.read(into)));
            const auto written = co_await pair.stream.write(support::bytes_of("last words"));
            EXPECT_EQ(written, 10u);
        };
        loop.run(write());
    }
    EXPECT_EQ(pair.peer.receive(10), "last words");
    auto gone = std::move(pair.stream);
}

TEST_F(Uring, ARingThatCannotBeMadeLeavesNothingAndIsSaid) {
    const auto build = [](eddy::driver_kind kind) {
        return eddy::runtime::builder().worker_threads(4).driver(kind).build();
    };
    for (const std::size_t after : {0u, 1u, 3u}) {
        SCOPED_TRACE(after);
        begin({});
        faults().fail_to_make(ENOMEM, after);
        const auto by_name = build(eddy::driver_kind::io_uring);
        EXPECT_EQ(by_name.error(), std::errc::not_enough_memory);
        EXPECT_EQ(faults().rings_alive(), 0u);
        begin({});
        faults().fail_to_make(ENOMEM, after);
        const auto automatic = build(eddy::driver_kind::automatic);
        ASSERT_TRUE(automatic.has_value());
        EXPECT_EQ(automatic->driver(), eddy::driver_kind::epoll);
        EXPECT_EQ(automatic->why_driver(), "epoll: no memory may be locked for a ring (ENOMEM: RLIMIT_MEMLOCK)");
        EXPECT_EQ(faults().rings_alive(), 0u);
        automatic->block_on(support::converse_all(4, 10'000, support::seed()));
    }
    begin({});
    faults().fail_to_make_buffers(ENOMEM);
    EXPECT_EQ(eddy::core::builder().driver(eddy::driver_kind::io_uring).build().error(), std::errc::not_enough_memory);
}

TEST_F(Uring, WhoWaitsUsesNoProcessor) {
    const auto pool = make_runtime(2);
    auto loop = make_core();
    const auto wait = [&]() -> eddy::task<void> {
        std::vector<connection> idle(20);
        std::vector<std::array<std::byte, 1>> into(idle.size());
        for (std::size_t i = 0; i < idle.size(); ++i) static_cast<void>(co_await once(idle[i].stream.read(into[i])));
        co_await eddy::time::sleep(10ms);
        const auto before = support::cpu_time();
        co_await eddy::time::sleep(1s);  // nothing happens meanwhile
        EXPECT_LT(support::cpu_time() - before, 50ms);
    };
    loop.run(wait());
    pool.block_on(wait());
    EXPECT_EQ(faults().setup_flags() & IORING_SETUP_SQPOLL, 0u);
    EXPECT_NE(faults().setup_flags() & IORING_SETUP_DEFER_TASKRUN, 0u);
}

TEST_F(Uring, AForkedChildLeavesTheRingToItsParent) {
    auto loop = make_core();
    const auto talk = [&]() -> eddy::task<void> {
        std::vector<connection> pairs(20);
        std::array<std::byte, 4> into{};
        for (auto& each : pairs) static_cast<void>(co_await once(each.stream.read(into)));
        co_await eddy::time::sleep(1ms);
        // Bytes that are on their way to the reader, and such that are not sent yet.
        for (auto& each : pairs) each.peer.send("ping");
        for (auto& each : pairs) {
            const auto written = co_await each.stream.write(support::bytes_of("pong"));
            EXPECT_EQ(written, 4u);
        }
        EXPECT_TRUE(support::is_true_in_child([&] {
            ::alarm(20);
            for (std::size_t i = 0; i < pairs.size(); i += 2) auto gone = std::move(pairs[i].stream);
            return true;
        }));
        for (auto& each : pairs) {
            const auto read = co_await each.stream.read_exact(into);
            EXPECT_TRUE(read.has_value());
            EXPECT_EQ(support::text_of(into), "ping");
            const auto ended = co_await each.stream.shutdown();
            EXPECT_TRUE(ended.has_value());
            EXPECT_EQ(each.peer.receive(100), "pong");
        }
    };
    within(loop, talk());
}

}  // namespace
