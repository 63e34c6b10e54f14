// SPDX-License-Identifier: MIT
// Sources together with their registration: poll_evented and async_fd.
#include <eddy/io/poll_evented.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/net.hpp"
#include "support/runtime/tcp_bytes.hpp"
#include "support/runtime/watched.hpp"
#include "support/self_assignment.hpp"
#include "support/system.hpp"
#include "sys/read_hup.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::io::async_fd;
using eddy::io::interest;
using eddy::io::poll_evented;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::counter;
using support::owned_fd;

template <class S>
auto reads_one(poll_evented<S>& from) {
    return by_hand(eddy::poll_fn(
        [&from](eddy::context& cx) { return from.poll_read(cx, [](const S& source) { return source.read(1); }); }));
}

// ---- PollEvented ----

// covers: S33 S34
TEST(PollEvented, ExampleUnderTheHoodWorks) {  // as in examples/under_the_hood.cpp
    eddy::core loop;
    const auto main = [&]() -> eddy::task<eddy::result<std::uint64_t>> {
        poll_evented<counter> source(counter{}, interest::readable);
        eddy::core_handle::current().spawn([&] { source.source().add(7); });
        co_await eddy::try_(
            eddy::poll_fn([&](eddy::context& cx) { return source.registration().poll_read_ready(cx); }));
        co_return source.source().take();
    };
    EXPECT_EQ(loop.run(main()).value(), 7u);
}

// covers: S33
TEST(PollEvented, PollReadWaitsAfterACallWouldBlock) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    auto evented = poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor.handle()).value();
    auto first = reads_one(evented);
    assert_pending(first.poll());
    ends.writer.write(2);
    reactor.turn(1s).value();
    EXPECT_EQ(first.wakes(), 1u);
    EXPECT_EQ(assert_ready(first.poll()).value(), 1u);
    EXPECT_EQ(assert_ready(reads_one(evented).poll()).value(), 1u);
    auto third = reads_one(evented);
    assert_pending(third.poll());  // the call would block, so readiness was cleared
    ends.writer.write(1);
    reactor.turn(1s).value();
    EXPECT_EQ(third.wakes(), 1u);
    EXPECT_EQ(assert_ready(third.poll()).value(), 1u);
}

// covers: R045
TEST(PollEvented, ReadsConsumeCoopBudget) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    auto evented = poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor.handle()).value();
    ends.writer.write(1);
    reactor.turn(1s).value();
    auto reader = reads_one(evented);
    assert_pending(reader.poll(0));
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(assert_ready(reader.poll(1)).value(), 1u);
}

// covers: S33
TEST(PollEvented, IntoInnerDeregistersTheSource) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    const int number = ends.reader.native_handle();
    auto evented = poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor.handle()).value();
    EXPECT_TRUE(support::is_watched(reactor, number));
    const owned_fd back = std::move(evented).into_inner();
    EXPECT_EQ(back.native_handle(), number);
    EXPECT_FALSE(support::is_watched(reactor, number));
    EXPECT_TRUE(reactor.is_idle());
    ::fcntl(number, F_SETFL, 0);
    std::thread other([&] { ends.writer.write(1); });
    EXPECT_EQ(back.read(1).value(), 1u);  // a blocking read
    other.join();
}

// covers: S33
TEST(PollEvented, DropDeregistersBeforeClose) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    const auto duplicate = ends.reader.duplicate();  // keeps the kernel's registration alive if drop does not remove it
    const int number = ends.reader.native_handle();
    {
        auto evented =
            poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor.handle()).value();
        EXPECT_TRUE(support::is_watched(reactor, number));
    }
    EXPECT_FALSE(support::is_watched(reactor, number));
    ends.writer.write(1);
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
}

