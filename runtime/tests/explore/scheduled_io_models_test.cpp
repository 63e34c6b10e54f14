// SPDX-License-Identifier: MIT
// The readiness word, the waker slots and the waiters of a registration. No event is lost between a call that would
// block and the clear that follows, and a waiting task is always woken.
#include "reactor/source/scheduled_io.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::context;
using eddy::detail::atomic;
using eddy::detail::direction;
using eddy::detail::io_waiter;
using eddy::detail::mutex;
using eddy::detail::readiness_word;
using eddy::detail::scheduled_io;
using eddy::detail::wait_record;
using eddy::io::interest;
using eddy::io::ready;
using eddy::io::ready_event;
using explore::check;
using explore::fails;
using explore::holds;
using explore::sleeping_task;

constexpr explore::options thorough{.preemptions = 3, .stale_reads = 1};

/// A kernel socket with a count of received bytes. A kernel's lock orders its callers; here, read-modify-writes do.
class kernel_socket {
public:
    void arrive() { bytes_.fetch_add(1, std::memory_order_acq_rel); }
    /// Returns 0 if the call would block.
    int read() { return bytes_.exchange(0, std::memory_order_acq_rel); }

private:
    atomic<int> bytes_{0};
};

template <class Io>
ready_event wait_ready(Io& source, direction way, sleeping_task& self) {
    for (;;) {
        const eddy::waker waker = self.waker();
        context cx(waker);
        if (auto seen = source.poll_ready(way, cx, nullptr)) return *seen;
        self.sleep();
    }
}

// The models construct their tasks before the threads that wake them, as an executor does. The wake-ups do not order
// memory, so the readiness word must do this.

/// Reads like a stream on an edge-triggered driver: tries, clears the readiness if the call would block, and waits.
template <class Io>
void read_until(Io& source, kernel_socket& socket, int wanted, sleeping_task& self) {
    for (int got = 0; got < wanted;) {
        const ready_event seen = wait_ready(source, direction::read, self);
        const int bytes = socket.read();
        got += bytes;
        if (bytes == 0) source.clear_blocked(seen);
    }
}

/// An edge may arrive at any moment, also between EWOULDBLOCK and the clear. If it is lost, the reader waits forever.
template <class Io>
void edges_and_a_reader() {
    sleeping_task reader(false);
    Io source;
    kernel_socket socket;
    explore::name(&socket, "socket");
    explore::thread driver([&] {
        for (int i = 0; i < 2; ++i) {
            socket.arrive();
            source.report(ready::readable);
        }
    });
    read_until(source, socket, 2, reader);
}

/// Events of both directions arrive, while a task clears the readiness of one direction. Both tasks must be woken.
template <class Io>
void edges_of_both_directions() {
    sleeping_task reader(false);
    sleeping_task writer(false);
    Io source;
    kernel_socket incoming;
    explore::thread driver([&] {
        source.report(ready::writable);
        incoming.arrive();
        source.report(ready::readable);
    });
    explore::thread writing([&] {
        const ready_event seen = wait_ready(source, direction::write, writer);
        source.clear_blocked(seen);
    });
    read_until(source, incoming, 1, reader);
}

/// A task that finds the source ready sees the driver's writes before the report.
template <class Io>
void report_publishes() {
    sleeping_task reader(false);
    Io source;
    int errors = 0;
    explore::thread driver([&] {
        errors = 1;
        source.report(ready::error);
    });
    static_cast<void>(wait_ready(source, direction::read, reader));
    check(errors == 1, "writes before the report are visible");
}

/// A task that finds the source ready sees them also if another task has changed the word since.
template <class Io>
void clear_keeps_publishing() {
    sleeping_task reader(false);
    Io source;
    int errors = 0;
    explore::thread driver([&] {
        errors = 1;
        source.report(ready::error | ready::writable);
    });
    explore::thread writing([&] {
        const ready_event seen = source.look(ready::writable);
        if (!seen.ready.is_empty()) source.clear_blocked(seen);
    });
    static_cast<void>(wait_ready(source, direction::read, reader));
    check(errors == 1, "writes before the report are visible");
}

// covers: S39
TEST(ExploreScheduledIo, EventBetweenWouldBlockAndClearStaysReady) {
    EXPECT_TRUE(holds(thorough, edges_and_a_reader<scheduled_io>));
}

// covers: S39 R002
TEST(ExploreScheduledIo, EventsOfBothDirectionsAreKept) {
    EXPECT_TRUE(holds({.stale_reads = 1}, edges_of_both_directions<scheduled_io>));
}

