// SPDX-License-Identifier: MIT
// The state word of a task: each transition from each state, on one thread. explore/spawned_task_test.cpp tests races
// between transitions.
#include "executor/task/task_state.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

namespace {

using task_state = eddy::detail::task_state<eddy::detail::shared_word>;
using run = task_state::run_action;
using idle = task_state::idle_action;
using wake = task_state::wake_action;
using end = task_state::end_action;

class no_owner final : public eddy::detail::spawned_task_owner {
public:
    void adopt(eddy::detail::spawned_task&) noexcept override {}
    void schedule(eddy::detail::spawned_task&) noexcept override {}
    void report(eddy::detail::unread_failure, const std::source_location&, std::string_view) noexcept override {}
};
no_owner owner;
constexpr eddy::detail::spawned_ops no_operations{};

struct task_header {
    eddy::detail::spawned_task task;
};

/// The task_state of a new background task in the last list, together with the task.
class owned_state : task_header, public task_state {
public:
    static constexpr std::size_t last_list = most_lists - 1;

    explicit owned_state(bool has_handle)
        : task_header{{no_operations, owner, std::source_location::current(), has_handle}}, task_state(task) {
        task.add_constant(background | last_list * list_one);
    }
};

/// Releases all references and returns their number.
unsigned references(task_state& word) {
    unsigned count = 1;
    while (!word.release()) ++count;
    return count;
}

// ---- The states of a task, with the references of the task list, of the handle, and of one waker ----

using recipe = std::function<void(task_state&)>;

void nothing(task_state&) {}
void make_running(task_state& word) { EXPECT_EQ(word.transition_to_running(), run::poll); }
void make_idle(task_state& word) {
    make_running(word);
    EXPECT_EQ(word.transition_to_idle(), idle::none);
}
void make_running_notified(task_state& word) {
    make_running(word);
    EXPECT_EQ(word.wake_by_ref(), wake::none);
}
void make_queued_cancelled(task_state& word) { EXPECT_EQ(word.transition_to_cancelled(), wake::none); }
void make_running_cancelled(task_state& word) {
    make_queued_cancelled(word);
    EXPECT_EQ(word.transition_to_running(), run::cancel);
}
/// Makes a task that is cancelled and waits in poll_cancel.
void make_idle_cancelled(task_state& word) {
    make_running_cancelled(word);
    EXPECT_EQ(word.transition_to_idle(false, true), idle::none);
}
/// Makes a task that a shutdown has taken while the task was idle.
void make_shut_down(task_state& word) {
    make_idle(word);
    EXPECT_TRUE(word.transition_to_shutdown());
    word.add_reference();  // the reference of the thread that shuts the task down
}
/// Makes a task that a shutdown has taken while the task was in a queue.
void make_shut_down_in_queue(task_state& word) {
    EXPECT_TRUE(word.transition_to_shutdown());
    word.add_reference();
}
void make_complete(task_state& word) {
    make_running(word);
    EXPECT_EQ(word.transition_to_complete(1, true), end::none);  // this test keeps the reference of the list
}
/// Makes a complete task that is still in a queue: a shutdown has taken the task there.
void make_complete_in_queue(task_state& word) {
    make_shut_down_in_queue(word);
    EXPECT_EQ(word.transition_to_complete(1, true), end::none);
}

struct row {
    const char* name;
    recipe make;
    unsigned references;  ///< of the task list, the handle, the waker, and the other owners in that state

