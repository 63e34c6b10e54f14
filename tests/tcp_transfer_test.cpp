// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <array>
#include <atomic>
#include <cstring>
#include <latch>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>

#include <support/driver.hpp>
#include <support/net.hpp>
#include <support/stress.hpp>

// The bytes of TCP streams: none is lost, none comes twice, and who waits for one is woken.

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::bytes_of;
using support::connection;
using support::raw_socket;
using support::text_of;
using support::within;

/// Bytes without a period that a buffer's size would divide.
std::string pattern(std::size_t size, unsigned seed = 1) {
    std::string made(size, '\0');
    std::uint32_t state = seed;
    for (char& c : made) {
        state = state * 1664525u + 1013904223u;
        c = static_cast<char>(state >> 24);
    }
    return made;
}

/// What comes until the stream ends.
eddy::task<std::string> read_to_end(tcp_stream& stream, std::size_t at_once = 4096) {
    std::string got;
    std::vector<std::byte> buffer(at_once);
    for (;;) {
        const auto count = co_await stream.read(buffer);
        if (!count || *count == 0) co_return got;
        got += text_of(std::span(buffer).first(*count));
    }
}

/// Waits without reading until bytes are there.
void wait_readable(const tcp_stream& stream) { raw_socket(::dup(stream.native_handle())).wait_for(POLLIN); }

// ---- Reading ----

TEST(TcpTransfer, OneByteAtATimeStillGetsAll) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(64 * 1024);
    pair.stream.set_nodelay(true).value();
    std::jthread writer([&] {
        pair.peer.send(sent);
        pair.peer.shutdown();
    });
    EXPECT_EQ(within(core, read_to_end(pair.stream, 1)), sent);
}

TEST(TcpTransfer, AnUrgentByteDoesNotHideWhatIsBehindIt) {
    eddy::core core;
    for (int round = 0; round < 20; ++round) {
        connection pair;
        std::array<std::byte, 1> none{};
        auto registered = eddy::time::timeout(1ms, pair.stream.read(none));
        EXPECT_FALSE(core.run(std::move(registered)));
        // An urgent byte cuts a read short, though more is behind it and no further event comes.
        pair.peer.send("before");
        pair.peer.send_urgent('!');
        pair.peer.send("behind");
        pair.peer.send_urgent('?');
        pair.peer.send("the end");
        raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLPRI);
        std::string got;
        const auto read_all = [&]() -> eddy::task<void> {
            std::array<std::byte, 4096> buffer{};
            // A later urgent byte takes the place of the first, which is then ordinary.
            while (got.find("the end") == got.npos) {
                const auto count = co_await pair.stream.read(buffer);
                if (!count || *count == 0) co_return;
                got += text_of(std::span(buffer).first(*count));
            }
        };
        within(core, read_all(), 5s);
        EXPECT_EQ(got, "before!behindthe end");
    }
}

struct pty_end {
    explicit pty_end(int number) noexcept : fd(number) {}
    pty_end(pty_end&& other) noexcept : fd(std::exchange(other.fd, -1)) {}
    pty_end& operator=(pty_end&&) = delete;
    ~pty_end() {
        if (fd >= 0) ::close(fd);
    }
    [[nodiscard]] int native_handle() const noexcept { return fd; }
    int fd;
};