TEST(ExploreScheduledIo, ReadinessPublishesEarlierWrites) {
    EXPECT_TRUE(holds(thorough, report_publishes<scheduled_io>));
    EXPECT_TRUE(holds(thorough, clear_keeps_publishing<scheduled_io>));
}

// covers: R002
TEST(ExploreScheduledIo, ClearOfOldTickKeepsNewerEvents) {
    EXPECT_TRUE(holds({.preemptions = 100, .stale_reads = 100}, [] {
        scheduled_io source;
        source.report(ready::readable);
        const ready_event old = source.look(ready::all);
        explore::thread driver([&] { source.report(ready::readable); });
        explore::thread other_thread([&] { source.report(ready::writable); });
        source.clear_blocked(old);
        driver.join();
        other_thread.join();
        check(source.look(ready::all).ready == (ready::readable | ready::writable), "both events are kept");
    }));
}

// covers: S41
TEST(ExploreScheduledIo, ShutdownWakesWaiterAndIsNeverCleared) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task self(false);
        scheduled_io source;
        explore::thread driver([&] {
            source.report(ready::readable);
            source.shut_down();
        });
        for (;;) {
            const ready_event seen = wait_ready(source, direction::read, self);
            if (seen.is_shutdown) break;
            source.clear_blocked(seen);
        }
    }));
}

// covers: S40
TEST(ExploreScheduledIo, LastPollOwnsWakerSlot) {
    EXPECT_TRUE(holds({.stale_reads = 1}, [] {
        sleeping_task given_up(false);
        sleeping_task reader(false);
        scheduled_io source;
        explore::thread driver([&] { source.report(ready::readable); });
        explore::thread other([&] {
            // Polls once; then the operation is dropped.
            const wait_record given_up_record;
            const eddy::waker waker = given_up.waker();
            context cx(waker);
            static_cast<void>(source.poll_ready(direction::read, cx, &given_up_record));
            source.leave_slot(direction::read, &given_up_record);
        });
        other.join();
        static_cast<void>(wait_ready(source, direction::read, reader));
    }));
}

// covers: S40
TEST(ExploreScheduledIo, DroppedOperationFreesItsWakerSlot) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task self(false);
        {
            scheduled_io source;
            explore::thread driver([&] { source.report(ready::readable); });
            const wait_record record;
            const eddy::waker waker = self.waker();
            context cx(waker);
            static_cast<void>(source.poll_ready(direction::read, cx, &record));
            source.leave_slot(direction::read, &record);
            check(source.owner() == nullptr, "the waker slot has no owner");
        }
    }));
}

// covers: S40
TEST(ExploreScheduledIo, WaiterIsWokenOrUnlinked) {
    EXPECT_TRUE(holds(thorough, [] {
        sleeping_task dropped_task(false);
        sleeping_task self(false);
        scheduled_io source;
        explore::thread driver([&] { source.report(ready::readable); });
        // SAFETY: this thread owns the node and unlinks it before it deletes it, as readiness_future does.
        auto* const dropped = new io_waiter(interest::readable);
        {
            const eddy::waker waker = dropped_task.waker();
            context cx(waker);
            static_cast<void>(source.poll_waiter(*dropped, cx));
        }
        source.unlink(*dropped);
        delete dropped;

        io_waiter kept(interest::readable);
        for (;;) {
            const eddy::waker waker = self.waker();
            context cx(waker);
            if (source.poll_waiter(kept, cx)) break;
            self.sleep();
        }
        source.unlink(kept);
    }));
}

TEST(ExploreScheduledIo, LastReferenceFreesSource) {
    EXPECT_TRUE(holds(thorough, [] {
        auto* const source = eddy::detail::pool_new<scheduled_io>();
        source->retain();
        explore::thread driver([=] {
            source->report(ready::readable);
            source->release();
        });
        static_cast<void>(source->look(ready::all));
        source->release();
    }));
}

TEST(ExploreScheduledIoStress, RandomExecutionsPass) {
    EXPECT_TRUE(holds(explore::by_chance(), edges_and_a_reader<scheduled_io>));
    EXPECT_TRUE(holds(explore::by_chance(), edges_of_both_directions<scheduled_io>));
}

// ---- Copies of the readiness word and one waker slot, with one mistake each, fail ----

struct as_it_is {
    static constexpr std::memory_order set = std::memory_order_release;
    static constexpr std::memory_order clear = std::memory_order_release;
    static constexpr std::memory_order look = std::memory_order_acquire;
    static constexpr bool clears_by_tick = true;
    static constexpr bool counts_ticks = true;
    static constexpr bool clears_under_the_lock = true;
    static constexpr bool looks_again_under_the_lock = true;
    static constexpr bool sets_before_it_wakes = true;
};

