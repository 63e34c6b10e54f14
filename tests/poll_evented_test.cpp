// SPDX-License-Identifier: MIT
// A source together with its registration: poll_evented, and its friendly face async_fd.
#include <eddy/io/poll_evented.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/core.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/reactor.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/try.hpp>

#include "support/system.hpp"

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

TEST(PollEvented, TheProgramUnderTheHood) {  // as in examples/under_the_hood.cpp
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

TEST(PollEvented, ReadsUntilTheCallWouldBlockAndWaitsThen) {
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
    assert_pending(third.poll());  // found out by the call, and cleared
    ends.writer.write(1);
    reactor.turn(1s).value();
    EXPECT_EQ(third.wakes(), 1u);
    EXPECT_EQ(assert_ready(third.poll()).value(), 1u);
}

TEST(PollEvented, ReadsTakeBudget) {
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

TEST(PollEvented, InnerSourceWorksInBlockingCodeAndIsForgotten) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    const int number = ends.reader.native_handle();
    auto evented = poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor.handle()).value();
    EXPECT_TRUE(support::is_watched(reactor.native_handle(), number));
    const owned_fd back = std::move(evented).into_inner();
    EXPECT_EQ(back.native_handle(), number);
    EXPECT_FALSE(support::is_watched(reactor.native_handle(), number));
    EXPECT_TRUE(reactor.is_idle());
    ::fcntl(number, F_SETFL, 0);
    std::thread other([&] { ends.writer.write(1); });
    EXPECT_EQ(back.read(1).value(), 1u);  // blocks
    other.join();
}

TEST(PollEvented, DropDeregistersBeforeItCloses) {
    eddy::reactor reactor;
    auto ends = support::make_pipe();
    const auto duplicate = ends.reader.duplicate();  // would keep the kernel's registration alive
    const int number = ends.reader.native_handle();
    {
        auto evented =
            poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor.handle()).value();
        EXPECT_TRUE(support::is_watched(reactor.native_handle(), number));
    }
    EXPECT_FALSE(support::is_watched(reactor.native_handle(), number));
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

TEST(PollEvented, ConstructorThrowsWhatMakeReports) {
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
        co_return;
    };
    loop.run(main());
}

TEST(PollEvented, OperationsAfterTheEndOfTheReactorFail) {
    auto reactor = std::optional<eddy::reactor>(std::in_place);
    auto ends = support::make_pipe();
    auto evented = poll_evented<owned_fd>::make(std::move(ends.reader), interest::readable, reactor->handle()).value();
    ends.writer.write(1);
    reactor->turn(1s).value();
    reactor.reset();
    EXPECT_EQ(assert_ready(reads_one(evented).poll()).error(), eddy::errc::runtime_shutdown);
}

// ---- AsyncFd ----

TEST(AsyncFd, WaitTryAndWaitAgain) {
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

TEST(AsyncFd, AnyCallIsTriedAndWaitedFor) {
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
        EXPECT_EQ(co_await fd.async_io(interest::readable, read_one), 1u) << "without a further event";
        EXPECT_EQ(calls, 2);

        by_hand once_more(fd.async_io(interest::readable, read_one));
        assert_pending(once_more.poll());
        EXPECT_EQ(calls, 3) << "found out by the call, and cleared";
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

TEST(AsyncFd, ClearReadyKeepsEventsThatCameMeanwhile) {
    eddy::reactor reactor;
    eddy::core loop;
    const auto main = [&]() -> eddy::task<void> {
        async_fd<counter> fd(counter{}, interest::readable);
        fd.get().add();
        auto guard = (co_await fd.readable()).value();
        guard.clear_ready_matching(eddy::io::ready::writable);  // not what was seen
        guard = (co_await fd.readable()).value();
        guard.clear_ready();
        by_hand again(fd.readable());
        assert_pending(again.poll());
    };
    loop.run(main());
}

TEST(AsyncFd, BlockingDescriptorIsRefused) {
    eddy::core loop;
    const auto main = []() -> eddy::task<std::error_code> {
        auto ends = support::make_pipe();
        ::fcntl(ends.reader.native_handle(), F_SETFL, 0);
        co_return async_fd<owned_fd>::make(std::move(ends.reader)).error();
    };
    EXPECT_EQ(loop.run(main()), eddy::errc::blocking_descriptor);
}

TEST(AsyncFd, GivesItsSourceBack) {
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

}  // namespace
