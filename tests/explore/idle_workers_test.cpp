// SPDX-License-Identifier: MIT
// Workers that park and are unparked: every pushed task is run, even if all workers are about to park.
#include "runtime/idle_workers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

#include "explore/explore.hpp"
#include "runtime/injection_queue.hpp"
#include "runtime/run_queue.hpp"
#include "runtime/spawned_task.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::idle_workers;
using eddy::detail::injection_queue;
using eddy::detail::mutex;
using eddy::detail::run_queue;
using eddy::detail::spawned_task;
using explore::check;
using explore::fails;
using explore::holds;

class no_owner final : public eddy::detail::task_owner {
public:
    void schedule(spawned_task&) noexcept override {}
};

constexpr eddy::detail::spawned_ops no_operations{};

template <class Idle, unsigned Size>
class small_pool;

/// A task with a function to run once.
template <class Idle, unsigned Size>
struct job : spawned_task {
    using work = void (*)(small_pool<Idle, Size>& pool, unsigned worker);

    job(no_owner& runs, work does)
        : spawned_task(no_operations, runs, std::source_location::current(), false), run(does) {}

    work run;
    bool was_run = false;
};

/// A minimal pool of one or two workers. It combines the parts of src/runtime as worker.cpp and pool.cpp do. It has no
/// suspended tasks, no drivers and no watchdog worker.
template <class Idle, unsigned Size>
class small_pool {
    using job = ::job<Idle, Size>;

public:
    void run(unsigned self) {
        while (!is_closing.load(std::memory_order_acquire)) {
            job* task = next(self);
            if (task == nullptr) task = search(self);
            if (task == nullptr) {
                park(self);
                continue;
            }
            stop_searching(self);
            check(!task->was_run, "each task is run once");
            task->was_run = true;
            task->run(*this, self);
        }
    }

    /// Spawns a task from outside of the pool.
    void inject(job& task) {
        check(injected.push(task), "the queue is open");
        notify_one();
    }

    /// Spawns a task from a task.
    void push(unsigned self, job& task) {
        check(workers[self].queue.push(&task), "the run queue has spare capacity");
        notify_one();
    }

    void close() {
        is_closing.store(true, std::memory_order_release);
        for (auto& one : workers) one.place.set(true);  // orders memory, as a kernel's wake-up does
    }

    /// The body of the model waits for done. A task that blocks waits for other_has_run.
    explore::event done{false};
    explore::event other_has_run{false};
    job* child = nullptr;

private:
    struct worker {
        run_queue<job, 4> queue;
        explore::event place{false};  // does not order memory: the idle word and the queues must do this
        bool is_searching = false;
    };

    job* next(unsigned self) {
        if (auto* const task = workers[self].queue.pop()) return task;
        return next_injected();
    }

    job* next_injected() {
        if (injected.is_empty()) return nullptr;
        job* found = nullptr;
        // SAFETY: inject() pushes only jobs. The model keeps them until it has run them.
        injected.pop(1, [&](spawned_task& task) { found = static_cast<job*>(&task); });
        return found;
    }

    job* search(unsigned self) {
        worker& me = workers[self];
        if (Size > 1) {
            if (!me.is_searching) me.is_searching = idle.transition_to_searching();
            if (!me.is_searching) return nullptr;
            if (auto* const task = workers[Size - 1 - self].queue.steal_into(me.queue)) return task;
        }
        return next_injected();
    }

    void stop_searching(unsigned self) {
        if (!std::exchange(workers[self].is_searching, false)) return;
        if (idle.transition_from_searching()) notify_one();
    }

    void park(unsigned self) {
        worker& me = workers[self];
        const bool was_last = idle.transition_to_parked(self, std::exchange(me.is_searching, false));
        if (was_last && has_queued_work()) notify_one();
        while (!is_closing.load(std::memory_order_acquire)) {
            me.place.wait();
            if (!idle.is_parked(self)) {
                me.is_searching = true;
                break;
            }
        }
    }

    bool has_queued_work() {
        if (!injected.is_empty()) return true;
        for (auto& one : workers) {
            if (!one.queue.is_empty()) return true;
        }
        return false;
    }

    void notify_one() {
        if (const auto sleeper = idle.worker_to_notify()) workers[*sleeper].place.set();
    }