TEST(TcpTransfer, ATerminalIsReadUntilItWouldBlock) {
    eddy::core core;
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0) GTEST_SKIP() << "no pseudo-terminals here";
    ASSERT_EQ(::grantpt(master), 0);
    ASSERT_EQ(::unlockpt(master), 0);
    const int slave = ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ASSERT_GE(slave, 0);
    termios raw{};
    ::tcgetattr(slave, &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(slave, TCSANOW, &raw);

    const auto sent = pattern(10 * 1024);
    std::jthread child([&] {
        for (std::size_t at = 0; at < sent.size();) {
            const auto count = ::write(slave, sent.data() + at, sent.size() - at);
            if (count <= 0) break;
            at += static_cast<std::size_t>(count);
        }
        ::close(slave);  // the other end hears of a hang-up, with bytes still to be read
    });
    const auto read_all = [&]() -> eddy::task<std::string> {
        std::string got;
        eddy::io::async_fd<pty_end> source(pty_end(master), eddy::io::interest::readable);
        std::array<char, 97> buffer{};
        for (;;) {
            auto guard = co_await source.readable();
            if (!guard) co_return got;
            const auto read_some = [&](const pty_end& end) -> eddy::result<std::size_t> {
                const auto count = ::read(end.native_handle(), buffer.data(), buffer.size());
                if (count < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
                return static_cast<std::size_t>(count);
            };
            const auto count = guard->try_io(read_some);
            if (count && *count != 0) {
                got.append(buffer.data(), *count);
            } else if (count || count.error() != std::errc::operation_would_block) {
                co_return got;  // a terminal's end is EIO
            }
        }
    };
    EXPECT_EQ(within(core, read_all()), sent);
}

TEST(TcpTransfer, AResetWakesReaderAndWriter) {
    eddy::core core;
    connection pair;
    std::error_code read_error;
    std::error_code write_error;
    const auto read = [&]() -> eddy::task<void> {
        std::array<std::byte, 16> buffer{};
        if (const auto count = co_await pair.stream.read(buffer); !count) read_error = count.error();
    };
    const auto write = [&]() -> eddy::task<void> {
        const std::vector<std::byte> much(64 * 1024);
        for (;;) {
            if (const auto done = co_await pair.stream.write_all(much); !done) {
                write_error = done.error();
                co_return;
            }
        }
    };
    core.handle().spawn(read()).value();
    core.handle().spawn(write()).value();
    for (int i = 0; i < 50; ++i) core.turn(1ms);
    EXPECT_EQ(core.metrics().alive_tasks(), 2u) << "both should wait";
    pair.peer.reset();
    for (int i = 0; i < 100 && core.metrics().alive_tasks() > 0; ++i) core.turn(10ms);
    EXPECT_EQ(core.metrics().alive_tasks(), 0u);
    // The kernel hands the error out once: whoever comes second finds a closed connection.
    EXPECT_TRUE(read_error == std::errc::connection_reset || write_error == std::errc::connection_reset);
    EXPECT_TRUE(write_error);
}

TEST(TcpTransfer, APeerThatSendsNoMoreStillReceives) {
    eddy::core core;
    connection pair;
    pair.peer.send("the rest");
    pair.peer.shutdown();
    wait_readable(pair.stream);
    EXPECT_EQ(within(core, read_to_end(pair.stream, 3)), "the rest");
    EXPECT_EQ(within(core, read_to_end(pair.stream)), "") << "the end of a stream stays";
    const auto sent = pattern(1 << 20);
    std::string got;
    std::jthread reader([&] { got = pair.peer.receive(sent.size()); });
    EXPECT_TRUE(within(core, pair.stream.write_all(bytes_of(sent))));
    reader.join();
    EXPECT_EQ(got, sent);
}

TEST(TcpTransfer, AHalfCloseWhileAReaderWaitsEndsTheReadOnly) {
    eddy::core core;
    connection pair;
    bool ended = false;
    const auto read = [&]() -> eddy::task<void> {
        EXPECT_EQ(co_await read_to_end(pair.stream), "");
        ended = true;
    };
    core.handle().spawn(read()).value();
    for (int i = 0; i < 5; ++i) core.turn(0ms);
    EXPECT_FALSE(ended);
    pair.peer.shutdown();
    for (int i = 0; i < 100 && !ended; ++i) core.turn(10ms);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(within(core, pair.stream.write_all(bytes_of("still"))));
    EXPECT_EQ(pair.peer.receive(5), "still");
}

TEST(TcpTransfer, APeerThatReadsNoMoreStillSends) {
    eddy::core core;
    connection pair;
    pair.peer.shutdown(SHUT_RD);
    pair.peer.send("words");
    std::array<std::byte, 5> buffer{};
    ASSERT_TRUE(within(core, pair.stream.read_exact(buffer)));
    EXPECT_EQ(text_of(buffer), "words");
}

TEST(TcpTransfer, ASocketThatNobodyAwaitsDoesNotTurnTheLoop) {
    eddy::core core;
    const auto listener = raw_socket::listening();
    auto stream = within(core, tcp_stream::connect(listener.addr())).value();  // connected through the loop
    connection pair;
    const auto before = core.metrics();
    std::array<std::byte, 16> buffer{};
    for (int i = 0; i < 1000; ++i) {
        pair.peer.send("x");
        wait_readable(pair.stream);
        EXPECT_EQ(pair.stream.try_read(buffer).value(), 1u);
    }
    core.turn(0ms);
    const auto after = core.metrics();
    EXPECT_EQ(after.io().ready_events, before.io().ready_events);
    EXPECT_EQ(after.io().fds_registered, before.io().fds_registered);
    EXPECT_EQ(after.turns(), before.turns() + 1);
}

TEST(TcpTransfer, TryReadWouldBlockAndAReaderIsWokenLater) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 16> buffer{};
    EXPECT_EQ(pair.stream.try_read(buffer).error(), std::errc::operation_would_block);
    by_hand read{pair.stream.read(buffer)};
    auto poll_once = eddy::poll_fn([&](eddy::context&) {
        assert_pending(read.poll());
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(poll_once));
    EXPECT_EQ(pair.stream.try_read(buffer).error(), std::errc::operation_would_block);
    core.turn(0ms);
    EXPECT_FALSE(read.is_woken()) << "nothing has come";
    pair.peer.send("!");
    for (int i = 0; i < 100 && !read.is_woken(); ++i) core.turn(10ms);
    ASSERT_TRUE(read.is_woken());
    EXPECT_EQ(assert_ready(read.poll()).value(), 1u);
    EXPECT_EQ(read.wakers(), 0u) << "it left its waker behind";
    EXPECT_THROW(static_cast<void>(read.poll()), eddy::misuse) << "polled after it had ended";
}

TEST(TcpTransfer, APeekThatWouldBlockWaits) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 16> buffer{};
    std::string seen;
    const auto peek = [&]() -> eddy::task<void> {
        const auto count = co_await pair.stream.peek(buffer);
        seen = text_of(std::span(buffer).first(count.value()));
    };
    for (int round = 0; round < 3; ++round) {
        core.handle().spawn(peek()).value();
        core.turn(0ms);
        core.turn(0ms);
        EXPECT_EQ(seen, "");
        pair.peer.send("data");
        for (int i = 0; i < 100 && seen.empty(); ++i) core.turn(10ms);
        EXPECT_EQ(seen, "data");
        seen.clear();
        within(core, peek());
        EXPECT_EQ(seen, "data") << "what is peeked at stays";
        EXPECT_EQ(within(core, pair.stream.read(buffer)).value(), 4u);
        EXPECT_EQ(pair.stream.try_read(buffer).error(), std::errc::operation_would_block);
        seen.clear();
    }
}