    // The result of each transition, and how it changes the number of references.
    wake by_ref;
    int by_ref_adds;
    wake released;
    int released_adds;
    wake cancelled;
    int cancelled_adds;
    bool is_taken_by_shutdown;
    bool is_complete;
};

const std::vector<row> rows = {
    {"queued", nothing, 4, wake::none, 0, wake::none, -1, wake::none, 0, true, false},
    {"running", make_running, 4, wake::none, 0, wake::none, -1, wake::none, 0, false, false},
    {"running_notified", make_running_notified, 4, wake::none, 0, wake::none, -1, wake::none, 0, false, false},
    {"idle", make_idle, 3, wake::submit, 1, wake::submit, 0, wake::submit, 1, true, false},
    {"queued_cancelled", make_queued_cancelled, 4, wake::none, 0, wake::none, -1, wake::none, 0, true, false},
    {"running_cancelled", make_running_cancelled, 4, wake::none, 0, wake::none, -1, wake::none, 0, false, false},
    {"idle_cancelled", make_idle_cancelled, 3, wake::submit, 1, wake::submit, 0, wake::none, 0, true, false},
    {"shut_down", make_shut_down, 4, wake::none, 0, wake::none, -1, wake::none, 0, false, false},
    {"shut_down_in_queue", make_shut_down_in_queue, 5, wake::none, 0, wake::none, -1, wake::none, 0, false, false},
    {"complete", make_complete, 3, wake::none, 0, wake::none, -1, wake::none, 0, false, true},
    {"complete_in_queue", make_complete_in_queue, 4, wake::none, 0, wake::none, -1, wake::none, 0, false, true},
};

class TaskState : public testing::TestWithParam<row> {
protected:
    /// A new state word, which SetUp() brings into the state of the row.
    owned_state word{true};
    void SetUp() override {
        word.add_reference();  // the reference of the waker
        GetParam().make(word);
    }
    [[nodiscard]] unsigned expected(int added) const {
        return static_cast<unsigned>(static_cast<int>(GetParam().references) + added);
    }
};
INSTANTIATE_TEST_SUITE_P(, TaskState, testing::ValuesIn(rows),
                         [](const auto& chosen) { return std::string(chosen.param.name); });

TEST_P(TaskState, CountsReferences) { EXPECT_EQ(references(word), GetParam().references); }

TEST_P(TaskState, KeepsTheIndexOfTheList) { EXPECT_EQ(word.list(), owned_state::last_list); }

TEST_P(TaskState, ReportsCompletion) { EXPECT_EQ(word.is_complete(), GetParam().is_complete); }

TEST_P(TaskState, WakeByRefSubmitsOnlyIdleTasks) {
    EXPECT_EQ(word.wake_by_ref(), GetParam().by_ref);
    EXPECT_EQ(word.wake_by_ref(), wake::none) << "the task is notified already, or complete";
    EXPECT_EQ(references(word), expected(GetParam().by_ref_adds));
}

TEST_P(TaskState, WakeAndReleaseSubmitsOnlyIdleTasks) {
    EXPECT_EQ(word.wake_and_release(), GetParam().released);
    EXPECT_EQ(word.wake_by_ref(), wake::none);
    EXPECT_EQ(references(word), expected(GetParam().released_adds));
}

TEST_P(TaskState, CancelSubmitsAnIdleTaskOnce) {
    EXPECT_EQ(word.transition_to_cancelled(), GetParam().cancelled);
    EXPECT_EQ(word.transition_to_cancelled(), wake::none) << "only once";
    EXPECT_EQ(references(word), expected(GetParam().cancelled_adds));
}

TEST_P(TaskState, ShutdownTakesQueuedAndIdleTasks) {
    EXPECT_EQ(word.transition_to_shutdown(), GetParam().is_taken_by_shutdown);
    EXPECT_FALSE(word.transition_to_shutdown()) << "only once";
    EXPECT_EQ(word.is_complete(), GetParam().is_complete);
    EXPECT_EQ(references(word), GetParam().references);
}

TEST_P(TaskState, JoinWakerIsPublishedOnlyBeforeCompletion) {
    EXPECT_FALSE(word.has_join_waker());
    EXPECT_EQ(word.publish_join_waker(), !GetParam().is_complete);
    EXPECT_EQ(word.has_join_waker(), !GetParam().is_complete);
    EXPECT_EQ(word.take_join_waker_back(), !GetParam().is_complete);
    EXPECT_FALSE(word.has_join_waker());
    EXPECT_EQ(references(word), GetParam().references);
}

TEST_P(TaskState, DroppingTheHandleEndsTheJoinInterest) {
    EXPECT_TRUE(word.has_join_interest());
    const auto ended = word.drop_interest();
    EXPECT_EQ(ended.was_complete, GetParam().is_complete);
    EXPECT_FALSE(ended.owns_the_waker);
    EXPECT_FALSE(word.has_join_interest());
    EXPECT_EQ(references(word), GetParam().references);
}

TEST_P(TaskState, DroppingTheHandleTakesThePublishedJoinWaker) {
    const bool is_published = word.publish_join_waker();
    const auto ended = word.drop_interest();
    EXPECT_EQ(ended.owns_the_waker, is_published);
    EXPECT_FALSE(word.has_join_waker());
}

// ---- When a task is taken out of a queue ----

TEST(TaskStateRun, ShutDownTaskInAQueueDropsTheReferenceOfTheQueue) {
    owned_state word(true);
    make_shut_down_in_queue(word);
    EXPECT_EQ(word.transition_to_running(), run::drop_reference);
    EXPECT_EQ(references(word), 3u);  // list, handle, and the thread that shuts the task down
}

TEST(TaskStateRun, CompleteTaskIsFreedWithTheLastReference) {
    owned_state word(true);
    make_complete_in_queue(word);
    EXPECT_FALSE(word.release(2));  // list, handle
    EXPECT_EQ(word.transition_to_running(), run::free);
}

TEST(TaskStateRun, WakeUpDuringCancellationRunsCancelAgain) {
    owned_state word(true);
    make_idle_cancelled(word);
    EXPECT_EQ(word.wake_by_ref(), wake::submit);
    EXPECT_EQ(word.transition_to_running(), run::cancel);
}

// ---- After a poll ----

// covers: R040
TEST(TaskStateIdle, WakeUpDuringThePollSubmitsTheTaskAgain) {
    owned_state word(true);
    make_running_notified(word);
    EXPECT_EQ(word.transition_to_idle(), idle::submit);
    EXPECT_EQ(word.wake_by_ref(), wake::none) << "it is queued";
    EXPECT_EQ(word.transition_to_running(), run::poll);
    EXPECT_EQ(references(word), 3u);
}

TEST(TaskStateIdle, CancelDuringThePollRunsCancel) {
    for (const bool by_shutdown : {false, true}) {
        owned_state word(true);
        make_running(word);
        if (by_shutdown) {
            EXPECT_FALSE(word.transition_to_shutdown());
        } else {
            EXPECT_EQ(word.transition_to_cancelled(), wake::none);
        }
        EXPECT_EQ(word.transition_to_idle(), idle::cancel);
        EXPECT_EQ(word.transition_to_complete(2, true), end::none);
        EXPECT_EQ(references(word), 1u);
    }
}

TEST(TaskStateIdle, ShutdownDuringGracefulCancelSubmitsAgain) {
    owned_state word(true);
    make_running_cancelled(word);
    EXPECT_FALSE(word.transition_to_shutdown());
    EXPECT_EQ(word.transition_to_idle(false, true), idle::submit);
    EXPECT_EQ(word.transition_to_running(), run::cancel);
}

TEST(TaskStateIdle, ShutdownLeavesTheLastReferenceToTheRun) {
    // No waker exists, and the list has released its reference. So the run must not release its own.
    for (const bool is_cancelling : {false, true}) {
        owned_state word(false);
        make_running(word);
        EXPECT_FALSE(word.transition_to_shutdown());
        EXPECT_FALSE(word.release());
        EXPECT_EQ(word.transition_to_idle(false, is_cancelling), is_cancelling ? idle::submit : idle::cancel);
        EXPECT_EQ(references(word), 1u);
    }
}

// ---- The end ----

TEST(TaskStateEnd, OutputIsLeftToTheJoinHandle) {
    owned_state word(true);
    make_running(word);
    EXPECT_EQ(word.transition_to_complete(2, true), end::none);
    EXPECT_TRUE(word.is_complete());
    EXPECT_EQ(references(word), 1u);
}

TEST(TaskStateEnd, JoinWakerIsWokenBeforeTheReferencesAreReleased) {
    owned_state word(true);
    make_running(word);
    EXPECT_TRUE(word.publish_join_waker());
    EXPECT_EQ(word.transition_to_complete(2, true), end::wake_joiner);
    EXPECT_FALSE(word.take_join_waker_back()) << "the waker belongs to the thread that completes the task";
    EXPECT_FALSE(word.drop_interest().owns_the_waker);
    EXPECT_FALSE(word.release(2));
    EXPECT_EQ(references(word), 1u);
}

TEST(TaskStateEnd, OutputIsDestroyedWithoutAJoinHandle) {
    owned_state word(true);
    make_running(word);
    static_cast<void>(word.drop_interest());
    EXPECT_FALSE(word.release());
    EXPECT_EQ(word.transition_to_complete(2, true), end::drop_output);
    EXPECT_EQ(references(word), 2u) << "the caller releases the references after that";
}

TEST(TaskStateEnd, TaskWithoutJoinHandleAndOutputIsFreed) {
    owned_state word(false);
    EXPECT_FALSE(word.has_join_interest());
    make_running(word);
    EXPECT_EQ(word.transition_to_complete(2, false), end::free);
}

TEST(TaskStateEnd, RemainingWakersKeepTheMemory) {
    owned_state word(false);
    make_running(word);
    word.add_reference();
    EXPECT_EQ(word.transition_to_complete(2, false), end::none);
    EXPECT_EQ(word.wake_by_ref(), wake::none);
    EXPECT_EQ(word.wake_and_release(), wake::free);
}

TEST(TaskStateEnd, WakeAndReleaseOfTheLastReferenceFreesTheTask) {
    // A task that runs or is queued has a reference of the worker or of the queue. So a waker has the last reference
    // only after completion.
    for (const auto& each : rows) {
        if (!each.is_complete) continue;
        owned_state word(true);
        word.add_reference();
        each.make(word);
        EXPECT_FALSE(word.release(each.references - 1)) << each.name;
        EXPECT_EQ(word.wake_and_release(), wake::free) << each.name;
    }
}

// ---- Broken invariants ----

TEST(TaskStateDeathTest, BrokenInvariantsAbort) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto run_idle = [] {
        owned_state word(true);
        make_idle(word);
        static_cast<void>(word.transition_to_running());
    };
    const auto end_queued = [] {
        owned_state word(true);
        static_cast<void>(word.transition_to_complete(2, true));
    };
    const auto release_twice = [] {
        owned_state word(false);
        static_cast<void>(word.release(3));
    };
    EXPECT_DEATH(run_idle(), "queued without a wake-up");
    EXPECT_DEATH(end_queued(), "ended that did not run");
    EXPECT_DEATH(release_twice(), "dropped twice");
}

}  // namespace