TEST(PollEvented, MoveAssignmentDeregistersTheOldSource) {
    eddy::reactor reactor;
    auto first = support::make_pipe();
    auto second = support::make_pipe();
    const auto duplicate = first.reader.duplicate();
    auto evented = poll_evented<owned_fd>::make(std::move(first.reader), interest::readable, reactor.handle()).value();
    evented = poll_evented<owned_fd>::make(std::move(second.reader), interest::readable, reactor.handle()).value();
    EXPECT_EQ(reactor.metrics().fds_registered - reactor.metrics().fds_deregistered, 1u);
    first.writer.write(1);
    second.writer.write(1);
    EXPECT_EQ(reactor.turn(1s).value().events, 1u);
    EXPECT_EQ(assert_ready(reads_one(evented).poll()).value(), 1u);
}

TEST(PollEvented, ConstructorThrowsTheErrorOfMake) {
    eddy::core loop;
    const auto main = []() -> eddy::task<void> {
        const auto open = [] { return owned_fd(::open("/tmp", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)); };
        EXPECT_EQ(poll_evented<owned_fd>::make(open(), interest::readable).error(), std::errc::operation_not_permitted);
        try {
            const poll_evented<owned_fd> evented(open(), interest::readable);
            ADD_FAILURE() << "nothing was thrown";
        } catch (const std::system_error& e) {
            EXPECT_EQ(e.code(), std::errc::operation_not_permitted);
        }
        try {
            const eddy::io::async_fd<owned_fd> watched(open());
            ADD_FAILURE() << "nothing was thrown";
        } catch (const std::system_error& e) {
            EXPECT_EQ(e.code(), std::errc::operation_not_permitted);
            EXPECT_TRUE(std::string(e.what()).starts_with("eddy::io::async_fd at " __FILE__ ":")) << e.what();
        }
        co_return;
    };
    loop.run(main());
}

// covers: S41
TEST(PollEvented, OperationsFailAfterTheReactorIsGone) {
    auto reactor = std::optional<eddy::reactor>(std::in_place);
    auto ends = support::make_pipe();
    auto evented = poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor->handle()).value();
    ends.writer.write(1);
    reactor->turn(1s).value();
    reactor.reset();
    EXPECT_EQ(assert_ready(reads_one(evented).poll()).error(), eddy::errc::runtime_shutdown);
}

// ---- AsyncFd ----

// covers: P048
TEST(AsyncFd, TryIoClearsReadinessWhenTheCallWouldBlock) {
    eddy::core loop;
    auto ends = support::make_pipe();
    const auto main = [&]() -> eddy::task<eddy::result<std::size_t>> {
        async_fd<owned_fd> fd(std::move(ends.reader), interest::readable);
        eddy::core_handle::current().spawn([&] { ends.writer.write(3); });
        std::size_t got = 0;
        int would_block = 0;
        while (got < 6) {
            auto guard = co_await eddy::try_(fd.readable());
            EXPECT_TRUE(guard.ready().is_readable());
            const auto n = guard.try_io([](owned_fd& source) { return source.read(1); });
            if (n) {
                got += *n;
            } else {
                EXPECT_EQ(n.error(), std::errc::operation_would_block);
                if (++would_block == 1) eddy::core_handle::current().spawn([&] { ends.writer.write(3); });
            }
        }
        EXPECT_EQ(would_block, 1);
        co_return got;
    };
    EXPECT_EQ(loop.run(main()).value(), 6u);
}