TEST(TcpTransfer, EmptyBuffersAreReadyAtOnce) {
    connection pair;  // no loop is needed either
    by_hand read{pair.stream.read({})};
    EXPECT_EQ(assert_ready(read.poll()).value(), 0u);
    by_hand write{pair.stream.write({})};
    EXPECT_EQ(assert_ready(write.poll()).value(), 0u);
    by_hand exact{pair.stream.read_exact({})};
    EXPECT_TRUE(assert_ready(exact.poll()));
    by_hand all{pair.stream.write_all({})};
    EXPECT_TRUE(assert_ready(all.poll()));
    const std::array<std::span<std::byte>, 2> into{};
    by_hand vectored{pair.stream.read_vectored(into)};
    EXPECT_EQ(assert_ready(vectored.poll()).value(), 0u);
    const std::array<std::span<const std::byte>, 2> from{};
    by_hand written{pair.stream.write_vectored(from)};
    EXPECT_EQ(assert_ready(written.poll()).value(), 0u);
}

TEST(TcpTransfer, ReadExactTellsOfAnEarlyEnd) {
    eddy::core core;
    connection pair;
    pair.peer.send("abc");
    pair.peer.shutdown();
    std::array<std::byte, 4> buffer{};
    EXPECT_EQ(within(core, pair.stream.read_exact(buffer)).error(), eddy::errc::unexpected_eof);
}

TEST(TcpTransfer, ReadVectoredFillsOneBufferAfterTheOther) {
    eddy::core core;
    connection pair;
    pair.peer.send("abcdefg");
    wait_readable(pair.stream);
    std::array<std::byte, 2> first{};
    std::array<std::byte, 3> second{};
    std::array<std::byte, 9> third{};
    const std::array<std::span<std::byte>, 4> into{first, std::span<std::byte>(), second, third};
    EXPECT_EQ(within(core, pair.stream.read_vectored(into)).value(), 7u);
    EXPECT_EQ(text_of(first) + text_of(second) + text_of(std::span(third).first(2)), "abcdefg");
}

TEST(TcpTransfer, AReadThatLosesASelectLosesNoByte) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(20'000);
    std::jthread writer([&] {
        for (std::size_t at = 0; at < sent.size(); at += 10) pair.peer.send(std::string_view(sent).substr(at, 10));
        pair.peer.shutdown();
    });
    int lost = 0;
    const auto read_all = [&]() -> eddy::task<std::string> {
        std::string got;
        std::array<std::byte, 64> buffer{};
        for (bool ended = false; !ended;) {
            auto either = eddy::select(pair.stream.read(buffer), eddy::yield_now());
            const auto first = co_await either;
            if (first.index() == 1) {
                ++lost;
                continue;
            }
            const auto count = std::get<0>(first);
            ended = !count || *count == 0;
            if (!ended) got += text_of(std::span(buffer).first(*count));
        }
        co_return got;
    };
    EXPECT_EQ(within(core, read_all()), sent);
    writer.join();
    EXPECT_GE(lost, 0);
}

// ---- Writing ----