template <class Choice>
class changed_io {
public:
    void report(ready what) {
        if (!Choice::sets_before_it_wakes) wake_slot();
        {
            std::lock_guard guard(lock_);
            const std::uint32_t word = word_.load(std::memory_order_relaxed);
            const unsigned step = Choice::counts_ticks ? 1 : 0;
            word_.store(readiness_word::pack(false, static_cast<std::uint16_t>(readiness_word::tick(word) + step),
                                             readiness_word::ready(word) | what),
                        Choice::set);
        }
        if (Choice::sets_before_it_wakes) wake_slot();
    }

    void clear_blocked(ready_event seen) {
        std::unique_lock guard(lock_, std::defer_lock);
        if (Choice::clears_under_the_lock) guard.lock();
        const std::uint32_t word = word_.load(std::memory_order_relaxed);
        if (Choice::clears_by_tick && readiness_word::tick(word) != seen.tick) return;
        word_.store(readiness_word::pack(false, readiness_word::tick(word), readiness_word::ready(word) - seen.ready),
                    Choice::clear);
    }

    ready_event look(ready mask) {
        ready_event seen = readiness_word::unpack(word_.load(Choice::look));
        seen.ready &= mask;
        return seen;
    }

    eddy::poll_result<ready_event> poll_ready(direction, context& cx, const void*) {
        const ready mask = ready::mask_of(interest::readable);
        if (const auto seen = look(mask); !seen.ready.is_empty()) return seen;
        eddy::waker mine = cx.waker();
        std::lock_guard guard(lock_);
        if (Choice::looks_again_under_the_lock) {
            if (const auto seen = look(mask); !seen.ready.is_empty()) return seen;
        }
        kept_.swap(mine);
        return eddy::not_ready;
    }

private:
    void wake_slot() {
        eddy::waker taken;
        {
            std::lock_guard guard(lock_);
            taken.swap(kept_);
        }
        std::move(taken).wake();
    }

    atomic<std::uint32_t> word_{0};
    mutex lock_;
    eddy::waker kept_;
};

struct clear_without_tick : as_it_is {
    static constexpr bool clears_by_tick = false;
};
struct tick_that_stands_still : as_it_is {
    static constexpr bool counts_ticks = false;
};
struct clear_without_lock : as_it_is {
    static constexpr bool clears_under_the_lock = false;
};
struct one_look_only : as_it_is {
    static constexpr bool looks_again_under_the_lock = false;
};
struct wakes_before_it_sets : as_it_is {
    static constexpr bool sets_before_it_wakes = false;
};
struct relaxed_set : as_it_is {
    static constexpr std::memory_order set = std::memory_order_relaxed;
};
struct relaxed_clear : as_it_is {
    static constexpr std::memory_order clear = std::memory_order_relaxed;
};
struct relaxed_look : as_it_is {
    static constexpr std::memory_order look = std::memory_order_relaxed;
};

TEST(ExploreScheduledIo, CorrectCopyPasses) {
    EXPECT_TRUE(holds({.stale_reads = 1}, edges_and_a_reader<changed_io<as_it_is>>));
    EXPECT_TRUE(holds(report_publishes<changed_io<as_it_is>>));
    EXPECT_TRUE(holds(clear_keeps_publishing<changed_io<as_it_is>>));
}

TEST(ExploreScheduledIo, BrokenTransitionsFail) {
    EXPECT_TRUE(fails(edges_and_a_reader<changed_io<clear_without_tick>>, "a lost wake-up"));
    EXPECT_TRUE(fails(edges_and_a_reader<changed_io<tick_that_stands_still>>, "a lost wake-up"));
    EXPECT_TRUE(fails(edges_and_a_reader<changed_io<clear_without_lock>>, "a lost wake-up"));
    EXPECT_TRUE(fails(edges_and_a_reader<changed_io<one_look_only>>, "a lost wake-up"));
    EXPECT_TRUE(fails(edges_and_a_reader<changed_io<wakes_before_it_sets>>, "a lost wake-up"));
}

TEST(ExploreScheduledIo, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(report_publishes<changed_io<relaxed_set>>, "a data race"));
    EXPECT_TRUE(fails(report_publishes<changed_io<relaxed_look>>, "a data race"));
    EXPECT_TRUE(fails(clear_keeps_publishing<changed_io<relaxed_clear>>, "a data race"));
}

}  // namespace