// covers: P049
TEST(AsyncFd, AsyncIoRetriesTheCallWhenReady) {
    eddy::core loop;
    auto ends = support::make_pipe();
    const auto main = [&]() -> eddy::task<void> {
        async_fd<owned_fd> fd(std::move(ends.reader), interest::readable);
        int calls = 0;
        const auto read_one = [&](const owned_fd& source) {
            ++calls;
            return source.read(1);
        };
        by_hand waits(fd.async_io(interest::readable, read_one));
        assert_pending(waits.poll());
        assert_pending(waits.poll());
        EXPECT_EQ(calls, 0) << "called before the descriptor was ready";
        ends.writer.write(2);
        EXPECT_TRUE(co_await fd.readable());
        EXPECT_TRUE(waits.is_woken());
        EXPECT_EQ(assert_ready(waits.poll()), 1u);
        EXPECT_EQ(co_await fd.async_io(interest::readable, read_one), 1u) << "the second call needs no new event";
        EXPECT_EQ(calls, 2);

        by_hand once_more(fd.async_io(interest::readable, read_one));
        assert_pending(once_more.poll());
        EXPECT_EQ(calls, 3) << "the call would block, so readiness was cleared";
        ends.writer.write(1);
        EXPECT_TRUE(co_await fd.readable());
        EXPECT_EQ(assert_ready(once_more.poll()), 1u);
        const auto fails = [](const owned_fd&) -> eddy::result<void> {
            return std::unexpected(make_error_code(std::errc::timed_out));
        };
        EXPECT_EQ((co_await fd.async_io(interest::readable, fails)).error(), std::errc::timed_out);
    };
    loop.run(main());
}

// covers: P048
TEST(AsyncFd, ClearReadyMatchingKeepsOtherReadiness) {
    eddy::reactor reactor;
    eddy::core loop;
    const auto main = [&]() -> eddy::task<void> {
        async_fd<counter> fd(counter{}, interest::readable);
        fd.get().add();
        auto guard = (co_await fd.readable()).value();
        guard.clear_ready_matching(eddy::io::ready::writable);  // clears nothing: the guard has seen `readable`
        guard = (co_await fd.readable()).value();
        guard.clear_ready();
        by_hand again(fd.readable());
        assert_pending(again.poll());
    };
    loop.run(main());
}

