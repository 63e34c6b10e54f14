// SPDX-License-Identifier: MIT
// The end of a pool while polls have handed its worker over (block_in_place): the worker is run by one thread or taken
// back, the pool is not closed before the polls have ended, and all threads that wait for its end go on.
#include "executor/pool/pool_shutdown.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/spawn_blocking.hpp>

#include "executor/pool/pool.hpp"
#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"
#include "explore/small_pool.hpp"
#include "explore/thread_stand_ins.hpp"

namespace {

using eddy::block_in_place;
using eddy::detail::held_up;
using eddy::detail::pool_shutdown;
using eddy::detail::spawned_ops;
using eddy::detail::spawned_output;
using eddy::detail::spawned_task;
using eddy::detail::this_thread;
using explore::cell;
using explore::check;
using explore::holds;
using explore::library_threads;

pool_shutdown::counts& counts_of(pool_shutdown& of);
template <auto Counts>
struct opened {
    friend pool_shutdown::counts& counts_of(pool_shutdown& of) { return of.*Counts; }
};
template struct opened<&pool_shutdown::counts_>;

// What these models read and write is under locks, or changed by read-modify-writes, except the phase.
constexpr explore::options cheaper{.stale_reads = 0};

class ExplorePoolShutdown : public testing::Test {
protected:
    static void SetUpTestSuite() {
        eddy::detail::explored_threads_differ = true;
        explore::separate(&this_thread.runs_here);
        explore::separate(&this_thread.polled);
        explore::separate(&this_thread.worker);
        explore::separate(&this_thread.executor.runs);
        explore::separate(&this_thread.executor.time);
        explore::separate(&this_thread.poll_entry);
        explore::separate(&this_thread.ends_worker_of);
        explore::separate(&this_thread.in_place_of);
        explore::separate(&this_thread.blocking_thread_of);
        explore::separate(&this_thread.is_in_blocking_call);
        explore::separate(&eddy::detail::random_here);
    }
    static void TearDownTestSuite() { eddy::detail::explored_threads_differ = false; }
};

/// A pool with one worker.
class closing_pool : public explore::small_pool {
public:
    closing_pool() : small_pool(true) {}
    closing_pool(const closing_pool&) = delete;
    closing_pool& operator=(const closing_pool&) = delete;
    ~closing_pool() {
        const pool_shutdown::counts& counts = counts_of(shutdown());
        check(counts.workers_out == 1, "the worker has left run() once");
        check(counts.in_place == 0 && counts.late_threads == 0 && counts.left == 0, "polls and threads have ended");
    }

    void start() {
        check(get().threads().start_all().has_value(), "the worker has a thread");
        is_made.set();
    }
    /// Ends the pool as the destructor of a runtime does.
    void end() {
        shutdown().begin();
        shutdown().wait(std::nullopt);
    }

