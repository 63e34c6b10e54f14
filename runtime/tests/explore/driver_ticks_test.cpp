// SPDX-License-Identifier: MIT
// The ticks of a driver, with the library's epoll on a kernel of the model. A wake-up ends a tick, whichever thread
// takes it. Work that is left for the thread that runs the ticks is done before that thread sleeps. A shutdown ends a
// tick, and closes nothing that a tick uses. A removed source is not freed during a tick.
#include "reactor/drivers/driver_ticks.hpp"

#include <gtest/gtest.h>

#include <sys/timerfd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/runtime/reactor.hpp>

#include "explore/epoll_stand_in.hpp"
#include "explore/explore.hpp"
#include "reactor/io_handle.hpp"
#include "reactor/ring/ring_connection.hpp"
#include "reactor/ring/ring_reactor.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::driver_kind;
using eddy::detail::atomic;
using eddy::detail::io_handle;
using eddy::detail::ring_connection;
using eddy::detail::scheduled_io;
using explore::check;
using explore::holds;

constexpr std::uint64_t alarm_token = 1;  // of epoll
constexpr int some_fd = 1'000'010;        // of no open descriptor

/// An io_handle, with the kernel that its epoll is in.
class driven_io {
public:
    explicit driven_io(driver_kind kind = driver_kind::epoll) : io_(io_handle::make(kind, 1).value()) {}
    driven_io(const driven_io&) = delete;
    driven_io& operator=(const driven_io&) = delete;
    ~driven_io() {
        io_->shut_down();
        io_->release();
    }

    io_handle* operator->() const noexcept { return io_; }
    [[nodiscard]] explore::epoll_stand_in& kernel() noexcept { return kernel_; }

    scheduled_io& add_source() { return *io_->add_source(some_fd, eddy::io::interest::readable).value(); }

private:
    explore::epoll_stand_in kernel_;
    io_handle* const io_;
};

/// What other threads do before they wake the driver. It is relaxed: the wake-up must order it.
struct announced_work {
    atomic<int> count{0};

    void add(const driven_io& io) {
        count.fetch_add(1, std::memory_order_relaxed);
        io->wake();
    }
    /// Runs ticks until everything was announced.
    void wait_for(int all, const driven_io& io) {
        while (count.load(std::memory_order_relaxed) != all) check(io->tick(std::nullopt).has_value(), "a tick");
    }
};

class ExploreDriver : public testing::Test {
protected:
    static void SetUpTestSuite() { eddy::detail::explored_threads_differ = true; }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

// ---- Wake-ups ----

/// The second of two wake-ups before a tick makes no system call.
TEST_F(ExploreDriver, NoWakeUpIsLost) {
    EXPECT_TRUE(holds([] {
        driven_io io;
        announced_work work;
        explore::thread one([&] { work.add(io); });
        explore::thread other([&] { work.add(io); });
        work.wait_for(2, io);
    }));
}

TEST_F(ExploreDriver, TickForABusyOwnerKeepsTheWakeUp) {
    EXPECT_TRUE(holds([] {
        driven_io io;
        announced_work work;
        explore::thread waker([&] { work.add(io); });
        explore::thread watchdog([&] { static_cast<void>(io->tick_for_busy_owner()); });
        work.wait_for(1, io);
    }));
}

/// The alarm that another thread has set stays, since it is the earlier one.
TEST_F(ExploreDriver, EarlierAlarmStays) {
    EXPECT_TRUE(holds([] {
        driven_io io;
        check(io->make_alarm().has_value(), "a timer");
        {
            explore::thread worker([&] { io->wake_within(1h); });
            check(io->try_lock_driver(), "the lock is free");
            io->set_alarm(2h);
            io->unlock_driver();
        }
        itimerspec left{};
        ::timerfd_gettime(io.kernel().fd_of(alarm_token), &left);
        check(left.it_value.tv_sec <= 3600, "the earlier alarm is set");
    }));
}

// ---- Work for the owner ----

/// A thread that was the owner leaves work for the next owner, which takes the ticks over at this moment.
TEST_F(ExploreDriver, NextOwnerServesWhatTheLastOneHasPosted) {
    EXPECT_TRUE(holds([] {
        driven_io io(driver_kind::io_uring);  // the kernel refuses the ring
        ring_connection& connection = *io->ring()->add(some_fd, ring_connection::brings::bytes).value();
        check(io->tick(0ns).has_value(), "this thread is the owner");
        {
            explore::thread next([&] {
                while (connection.watched == 0) check(io->tick(std::nullopt).has_value(), "a tick");
            });
            connection.request_receive(*io->ring());
        }
        io->ring()->close(connection);
    }));
}

// ---- Shutdown ----

TEST_F(ExploreDriver, ShutdownEndsTheTicks) {
    EXPECT_TRUE(holds([] {
        driven_io io;
        explore::thread owner([&] {
            while (io->tick(std::nullopt)) {
            }
        });
        explore::thread watchdog([&] { static_cast<void>(io->tick_for_busy_owner()); });
        io->shut_down();
    }));
}

// ---- Sources ----

TEST_F(ExploreDriver, RemovedSourceOutlivesTheTick) {
    EXPECT_TRUE(holds([] {
        driven_io io;
        scheduled_io& source = io.add_source();
        io.kernel().occur(some_fd);
        explore::thread remover([&] { static_cast<void>(io->remove_source(source)); });
        static_cast<void>(io->tick(0ns));
        static_cast<void>(io->tick(0ns));
    }));
}

/// The owner ends when no source is left, like the thread of a background_reactor.
TEST_F(ExploreDriver, RemovalOfTheLastSourceWakesTheOwner) {
    EXPECT_TRUE(holds([] {
        driven_io io;
        scheduled_io& source = io.add_source();
        atomic<bool> ends_on_idle{false};
        explore::thread remover([&] { static_cast<void>(io->remove_source(source)); });
        explore::thread asker([&] {
            ends_on_idle.store(true, std::memory_order_relaxed);
            io->wake_when_idle();
            io->wake();
        });
        while (!ends_on_idle.load(std::memory_order_relaxed) || !io->is_idle())
            check(io->tick(std::nullopt).has_value(), "a tick");
    }));
}

}  // namespace
