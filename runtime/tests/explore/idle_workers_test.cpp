// SPDX-License-Identifier: MIT
// Workers that park and are unparked: every pushed task is run, even if all workers are about to park.
#include "executor/pool/idle_workers.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string_view>
#include <utility>
#include <vector>

#include "executor/pool/injection_queue.hpp"
#include "executor/pool/run_queue.hpp"
#include "executor/task/run_task.hpp"
#include "explore/explore.hpp"
#include "support/stress.hpp"

namespace {

using eddy::detail::atomic;
using eddy::detail::idle_workers;
using eddy::detail::injection_queue;
using eddy::detail::run_queue;
using eddy::detail::spawned_task;
using explore::check;
using explore::fails;
using explore::holds;

class no_owner final : public eddy::detail::spawned_task_owner {
public:
    void adopt(spawned_task&) noexcept override {}
    void schedule(spawned_task&) noexcept override {}
    void report(eddy::detail::unread_failure, const std::source_location&, std::string_view) noexcept override {}
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

/// A minimal pool of one or two workers. It combines the parts of executor/pool as worker_events.cpp,
/// task_search.cpp and worker_set.cpp do, apart from push(), which always notifies: the pool does so only if the work
/// is enough for two. It has no suspended tasks, no drivers and no watchdog worker.
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

    /// Lets a parked worker wake up without a notification, as an event of its driver does.
    void wake_by_event(unsigned worker) {
        workers[worker].has_event.store(true, std::memory_order_relaxed);
        workers[worker].place.set();
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
        atomic<bool> has_event{false};
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
        if (idle.transition_from_searching() && has_queued_work()) notify_one();
    }

    void park(unsigned self) {
        worker& me = workers[self];
        const bool was_last = idle.transition_to_parked(self, std::exchange(me.is_searching, false));
        if (was_last && has_queued_work()) notify_one();
        while (!is_closing.load(std::memory_order_acquire)) {
            me.place.wait();
            if (me.has_event.exchange(false, std::memory_order_relaxed)) {
                me.is_searching = !idle.unpark_itself(self);
                break;
            }
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

/// A worker wakes up by itself, while a task is injected for which it may be notified.
template <class Idle>
void worker_that_wakes_by_itself() {
    no_owner owner;
    const auto pool = std::make_unique<small_pool<Idle, 2>>();
    explore::thread first([&] { pool->run(0); });
    explore::thread second([&] { pool->run(1); });
    job<Idle, 2> one(owner, [](small_pool<Idle, 2>& all, unsigned) { all.done.set(true); });
    pool->wake_by_event(0);
    pool->inject(one);
    pool->done.wait();
    pool->close();
}

/// The only worker wakes up by itself, and may park again, while two threads inject tasks. If one of them has counted
/// the worker as searching and then finds it awake, the other one may have relied on that count.
template <class Idle>
void two_pushers_and_a_worker_that_wakes_by_itself() {
    using job = ::job<Idle, 1>;
    using pool = small_pool<Idle, 1>;
    no_owner owner;
    const auto only = std::make_unique<pool>();
    job one(owner, [](pool& all, unsigned) { all.done.set(true); });
    job other(owner, [](pool& all, unsigned) { all.other_has_run.set(true); });
    explore::thread worker([&] { only->run(0); });
    explore::thread pusher([&] { only->inject(other); });
    only->wake_by_event(0);
    only->inject(one);
    only->done.wait();
    only->other_has_run.wait();
    only->close();
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

// covers: R029
TEST(ExploreIdleWorkers, InjectedTaskIsRunByOnlyWorker) {
    EXPECT_TRUE(holds({.preemptions = 4}, tasks_from_outside<idle_workers, 1, 2>));
}

// covers: R029
TEST(ExploreIdleWorkers, InjectedTaskIsRunByOneOfTwoWorkers) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, tasks_from_outside<idle_workers, 2, 1>));
    EXPECT_TRUE(holds({.preemptions = 1, .stale_reads = 1}, tasks_from_outside<idle_workers, 2, 2>));
}

// covers: R029
TEST(ExploreIdleWorkers, TaskPushedByBusyWorkerIsRunByOtherWorker) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, task_that_needs_the_other_worker<idle_workers>));
}

