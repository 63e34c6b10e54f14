// SPDX-License-Identifier: MIT
// The life of a task that may run on any thread: its state word (task_state), its wakers and its join handle
// (run_task.cpp), with a small executor in place of the pool. No wake-up is lost, one thread polls the task at a
// time, its future and its output are destroyed once, and its memory is freed once.
#include "executor/task/run_task.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/join_handle.hpp>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"
#include "explore/small_executor.hpp"
#include "explore/task_output.hpp"

namespace {

using eddy::context;
using eddy::detail::atomic;
using eddy::detail::spawned_task;
using eddy::detail::task_flags;
using explore::all_inside;
using explore::check;
using explore::fails;
using explore::holds;
using explore::output;
using explore::own_wake;
using explore::sleeping_task;
using explore::small_executor;
using explore::waker_of;

/// A future that is ready when all its flags are set. Each thread sets its flag and then wakes the task. The flags are
/// relaxed: the wake-up must order them.
struct listener {
    using output_type = output;

    const atomic<int>* said;
    int wanted;
    explore::tracked alive{};
    int polls = 0;  // plain: two polls at a time would race

    listener(const atomic<int>& words, int count) : said(&words), wanted(count) {}

    eddy::poll_result<output> poll(context&) {
        alive.touch();
        ++polls;
        for (int i = 0; i < wanted; ++i) {
            if (said[i].load(std::memory_order_relaxed) == 0) return eddy::not_ready;
        }
        return output(7);
    }
};

/// A future that is never ready and does not store its waker. The test creates the wakers of its task.
struct sleeper {
    using output_type = output;
    explore::tracked alive{};
    int polls = 0;

    sleeper() = default;
    eddy::poll_result<output> poll(context&) {
        alive.touch();
        ++polls;
        return eddy::not_ready;
    }
};

/// A future that wakes itself in its first polls, as a yielding task does. Then it waits for its flag, if it has one.
struct yielder {
    using output_type = output;

    int yields;
    const atomic<int>* said;   ///< null: it is ready after its yields
    int yields_to_cancel = 0;  ///< number of times it wakes itself during poll_cancel()
    explore::tracked alive{};
    int polls = 0;

    yielder(int count, const atomic<int>* word, int to_cancel = 0)
        : yields(count), said(word), yields_to_cancel(to_cancel) {}

    eddy::poll_result<output> poll(context& cx) {
        alive.touch();
        ++polls;
        if (said != nullptr && said->load(std::memory_order_relaxed) != 0) return output(7);
        if (polls <= yields) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        if (said != nullptr) return eddy::not_ready;
        return output(7);
    }

    eddy::poll_result<void> poll_cancel(context& cx) {
        alive.touch();
        ++polls;
        if (yields_to_cancel == 0) return eddy::poll_result<void>::ready();
        --yields_to_cancel;
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    }
};

/// Puts a task into the executor's queue. Returns it and its join handle.
template <class F>
std::pair<spawned_task*, eddy::join_handle<output>> spawn(small_executor& executor, F future) {
    using cell = eddy::detail::task_cell<F>;
    auto* const made = eddy::detail::pool_new<cell>(executor, std::source_location::current(), std::move(future));
    executor.schedule(*made);
    return {made, eddy::join_handle<output>(*made)};
}

class ExploreSpawnedTask : public testing::Test {
protected:
    static void SetUpTestSuite() { explore::separate(&eddy::detail::this_thread.polled); }
};

// covers: R023 R040
TEST_F(ExploreSpawnedTask, EachWakeLeadsToPollThatSeesEarlierWrites) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        atomic<int> said[2] = {0, 0};
        auto [task, handle] = spawn(executor, listener(said[0], 2));
        const auto say = [&](int which, eddy::waker waker) {
            said[which].store(1, std::memory_order_relaxed);
            std::move(waker).wake();
        };
        explore::thread first([&, waker = waker_of(*task)] { say(0, waker); });
        explore::thread second([&, waker = waker_of(*task)] { say(1, waker); });
        handle.detach();
        executor.run();
    }));
}

// covers: R040
TEST_F(ExploreSpawnedTask, TwoWorkersNeverPollAtOnce) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        atomic<int> said[2] = {0, 0};
        auto [task, handle] = spawn(executor, listener(said[0], 2));
        handle.detach();
        explore::thread other_thread([&, waker = waker_of(*task)] {
            said[0].store(1, std::memory_order_relaxed);
            waker.wake_by_ref();
            said[1].store(1, std::memory_order_relaxed);
            waker.wake_by_ref();
        });
        explore::thread other([&] { executor.run(); });
        executor.run();
    }));
}

