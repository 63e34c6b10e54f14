// SPDX-License-Identifier: MIT
// The LIFO slot of a worker (lifo_slot, worker_tasks::schedule(), next_local(), worker::service_stalled()): each task
// that enters it is run once, by its worker or by a watchdog worker, and the thread that runs it sees all writes before
// its wake-up.
#include "executor/pool/worker.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

#include "executor/pool/pool.hpp"
#include "explore/explore.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::pool;
using eddy::detail::run_queue;
using eddy::detail::spawned_task;
using eddy::detail::worker;
using explore::check;
using explore::fails;
using explore::holds;

class no_owner final : public eddy::detail::spawned_task_owner {
public:
    void adopt(spawned_task&) noexcept override {}
    void schedule(spawned_task&) noexcept override {}
    void report(eddy::detail::unread_failure, const std::source_location&, std::string_view) noexcept override {}
};

no_owner tasks_owner;
constexpr eddy::detail::spawned_ops no_operations{};

/// A task with plain members: the worker must order all accesses to them.
struct job : spawned_task {
    job() : spawned_task(no_operations, tasks_owner, std::source_location::current(), false) {}

    void run() {
        check(is_written, "the writes before the wake are visible");
        check(!was_run, "each task is run once");
        was_run = true;
    }

    bool is_written = false;
    bool was_run = false;
};

// The private members that the models use. An explicit instantiation may name private members.
spawned_task* call_next_local(worker& own);
void give_lifo_slots(pool& to);
template <auto NextLocal, auto Settings>
struct opened {
    friend spawned_task* call_next_local(worker& own) { return (own.tasks().*NextLocal)(); }
    friend void give_lifo_slots(pool& to) { const_cast<bool&>((to.*Settings).has_lifo_slot) = true; }
};
template struct opened<&eddy::detail::worker_tasks::next_local, &pool::settings_>;

/// The memory of a pool without a value, except that it has LIFO slots.
class no_pool {
public:
    no_pool() { give_lifo_slots(get()); }
    // SAFETY: the workers of the models only read the setting, which has a value. The memory itself is not const.
    pool& get() { return reinterpret_cast<pool&>(memory_); }

private:
    alignas(pool) std::byte memory_[sizeof(pool)]{};
};
no_pool only_setting;

/// The library's worker, without a driver.
class real_worker {
public:
    void schedule(job& task) { worker_.tasks().schedule(task); }
    void service_stalled(real_worker& busy) { worker_.service_stalled(busy.worker_); }
    // SAFETY: schedule() pushes only jobs. `workers` keeps them until its threads have ended.
    job* next_local() { return static_cast<job*>(call_next_local(worker_)); }

private:
    // SAFETY: the worker uses nothing else of its pool, because its run queue never holds more than two tasks.
    worker worker_{only_setting.get(), 0, nullptr, false, 1, {}};
};

template <class Worker>
void run_all(Worker& own) {
    while (job* const task = own.next_local()) task->run();
}

/// A worker and the watchdog workers that look after it.
template <class Worker>
struct workers {
    void wake(std::size_t index) {
        jobs[index].is_written = true;
        busy.schedule(jobs[index]);
    }
    void watch(Worker& watchdog) {
        watchdog.service_stalled(busy);
        run_all(watchdog);
    }
    void check_all() const {
        for (const job& each : jobs) check(each.was_run, "no task is lost");
    }

    std::array<job, 2> jobs;
    Worker busy;
    Worker first_watchdog;
    Worker second_watchdog;
};

/// The second task pushes the first out of the LIFO slot into the run queue. Then the worker runs its remaining tasks.
template <class Worker>
void wake_two_beside_a_watchdog() {
    const auto all = std::make_unique<workers<Worker>>();
    {
        explore::thread watchdog([&] { all->watch(all->first_watchdog); });
        all->wake(0);
        all->wake(1);
        run_all(all->busy);
    }
    all->check_all();
}

template <class Worker>
void wake_two_beside_two_watchdogs() {
    const auto all = std::make_unique<workers<Worker>>();
    {
        explore::thread first([&] { all->watch(all->first_watchdog); });
        explore::thread second([&] { all->watch(all->second_watchdog); });
        all->wake(0);
        all->wake(1);
        run_all(all->busy);
    }
    all->check_all();
}