    Idle idle{Size};
    injection_queue injected;
    std::array<worker, Size> workers;
    atomic<bool> is_closing{false};
};

/// Tasks are injected one after another while the workers are about to park, are parked, or are searching.
template <class Idle, unsigned Size, unsigned Tasks>
void tasks_from_outside() {
    no_owner owner;
    const auto pool = std::make_unique<small_pool<Idle, Size>>();
    std::vector<std::unique_ptr<explore::thread>> threads;
    for (unsigned i = 0; i < Size; ++i) {
        threads.push_back(std::make_unique<explore::thread>([&pool, i] { pool->run(i); }));
    }
    for (unsigned i = 0; i < Tasks; ++i) {
        job<Idle, Size> one(owner, [](small_pool<Idle, Size>& all, unsigned) { all.done.set(true); });
        pool->inject(one);
        pool->done.wait();
    }
    pool->close();
}

/// A task pushes a child task and blocks until the child has run, so the other worker must steal the child.
template <class Idle>
void task_that_needs_the_other_worker() {
    using job = ::job<Idle, 2>;
    using pool = small_pool<Idle, 2>;
    no_owner owner;
    const auto both = std::make_unique<pool>();
    job child(owner, [](pool& all, unsigned) { all.other_has_run.set(); });
    job parent(owner, [](pool& all, unsigned self) {
        all.push(self, *all.child);
        all.other_has_run.wait();
        all.done.set();
    });
    both->child = &child;
    explore::thread first([&] { both->run(0); });
    explore::thread second([&] { both->run(1); });
    both->inject(parent);
    both->done.wait();
    both->close();
}

TEST(ExploreIdleWorkers, InjectedTaskIsRunByOnlyWorker) {
    EXPECT_TRUE(holds({.preemptions = 4}, tasks_from_outside<idle_workers, 1, 2>));
}

TEST(ExploreIdleWorkers, InjectedTaskIsRunByOneOfTwoWorkers) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, tasks_from_outside<idle_workers, 2, 1>));
    EXPECT_TRUE(holds({.preemptions = 1, .stale_reads = 1}, tasks_from_outside<idle_workers, 2, 2>));
}

TEST(ExploreIdleWorkers, TaskPushedByBusyWorkerIsRunByOtherWorker) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, task_that_needs_the_other_worker<idle_workers>));
}

/// The last watchdog worker resigns because no worker runs, while a worker starts to run and looks for a watchdog
/// worker (worker.cpp). In the end there must be a watchdog worker. Both workers are parked at first; the driver wakes
/// the second one.
template <std::memory_order Resign, std::memory_order Look>
void sentry_resigns_while_a_worker_begins() {
    constexpr int vacant = -1;
    idle_workers idle(2);
    static_cast<void>(idle.transition_to_parked(0, false));
    static_cast<void>(idle.transition_to_parked(1, false));
    atomic<int> watchdog{0};
    explore::event place{false};
    explore::thread begins([&] {
        check(idle.unpark_itself(1), "the worker was not notified");
        if (watchdog.load(Look) != vacant || idle.all_awake()) return;
        if (idle.any_sleeper()) place.set();
    });
    if (idle.awake() != 0) return;
    watchdog.store(vacant, Resign);
    for (;;) {
        int none = vacant;
        if (idle.awake() > 0 && watchdog.compare_exchange_strong(none, 0, std::memory_order_seq_cst)) return;
        place.wait();
    }
}

TEST(ExploreIdleWorkers, ResigningWatchdogRacesWithStartingWorker) {
    constexpr auto seq_cst = std::memory_order_seq_cst;
    const explore::options all{.preemptions = 100, .stale_reads = 100};
    EXPECT_TRUE(holds(all, sentry_resigns_while_a_worker_begins<seq_cst, seq_cst>));
    EXPECT_TRUE(fails(all, sentry_resigns_while_a_worker_begins<std::memory_order_release, seq_cst>, "a lost wake-up"));
    EXPECT_TRUE(fails(all, sentry_resigns_while_a_worker_begins<seq_cst, std::memory_order_acquire>, "a lost wake-up"));
}

TEST(ExploreIdleWorkersStress, RandomExecutionsPass) {
    EXPECT_TRUE(holds(explore::by_chance(), tasks_from_outside<idle_workers, 1, 2>));
    EXPECT_TRUE(holds(explore::by_chance(), tasks_from_outside<idle_workers, 2, 2>));
    EXPECT_TRUE(holds(explore::by_chance(), task_that_needs_the_other_worker<idle_workers>));
}