// covers: R036
TEST_F(ExploreSpawnedTask, AbortEndsRunningWokenOrWaitingTask) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        auto [task, handle] = spawn(executor, sleeper());
        explore::thread other_thread([waker = waker_of(*task)]() mutable { std::move(waker).wake(); });
        explore::thread owner([mine = std::move(handle)]() mutable {
            mine.abort();
            mine.detach();
        });
        executor.run();
    }));
}

TEST_F(ExploreSpawnedTask, AbortRacingWithEndGivesValueOrCancelled) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        sleeping_task joiner(false);
        atomic<int> said{1};
        auto [task, handle] = spawn(executor, listener(said, 1));
        explore::thread aborter([other = handle.abort_handle()] { other.abort(); });
        explore::thread worker([&] { executor.run(); });
        for (;;) {
            const eddy::waker waker = joiner.waker();
            context cx(waker);
            if (auto ended = handle.poll(cx)) {
                check(ended->has_value() ? (*ended)->value == 7 : ended->error().is_cancelled(),
                      "an output, or cancelled");
                break;
            }
            joiner.sleep();
        }
    }));
}

// covers: R038
TEST_F(ExploreSpawnedTask, EndWakesJoinerWhichTakesOutput) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        sleeping_task joiner(false);
        atomic<int> said{0};
        auto [task, handle] = spawn(executor, listener(said, 1));
        explore::thread speaker([&, waker = waker_of(*task)] {
            said.store(1, std::memory_order_relaxed);
            waker.wake_by_ref();
        });
        explore::thread worker([&] { executor.run(); });
        for (;;) {
            const eddy::waker waker = joiner.waker();
            context cx(waker);
            if (auto ended = handle.poll(cx)) {
                check(ended->has_value() && (*ended)->value == 7, "the output arrives");
                break;
            }
            joiner.sleep();
        }
    }));
}

/// The handle is polled twice, with two wakers or with the same one. It is dropped while the task completes.
template <bool SameWaker>
void handle_that_is_polled_twice_and_dropped() {
    small_executor executor;
    const all_inside inside(executor);
    sleeping_task first(false);
    sleeping_task second(false);
    atomic<int> said{1};
    auto [task, handle] = spawn(executor, listener(said, 1));
    explore::thread worker([&] { executor.run(); });
    const eddy::waker early = first.waker();
    const eddy::waker late = second.waker();
    for (const auto* const waker : {&early, SameWaker ? &early : &late}) {
        context cx(*waker);
        if (auto ended = handle.poll(cx)) {
            check(ended->has_value() && (*ended)->value == 7, "the output arrives");
            break;
        }
    }
    handle.detach();
}

// covers: R038
TEST_F(ExploreSpawnedTask, PolledHandleMayBeDroppedWhileTaskEnds) {
    const explore::options chosen{.preemptions = 3, .stale_reads = 1};
    EXPECT_TRUE(holds(chosen, handle_that_is_polled_twice_and_dropped<false>));
    EXPECT_TRUE(holds(chosen, handle_that_is_polled_twice_and_dropped<true>));
}

// covers: R035
TEST_F(ExploreSpawnedTask, ShutdownRacesWithRunAndWake) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        auto [task, handle] = spawn(executor, sleeper());
        {
            explore::thread other_thread([waker = waker_of(*task)]() mutable { std::move(waker).wake(); });
            explore::thread worker([&] {
                if (spawned_task* const taken = executor.take()) executor.run_task(*taken);
            });
            executor.shut_down(*task);
        }
        executor.give_up_queue();  // as the last worker does
        check(handle.is_finished(), "the task is finished");
    }));
}

// ---- A task that wakes itself: the state word does not record it until the poll ends ----

// covers: R040
TEST_F(ExploreSpawnedTask, SelfWakingTaskIsPolledAgain) {
    for (const int yields : {1, 2}) {
        EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [=] {
            small_executor executor;
            const all_inside inside(executor);
            auto [task, handle] = spawn(executor, yielder(yields, nullptr));
            explore::thread other([&] { executor.run(); });
            executor.run();
            check(handle.is_finished(), "the task is finished");
        }));
    }
}

