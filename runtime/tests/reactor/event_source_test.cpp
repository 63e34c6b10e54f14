// SPDX-License-Identifier: MIT
// Sources that register themselves, with several descriptors.
#include <eddy/io/event_source.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/io/poll_evented.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/sys/poll.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/polling.hpp"
#include "support/system.hpp"

namespace {

using eddy::io::interest;
using eddy::io::poll_evented;
using eddy::io::registration;
using eddy::io::source_fd;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::owned_fd;

owned_fd make_eventfd() { return owned_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

/// Two eventfds that count together. Its functions are templates, so it also works with sys::registry.
class two_counters {
public:
    two_counters() : fds_{make_eventfd(), make_eventfd()} {}

    // docs: two counters
    template <class Registry, class Token>
    eddy::result<void> register_with(const Registry& with, Token name, interest wanted) {
        for (const auto& each : fds_)
            if (auto added = with.add(each.native_handle(), name, wanted); !added) return added;
        return eddy::ok();
    }
    template <class Registry, class Token>
    eddy::result<void> reregister(const Registry& with, Token name, interest wanted) {
        for (const auto& each : fds_)
            if (auto changed = with.modify(each.native_handle(), name, wanted); !changed) return changed;
        return eddy::ok();
    }
    template <class Registry>
    eddy::result<void> deregister(const Registry& with) {
        for (const auto& each : fds_)
            if (auto removed = with.remove(each.native_handle()); !removed) return removed;
        return eddy::ok();
    }
    // docs: end

    void add(std::size_t which, std::uint64_t more) const { ::eventfd_write(fd(which), more); }
    // docs: take from all
    /// Returns the sum of both counts and resets them, or operation_would_block.
    eddy::result<std::uint64_t> take() const {
        std::uint64_t sum = 0;
        for (const auto& each : fds_) {
            eventfd_t got = 0;
            if (::eventfd_read(each.native_handle(), &got) == 0) sum += got;
        }
        if (sum == 0) return std::unexpected(std::make_error_code(std::errc::operation_would_block));
        return sum;
    }
    // docs: end
    [[nodiscard]] int fd(std::size_t which) const { return fds_[which].native_handle(); }

private:
    std::array<owned_fd, 2> fds_;
};

static_assert(eddy::io::event_source<two_counters> && !eddy::io::io_source<two_counters>);
static_assert(eddy::io::registrable<two_counters> && eddy::io::registrable<source_fd> && !eddy::io::registrable<int>);

/// Has a file as its second descriptor, which cannot be registered.
class half_a_file : public two_counters {
public:
    half_a_file() : file_(::open("/bin/sh", O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {}
    eddy::result<void> register_with(const eddy::io::registry& with, eddy::io::token name, interest wanted) {
        if (auto added = with.add(fd(0), name, wanted); !added) return added;
        return with.add(file_.native_handle(), name, wanted);
    }

private:
    owned_fd file_;
};

/// Removes nothing.
class forgetful : public two_counters {
public:
    eddy::result<void> deregister(const eddy::io::registry&) { return eddy::ok(); }
};

auto readable(const registration& of) {
    return by_hand(eddy::poll_fn([&of](eddy::context& cx) { return of.poll_read_ready(cx); }));
}

/// Runs ticks until nothing is reported.
void turn(eddy::reactor& reactor) {
    while (reactor.turn(std::chrono::nanoseconds::zero()).value().events != 0) {
    }
}

class EventSource : public testing::TestWithParam<eddy::driver_kind> {
protected:
    eddy::reactor reactor_ = eddy::reactor::make(GetParam()).value();
};

INSTANTIATE_TEST_SUITE_P(Drivers, EventSource, testing::Values(eddy::driver_kind::automatic, eddy::driver_kind::poll));

// covers: S34
TEST_P(EventSource, EachDescriptorWakesTheRegistration) {
    two_counters source;
    const auto tied = registration::attach(source, interest::readable, reactor_.handle()).value();
    for (const std::size_t which : {0u, 1u, 1u, 0u}) {
        auto waits = readable(tied);
        assert_pending(waits.poll());
        source.add(which, 5);
        turn(reactor_);
        EXPECT_EQ(waits.wakes(), 1u);
        const auto seen = assert_ready(waits.poll()).value();
        EXPECT_TRUE(seen.ready.is_readable());
        EXPECT_EQ(source.take().value(), 5u);
        tied.clear_readiness(seen);
    }
}

// covers: S34
TEST_P(EventSource, ReregisterChangesTheInterestOfAllDescriptors) {
    two_counters source;
    const auto tied = registration::attach(source, interest::readable, reactor_.handle()).value();
    turn(reactor_);
    auto waits = by_hand(tied.readiness(interest::writable));
    assert_pending(waits.poll());
    ASSERT_TRUE(tied.reregister(source, interest::readable | interest::writable));
    turn(reactor_);
    EXPECT_TRUE(assert_ready(waits.poll()).value().ready.is_writable());
}

TEST_P(EventSource, ReregisterChangesTheInterestOfADescriptor) {
    const auto ends = support::make_socket_pair();
    source_fd source(ends.reader.native_handle());
    const auto tied = registration::attach(source, interest::readable, reactor_.handle()).value();
    turn(reactor_);
    auto waits = by_hand(tied.readiness(interest::writable));
    assert_pending(waits.poll());
    ASSERT_TRUE(tied.reregister(source, interest::writable));
    turn(reactor_);
    EXPECT_TRUE(assert_ready(waits.poll()).value().ready.is_writable());
    // It is not watched for reading any more.
    auto reads = readable(tied);
    ASSERT_EQ(::write(ends.writer.native_handle(), "x", 1), 1);
    turn(reactor_);
    assert_pending(reads.poll());
    source_fd other(ends.writer.native_handle());
    EXPECT_THROW(static_cast<void>(tied.reregister(other, interest::readable)), eddy::misuse);
}

TEST_P(EventSource, FailedRegistrationRemovesWhatWasAdded) {
    half_a_file source;
    const auto refused = registration::attach(source, interest::readable, reactor_.handle());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), eddy::errc::regular_file);
    EXPECT_TRUE(reactor_.is_idle());
    EXPECT_EQ(reactor_.metrics().fds_registered, 1u);
    EXPECT_EQ(reactor_.metrics().fds_deregistered, 1u);
    EXPECT_TRUE(registration::attach(source_fd(source.fd(0)), interest::readable, reactor_.handle()));
}

TEST_P(EventSource, EndOfRegistrationRemovesDescriptorsThatAreLeft) {
    forgetful source;
    {
        auto tied = registration::attach(source, interest::readable, reactor_.handle()).value();
        source.add(0, 1);
        source.add(1, 1);
        EXPECT_TRUE(tied.deregister(source));
    }
    EXPECT_TRUE(reactor_.is_idle());
    turn(reactor_);
    EXPECT_TRUE(registration::attach(source_fd(source.fd(0)), interest::readable, reactor_.handle()));
    EXPECT_TRUE(registration::attach(source_fd(source.fd(1)), interest::readable, reactor_.handle()));
}

// The task that is woken first ends the other registration, whose event is processed after it.
TEST_P(EventSource, EventOfAnEndedRegistrationIsNotReportedToANewOne) {
    std::array<two_counters, 3> sources;
    std::array<std::optional<registration>, 3> tied;
    const auto attach = [&](std::size_t i) {
        tied[i].emplace(registration::attach(sources[i], interest::readable, reactor_.handle()).value());
    };
    const auto replace = [&](std::size_t i) {
        tied[i].reset();
        attach(2);
    };
    std::array<support::calling_waker, 2> calls{support::calling_waker([&] { replace(1); }),
                                                support::calling_waker([&] { replace(0); })};
    for (const std::size_t i : {0u, 1u}) {
        attach(i);
        const eddy::waker waker = calls[i].waker();
        eddy::context cx(waker);
        assert_pending(tied[i]->poll_read_ready(cx));
    }
    for (const std::size_t i : {0u, 1u}) sources[i].add(0, 1);
    turn(reactor_);
    ASSERT_TRUE(tied[2].has_value());
    auto waits = readable(*tied[2]);
    assert_pending(waits.poll());
}

TEST_P(EventSource, DescriptorOfAnotherRegistrationIsRefused) {
    two_counters first;
    const auto tied = registration::attach(first, interest::readable, reactor_.handle()).value();
    const auto again = registration::attach(first, interest::readable, reactor_.handle());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error(), eddy::errc::already_registered);
    two_counters second;
    const auto other = registration::attach(second, interest::readable, reactor_.handle()).value();
    EXPECT_EQ(other.reregister(first, interest::readable).error(), std::errc::no_such_file_or_directory);
}

TEST_P(EventSource, WaitsEndWithTheReactor) {
    two_counters source;
    auto reactor = std::make_unique<eddy::reactor>(eddy::reactor::make(GetParam()).value());
    auto tied = registration::attach(source, interest::readable, reactor->handle()).value();
    auto waits = readable(tied);
    assert_pending(waits.poll());
    reactor.reset();
    EXPECT_EQ(assert_ready(waits.poll()).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(tied.reregister(source, interest::readable).error(), eddy::errc::runtime_shutdown);
    EXPECT_TRUE(tied.deregister(source));
}

// ---- In an event loop ----

// covers: S34
TEST(EventSourceInLoop, PollEventedOwnsSourceOfTwoDescriptors) {
    eddy::core loop;
    const auto main = [&]() -> eddy::task<std::uint64_t> {
        poll_evented<two_counters> first(two_counters{}, interest::readable);
        poll_evented<two_counters> counters = std::move(first);
        std::uint64_t sum = 0;
        for (std::size_t round = 0; round != 4; ++round) {
            eddy::core_handle::current().spawn([&counters, round] { counters.source().add(round % 2, round + 1); });
            // docs: wait for all
            const auto taken = co_await eddy::poll_fn([&](eddy::context& cx) {
                return counters.poll_read(cx, [](const two_counters& source) { return source.take(); });
            });
            // docs: end
            sum += taken.value();
        }
        EXPECT_TRUE(counters.reregister(interest::writable));
        const auto seen = co_await counters.registration().readiness(interest::writable);
        EXPECT_TRUE(seen.value().ready.is_writable());
        const two_counters left = std::move(counters).into_inner();
        EXPECT_TRUE(registration::attach(source_fd(left.fd(1)), interest::readable));
        co_return sum;
    };
    EXPECT_EQ(loop.run(main()), 10u);
}

TEST(EventSourceInSelector, SameSourceWorksWithSelector) {
    two_counters source;
    eddy::sys::poll poll;
    ASSERT_TRUE(source.register_with(poll.registry(), eddy::sys::token{7}, interest::readable));
    source.add(1, 1);
    eddy::sys::events events(4);
    ASSERT_EQ(poll.wait(events, std::nullopt).value(), 1u);
    EXPECT_EQ(events[0].token(), eddy::sys::token{7});
    EXPECT_TRUE(source.deregister(poll.registry()));
}

}  // namespace