// covers: R003
TEST(AsyncFd, TerminalIsReadToEnd) {
    eddy::core core;
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (master < 0) GTEST_SKIP() << "pseudo-terminals are not available";
    owned_fd ours(master);
    ASSERT_EQ(::grantpt(master), 0);
    ASSERT_EQ(::unlockpt(master), 0);
    owned_fd theirs(::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC));
    termios raw{};
    ::tcgetattr(theirs.native_handle(), &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(theirs.native_handle(), TCSANOW, &raw);

    const auto sent = support::pattern(10 * 1024);
    std::jthread writer([&] {
        for (std::size_t at = 0; at < sent.size();) {
            const auto count = ::write(theirs.native_handle(), sent.data() + at, sent.size() - at);
            if (count <= 0) break;
            at += static_cast<std::size_t>(count);
        }
        theirs.close();  // the reader gets a hang-up while there are unread bytes
    });
    const auto read_all = [&]() -> eddy::task<std::string> {
        std::string got;
        async_fd<owned_fd> source(std::move(ours), interest::readable);
        std::array<char, 97> buffer{};
        for (;;) {
            auto guard = co_await source.readable();
            if (!guard) co_return got;
            const auto read_some = [&](const owned_fd& end) -> eddy::result<std::size_t> {
                const auto count = ::read(end.native_handle(), buffer.data(), buffer.size());
                if (count < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
                return static_cast<std::size_t>(count);
            };
            const auto count = guard->try_io(read_some);
            if (count && *count != 0) {
                got.append(buffer.data(), *count);
            } else if (count || count.error() != std::errc::operation_would_block) {
                co_return got;  // a closed terminal reports EIO
            }
        }
    };
    EXPECT_EQ(support::within(core, read_all()), sent);
}

TEST(AsyncFd, SelfAssignmentKeepsRegistration) {
    eddy::core core;
    auto ends = support::make_pipe();
    const auto work = [&]() -> eddy::task<bool> {
        async_fd<owned_fd> fd(std::move(ends.reader), interest::readable);
        support::assign_to_itself(fd);
        ends.writer.write(1);
        const auto guard = co_await fd.readable();
        co_return guard.has_value();
    };
    EXPECT_TRUE(support::within(core, work()));
}

// covers: P048
TEST(AsyncFd, BlockingDescriptorIsRejected) {
    eddy::core loop;
    const auto main = []() -> eddy::task<std::error_code> {
        auto ends = support::make_pipe();
        ::fcntl(ends.reader.native_handle(), F_SETFL, 0);
        co_return async_fd<owned_fd>::make(std::move(ends.reader)).error().to_error_code();
    };
    EXPECT_EQ(loop.run(main()), eddy::errc::blocking_descriptor);
}

// covers: P048
TEST(AsyncFd, RegularFileIsRejectedWithRemedy) {
    eddy::core loop;
    const auto main = []() -> eddy::task<void> {
        for (const int mode : {0, O_NONBLOCK}) {
            for (const char* const path : {"/proc/self/exe", "/"}) {
                owned_fd file(::open(path, O_RDONLY | O_CLOEXEC | mode));
                const auto error = async_fd<owned_fd>::make(std::move(file)).error().to_error_code();
                EXPECT_EQ(error, eddy::errc::regular_file) << path << ", mode " << mode << ": " << error.message();
                EXPECT_EQ(error, std::errc::operation_not_permitted);
                EXPECT_TRUE(error.message().contains("in spawn_blocking()")) << error.message();
            }
        }
        co_return;
    };
    loop.run(main());
}

// covers: P048 I20.5.25
TEST(AsyncFd, FailedMakeGivesTheSourceBack) {
    const support::leaves_no_descriptor guard;
    eddy::core loop;
    const auto main = []() -> eddy::task<void> {
        auto ends = support::make_pipe();
        const int number = ends.reader.native_handle();
        const int flags = ::fcntl(number, F_GETFL);
        ::fcntl(number, F_SETFL, flags & ~O_NONBLOCK);
        auto refused = async_fd<owned_fd>::make(std::move(ends.reader), interest::readable);
        EXPECT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().to_error_code(), eddy::errc::blocking_descriptor);
        EXPECT_FALSE(refused.error().message().empty());
        owned_fd back = std::move(refused.error()).into_source();
        EXPECT_EQ(back.native_handle(), number);
        ::fcntl(number, F_SETFL, flags);
        auto made = async_fd<owned_fd>::make(std::move(back), interest::readable);
        EXPECT_TRUE(made.has_value());
        ends.writer.write(1);
        const auto ready = co_await made->readable();
        EXPECT_TRUE(ready.has_value());
        // The reactor has this descriptor already.
        auto twice = async_fd<eddy::io::source_fd>::make(eddy::io::source_fd(number), interest::readable);
        EXPECT_EQ(twice.error().to_error_code(), std::errc::file_exists);
        EXPECT_EQ(twice.error().source().native_handle(), number);
    };
    loop.run(main());
}

TEST(AsyncFd, ExceptionNamesCallSiteAndReason) {
    eddy::core loop;
    const auto main = []() -> eddy::task<void> {
        const int line = __LINE__ + 2;
        try {
            const async_fd<eddy::io::source_fd> none(eddy::io::source_fd(1 << 20), interest::readable);
            ADD_FAILURE() << "the descriptor is open";
        } catch (const std::system_error& e) {
            const std::string text = e.what();
            EXPECT_EQ(e.code(), std::errc::bad_file_descriptor);
            EXPECT_NE(
                text.find("poll_evented_test.cpp:" + std::to_string(line) + ", with a descriptor that is not open"),
                text.npos)
                << text;
        }
        co_return;
    };
    loop.run(main());
}

// covers: P048
TEST(AsyncFd, TryConvertsTheErrorOfMake) {
    eddy::core loop;
    const auto main = []() -> eddy::task<eddy::result<void>> {
        auto ends = support::make_pipe();
        ::fcntl(ends.reader.native_handle(), F_SETFL, 0);
        auto fd = co_await eddy::try_(async_fd<owned_fd>::make(std::move(ends.reader)));
        ADD_FAILURE() << "registered " << fd.native_handle();
        co_return eddy::ok();
    };
    EXPECT_EQ(loop.run(main()).error(), eddy::errc::blocking_descriptor);
}

