// SPDX-License-Identifier: MIT
// Sources that are registered with a reactor: attach, readiness and deregistration.
// covers: S51
#include <eddy/io/registration.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/driver.hpp"
#include "support/emulated.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"
#include "sys/urgent_data.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::io::interest;
using eddy::io::ready;
using eddy::io::registration;
using eddy::io::source_fd;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::test::wake_counter;
using support::counter;
using support::owned_fd;

static_assert(eddy::io::io_source<counter> && eddy::io::io_source<source_fd> && !eddy::io::io_source<int>);

/// Returns a loopback TCP connection. Only TCP sockets have urgent bytes.
support::fd_pair make_tcp_pair() {
    const owned_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    // SAFETY (all casts): these calls take a sockaddr*. `at` is a sockaddr_in of `size` bytes and outlives the calls.
    ::bind(listener.native_handle(), reinterpret_cast<sockaddr*>(&at), size);
    ::listen(listener.native_handle(), 1);
    ::getsockname(listener.native_handle(), reinterpret_cast<sockaddr*>(&at), &size);
    owned_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ::connect(client.native_handle(), reinterpret_cast<sockaddr*>(&at), size);
    ::fcntl(client.native_handle(), F_SETFL, O_NONBLOCK);
    const int accepted = ::accept4(listener.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    const int connected = ::fcntl(client.native_handle(), F_DUPFD_CLOEXEC, 0);
    return {accepted, connected};
}

registration attach(const eddy::reactor& to, int fd, interest wanted = interest::readable) {
    return registration::attach(source_fd(fd), wanted, to.handle()).value();
}

template <class Fn>
auto by_poll(Fn poll) {
    return by_hand(eddy::poll_fn(std::move(poll)));
}

// ---- attach ----

// covers: S34
TEST(Registration, UserDefinedSourceWorksWithPublicHeadersOnly) {
    eddy::core loop;
    const counter source;
    const auto main = [&]() -> eddy::task<std::uint64_t> {
        const auto tied = registration::attach(source, interest::readable).value();
        eddy::core_handle::current().spawn([&] { source.add(3); });
        for (;;) {
            const auto seen = co_await eddy::poll_fn([&](eddy::context& cx) { return tied.poll_read_ready(cx); });
            if (const auto taken = source.take()) co_return *taken;
            tied.clear_readiness(seen.value());
        }
    };
    EXPECT_EQ(loop.run(main()), 3u);
}

// covers: S11
TEST(Registration, AttachWithoutALoopThrows) {
    const counter source;
    const auto text =
        support::text_of_misuse([&] { static_cast<void>(registration::attach(source, interest::readable)); });
    EXPECT_NE(text.find("event loop"), std::string::npos) << text;
    EXPECT_NE(text.find("registration_test.cpp"), std::string::npos) << text;
}

// covers: S44 R010
TEST(Registration, RegularFilesAndDirectoriesAreRejected) {
    eddy::reactor reactor;
    const owned_fd file(::open("/bin/sh", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const owned_fd directory(::open("/tmp", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC));
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        for (const auto* fd : {&file, &directory}) {
            const auto attached =
                registration::attach(source_fd(fd->native_handle()), interest::readable, reactor.handle());
            ASSERT_FALSE(attached.has_value());
            ASSERT_EQ(attached.error(), std::errc::operation_not_permitted);
        }
    }
    EXPECT_TRUE(reactor.is_idle());
    EXPECT_EQ(reactor.metrics().fds_registered, 0u);
    EXPECT_EQ(reactor.metrics().fds_deregistered, 0u);
}

TEST(Registration, BlockingDescriptorIsRejected) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    ::fcntl(ends.reader.native_handle(), F_SETFL, 0);
    const auto attached =
        registration::attach(source_fd(ends.reader.native_handle()), interest::readable, reactor.handle());
    ASSERT_FALSE(attached.has_value());
    EXPECT_EQ(attached.error(), eddy::errc::blocking_descriptor);
    EXPECT_EQ(attached.error(), std::errc::invalid_argument);
    EXPECT_TRUE(reactor.is_idle());
}

TEST(Registration, ClosedDescriptorIsRejected) {
    eddy::reactor reactor;
    EXPECT_EQ(registration::attach(source_fd(-1), interest::readable, reactor.handle()).error(),
              std::errc::bad_file_descriptor);
    EXPECT_TRUE(reactor.is_idle());
}

// covers: R011
TEST(Registration, SecondRegistrationFailsAndTheFirstStaysValid) {
    eddy::reactor reactor;
    const counter source;
    const auto first = attach(reactor, source.native_handle());
    const auto second = registration::attach(source, interest::readable, reactor.handle());
    EXPECT_EQ(second.error(), eddy::errc::already_registered);
    EXPECT_EQ(second.error(), std::errc::file_exists);
    EXPECT_EQ(reactor.metrics().fds_registered, 1u);
    by_hand reader(first.readiness(interest::readable));
    assert_pending(reader.poll());
    source.add();
    reactor.turn(1s).value();
    EXPECT_EQ(reader.wakes(), 1u);
}

// covers: S45
TEST(Registration, AttachAfterShutdownReturnsShutdownError) {
    std::optional<eddy::reactor> reactor(std::in_place);
    const auto handle = reactor->handle();
    reactor.reset();
    const counter source;
    const auto error = registration::attach(source, interest::readable, handle).error();
    EXPECT_EQ(error, eddy::errc::runtime_shutdown);
    EXPECT_TRUE(eddy::is_runtime_shutdown(error));
    EXPECT_FALSE(eddy::is_runtime_shutdown(eddy::errc::io_disabled));
    // The same value in another category.
    EXPECT_FALSE(eddy::is_runtime_shutdown(std::error_code(1, std::generic_category())));
    EXPECT_FALSE(eddy::is_runtime_shutdown({}));
    EXPECT_EQ(handle.metrics().fds_registered, 0u);
}

// covers: S42
TEST(Registration, AttachOnALoopWithoutIoFails) {
    auto loop = eddy::core::builder().enable_io(false).build().value();
    const counter source;
    const auto main = [&]() -> eddy::task<std::error_code> {
        co_return registration::attach(source, interest::readable).error();
    };
    EXPECT_EQ(loop.run(main()), eddy::errc::io_disabled);
}

// ---- Readiness ----

// covers: R001
TEST(Registration, ReadinessStaysUntilACallWouldBlock) {
    eddy::reactor reactor;
    const auto ends = support::make_socket_pair();
    const auto tied = attach(reactor, ends.reader.native_handle());
    constexpr auto size = support::fewer_on_windows<std::size_t>(64 * 1024);
    ASSERT_EQ(ends.writer.write(size), size);
    reactor.turn(1s).value();
    std::size_t got = 0;
    for (;;) {  // one byte per poll, and only one event
        auto reader = by_poll([&](eddy::context& cx) { return tied.poll_read_ready(cx); });
        const auto seen = reader.poll();
        if (!seen) break;
        const auto n = ends.reader.read(1);
        if (n) {
            got += *n;
        } else {
            tied.clear_readiness(**seen);
        }
    }
    EXPECT_EQ(got, size);
}

// covers: R002
TEST(Registration, TickDoesNotAdvanceWithEventsOfOtherSources) {
    if (const auto driver = eddy::core().driver();
        driver == eddy::driver_kind::poll || driver == eddy::driver_kind::afd) {
        GTEST_SKIP() << "this driver reports a condition only once, until it is cleared";
    }
    eddy::reactor reactor;
    const counter quiet;
    const counter busy;
    const auto tied = attach(reactor, quiet.native_handle());
    const auto other = attach(reactor, busy.native_handle());
    quiet.add();
    reactor.turn(1s).value();
    const auto old = **by_poll([&](eddy::context& cx) { return tied.poll_read_ready(cx); }).poll();
    // Runs so many driver ticks that a reactor-wide tick counter of 15 bits would have its old value at the next event.
    for (int i = 0; i < 0x8000 - 1; ++i) {
        busy.add();
        ASSERT_EQ(reactor.turn(1s).value().events, 1u);
    }
    quiet.add();
    ASSERT_EQ(reactor.turn(1s).value().events, 1u);
    tied.clear_readiness(old);
    by_hand reader(tied.readiness(interest::readable));
    assert_ready(reader.poll()).value();
}

// covers: S36
TEST(Registration, UrgentByteReportsPriority) {
    if (support::has_kqueue() && !eddy::sys::reports_urgent_data)
        GTEST_SKIP() << "kqueue has no filter for urgent bytes here";
    eddy::reactor reactor;
    const auto ends = make_tcp_pair();
    const auto tied = attach(reactor, ends.reader.native_handle(), interest::readable | interest::priority);
    by_hand urgent(tied.readiness(interest::priority));
    assert_pending(urgent.poll());
    ends.writer.write(3);
    reactor.turn(1s).value();
    assert_pending(urgent.poll());  // plain bytes are not urgent
    ASSERT_EQ(::send(ends.writer.native_handle(), "!", 1, MSG_OOB), 1);
    while (!urgent.is_woken()) reactor.turn(1s).value();
    EXPECT_TRUE(assert_ready(urgent.poll()).value().ready.is_priority());
}

// covers: S36 R005
TEST(Registration, ReadClosedCannotBeCleared) {
    eddy::reactor reactor;
    const auto ends = support::make_socket_pair();
    const auto tied = attach(reactor, ends.reader.native_handle(), interest::readable | interest::writable);
    ::shutdown(ends.writer.native_handle(), SHUT_WR);
    by_hand reader(tied.readiness(interest::readable));
    // AFD reports that the socket is writable in a tick of its own.
    auto answer = reader.poll();
    for (; !answer; answer = reader.poll()) reactor.turn(1s).value();
    const auto seen = assert_ready(std::move(answer)).value();
    EXPECT_TRUE(seen.ready.is_read_closed());
    tied.clear_readiness(seen);
    by_hand again(tied.readiness(interest::readable));
    const auto left = assert_ready(again.poll()).value();
    EXPECT_EQ(left.ready, ready::read_closed);
    EXPECT_FALSE(left.ready.is_write_closed());
    by_hand writer(tied.readiness(interest::writable));
    EXPECT_FALSE(assert_ready(writer.poll()).value().ready.is_write_closed());
}

// covers: R004
TEST(Registration, HangUpWakesBothDirections) {
    eddy::reactor reactor;
    auto ends = support::make_socket_pair();
    while (ends.reader.write(64 * 1024) != 0) {
    }
    const auto tied = attach(reactor, ends.reader.native_handle(), interest::readable | interest::writable);
    static_cast<void>(reactor.turn(0ms));
    by_hand reader(tied.readiness(interest::readable));
    auto writer = by_poll([&](eddy::context& cx) { return tied.poll_write_ready(cx); });
    assert_pending(reader.poll());
    assert_pending(writer.poll());
    ends.writer.close();
    reactor.turn(1s).value();
    EXPECT_EQ(reader.wakes(), 1u);
    EXPECT_EQ(writer.wakes(), 1u);
}

TEST(Registration, TryIoCallsOnlyWhenReadyAndClearsOnWouldBlock) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = attach(reactor, source.native_handle());
    int calls = 0;
    const auto take = [&] {
        ++calls;
        return source.take();
    };
    EXPECT_EQ(tied.try_io(interest::readable, take).error(), std::errc::operation_would_block);
    EXPECT_EQ(calls, 0);
    source.add(4);
    reactor.turn(1s).value();
    EXPECT_EQ(tied.try_io(interest::readable, take).value(), 4u);
    EXPECT_EQ(tied.try_io(interest::readable, take).error(), std::errc::operation_would_block);
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(tied.try_io(interest::readable, take).error(), std::errc::operation_would_block);
    EXPECT_EQ(calls, 2);
}