TEST(ExploreIdleWorkers, WorkerMayWakeByItselfWhileItIsNotified) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, worker_that_wakes_by_itself<idle_workers>));
}

TEST(ExploreIdleWorkers, WorkerMayWakeByItselfBetweenTwoPushers) {
    EXPECT_TRUE(
        holds({.preemptions = 3, .stale_reads = 1}, two_pushers_and_a_worker_that_wakes_by_itself<idle_workers>));
}

/// The only worker wakes up by itself while a thread notifies it. Its next task waits until that thread has returned.
template <class Idle>
void worker_that_waits_for_the_pusher() {
    Idle idle(1);
    static_cast<void>(idle.transition_to_parked(0, false));
    explore::event has_returned{false};
    explore::thread worker([&] {
        if (!idle.unpark_itself(0)) static_cast<void>(idle.transition_from_searching());
        has_returned.wait();
    });
    static_cast<void>(idle.worker_to_notify());
    has_returned.set(true);
}

TEST(ExploreIdleWorkers, PusherDoesNotWaitForWorkerThatWakesByItself) {
    EXPECT_TRUE(holds({.preemptions = 2}, worker_that_waits_for_the_pusher<idle_workers>));
}

/// The last watchdog worker resigns because no worker runs, while a worker starts to run and looks for a watchdog
/// worker (worker_events.cpp, worker_set.cpp). In the end there must be a watchdog worker. Both workers are parked at
/// first; the driver wakes the second one.
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

// covers: R026
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
    EXPECT_TRUE(holds(explore::by_chance(), worker_that_wakes_by_itself<idle_workers>));
}

// ---- Copies of the idle word with one mistake each fail ----

struct as_it_is {
    static constexpr std::memory_order order = std::memory_order_seq_cst;
    static constexpr bool reads_by_modifying = true;
    static constexpr bool asks_a_searcher_only = false;
    static constexpr bool looks_again = true;
    static constexpr bool counts_before_clearing = true;
    static constexpr bool takes_claim_back = true;
    static constexpr bool checks_after_claim = true;
};

template <class Choice>
class changed_idle {
public:
    explicit changed_idle(unsigned count) : count_(count), word_(count * awake_one) {}

    std::optional<unsigned> worker_to_notify() {
        std::uint32_t word = read();
        if (!Choice::counts_before_clearing) {
            if (!should_wake(word)) return std::nullopt;
            const auto worker = clear_any();
            if (worker) word_.fetch_add(awake_one + searching_one, Choice::order);
            return worker;
        }
        constexpr std::uint32_t claim = awake_one + searching_one;
        while (should_wake(word)) {
            if (!word_.compare_exchange_weak(word, word + claim, Choice::order)) continue;
            while (!Choice::takes_claim_back || parked_.load(std::memory_order_relaxed) != 0) {
                if (const auto worker = clear_any()) return worker;
            }
            word = word_.fetch_sub(claim, Choice::order) - claim;
            if (!Choice::checks_after_claim) break;
        }
        return std::nullopt;
    }