// covers: S33 P048
TEST(AsyncFd, IntoInnerReturnsTheSource) {
    eddy::core loop;
    const auto main = []() -> eddy::task<void> {
        auto ends = support::make_pipe();
        const int number = ends.reader.native_handle();
        async_fd<owned_fd> fd(std::move(ends.reader), interest::readable);
        EXPECT_EQ(fd.native_handle(), number);
        EXPECT_EQ(fd.try_io(interest::readable, [](owned_fd& source) { return source.read(1); }).error(),
                  std::errc::operation_would_block);
        const owned_fd back = std::move(fd).into_inner();
        EXPECT_EQ(back.native_handle(), number);
        EXPECT_TRUE(eddy::core_handle::current().metrics().io().fds_deregistered == 1);
        co_return;
    };
    loop.run(main());
}

// ---- A source that reports its end and then opens again ----

/// Returns how often a read of `source` is woken within 50 ms.
std::size_t waits_in_50ms(eddy::core& loop, auto& source) {
    std::size_t rounds = 0;
    auto reads = [](auto& from, std::size_t& n) -> eddy::task<void> {
        for (;;) {
            auto guard = co_await from.readable();
            ++n;
            if (!guard || guard->try_io([](auto& s) { return s.read(1); })) co_return;
        }
    };
    auto limited = [&](auto& from) -> eddy::task<void> {
        static_cast<void>(co_await eddy::time::timeout(50ms, reads(from, rounds)));
    };
    loop.run(limited(source));
    return rounds;
}

TEST(AsyncFd, SocketRegisteredBeforeConnectDoesNotSpin) {
    eddy::core loop;
    auto listener = support::raw_socket::listening();
    support::raw_socket client;
    client.set_nonblocking();
    std::optional<eddy::io::async_fd<support::owned_fd>> source;
    auto registers = [&](int fd) -> eddy::task<void> {
        source.emplace(support::owned_fd(fd));
        co_await eddy::time::sleep(1ms);  // reports EPOLLHUP | EPOLLOUT: the socket is not connected yet
    };
    const auto to = listener.addr();
    const int fd = client.release();
    loop.run(registers(fd));
    support::raw_socket borrowed(fd);
    borrowed.connect(to);
    auto peer = listener.accept();
    EXPECT_LT(waits_in_50ms(loop, *source), 10u) << "the loop spins";
    static_cast<void>(borrowed.release());
}

TEST(AsyncFd, ReopenedFifoDoesNotSpin) {
    char name[] = "/tmp/eddy_test_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    const std::string path = std::string(name) + "/fifo";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    eddy::core loop;
    std::optional<eddy::io::async_fd<support::owned_fd>> source;
    auto begins = [&]() -> eddy::task<void> {
        source.emplace(support::owned_fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK)), eddy::io::interest::readable);
        support::owned_fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK)).write(1);
        co_await eddy::time::sleep(1ms);
        while (source->get().read(1).value_or(0) != 0) {
        }
    };
    loop.run(begins());
    support::owned_fd writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK));
    EXPECT_LT(waits_in_50ms(loop, *source), 10u) << "the loop spins";
    ::unlink(path.c_str());
    ::rmdir(name);
}

// ---- Level-triggered waits ----

/// A socket pair without eddy, in non-blocking mode.
class plain_pair {
public:
    plain_pair() {
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_) != 0) std::abort();
    }
    plain_pair(const plain_pair&) = delete;
    plain_pair& operator=(const plain_pair&) = delete;
    ~plain_pair() {
        for (const int each : fds_) ::close(each);
    }
    [[nodiscard]] int near() const noexcept { return fds_[0]; }
    [[nodiscard]] int far() const noexcept { return fds_[1]; }