// covers: S40
TEST(Registration, FiftyTasksAwaitOneDescriptorAndAllResume) {
    eddy::core loop;
    const counter source;
    const auto tied = registration::attach(source, interest::readable, loop.handle().reactor().value()).value();
    int resumed = 0;
    const auto waits = [&]() -> eddy::task<void> {
        static_cast<void>((co_await tied.readiness(interest::readable)).value());
        ++resumed;
    };
    for (int i = 0; i < 50; ++i) loop.handle().spawn(waits());
    loop.turn(0ms);
    EXPECT_EQ(resumed, 0);
    source.add();
    loop.run_until_idle();
    EXPECT_EQ(resumed, 50);
}

// ---- Deregistration ----

// covers: S33
TEST(Registration, DropRemovesTheDescriptorFromTheEpoll) {
    if (!support::has_epoll()) GTEST_SKIP() << "this test needs an epoll";
    eddy::reactor reactor;
    const counter source;
    auto tied = std::optional(attach(reactor, source.native_handle()));
    EXPECT_TRUE(support::is_watched(reactor.native_handle(), source.native_handle()));
    tied.reset();
    EXPECT_FALSE(support::is_watched(reactor.native_handle(), source.native_handle()));
    EXPECT_TRUE(reactor.is_idle());
}