// ---- Copies of the idle word with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order order = std::memory_order_seq_cst;
    static constexpr bool reads_by_modifying = true;
    static constexpr bool asks_a_searcher_only = false;
    static constexpr bool looks_again = true;
    static constexpr bool looks_under_the_lock = true;
};

template <class Choice>
class changed_idle {
public:
    explicit changed_idle(unsigned count) : count_(count), word_(count * awake_one) { sleepers_.reserve(count); }

    std::optional<unsigned> worker_to_notify() {
        if (!should_wake(read())) return std::nullopt;
        const std::lock_guard guard(lock_);
        if (Choice::looks_under_the_lock && (!should_wake(read()) || sleepers_.empty())) return std::nullopt;
        word_.fetch_add(awake_one + searching_one, Choice::order);
        const unsigned worker = sleepers_.back();
        sleepers_.pop_back();
        return worker;
    }

    bool transition_to_parked(unsigned worker, bool is_searching) {
        const std::lock_guard guard(lock_);
        sleepers_.push_back(worker);
        const std::uint32_t mine = is_searching ? searching_one : 0;
        const std::uint32_t before = word_.fetch_sub(awake_one + mine, Choice::order);
        if (!Choice::looks_again || (Choice::asks_a_searcher_only && !is_searching)) return false;
        return searching(before) == mine;
    }

    bool transition_to_searching() {
        if (2 * searching(word_.load(std::memory_order_relaxed)) >= count_) return false;
        word_.fetch_add(searching_one, Choice::order);
        return true;
    }

    bool transition_from_searching() { return searching(word_.fetch_sub(searching_one, Choice::order)) == 1; }

    bool is_parked(unsigned worker) {
        const std::lock_guard guard(lock_);
        return std::find(sleepers_.begin(), sleepers_.end(), worker) != sleepers_.end();
    }

private:
    static constexpr std::uint32_t searching_one = 1;
    static constexpr std::uint32_t awake_one = 1u << 16;

    std::uint32_t read() {
        return Choice::reads_by_modifying ? word_.fetch_add(0, Choice::order) : word_.load(Choice::order);
    }
    static std::uint32_t searching(std::uint32_t word) { return word % awake_one; }
    bool should_wake(std::uint32_t word) const { return searching(word) == 0 && word / awake_one < count_; }

    const std::uint32_t count_;
    atomic<std::uint32_t> word_;
    mutex lock_;
    std::vector<unsigned> sleepers_;
};

/// Each push and each park is a read-modify-write, but with relaxed order, so it publishes no other data.
struct relaxed_word : as_it_is {
    static constexpr std::memory_order order = std::memory_order_relaxed;
};
/// A load, even with seq_cst, is not ordered after the relaxed or releasing push before it.
struct look_without_modifying : as_it_is {
    static constexpr bool reads_by_modifying = false;
};
/// Tokio's rule: only the last searching worker looks at the queues again before it parks. Here this rule loses tasks.
struct only_searchers_look_again : as_it_is {
    static constexpr bool asks_a_searcher_only = true;
};
struct nobody_looks_again : as_it_is {
    static constexpr bool looks_again = false;
};

TEST(ExploreIdleWorkers, CorrectCopyPasses) {
    EXPECT_TRUE(holds(tasks_from_outside<changed_idle<as_it_is>, 1, 2>));
    EXPECT_TRUE(holds({.preemptions = 1, .stale_reads = 1}, task_that_needs_the_other_worker<changed_idle<as_it_is>>));
}

TEST(ExploreIdleWorkers, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<relaxed_word>, 1, 2>, "a lost wake-up"));
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<look_without_modifying>, 1, 2>, "a lost wake-up"));
}

TEST(ExploreIdleWorkers, BrokenTransitionsFail) {
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<nobody_looks_again>, 2, 1>, "a lost wake-up"));
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<only_searchers_look_again>, 1, 2>, "a lost wake-up"));
    EXPECT_TRUE(fails({.stale_reads = 1}, task_that_needs_the_other_worker<changed_idle<only_searchers_look_again>>,
                      "a lost wake-up"));
}

}  // namespace
