// SPDX-License-Identifier: MIT
// Limits on the time without progress, on a paused clock.
#include <eddy/io.hpp>
#include <eddy/prelude.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace io = eddy::io;
using eddy::errc;
using eddy::result;
using eddy::task;
using time_point = eddy::time::time_point;

/// Runs a coroutine on an event loop whose clock is paused.
template <class F>
auto on_paused_clock(F&& main) {
    auto core = eddy::core::builder().start_paused(true).build().value();
    return core.run(main());
}

// covers: P136 I20.3.11
TEST(IoIdleTimeout, ReadWithoutDataFailsAfterTheLimit) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(64);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        std::array<std::byte, 8> into{};
        const time_point begin = eddy::time::clock::now();
        const auto got = co_await io::read(stream, into);
        EXPECT_EQ(got.error(), errc::timed_out);
        EXPECT_GE(eddy::time::clock::now() - begin, 30s);
        EXPECT_LT(eddy::time::clock::now() - begin, 31s);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, EachReadRestartsTheTimeLimit) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(64);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        const auto sender = [](io::duplex_stream to) -> task<void> {
            for (int i = 0; i < 4; ++i) {
                co_await eddy::time::sleep(20s);
                static_cast<void>(co_await io::write_all(to, "x"));
            }
            co_await eddy::time::sleep(1h);
        };
        auto sends = eddy::spawn_background(sender(std::move(ends.second)));
        std::array<std::byte, 8> into{};
        int reads = 0;
        std::error_code error;
        for (;;) {
            const auto got = co_await io::read(stream, into);
            if (!got) {
                error = got.error();
                break;
            }
            ++reads;
        }
        EXPECT_EQ(reads, 4);
        EXPECT_EQ(error, errc::timed_out);
        sends.abort();
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, WritesKeepAWaitingReadAlive) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(4096);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        std::array<std::byte, 8> into{};
        const time_point begin = eddy::time::clock::now();
        auto reads = io::read(stream, into);
        for (int i = 0; i < 5; ++i) {
            const auto either = co_await eddy::select_biased(std::ref(reads), eddy::time::sleep(20s));
            EXPECT_EQ(either.index(), 1u);
            static_cast<void>(co_await io::write_all(stream, "x"));
        }
        const auto got = co_await reads;
        EXPECT_EQ(got.error(), errc::timed_out);
        EXPECT_GE(eddy::time::clock::now() - begin, 130s);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, WriteToFullPeerFailsAfterTheLimit) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(4);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        const auto sent = co_await io::write_all(stream, "0123456789");
        EXPECT_EQ(sent.error(), errc::timed_out);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, TimeWithoutAnOperationDoesNotCount) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(64);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        auto peer = std::move(ends.second);
        static_cast<void>(co_await io::write_all(peer, "x"));
        std::array<std::byte, 8> into{};
        const auto first = co_await io::read(stream, into);
        EXPECT_EQ(first, 1u);
        co_await eddy::time::sleep(10min);  // the task works on what it has read
        const time_point begin = eddy::time::clock::now();
        const auto got = co_await io::read(stream, into);
        EXPECT_EQ(got.error(), errc::timed_out);
        EXPECT_GE(eddy::time::clock::now() - begin, 30s);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, IdleTimeContinuesAfterDroppedRead) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(64);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        std::array<std::byte, 8> into{};
        int ticks = 0;
        for (;; ++ticks) {
            const auto either = co_await eddy::select_biased(io::read(stream, into), eddy::time::sleep(8s));
            if (either.index() == 0) break;
        }
        EXPECT_EQ(ticks, 3);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, StreamCanBeMovedBetweenOperations) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(64);
        auto stream = io::idle_timeout(std::move(ends.first), 30s);
        std::array<std::byte, 8> into{};
        const auto either = co_await eddy::select_biased(io::read(stream, into), eddy::time::sleep(1s));
        EXPECT_EQ(either.index(), 1u);
        auto moved = std::move(stream);
        const auto got = co_await io::read(moved, into);
        EXPECT_EQ(got.error(), errc::timed_out);
        auto inner = std::move(moved).into_inner();
        static_cast<void>(inner);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, AssignedStreamBringsItsLimitAndItsWait) {
    on_paused_clock([]() -> task<void> {
        auto first = io::duplex(64);
        auto second = io::duplex(64);
        auto stream = io::idle_timeout(std::move(first.first), 1h);
        auto other = io::idle_timeout(std::move(second.first), 30s);
        std::array<std::byte, 8> into{};
        const auto early = co_await eddy::select_biased(io::read(stream, into), eddy::time::sleep(1s));
        EXPECT_EQ(early.index(), 1u);
        const time_point begin = eddy::time::clock::now();
        const auto waited = co_await eddy::select_biased(io::read(other, into), eddy::time::sleep(20s));
        EXPECT_EQ(waited.index(), 1u);
        stream = std::move(other);
        const auto got = co_await io::read(stream, into);
        EXPECT_EQ(got.error(), errc::timed_out);
        EXPECT_GE(eddy::time::clock::now() - begin, 30s);
        EXPECT_LT(eddy::time::clock::now() - begin, 31s);
    });
}

// covers: I20.3.11
TEST(IoIdleTimeout, StdRefBorrowsTheStream) {
    on_paused_clock([]() -> task<void> {
        auto ends = io::duplex(64);
        auto stream = io::idle_timeout(std::ref(ends.first), 30s);
        const auto sent = co_await io::write_all(stream, "ab");
        EXPECT_TRUE(sent.has_value());
        std::array<std::byte, 2> into{};
        const auto got = co_await io::read_exact(ends.second, into);
        EXPECT_TRUE(got.has_value());
    });
}

// covers: P136 I20.3.12
TEST(IoCopyBidirectionalIdle, FailsWhenNoByteIsCopied) {
    on_paused_clock([]() -> task<void> {
        auto a = io::duplex(64);
        auto b = io::duplex(64);
        const time_point begin = eddy::time::clock::now();
        const auto talks = [](io::duplex_stream& from, io::duplex_stream& to) -> task<void> {
            for (int i = 0; i < 3; ++i) {
                co_await eddy::time::sleep(20s);
                static_cast<void>(co_await io::write_all(from, "x"));
                std::array<std::byte, 1> into{};
                static_cast<void>(co_await io::read_exact(to, into));
            }
        };
        auto both = eddy::join(io::copy_bidirectional(a.second, b.first, io::copy_options().idle_timeout(30s)),
                               talks(a.first, b.second));
        const auto done = co_await both;
        EXPECT_EQ(done.first.error(), errc::timed_out);
        EXPECT_GE(eddy::time::clock::now() - begin, 90s);
        EXPECT_LT(eddy::time::clock::now() - begin, 100s);
    });
}

// covers: I20.3.12
TEST(IoCopyBidirectionalIdle, EndsNormallyWithinTheLimit) {
    on_paused_clock([]() -> task<void> {
        auto a = io::duplex(64);
        auto b = io::duplex(64);
        const auto ends = [](io::duplex_stream& from, io::duplex_stream& to) -> task<void> {
            static_cast<void>(co_await io::write_all(from, "abc"));
            static_cast<void>(co_await io::shutdown(from));
            static_cast<void>(co_await io::shutdown(to));
        };
        auto options = io::copy_options().idle_timeout(30s).buffer_sizes(16, 16);
        auto both = eddy::join(io::copy_bidirectional(a.second, b.first, options), ends(a.first, b.second));
        const auto done = co_await both;
        EXPECT_EQ(done.first.value(), io::copied(3, 0));
    });
}

}  // namespace