TEST(TcpTransfer, AWriteToAClosedPeerIsAnErrorAndNoSignal) {
    // SIGPIPE's default would end the process here.
    eddy::core core;
    connection pair;
    pair.peer.close();
    std::error_code error;
    const auto write = [&]() -> eddy::task<void> {
        for (;;) {
            const auto count = co_await pair.stream.write(bytes_of("anybody there?"));
            if (count) continue;
            // The first write may be answered by a reset, which is reported once; after that it is a broken pipe.
            if (std::exchange(error, count.error()) == std::errc::broken_pipe) co_return;
            if (error == std::errc::broken_pipe) co_return;
        }
    };
    within(core, write());
    EXPECT_EQ(error, std::errc::broken_pipe);
    const std::array<std::span<const std::byte>, 1> from{bytes_of("x")};
    EXPECT_EQ(within(core, pair.stream.write_vectored(from)).error(), std::errc::broken_pipe);
    EXPECT_EQ(pair.stream.try_write(bytes_of("x")).error(), std::errc::broken_pipe);
}

TEST(TcpTransfer, ShutdownEndsOurSideOnly) {
    eddy::core core;
    connection pair;
    within(core, pair.stream.write_all(bytes_of("last words"))).value();
    within(core, pair.stream.shutdown()).value();
    EXPECT_EQ(pair.peer.receive(100), "last words");
    pair.peer.send("answer");
    pair.peer.close();
    EXPECT_EQ(within(core, read_to_end(pair.stream)), "answer");
    EXPECT_TRUE(within(core, pair.stream.shutdown())) << "a second time does no harm";
}

TEST(TcpTransfer, AWriteAfterOnesOwnShutdownIsABrokenPipeEachTime) {
    eddy::core core;
    connection used;
    connection fresh;
    const auto write_after_end = [](tcp_stream& stream) -> eddy::task<void> {
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended.has_value());
        for (const std::size_t size : {5, 3000, 5}) {
            const auto lost = co_await stream.write_all(std::vector<std::byte>(size));
            EXPECT_EQ(lost.error(), std::errc::broken_pipe) << size;
        }
        EXPECT_EQ(stream.try_write(bytes_of("x")).error(), std::errc::broken_pipe);
        const auto flushed = co_await stream.flush();
        EXPECT_TRUE(flushed.has_value()) << "nothing was taken";
    };
    within(core, used.stream.write_all(bytes_of("last words"))).value();
    within(core, write_after_end(used.stream));
    within(core, write_after_end(fresh.stream));
    EXPECT_EQ(used.peer.receive(100), "last words");
    EXPECT_FALSE(within(core, std::move(used.stream).into_native()).value().error);
}

TEST(TcpTransfer, ShutdownAfterAResetSucceeds) {
    eddy::core core;
    connection pair;
    pair.peer.reset();
    raw_socket(::dup(pair.stream.native_handle())).wait_for(POLLERR);
    EXPECT_TRUE(within(core, pair.stream.shutdown()));
}