// covers: R023 R040
TEST_F(ExploreSpawnedTask, SelfWakingTaskSeesWritesBeforeOtherWakes) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        atomic<int> said{0};
        auto [task, handle] = spawn(executor, yielder(1, &said));
        handle.detach();
        explore::thread other_thread([&, waker = waker_of(*task)]() mutable {
            said.store(1, std::memory_order_relaxed);
            std::move(waker).wake();
        });
        executor.run();
    }));
}

// covers: R040
TEST_F(ExploreSpawnedTask, SelfWakingTaskIsQueuedOnce) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        atomic<int> said{0};
        auto [task, handle] = spawn(executor, yielder(2, &said));
        handle.detach();
        explore::thread other_thread([&, waker = waker_of(*task)] {
            waker.wake_by_ref();
            said.store(1, std::memory_order_relaxed);
            waker.wake_by_ref();
        });
        explore::thread other([&] { executor.run(); });
        executor.run();
    }));
}

// covers: R036
TEST_F(ExploreSpawnedTask, AbortEndsSelfWakingTask) {
    // No flag ends this task: the abort must end it, however often it wakes itself while it is being cancelled.
    for (const int to_cancel : {0, 1, 2}) {
        EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [=] {
            small_executor executor;
            const all_inside inside(executor);
            atomic<int> never{0};
            auto [task, handle] = spawn(executor, yielder(2, &never, to_cancel));
            explore::thread owner([mine = std::move(handle)]() mutable {
                mine.abort();
                mine.detach();
            });
            executor.run();
        })) << to_cancel;
    }
}

// covers: R036
TEST_F(ExploreSpawnedTask, AbortAndWakeEndSelfWakingTask) {
    EXPECT_TRUE(holds({.preemptions = 2, .stale_reads = 1}, [] {
        small_executor executor;
        const all_inside inside(executor);
        atomic<int> never{0};
        auto [task, handle] = spawn(executor, yielder(1, &never, 1));
        explore::thread other_thread([waker = waker_of(*task)]() mutable { std::move(waker).wake(); });
        explore::thread owner([mine = std::move(handle)]() mutable { mine.abort(); });
        executor.run();
    }));
}

// covers: R035
TEST_F(ExploreSpawnedTask, ShutdownEndsSelfWakingTask) {
    for (const int to_cancel : {0, 1}) {
        EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, [=] {
            small_executor executor;
            const all_inside inside(executor);
            atomic<int> never{0};
            auto [task, handle] = spawn(executor, yielder(3, &never, to_cancel));
            {
                explore::thread other_thread([waker = waker_of(*task)]() mutable { std::move(waker).wake(); });
                explore::thread worker([&] {
                    if (spawned_task* const taken = executor.take()) executor.run_task(*taken);
                });
                executor.shut_down(*task);
            }
            executor.give_up_queue();
            check(handle.is_finished(), "the task is finished");
        })) << to_cancel;
    }
}

void wake(eddy::waker waker) { std::move(waker).wake(); }
void wake_by_ref(eddy::waker waker) { waker.wake_by_ref(); }

/// A thread outside of the executor wakes a task. By the time it queues the task, the task and then its owner may be
/// destroyed.
template <bool Waits, void Wake(eddy::waker)>
void owner_that_goes_with_its_last_task() {
    auto* const executor = new small_executor;
    auto [task, handle] = spawn(*executor, sleeper());
    handle.detach();
    executor->run_task(*executor->take());  // after this the task waits
    explore::thread outside([&, waker = waker_of(*task)]() mutable { Wake(std::move(waker)); });
    executor->shut_down(*task);
    executor->give_up_queue();
    if (Waits) eddy::detail::await_wakers_outside();
    executor->give_up_queue();
    delete executor;
}

TEST_F(ExploreSpawnedTask, OwnerOutlivesWakersOutside) {
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, owner_that_goes_with_its_last_task<true, wake>));
    EXPECT_TRUE(holds({.preemptions = 3, .stale_reads = 1}, owner_that_goes_with_its_last_task<true, wake_by_ref>));
    const char* const freed = "is destroyed without synchronization";
    EXPECT_TRUE(fails(owner_that_goes_with_its_last_task<false, wake>, freed));
    EXPECT_TRUE(fails(owner_that_goes_with_its_last_task<false, wake_by_ref>, freed));
}