TEST(Registration, DeregisterIsIdempotentAndReportsClosedFd) {
    eddy::reactor reactor;
    const counter source;
    auto tied = attach(reactor, source.native_handle());
    EXPECT_TRUE(tied.deregister().has_value());
    EXPECT_TRUE(tied.deregister().has_value());
    for (const auto& text : {
             support::text_of_misuse([&] { static_cast<void>(tied.readiness(interest::readable)); }),
             support::text_of_misuse([&] { tied.clear_readiness(eddy::io::ready_event()); }),
         }) {
        EXPECT_NE(text.find("after it was deregistered"), std::string::npos) << text;
        EXPECT_NE(text.find("registration_test.cpp:"), std::string::npos) << "the call site: " << text;
    }

    auto ends = support::make_pipe();
    auto late = attach(reactor, ends.reader.native_handle());
    ends.reader.close();
    EXPECT_EQ(late.deregister().error(), std::errc::bad_file_descriptor);
    EXPECT_TRUE(reactor.is_idle());
    EXPECT_EQ(reactor.metrics().fds_deregistered, 2u);
}

// covers: S35 R019
TEST(Registration, DropReleasesTheStoredWakers) {
    // A task owns its registration, whose waker slot owns a waker of the task. Dropping the registration must break
    // this cycle.
    eddy::reactor reactor;
    const counter source;
    auto tied = std::optional(attach(reactor, source.native_handle(), interest::readable | interest::writable));
    reactor.turn(0ms).value();
    const auto writable = **by_poll([&](eddy::context& cx) { return tied->poll_write_ready(cx); }).poll();
    tied->clear_readiness(writable);
    const wake_counter task;
    {
        const eddy::waker waker = task.waker();
        eddy::context cx(waker);
        assert_pending(tied->poll_read_ready(cx));
        assert_pending(tied->poll_write_ready(cx));
    }
    EXPECT_EQ(task.wakers(), 2u);
    tied.reset();
    EXPECT_EQ(task.wakers(), 0u);
    EXPECT_EQ(task.wakes(), 0u);
}