// Without a LIFO slot, the models below would only examine the run queue.
TEST(ExploreLifoSlot, RealWorkerRunsLastTaskFirst) {
    EXPECT_TRUE(holds([] {
        const auto all = std::make_unique<workers<real_worker>>();
        all->wake(0);
        all->wake(1);
        check(all->busy.next_local() == &all->jobs[1], "the LIFO slot holds the last task");
        check(all->busy.next_local() == &all->jobs[0], "the run queue holds the other task");
    }));
}

TEST(ExploreLifoSlot, EachTaskIsRunOnceBesideWatchdogWorker) {
    EXPECT_TRUE(holds({.preemptions = 4, .stale_reads = 2}, wake_two_beside_a_watchdog<real_worker>));
}

TEST(ExploreLifoSlot, EachTaskIsRunOnceBesideTwoWatchdogWorkers) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, wake_two_beside_two_watchdogs<real_worker>));
}

class ExploreLifoSlotStress : public testing::Test {};

TEST_F(ExploreLifoSlotStress, RandomExecutionsPass) {
    EXPECT_TRUE(holds(explore::by_chance(), wake_two_beside_two_watchdogs<real_worker>));
}

// ---- Copies with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order put = std::memory_order_release;
    static constexpr std::memory_order take = std::memory_order_acquire;
    static constexpr bool puts_by_exchange = true;
    static constexpr bool takes_by_exchange = true;
    static constexpr bool relieves_by_exchange = true;
};

/// Only the LIFO slot and the run queue of a worker.
template <class Choice>
class changed_worker {
public:
    void schedule(job& task) {
        if (lifo_.load(std::memory_order_relaxed) == nullptr) return lifo_.store(&task, Choice::put);
        job* former = nullptr;
        if (Choice::puts_by_exchange) {
            former = lifo_.exchange(&task, Choice::put);
        } else {
            former = lifo_.load(std::memory_order_acquire);
            lifo_.store(&task, std::memory_order_release);
        }
        if (former != nullptr) check(queue_.push(former), "the run queue has spare capacity");
    }

    void service_stalled(changed_worker& busy) {
        if (job* const task = busy.take(Choice::relieves_by_exchange)) schedule(*task);
    }

    job* next_local() {
        if (job* const task = take(Choice::takes_by_exchange)) return task;
        return queue_.pop();
    }

private:
    job* take(bool by_exchange) {
        if (lifo_.load(std::memory_order_relaxed) == nullptr) return nullptr;
        if (by_exchange) return lifo_.exchange(nullptr, Choice::take);
        job* const task = lifo_.load(std::memory_order_acquire);
        lifo_.store(nullptr, std::memory_order_relaxed);
        return task;
    }

    atomic<job*> lifo_{nullptr};
    run_queue<job, 4> queue_;
};

struct relaxed_put : as_it_is {
    static constexpr std::memory_order put = std::memory_order_relaxed;
};
struct relaxed_take : as_it_is {
    static constexpr std::memory_order take = std::memory_order_relaxed;
};
struct puts_by_store : as_it_is {
    static constexpr bool puts_by_exchange = false;
};
struct takes_by_store : as_it_is {
    static constexpr bool takes_by_exchange = false;
};
struct relieves_by_store : as_it_is {
    static constexpr bool relieves_by_exchange = false;
};

TEST(ExploreLifoSlot, CorrectCopyPasses) { EXPECT_TRUE(holds(wake_two_beside_a_watchdog<changed_worker<as_it_is>>)); }

TEST(ExploreLifoSlot, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(wake_two_beside_a_watchdog<changed_worker<relaxed_put>>, "a data race"));
    EXPECT_TRUE(fails(wake_two_beside_a_watchdog<changed_worker<relaxed_take>>, "a data race"));
}

TEST(ExploreLifoSlot, StoresInPlaceOfExchangesFail) {
    EXPECT_TRUE(fails(wake_two_beside_a_watchdog<changed_worker<puts_by_store>>, ""));
    EXPECT_TRUE(fails(wake_two_beside_a_watchdog<changed_worker<takes_by_store>>, ""));
    EXPECT_TRUE(fails(wake_two_beside_a_watchdog<changed_worker<relieves_by_store>>, ""));
}

}  // namespace