// ---- Copies with one mistake each fail ----

/// Broken: compares the stored waker before it takes the waker slot back.
bool compares_first(spawned_task& task, const eddy::waker& wake, std::source_location) {
    if (state_of(task).is_complete()) return true;
    if (state_of(task).has_join_waker()) {
        if (task.join_waker.will_wake(wake)) return false;
        if (!state_of(task).take_join_waker_back()) return true;
    }
    task.join_waker = wake;
    if (state_of(task).publish_join_waker()) return false;
    task.join_waker = eddy::waker();
    return true;
}

/// Broken: does not check whether the task has completed meanwhile.
bool publishes_blindly(spawned_task& task, const eddy::waker& wake, std::source_location) {
    if (state_of(task).is_complete()) return true;
    if (state_of(task).has_join_waker() && !state_of(task).take_join_waker_back()) return true;
    task.join_waker = wake;
    static_cast<void>(state_of(task).publish_join_waker());
    return false;
}

template <auto PollJoin>
void joiner_polls_twice() {
    small_executor executor;
    const all_inside inside(executor);
    sleeping_task joiner(false);
    atomic<int> said{1};
    auto [task, handle] = spawn(executor, listener(said, 1));
    explore::thread worker([&] { executor.run(); });
    const eddy::waker waker = joiner.waker();
    for (int i = 0; i < 2 && !PollJoin(*task, waker, std::source_location()); ++i) {
    }
    handle.detach();
}

template <auto PollJoin>
void joiner_sleeps() {
    small_executor executor;
    const all_inside inside(executor);
    sleeping_task joiner(false);
    atomic<int> said{1};
    auto [task, handle] = spawn(executor, listener(said, 1));
    explore::thread worker([&] { executor.run(); });
    const eddy::waker waker = joiner.waker();
    while (!PollJoin(*task, waker, std::source_location())) joiner.sleep();
    handle.detach();
}

TEST_F(ExploreSpawnedTask, BrokenJoinsFail) {
    EXPECT_TRUE(holds(joiner_polls_twice<&eddy::detail::poll_join>));
    EXPECT_TRUE(fails(joiner_polls_twice<&compares_first>, "a data race"));
    EXPECT_TRUE(holds(joiner_sleeps<&eddy::detail::poll_join>));
    EXPECT_TRUE(fails(joiner_sleeps<&publishes_blindly>, "a lost wake-up"));
}

template <own_wake How>
void task_that_yields() {
    small_executor executor(How);
    const all_inside inside(executor);
    auto [task, handle] = spawn(executor, yielder(1, nullptr));
    handle.detach();
    explore::thread other_thread([waker = waker_of(*task)]() mutable { std::move(waker).wake(); });
    executor.run();
}

TEST_F(ExploreSpawnedTask, BrokenSelfWakesFail) {
    EXPECT_TRUE(holds(task_that_yields<own_wake::is_passed_on>));
    EXPECT_TRUE(fails(task_that_yields<own_wake::is_forgotten>, "a lost wake-up"));
    EXPECT_TRUE(fails(task_that_yields<own_wake::queues_itself>, "an assertion"));
}

/// The part of the state word that controls polling, with a constant for each mistake.
struct as_it_is {
    static constexpr std::memory_order order = std::memory_order_acq_rel;
    static constexpr bool wakes_by_modifying = true;
    static constexpr bool sees_wakes_of_the_run = true;
    static constexpr bool marks_wakes_while_running = true;
};

template <class Choice>
class changed_task {
public:
    static constexpr unsigned running = 1;
    static constexpr unsigned notified = 2;

    changed_task() : word_(notified) { queue_.set(); }

    /// Wakes the task. Any thread may call it.
    void wake() {
        unsigned now = word_.load(std::memory_order_relaxed);
        for (;;) {
            if ((now & notified) != 0 && !Choice::wakes_by_modifying) return;
            const bool submits = (now & (running | notified)) == 0;
            const unsigned next = (now & running) != 0 && !Choice::marks_wakes_while_running ? now : now | notified;
            if (!word_.compare_exchange_weak(now, next, Choice::order, std::memory_order_relaxed)) continue;
            if (submits) queue_.set();
            return;
        }
    }