// covers: R007
TEST(Registration, DuplicateOfADroppedSourceReportsNoEvents) {
    eddy::reactor reactor;
    auto ends = std::optional(support::make_pipe());
    auto tied = std::optional(attach(reactor, ends->reader.native_handle()));
    const auto duplicate = ends->reader.duplicate();
    tied.reset();
    ends->reader.close();
    ends->writer.write();
    EXPECT_EQ(reactor.turn(0ms).value().events, 0u);
    EXPECT_EQ(reactor.metrics().ready_events, 0u);
}

// covers: R016
TEST(Registration, DroppedWaitsLeaveNoWakers) {
    eddy::reactor reactor;
    const counter source;
    const auto tied = attach(reactor, source.native_handle());
    const wake_counter task;
    const auto rounds = support::rounds(1'000'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const eddy::waker waker = task.waker();
        eddy::context cx(waker);
        auto wait = tied.readiness(interest::readable);
        assert_pending(wait.poll(cx));
    }
    EXPECT_EQ(task.wakers(), 0u);
    source.add();
    reactor.turn(1s).value();
    EXPECT_EQ(task.wakes(), 0u);
}

// covers: S35
TEST(Registration, MayBeCreatedAwaitedAndDroppedOnDifferentThreads) {
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        eddy::reactor reactor;
        const counter source;
        std::optional<registration> tied(attach(reactor, source.native_handle()));
        std::atomic<bool> is_waiting = false;
        std::thread waits([&] {
            by_hand reader(tied->readiness(interest::readable));
            assert_pending(reader.poll());
            is_waiting = true;
            while (!reader.is_woken()) std::this_thread::yield();
            EXPECT_TRUE(assert_ready(reader.poll()).has_value());
        });
        while (!is_waiting) std::this_thread::yield();
        source.add();
        reactor.turn(10s).value();
        waits.join();
        std::thread([&] { tied.reset(); }).join();
        reactor.turn(0ms).value();
        EXPECT_TRUE(reactor.is_idle());
    }
}

// covers: S43
TEST(RegistrationStress, ManyThreadsRegisterAndDeregister) {
    constexpr int threads = 16;
    const auto rounds = support::rounds(1'000'000) / threads;
    eddy::reactor reactor;
    std::atomic<int> running = threads;
    std::barrier start(threads + 1);
    std::vector<std::thread> users;
    for (int t = 0; t < threads; ++t) {
        users.emplace_back([&, handle = reactor.handle()] {
            const counter source;
            source.add();
            start.arrive_and_wait();
            for (std::uint64_t i = 0; i < rounds; ++i) {
                auto tied = registration::attach(source, interest::readable, handle);
                if (!tied) ADD_FAILURE() << tied.error().message();
            }
            if (--running == 0) handle.wake();
        });
    }
    start.arrive_and_wait();
    while (running != 0) reactor.turn(std::nullopt).value();
    for (auto& user : users) user.join();
    EXPECT_TRUE(reactor.is_idle());
    const auto counted = reactor.metrics();
    EXPECT_EQ(counted.fds_registered, rounds * threads);
    EXPECT_EQ(counted.fds_deregistered, rounds * threads);
}

// ---- Misuse ----

TEST(RegistrationDeathTest, TryIoAfterDeregisterDoesNotCrash) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    eddy::reactor reactor;
    support::owned_fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    auto gone = eddy::io::registration::attach(fd, eddy::io::interest::readable, reactor.handle()).value();
    ASSERT_TRUE(gone.deregister());
    EXPECT_EXIT(
        {
            try {
                static_cast<void>(gone.try_io(eddy::io::interest::readable, [] { return eddy::result<int>(1); }));
            } catch (const eddy::misuse&) {
            }
            ::_exit(0);
        },
        ::testing::ExitedWithCode(0), "");
}

}  // namespace