TEST(TcpTransferStress, VectoredWritesGoOnWhereTheyStopped) {
    eddy::core core;
    std::mt19937_64 random(support::seed());
    for (auto left = support::rounds(200); left > 0; --left) {
        connection pair;
        const int small = 4096;
        ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        // 5,000 buffers, more than IOV_MAX, many of them empty.
        const auto sent = pattern(200'000, static_cast<unsigned>(random()) | 1u);
        std::vector<std::span<const std::byte>> buffers;
        std::size_t at = 0;
        while (buffers.size() < 4'999) {
            const auto size = std::min<std::size_t>(random() % 3 == 0 ? 0 : random() % 60, sent.size() - at);
            buffers.push_back(bytes_of(std::string_view(sent).substr(at, size)));
            at += size;
        }
        buffers.push_back(bytes_of(std::string_view(sent).substr(at)));

        std::string got;
        std::jthread reader([&] { got = pair.peer.receive(sent.size()); });
        const auto write = [&]() -> eddy::task<eddy::result<void>> {
            std::span<std::span<const std::byte>> rest(buffers);
            for (;;) {
                while (!rest.empty() && rest.front().empty()) rest = rest.subspan(1);
                if (rest.empty()) co_return eddy::ok();
                auto count = co_await eddy::try_(pair.stream.write_vectored(rest));
                EXPECT_GT(count, 0u);
                while (count > 0) {
                    const auto taken = std::min(count, rest.front().size());
                    rest.front() = rest.front().subspan(taken);
                    count -= taken;
                    if (rest.front().empty()) rest = rest.subspan(1);
                }
            }
        };
        EXPECT_TRUE(within(core, write()));
        reader.join();
        ASSERT_EQ(got, sent);
    }
}

TEST(TcpTransferStress, LargeTransfersBothWaysAtOnce) {
    eddy::core core;
    connection pair;
    const auto size = std::size_t{1} << 20;
    const auto megabytes = std::max<std::size_t>(4, support::rounds(400));
    const auto there = pattern(size, 3);
    const auto back = pattern(size, 5);
    std::jthread writer([&] {
        for (std::size_t i = 0; i < megabytes; ++i) pair.peer.send(back);
        pair.peer.shutdown();
    });
    bool peer_right = true;
    std::jthread reader([&] {
        for (std::size_t i = 0; i < megabytes; ++i) peer_right = peer_right && pair.peer.receive(size) == there;
    });
    const auto send = [&]() -> eddy::task<eddy::result<void>> {
        for (std::size_t i = 0; i < megabytes; ++i) {
            for (auto rest = bytes_of(there); !rest.empty();) {
                rest = rest.subspan(co_await eddy::try_(pair.stream.write(rest)));
            }
        }
        co_return co_await pair.stream.shutdown();
    };
    const auto receive = [&]() -> eddy::task<eddy::result<std::size_t>> {
        std::size_t at = 0;
        for (;;) {
            const auto data = co_await eddy::try_(pair.stream.receive());
            if (data.empty()) co_return at;
            for (const std::byte byte : data) {
                if (byte != static_cast<std::byte>(back[at++ % size])) co_return std::unexpected(std::error_code());
            }
        }
    };
    auto both = eddy::try_join(send(), receive());
    const auto done = within(core, std::move(both), 120s);
    writer.join();
    reader.join();
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_TRUE(peer_right);
}

// ---- Fairness ----

TEST(TcpTransfer, AFloodDoesNotStarveATimer) {
    eddy::core core;
    connection pair;
    std::atomic<bool> over = false;
    std::jthread flood([&] {
        const std::string much(256 * 1024, 'x');
        try {
            while (!over) pair.peer.send(much);
        } catch (const std::system_error&) {
        }
    });
    std::size_t received = 0;
    const auto drain = [&]() -> eddy::task<void> {
        while (auto data = co_await pair.stream.receive()) {
            if (data->empty()) co_return;
            received += data->size();
        }
    };
    core.handle().spawn(drain()).value();
    // In processor time of this thread: what other processes take of the machine is not the loop's delay.
    std::chrono::nanoseconds worst{};
    const auto tick = [&]() -> eddy::task<void> {
        auto every = eddy::time::interval(10ms);
        co_await every.tick();
        for (int i = 0; i < 50; ++i) {
            const auto before = support::thread_cpu_time();
            co_await every.tick();
            worst = std::max(worst, support::thread_cpu_time() - before);
        }
    };
    within(core, tick());
    over = true;
    ::shutdown(pair.stream.native_handle(), SHUT_RDWR);  // the flood ends, if it waits for room
    pair.peer.shutdown(SHUT_RDWR);
    core.run_until_idle();  // the reader borrows what dies before the loop
    EXPECT_GT(received, 1u << 20);
    EXPECT_LT(worst, 10ms + 50ms) << worst.count() << " ns between two ticks";
}

// ---- Readiness ----

TEST(TcpTransfer, AnyNumberOfTasksWaitForReadiness) {
    eddy::core core;
    connection pair;
    int woken = 0;
    const auto wait = [&]() -> eddy::task<void> {
        const auto seen = co_await pair.stream.readable();
        EXPECT_TRUE(seen && seen->is_readable());
        ++woken;
    };
    for (int i = 0; i < 100; ++i) core.handle().spawn(wait()).value();
    for (int i = 0; i < 5; ++i) core.turn(0ms);
    EXPECT_EQ(woken, 0);
    pair.peer.send("x");
    core.run_until_idle();
    EXPECT_EQ(woken, 100);
    EXPECT_TRUE(within(core, pair.stream.writable()));
}

TEST(TcpTransfer, ReadableAndTryReadMakeALoop) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(300'000);
    std::jthread writer([&] {
        pair.peer.send(sent);
        pair.peer.shutdown();
    });
    const auto read_all = [&]() -> eddy::task<std::string> {
        std::string got;
        std::array<std::byte, 1000> buffer{};
        for (;;) {
            if (!co_await pair.stream.readable()) co_return got;
            const auto count = pair.stream.try_read(buffer);
            if (!count && count.error() == std::errc::operation_would_block) continue;
            if (!count || *count == 0) co_return got;
            got += text_of(std::span(buffer).first(*count));
        }
    };
    EXPECT_EQ(within(core, read_all()), sent);
}

TEST(TcpTransfer, AnyCallOnAStreamUnlessARingReceivesForIt) {
    using eddy::io::interest;
    eddy::core core;
    connection pair;
    std::array<std::byte, 8> into{};
    const auto receive = [&]() -> eddy::result<std::size_t> {
        const auto count = ::recv(pair.stream.native_handle(), into.data(), into.size(), 0);
        if (count < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
        return static_cast<std::size_t>(count);
    };
    EXPECT_EQ(pair.stream.try_io(interest::readable, receive).error(), std::errc::operation_would_block);
    auto sends = eddy::poll_fn([&](eddy::context&) {
        pair.peer.send("hello");
        return eddy::poll_result<int>(0);
    });
    auto both = eddy::join(pair.stream.async_io(interest::readable, receive), std::move(sends));
    const auto got = within(core, std::move(both)).first;
    if (support::has_ring()) {
        EXPECT_EQ(got.error(), std::errc::operation_not_supported);
        EXPECT_EQ(within(core, pair.stream.read(into)), 5u) << "no byte is lost";
    } else {
        EXPECT_EQ(got, 5u);
    }
    EXPECT_EQ(text_of(std::span(into).first(5)), "hello");
}

TEST(TcpTransfer, ACallThatWritesComesBehindWhatWasWrittenAndWaitsForRoom) {
    using eddy::io::interest;
    eddy::core core;
    connection pair;
    const auto sends = [&](std::string_view text) {
        return [&pair, text]() -> eddy::result<std::size_t> {
            const auto count = ::send(pair.stream.native_handle(), text.data(), text.size(), MSG_NOSIGNAL);
            if (count < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
            return static_cast<std::size_t>(count);
        };
    };
    const std::string block(64UL * 1024, 'x');
    std::size_t filled = 0;
    const auto fill = [&]() -> eddy::task<void> {
        const auto first = co_await eddy::io::write_all(pair.stream, "first, ");
        EXPECT_TRUE(first.has_value());
        const auto second = sends("second");
        const auto behind = co_await pair.stream.async_io(interest::writable, second);
        EXPECT_EQ(behind, 6u);
        pollfd room{pair.stream.native_handle(), POLLOUT, 0};
        do {
            co_await eddy::yield_now();
            while (const auto count = pair.stream.try_io(interest::writable, sends(block))) filled += *count;
        } while (::poll(&room, 1, 20) == 1);  // what is on its way to the peer makes room once more
    };
    const auto wait_for_room = [&]() -> eddy::task<void> {
        const auto last = sends("the end");
        auto waits = pair.stream.async_io(interest::writable, last);
        auto reads = eddy::poll_fn(
            [&](eddy::context&) -> eddy::poll_result<std::string> { return pair.peer.receive(13 + filled); });
        const auto both = co_await eddy::join(std::move(waits), std::move(reads));
        EXPECT_EQ(both.first, 7u);
        EXPECT_EQ(both.second, "first, second" + std::string(filled, 'x'));
    };
    within(core, fill());
    EXPECT_EQ(pair.stream.try_io(interest::writable, sends("!")).error(), std::errc::operation_would_block);
    within(core, wait_for_room());
    EXPECT_EQ(pair.peer.receive(7), "the end");
}

TEST(TcpTransfer, ADroppedOperationTakesItsWakerAlong) {
    eddy::core core;
    connection pair;
    std::array<std::byte, 4> buffer{};
    by_hand read{pair.stream.read(buffer)};
    by_hand readable{pair.stream.readable()};
    auto poll_both = eddy::poll_fn([&](eddy::context&) {
        assert_pending(read.poll());
        assert_pending(readable.poll());
        return eddy::poll_result<void>::ready();
    });
    within(core, std::move(poll_both));
    EXPECT_EQ(read.wakers(), 1u);
    EXPECT_EQ(readable.wakers(), 1u);
    read.drop();
    readable.drop();
    EXPECT_EQ(read.wakers(), 0u);
    EXPECT_EQ(readable.wakers(), 0u);
}

// ---- Leases ----

TEST(TcpTransfer, ALeaseOutlivesItsStreamAndItsLoop) {
    eddy::io::leased_buffer kept;
    {
        eddy::core core;
        connection pair;
        pair.peer.send("kept");
        kept = within(core, pair.stream.receive()).value();
    }
    ASSERT_EQ(kept.size(), 4u);
    EXPECT_EQ(text_of(kept), "kept");
    const auto elsewhere = std::move(kept);
    EXPECT_EQ(text_of(elsewhere), "kept");
}

TEST(TcpTransfer, AReceiveAtTheEndIsEmpty) {
    eddy::core core;
    connection pair;
    pair.peer.send("x");
    pair.peer.shutdown();
    EXPECT_EQ(within(core, pair.stream.receive()).value().size(), 1u);
    EXPECT_TRUE(within(core, pair.stream.receive()).value().empty());
    EXPECT_TRUE(within(core, pair.stream.receive()).value().empty());
}

/// Receives so much, and writes each lease back as it is.
eddy::task<void> return_leases(tcp_stream& stream, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
        auto lease = co_await stream.receive();
        EXPECT_TRUE(lease.has_value());
        if (!lease || lease->empty()) co_return;
        done += lease->size();
        const auto written = co_await stream.write_owned(*std::move(lease));
        EXPECT_TRUE(written.has_value());
    }
}

TEST(TcpTransfer, WriteOwnedSendsAllOfALease) {
    eddy::core core;
    connection pair;
    for (const std::size_t size : {1, 511, 512, 513, 4096, 8192, 8193, 16'384, 32'768, 200'000}) {
        const auto sent = pattern(size);
        std::string got;
        std::jthread peer([&] {
            pair.peer.send(sent);
            got = pair.peer.receive(size);
        });
        within(core, return_leases(pair.stream, size));
        within(core, pair.stream.flush()).value();
        peer.join();
        EXPECT_EQ(got, sent);
    }
}

TEST(TcpTransfer, WhatIsWrittenAroundALeaseKeepsItsOrder) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(1000);
    pair.peer.send(sent);
    const auto write_around = [&]() -> eddy::task<void> {
        auto lease = co_await pair.stream.receive();
        EXPECT_EQ(lease->size(), 1000u);
        const auto head = co_await pair.stream.write_all(bytes_of("head "));
        EXPECT_TRUE(head.has_value());
        const auto body = co_await pair.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(body.has_value());
        const auto tail = co_await pair.stream.write_all(bytes_of(" tail"));
        EXPECT_TRUE(tail.has_value());
    };
    within(core, write_around());
    within(core, pair.stream.flush()).value();
    EXPECT_EQ(pair.peer.receive(1010), "head " + sent + " tail");

    // First of all, so that the lease itself is queued.
    pair.peer.send(sent);
    const auto write_behind = [&]() -> eddy::task<void> {
        auto lease = co_await pair.stream.receive();
        const auto body = co_await pair.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(body.has_value());
        const auto tail = co_await pair.stream.write_all(bytes_of(" tail"));
        EXPECT_TRUE(tail.has_value());
    };
    within(core, write_behind());
    within(core, pair.stream.flush()).value();
    EXPECT_EQ(pair.peer.receive(1005), sent + " tail");
}

// However they were cut, and though a loop with a ring hands them over at the end of the turn.
TEST(TcpTransfer, TryWriteTakesAllWhileTheSocketHasRoom) {
    eddy::core core;
    connection pair;
    constexpr std::array<std::size_t, 13> sizes{200, 1000, 3, 1888, 1, 5000, 10, 0, 10, 4000, 500, 1500, 300};
    const auto sent = pattern(std::accumulate(sizes.begin(), sizes.end(), std::size_t{1000}));
    pair.peer.send(sent.substr(0, 1000));
    const auto write_in_one_turn = [&]() -> eddy::task<void> {
        auto lease = co_await pair.stream.receive();
        EXPECT_EQ(lease->size(), 1000u);
        const auto first = co_await pair.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(first.has_value());
        auto rest = bytes_of(sent).subspan(1000);
        for (const std::size_t size : sizes) {
            EXPECT_EQ(pair.stream.try_write(rest.first(size)), size);
            rest = rest.subspan(size);
        }
        const auto flushed = co_await pair.stream.flush();
        EXPECT_TRUE(flushed.has_value());
        EXPECT_EQ(pair.stream.try_write(bytes_of(std::string(1000, 'x'))), 1000u);
    };
    within(core, write_in_one_turn());
    within(core, pair.stream.flush()).value();
    EXPECT_EQ(pair.peer.receive(sent.size()), sent);
    EXPECT_EQ(pair.peer.receive(1000), std::string(1000, 'x'));
}

TEST(TcpTransferStress, PiecesOfAllSizesArriveInOrderThroughASocketThatIsOftenFull) {
    std::mt19937_64 random(support::seed());
    for (auto left = support::rounds(500); left > 0; --left) {
        eddy::core core;
        connection pair;
        const int small = 4096;
        ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        const auto sent = pattern(1 << 19);
        std::string got;
        std::jthread peer([&] { got = pair.peer.receive(sent.size()); });
        const auto write_pieces = [&]() -> eddy::task<void> {
            for (auto rest = bytes_of(sent); !rest.empty();) {
                const auto piece = rest.first(std::min<std::size_t>(rest.size(), random() % (1 << (random() % 13))));
                rest = rest.subspan(piece.size());
                const auto written = co_await pair.stream.write_all(piece);
                EXPECT_TRUE(written.has_value());
                if (random() % 16 == 0) co_await eddy::yield_now();
            }
            const auto flushed = co_await pair.stream.flush();
            EXPECT_TRUE(flushed.has_value());
        };
        within(core, write_pieces(), 60s);
        peer.join();
        EXPECT_EQ(got, sent);
    }
}

TEST(TcpTransfer, AnEmptyLeaseIsWrittenAtOnce) {
    connection pair;
    by_hand write{pair.stream.write_owned(eddy::io::leased_buffer())};
    EXPECT_TRUE(assert_ready(write.poll()).has_value());
}

TEST(TcpTransfer, ALeaseThatThePeerDoesNotTakeYetIsSentWhenItDoes) {
    eddy::core core;
    connection from;
    connection to;
    const auto sent = pattern(1000);
    to.peer.send("x");
    const auto filled = within(core, support::read_and_fill(to.stream), 30s);
    from.peer.send(sent);
    const auto hand_over = [&]() -> eddy::task<void> {
        auto lease = co_await from.stream.receive();
        EXPECT_EQ(lease->size(), 1000u);
        const auto written = co_await to.stream.write_owned(*std::move(lease));
        EXPECT_TRUE(written.has_value());
        const auto flushed = co_await to.stream.flush();
        EXPECT_TRUE(flushed.has_value());
    };
    std::string got;
    std::jthread peer([&] { got = to.peer.receive(filled + 1000); });
    within(core, hand_over(), 30s);
    peer.join();
    ASSERT_EQ(got.size(), filled + 1000);
    EXPECT_EQ(got.substr(filled), sent);
}

TEST(TcpTransfer, AStreamThatIsDroppedSendsTheLeaseThatItWasGiven) {
    eddy::core core;
    connection pair;
    const auto sent = pattern(2000);
    pair.peer.send(sent);
    const auto write_and_drop = [&]() -> eddy::task<void> {
        auto stream = std::move(pair.stream);
        auto lease = co_await stream.receive();
        EXPECT_EQ(lease->size(), 2000u);
        const auto written = co_await stream.write_owned(*std::move(lease));
        EXPECT_TRUE(written.has_value());
    };
    within(core, write_and_drop());
    EXPECT_EQ(pair.peer.receive(2001), sent);
}

TEST(TcpTransferStress, LeasesEndOnOtherThreadsWhileTheirLoopGoes) {
    for (auto left = support::rounds(500); left > 0; --left) {
        std::vector<eddy::io::leased_buffer> leases;
        std::jthread elsewhere;
        {
            eddy::core core;
            connection pair;
            for (int i = 0; i < 100; ++i) {
                pair.peer.send("some bytes");
                leases.push_back(within(core, pair.stream.receive()).value());
                if (i == 50) {
                    elsewhere = std::jthread([early = std::move(leases)]() mutable {
                        for (auto& lease : early) {
                            EXPECT_EQ(text_of(lease).substr(0, 4), "some");
                            eddy::io::leased_buffer ended = std::move(lease);
                        }
                    });
                    leases.clear();
                }
            }
        }
        std::jthread last([late = std::move(leases)]() mutable { late.clear(); });
    }
}

// ---- Two threads ----

TEST(TcpTransferStress, OneReadsAndAnotherThreadWrites) {
    // A read and a write may be pending at the same time, on two loops. The stream belongs to the one that waits first:
    // both register it at the same moment.
    for (auto left = support::rounds(500); left > 0; --left) {
        eddy::core core;
        connection pair;
        const auto sent = pattern(1 << 20);
        std::jthread echo([&] {
            for (std::size_t at = 0; at < sent.size(); at += 1 << 16) pair.peer.send(pair.peer.receive(1 << 16));
            pair.peer.shutdown();
        });
        const int small = 4096;
        ::setsockopt(pair.stream.native_handle(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        std::latch both(2);
        std::atomic<bool> has_read = false;
        std::jthread writer([&] {
            eddy::core own;
            both.arrive_and_wait();
            EXPECT_TRUE(within(own, pair.stream.write_all(bytes_of(sent))));
            while (!has_read) own.turn(1ms);  // the stream may belong to this loop, which then wakes the reader
        });
        both.arrive_and_wait();
        const auto got = within(core, read_to_end(pair.stream));
        has_read = true;
        EXPECT_EQ(got, sent);
        writer.join();
    }
}

void destroy_a_stream_that_is_read() {
    eddy::core core;
    auto pair = std::make_unique<connection>();
    std::byte byte{};
    const auto reads = [&]() -> eddy::task<void> {
        static_cast<void>(co_await pair->stream.read(std::span(&byte, 1)));
    };
    static_cast<void>(core.handle().spawn(reads()));
    core.turn(0ns);
    pair.reset();
}

TEST(TcpTransferDeathTest, DestroyingAStreamWhileAnOperationWaitsEndsTheProgramWithASentence) {
    EXPECT_DEATH(destroy_a_stream_that_is_read(), "destroyed or moved while one of its operations waits");
}

}  // namespace