    /// Runs a worker: polls the task whenever it is queued, until it is ready.
    template <class Poll>
    void run(Poll poll) {
        for (;;) {
            queue_.wait();
            do {
                change([](unsigned now) { return (now & ~notified) | running; });
                if (poll()) return;
            } while (go_idle());
        }
    }

private:
    template <class Next>
    unsigned change(Next next) {
        unsigned now = word_.load(std::memory_order_relaxed);
        while (!word_.compare_exchange_weak(now, next(now), Choice::order, std::memory_order_relaxed)) {
        }
        return now;
    }
    /// Returns whether the task was woken during the poll and must be polled again.
    bool go_idle() {
        if (!Choice::sees_wakes_of_the_run) {
            word_.store(0, std::memory_order_release);
            return false;
        }
        return (change([](unsigned now) { return now & ~running; }) & notified) != 0;
    }

    atomic<unsigned> word_;
    explore::event queue_{false};
};

struct relaxed_word : as_it_is {
    static constexpr std::memory_order order = std::memory_order_relaxed;
};
struct word_that_only_acquires : as_it_is {
    static constexpr std::memory_order order = std::memory_order_acquire;
};
struct word_that_only_releases : as_it_is {
    static constexpr std::memory_order order = std::memory_order_release;
};
struct wake_that_finds_a_wake : as_it_is {
    static constexpr bool wakes_by_modifying = false;
};
struct run_that_forgets_wakes : as_it_is {
    static constexpr bool sees_wakes_of_the_run = false;
};
struct wake_that_trusts_the_run : as_it_is {
    static constexpr bool marks_wakes_while_running = false;
};

template <class Choice>
void two_say_and_wake() {
    changed_task<Choice> task;
    atomic<int> said[2] = {0, 0};
    const auto say = [&](int which) {
        said[which].store(1, std::memory_order_relaxed);
        task.wake();
    };
    explore::thread first([&] { say(0); });
    explore::thread second([&] { say(1); });
    task.run(
        [&] { return said[0].load(std::memory_order_relaxed) != 0 && said[1].load(std::memory_order_relaxed) != 0; });
}

// covers: R023 R040
TEST_F(ExploreSpawnedTask, BrokenStateWordsFail) {
    EXPECT_TRUE(holds({.stale_reads = 1}, two_say_and_wake<as_it_is>));
    EXPECT_TRUE(fails(two_say_and_wake<relaxed_word>, "a lost wake-up"));
    EXPECT_TRUE(fails(two_say_and_wake<word_that_only_acquires>, "a lost wake-up"));
    EXPECT_TRUE(fails(two_say_and_wake<word_that_only_releases>, "a lost wake-up"));
    EXPECT_TRUE(fails(two_say_and_wake<wake_that_finds_a_wake>, "a lost wake-up"));
    EXPECT_TRUE(fails(two_say_and_wake<run_that_forgets_wakes>, "a lost wake-up"));
    EXPECT_TRUE(fails(two_say_and_wake<wake_that_trusts_the_run>, "a lost wake-up"));
}

// ---- The last reference, which is freed without a change of the word ----

bool looks_relaxed(spawned_task& task) { return task.state.load(std::memory_order_relaxed) / task_flags::ref_one == 1; }
bool looks(spawned_task& task) { return state_of(task).owns_all_references(1); }

class no_owner final : public eddy::detail::spawned_task_owner {
public:
    void adopt(spawned_task&) noexcept override {}
    void schedule(spawned_task&) noexcept override {}
    void report(eddy::detail::unread_failure, const std::source_location&, std::string_view) noexcept override {}
};
no_owner no_executor;
constexpr eddy::detail::spawned_ops no_operations{};

/// Two threads use a task and give up their references to it. The last one frees it.
template <auto Looks>
void two_give_up() {
    struct block : spawned_task {
        int here = 0;
        int there = 0;

        block() : spawned_task(no_operations, no_executor, std::source_location::current(), false) {
            state.store(2 * task_flags::ref_one, std::memory_order_relaxed);
        }
    };
    auto* const both = new block;
    const auto give_up = [=] {
        if (Looks(*both) || state_of(*both).release()) delete both;
    };
    explore::thread other([=] {
        both->there = 1;
        give_up();
    });
    both->here = 1;
    give_up();
}

TEST_F(ExploreSpawnedTask, LastReferenceIsFreedAfterAllUses) {
    EXPECT_TRUE(holds(two_give_up<&looks>));
    EXPECT_TRUE(fails(two_give_up<&looks_relaxed>, "without synchronization"));
}

}  // namespace