    explore::event is_made;
};

/// A task that calls a function in its only poll, or when the closing pool drops it. The worker polls the newest task
/// first.
class polled_task : spawned_output<int> {
public:
    polled_task(closing_pool& of, std::function<void()> does)
        : spawned_output(operations, of.get(), std::source_location(), nullptr, false), does_(std::move(does)) {
        of.only_worker().tasks().schedule(*this);
    }

private:
    static bool poll(spawned_task& self, eddy::context&) {
        drop(self);
        return false;
    }
    static void drop(spawned_task& self) noexcept { static_cast<polled_task&>(self).does_(); }
    static constexpr spawned_ops operations{.poll = &poll, .free_memory = &drop};
    const std::function<void()> does_;
};

/// The poll hands the worker over twice, so that the thread of the first time may come to the second offer.
void end_while_worker_is_handed_over(std::size_t threads) {
    closing_pool pool;
    cell<bool> has_ended{false};
    explore::event is_polled(false);
    const polled_task task(pool, [&] {
        is_polled.set();
        block_in_place([] {});
        block_in_place([] {});
        has_ended.write(true);
    });
    const library_threads all(threads);
    pool.start();
    is_polled.wait();
    pool.end();
    check(has_ended.read(), "the poll has ended");
}

TEST_F(ExplorePoolShutdown, PoolEndsAfterPollThatHandsWorkerOver) {
    EXPECT_TRUE(holds(cheaper, [] { end_while_worker_is_handed_over(7); }));
}

TEST_F(ExplorePoolShutdown, PollTakesWorkerBackThatHasNoThread) {
    EXPECT_TRUE(holds([] { end_while_worker_is_handed_over(1); }));
    EXPECT_TRUE(holds(cheaper, [] { end_while_worker_is_handed_over(2); }));
}

/// The poll waits for another task of its worker, which another thread polls or drops.
TEST_F(ExplorePoolShutdown, OfferedWorkerGetsThread) {
    EXPECT_TRUE(holds(cheaper, [] {
        closing_pool pool;
        explore::event is_polled(false);
        explore::event other_has_run;
        const polled_task other(pool, [&] { other_has_run.set(); });
        const polled_task task(pool, [&] {
            is_polled.set();
            block_in_place([&] { other_has_run.wait(); });
        });
        const library_threads all;
        pool.start();
        is_polled.wait();
        pool.end();
    }));
}

/// The first poll may take the worker from the second one, which offers it while the first one is in its call. With two
/// threads, none comes for that offer.
TEST_F(ExplorePoolShutdown, PollTakesWorkerThatAnotherPollHasOffered) {
    for (const std::size_t threads : {2, 7}) {
        EXPECT_TRUE(holds({.preemptions = 1, .stale_reads = 0}, [threads] {
            closing_pool pool;
            explore::event may_end(false);
            explore::event may_return(false);
            const polled_task other(pool, [&] {
                may_end.set();
                may_return.set();
                block_in_place([] {});
            });
            const polled_task first(pool, [&] { block_in_place([&] { may_return.wait(); }); });
            const library_threads all(threads);
            pool.start();
            may_end.wait();
            pool.end();
        }));
    }
}

/// Another thread is still inside begin() when the pool ends. The pool may not start a thread after that.
TEST_F(ExplorePoolShutdown, EndedPoolStartsNoThread) {
    EXPECT_TRUE(holds(cheaper, [] {
        closing_pool pool;
        cell<bool> has_ended{false};
        pool.name_threads([&] {
            check(!has_ended.read(), "no thread begins after the end");
            return std::string();
        });
        explore::event is_polled(false);
        const polled_task task(pool, [&] {
            is_polled.set();
            block_in_place([] {});
        });
        const library_threads all;
        pool.start();
        is_polled.wait();
        const explore::thread closing([&] { pool.shutdown().begin(); });
        pool.shutdown().wait(std::nullopt);
        has_ended.write(true);
    }));
}

TEST_F(ExplorePoolShutdown, EndWakesTaskOfAnotherRuntime) {
    EXPECT_TRUE(holds([] {
        closing_pool pool;
        cell<bool> has_ended{false};
        cell<bool> has_closed{false};
        pool.name_threads([&] {
            check(!has_closed.read(), "no thread begins after the end");
            return std::string();
        });
        explore::event is_polled(false);
        explore::sleeping_task waiting(false);
        const polled_task task(pool, [&] {
            is_polled.set();
            block_in_place([] {});
            has_ended.write(true);
        });
        const library_threads all;
        pool.start();
        is_polled.wait();
        pool.shutdown().begin();
        const eddy::waker wake = waiting.waker();
        while (!pool.shutdown().poll_closed(wake)) waiting.sleep();
        has_closed.write(true);
        check(has_ended.read(), "the poll has ended");
    }));
}

TEST_F(ExplorePoolShutdown, EndEndsWaitForIdleness) {
    EXPECT_TRUE(holds([] {
        closing_pool pool;
        cell<bool> has_ended{false};
        explore::event is_polled(false);
        const polled_task task(pool, [&] {
            is_polled.set();
            has_ended.write(true);
        });
        const library_threads all;
        pool.idleness().count_blocking(true);  // blocking work that goes on
        pool.start();
        is_polled.wait();
        const explore::thread closing([&] { pool.shutdown().begin(); });
        pool.idleness().wait();
        check(pool.shutdown().has_closed() && has_ended.read(), "the worker has left run()");
    }));
}

// ---- Polls that end their own pool ----

/// The thread that the first offer has requested may come late. If no thread comes for the worker, and only then, the
/// end does not wait for it. `closes`: another thread begins the shutdown at the same time.
void end_in_poll(std::size_t threads, bool closes) {
    closing_pool pool;
    explore::event is_polled(false);
    const polled_task task(pool, [&] {
        pool.is_made.wait();
        is_polled.set();
        block_in_place([] {});
        bool has_closed = false;
        block_in_place([&] {
            if (this_thread.worker != nullptr) return;  // no thread could be requested: the poll must not wait then
            pool.end();
            has_closed = pool.shutdown().has_closed();
        });
        check(has_closed || this_thread.worker == &pool.only_worker(), "the worker has left, or had no thread");
    });
    const library_threads all(threads);
    pool.start();
    is_polled.wait();
    if (closes) pool.shutdown().begin();
}

TEST_F(ExplorePoolShutdown, PollThatEndsItsPoolWaitsForTheWorker) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 0}, [] { end_in_poll(2, false); }));
    EXPECT_TRUE(holds(cheaper, [] { end_in_poll(2, true); }));
    EXPECT_TRUE(holds(cheaper, [] { end_in_poll(1, true); }));
    EXPECT_TRUE(holds(cheaper, [] { end_in_poll(7, false); }));
}

/// Another poll waits for the one that ends the pool, as that of a scope does for a child.
TEST_F(ExplorePoolShutdown, PollThatEndsItsPoolDoesNotWaitForItsParent) {
    EXPECT_TRUE(holds([] {
        closing_pool pool;
        eddy::detail::mutex lock;
        bool has_child_ended = false;
        explore::event child_ends;
        const auto waits = [&] {
            const std::lock_guard guard(lock);
            return !has_child_ended;
        };
        const polled_task parent(pool, [&] {
            const held_up here(
                pool.get(), [](void* of) noexcept { return (*static_cast<decltype(waits)*>(of))(); },
                const_cast<void*>(static_cast<const void*>(&waits)));
            child_ends.wait();
        });
        const polled_task child(pool, [&] {
            pool.is_made.wait();
            block_in_place([&] { pool.end(); });
            {
                const std::lock_guard guard(lock);
                has_child_ended = true;
            }
            child_ends.set();
        });
        const library_threads all;
        pool.start();
    }));
}

}  // namespace