private:
    int fds_[2];
};

// covers: I20.3.18
TEST(AsyncFdLevel, IsReadyAgainWhileDataRemains) {
    eddy::core loop;
    const plain_pair pair;
    std::string got;
    loop.run([](const plain_pair& ends, std::string& all) -> eddy::task<void> {
        async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(ends.near()));
        EXPECT_EQ(::write(ends.far(), "abc", 3), 3);
        for (int i = 0; i < 3; ++i) {
            const auto seen = co_await watched.wait_readable();
            EXPECT_TRUE(seen && seen->is_readable());
            char one = 0;
            EXPECT_EQ(::read(ends.near(), &one, 1), 1);  // no read returns EAGAIN
            all += one;
        }
    }(pair, got));
    EXPECT_EQ(got, "abc");
}

// covers: P139 I20.3.18
TEST(AsyncFdLevel, WaitsAgainAfterAllDataWasRead) {
    eddy::core loop;
    const plain_pair pair;
    loop.run([](const plain_pair& ends) -> eddy::task<void> {
        async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(ends.near()));
        for (int i = 0; i < 5; ++i) {
            EXPECT_EQ(::write(ends.far(), "a", 1), 1);
            const auto seen = co_await watched.wait_readable();
            EXPECT_TRUE(seen.has_value());
            char one = 0;
            EXPECT_EQ(::read(ends.near(), &one, 1), 1);
            // No call has reported EAGAIN, so the edge-triggered readiness is still set.
            const auto late = co_await eddy::time::timeout(1ms, watched.wait_readable());
            EXPECT_FALSE(late.has_value());
        }
    }(pair));
}

// covers: I20.3.18
TEST(AsyncFdLevel, EndOfStreamAndWritabilityAreReported) {
    eddy::core loop;
    const plain_pair pair;
    loop.run([](const plain_pair& ends) -> eddy::task<void> {
        async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(ends.near()));
        const auto writable = co_await watched.wait_writable();
        EXPECT_TRUE(writable && writable->is_writable());
        const auto either = co_await watched.wait(interest::readable | interest::writable);
        EXPECT_TRUE(either && !either->is_readable());
        EXPECT_EQ(::shutdown(ends.far(), SHUT_WR), 0);
        const auto ended = co_await watched.wait_readable();
        EXPECT_TRUE(ended && ended->is_read_closed());
    }(pair));
}

// The peer will not send urgent data either. On poll(2), a task that continued to wait kept the loop busy.
// covers: I20.3.18
TEST(AsyncFdLevel, EndOfStreamEndsWaitForUrgentData) {
    if (eddy::sys::read_hup == 0) GTEST_SKIP() << "this system does not report the end of a stream for POLLPRI";
    eddy::core loop;
    const plain_pair pair;
    loop.run([](const plain_pair& ends) -> eddy::task<void> {
        async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(ends.near()), interest::readable | interest::priority);
        EXPECT_EQ(::shutdown(ends.far(), SHUT_WR), 0);
        const auto ended = co_await eddy::time::timeout(20s, watched.wait(interest::priority));
        EXPECT_TRUE(ended && *ended && (*ended)->is_read_closed());
    }(pair));
}

// covers: I20.3.18
TEST(AsyncFdLevel, DestructionLeavesTheDescriptorOpen) {
    eddy::core loop;
    const plain_pair pair;
    loop.run([](const plain_pair& ends) -> eddy::task<void> {
        for (int i = 0; i < 2; ++i) {
            async_fd<eddy::io::fd_view> watched(eddy::io::fd_view(ends.near()));
            const auto seen = co_await watched.wait_writable();
            EXPECT_TRUE(seen.has_value());
        }
    }(pair));
    EXPECT_EQ(::write(pair.near(), "a", 1), 1);
}

}  // namespace