    bool transition_to_parked(unsigned worker, bool is_searching) {
        parked_.fetch_or(1u << worker, std::memory_order_relaxed);
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

    bool transition_from_searching() {
        const auto before = searching(word_.fetch_sub(searching_one, Choice::order));
        check(before != 0, "a searching worker is counted");
        return before == 1;
    }

    bool unpark_itself(unsigned worker) {
        if (!Choice::counts_before_clearing) {
            if (!leaves_parked(worker)) return false;
            word_.fetch_add(awake_one, Choice::order);
            return true;
        }
        word_.fetch_add(awake_one, Choice::order);
        if (leaves_parked(worker)) return true;
        word_.fetch_sub(awake_one, Choice::order);
        return false;
    }

    bool is_parked(unsigned worker) { return (parked_.fetch_or(0, std::memory_order_acquire) & (1u << worker)) != 0; }

private:
    static constexpr std::uint32_t searching_one = 1;
    static constexpr std::uint32_t awake_one = 1u << 16;

    std::uint32_t read() {
        return Choice::reads_by_modifying ? word_.fetch_add(0, Choice::order) : word_.load(Choice::order);
    }
    static std::uint32_t searching(std::uint32_t word) { return word % awake_one; }
    bool should_wake(std::uint32_t word) const { return searching(word) == 0 && word / awake_one < count_; }
    bool leaves_parked(unsigned worker) {
        return (parked_.fetch_and(~(1u << worker), std::memory_order_acq_rel) & (1u << worker)) != 0;
    }
    std::optional<unsigned> clear_any() {
        for (unsigned i = 0; i < count_; ++i) {
            if (leaves_parked(i)) return i;
        }
        return std::nullopt;
    }

    const std::uint32_t count_;
    atomic<std::uint32_t> word_;
    atomic<std::uint32_t> parked_{0};
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
/// The worker whose bit was cleared may run, and stop to search, before the pusher has counted it.
struct clear_first : as_it_is {
    static constexpr bool counts_before_clearing = false;
};
/// The last parked worker may wake up by itself and never park again.
struct insists_on_a_bit : as_it_is {
    static constexpr bool takes_claim_back = false;
};
/// Another pusher may have woken no worker because of the claim.
struct claim_is_not_checked : as_it_is {
    static constexpr bool checks_after_claim = false;
};
struct nobody_looks_again : as_it_is {
    static constexpr bool looks_again = false;
};

// One of the programs, since they take ten seconds, and run above with the library's word; all of them in a soak.
TEST(ExploreIdleWorkersStress, CorrectCopyPasses) {
    using copy = changed_idle<as_it_is>;
    const std::array programs{
        std::pair(explore::options(), &tasks_from_outside<copy, 1, 2>),
        std::pair(explore::options{.preemptions = 1, .stale_reads = 1}, &task_that_needs_the_other_worker<copy>),
        std::pair(explore::options{.preemptions = 2}, &worker_that_wakes_by_itself<copy>),
        std::pair(explore::options{.preemptions = 3}, &two_pushers_and_a_worker_that_wakes_by_itself<copy>),
    };
    const auto count = support::rounds(programs.size());
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto& [bounds, program] = programs[(support::seed() + i) % programs.size()];
        EXPECT_TRUE(holds(bounds, program));
    }
}

TEST(ExploreIdleWorkers, WeakerMemoryOrdersFail) {
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<relaxed_word>, 1, 2>, "a lost wake-up"));
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<look_without_modifying>, 1, 2>, "a lost wake-up"));
}

TEST(ExploreIdleWorkers, BrokenTransitionsFail) {
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<nobody_looks_again>, 2, 1>, "a lost wake-up"));
    EXPECT_TRUE(fails(tasks_from_outside<changed_idle<only_searchers_look_again>, 1, 2>, "a lost wake-up"));
    EXPECT_TRUE(fails(worker_that_waits_for_the_pusher<changed_idle<insists_on_a_bit>>, ""));
    EXPECT_TRUE(fails({.preemptions = 3},
                      two_pushers_and_a_worker_that_wakes_by_itself<changed_idle<claim_is_not_checked>>,
                      "a lost wake-up"));
    EXPECT_TRUE(fails({.preemptions = 2}, worker_that_wakes_by_itself<changed_idle<clear_first>>,
                      "a searching worker is counted"));
    EXPECT_TRUE(fails({.stale_reads = 1}, task_that_needs_the_other_worker<changed_idle<only_searchers_look_again>>,
                      "a lost wake-up"));
}

}  // namespace
