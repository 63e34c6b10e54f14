// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <expected>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/executors.hpp"
#include "support/poll_once.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::task_owner;
using support::executor;

/// Counts its living objects.
class counted {
public:
    explicit counted(std::atomic<int>& alive) : alive_(&alive) { ++*alive_; }
    counted(counted&& other) noexcept : alive_(std::exchange(other.alive_, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (alive_ != nullptr) --*alive_;
    }

private:
    std::atomic<int>* alive_;
};

task<void> wait_forever(counted) { co_await eddy::pending<void>(); }

/// Runs on an event loop and on runtimes with 1 and 3 workers.
class TaskOwner : public testing::TestWithParam<unsigned> {
protected:
    std::atomic<int> alive = 0;
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Executors, TaskOwner, testing::Values(0u, 1u, 3u), support::name_of_executor);

// covers: P137 I20.3.15
TEST_P(TaskOwner, CloseCancelsAndWaits) {
    const auto main = [&]() -> task<int> {
        task_owner owner;
        for (int i = 0; i < 5; ++i) owner.spawn(wait_forever(counted(alive)));
        co_await eddy::yield_now();
        EXPECT_EQ(alive, 5);
        co_await owner.close();
        co_return alive.load();
    };
    EXPECT_EQ(on.run(main()), 0);
}

// covers: P137
TEST_P(TaskOwner, WaitLetsTasksEnd) {
    const auto main = [&]() -> task<int> {
        task_owner owner;
        eddy::sync::cancellation_token stop;
        int ended = 0;          // written by one task, and read after wait()
        co_await owner.wait();  // there are no tasks
        owner.spawn([&]() -> task<void> {
            co_await stop.cancelled();
            owner.spawn([&]() -> task<void> {  // wait() also waits for this task
                co_await eddy::yield_now();
                ++ended;
            });
        });
        {
            auto dropped = co_await eddy::select_biased(owner.wait(), eddy::yield_now());
            EXPECT_EQ(dropped.index(), 1u);
        }
        stop.cancel();
        co_await owner.wait();
        EXPECT_FALSE(owner.is_cancelled());
        owner.spawn([&]() -> task<void> {
            ++ended;
            co_return;
        });
        co_await owner.wait();
        co_return ended;
    };
    EXPECT_EQ(on.run(main()), 2);
}

// covers: P137
TEST_P(TaskOwner, CancelEndsWait) {
    const auto main = [&]() -> task<int> {
        task_owner owner;
        for (int i = 0; i < 5; ++i) owner.spawn(wait_forever(counted(alive)));
        co_await eddy::join(owner.wait(), eddy::yield_now().map([&] { owner.cancel(); }));
        co_return alive.load();
    };
    EXPECT_EQ(on.run(main()), 0);
}

TEST_P(TaskOwner, CancelDoesNotWaitForCleanups) {
    support::async_gate may_end;
    std::atomic<int> cancels = 0;
    std::atomic<bool> has_begun = false;
    const auto ends_slowly = [&]() -> task<void> {
        has_begun = true;
        co_await support::ends_slowly(may_end, &cancels);
    };
    const auto main = [&]() -> task<void> {
        task_owner owner;
        owner.spawn(ends_slowly);
        owner.spawn(wait_forever(counted(alive)));
        while (!has_begun) co_await eddy::yield_now();
        EXPECT_FALSE(owner.is_cancelled());
        owner.cancel();
        EXPECT_TRUE(owner.is_cancelled());
        while (alive != 0 || may_end.waiting() == 0) co_await eddy::yield_now();
        auto closes = owner.close();
        EXPECT_FALSE(co_await support::poll_once(closes));
        may_end.open();
        co_await closes;
        EXPECT_GE(cancels, 2);
    };
    on.run(main());
}

// covers: I20.3.15
TEST_P(TaskOwner, DestructorEndsTheTasks) {
    const auto main = [&]() -> task<int> {
        auto owner = std::make_unique<task_owner>();
        for (int i = 0; i < 5; ++i) owner->spawn(wait_forever(counted(alive)));
        co_await eddy::yield_now();
        owner.reset();
        co_return alive.load();
    };
    EXPECT_EQ(on.run(main()), 0);
}

// covers: P137 I20.3.15
TEST_P(TaskOwner, TasksNeverUseADestroyedObject) {
    // An object that owns its tasks. The tasks write to the object, on another thread if there is one.
    class worker_object {
    public:
        explicit worker_object(std::atomic<bool>& used_late) : used_late_(used_late) {
            for (int i = 0; i < 3; ++i) tasks_.spawn([this] { return work(); });
        }
        worker_object(const worker_object&) = delete;
        worker_object& operator=(const worker_object&) = delete;
        ~worker_object() = default;

    private:
        struct mark {
            std::atomic<bool> is_gone{false};
            ~mark() { is_gone = true; }
        };
        task<void> work() {
            for (;;) {
                if (mark_->is_gone) used_late_ = true;
                ++count_;
                co_await eddy::yield_now();
            }
        }

        std::atomic<bool>& used_late_;
        std::shared_ptr<mark> mark_ = std::make_shared<mark>();
        std::atomic<int> count_{0};
        task_owner tasks_;
    };
    std::atomic<bool> used_late = false;
    const auto main = [&]() -> task<void> {
        for (int round = 0; round < 30; ++round) {
            const auto object = std::make_unique<worker_object>(used_late);
            for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
        }
    };
    on.run(main());
    EXPECT_FALSE(used_late);
}

TEST_P(TaskOwner, FailureEndsOneTaskAndIsReported) {
    std::atomic<int> ran = 0;
    std::atomic<bool> has_begun = false;  // close() aborts a task that was not polled yet
    const auto main = [&]() -> task<void> {
        task_owner owner;
        owner.spawn([&has_begun]() -> task<void> {
            has_begun = true;
            throw std::runtime_error("broken");
            co_return;
        });
        owner.spawn([&ran]() -> task<void> {
            co_await eddy::yield_now();
            ++ran;
        });
        while (ran == 0 || !has_begun) co_await eddy::yield_now();
        co_await owner.close();
    };
    on.run(main());
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].text, "broken");
}

TEST_P(TaskOwner, PlainFunctionsAndFuturesCanBeSpawned) {
    std::atomic<int> ran = 0;
    const auto main = [&]() -> task<void> {
        task_owner owner;
        owner.spawn([&ran] { ++ran; });
        owner.spawn([&ran] { return ++ran; });
        owner.spawn(eddy::ready(1).map([&ran](int n) { return ran += n; }));
        while (ran != 3) co_await eddy::yield_now();
        co_await owner.close();
    };
    on.run(main());
    EXPECT_EQ(ran, 3);
}

TEST_P(TaskOwner, SpawnAfterCloseIsCancelled) {
    const auto main = [&]() -> task<bool> {
        task_owner owner;
        co_await owner.close();
        EXPECT_TRUE(owner.is_cancelled());
        owner.spawn(wait_forever(counted(alive)));
        co_await owner.close();
        co_return alive == 0;
    };
    EXPECT_TRUE(on.run(main()));
}

TEST_P(TaskOwner, OwnerCanBeReplacedAfterItsEnd) {
    const auto main = [&]() -> task<int> {
        std::optional<task_owner> tasks;
        for (int round = 0; round < 3; ++round) {
            task_owner& owner = tasks.emplace();
            owner.spawn([&]() -> task<void> {  // spawns into the owner, which may be in its destructor
                for (;;) {
                    owner.spawn(wait_forever(counted(alive)));
                    co_await eddy::yield_now();
                }
            });
            while (alive == 0) co_await eddy::yield_now();
            if (round == 1) continue;  // emplace() destroys the owner
            co_await owner.close();
            EXPECT_EQ(alive, 0);
            EXPECT_TRUE(owner.is_cancelled());
        }
        tasks.reset();
        co_return alive.load();
    };
    EXPECT_EQ(on.run(main()), 0);
}

TEST_P(TaskOwner, OwnerMayOutliveItsRuntime) {
    task_owner owner;
    const auto main = [&]() -> task<void> {
        owner.spawn(wait_forever(counted(alive)));
        co_await eddy::yield_now();
    };
    on.run(main());
    on.end();
    EXPECT_EQ(alive, 0);
}

TEST_P(TaskOwner, SpawnAfterTheEndOfTheRuntimeDestroysTheTask) {
    for (const bool is_closed : {false, true}) {
        executor ends(GetParam());
        task_owner owner;
        const auto main = [&]() -> task<void> {
            owner.spawn([] {});
            if (is_closed) co_await owner.close();
        };
        ends.run(main());
        ends.end();
        owner.spawn(wait_forever(counted(alive)));
        EXPECT_EQ(alive, 0);
        eddy::core other;
        other.run(owner.wait());
    }
}

TEST(TaskOwnerErrors, ErrorOfATaskReachesTheHook) {
    std::vector<std::string> messages;
    auto core = eddy::core::builder()
                    .on_unobserved_error([&](const auto& error) { messages.push_back(error.message); })
                    .build()
                    .value();
    core.run([]() -> task<void> {
        task_owner owner;
        std::atomic<bool> ended = false;
        owner.spawn([&ended]() -> task<result<void>> {
            ended = true;
            co_return std::unexpected(make_error_code(std::errc::broken_pipe));
        });
        while (!ended) co_await eddy::yield_now();
        co_await owner.close();
    }());
    EXPECT_EQ(messages, std::vector<std::string>{make_error_code(std::errc::broken_pipe).message()});
}

struct error_with_text {
    [[nodiscard]] static std::string what() { return "its text"; }
};
struct error_without_text {};
struct error_that_throws {
    [[nodiscard]] static std::string what() { throw std::runtime_error("it has no text"); }
};

TEST(TaskOwnerErrors, ErrorsOfAnyTypeReachTheHook) {
    std::set<std::string> messages;
    int thrown = 0;
    auto core = eddy::core::builder()
                    .on_unobserved_error([&](const auto& error) { messages.insert(error.message); })
                    .on_uncaught([&](auto, const auto&) { ++thrown; })
                    .build()
                    .value();
    core.run([]() -> task<void> {
        task_owner owner;
        int ended = 0;
        const auto fail_with = [&](auto error) {
            owner.spawn([&ended, error] {
                ++ended;
                return std::expected<void, decltype(error)>(std::unexpect, error);
            });
        };
        fail_with(error_with_text());
        fail_with(error_without_text());
        fail_with(error_that_throws());
        while (ended != 3) co_await eddy::yield_now();
        co_await owner.close();
    }());
    EXPECT_EQ(messages, (std::set<std::string>{"its text", "an error of a type without a text"}));
    EXPECT_EQ(thrown, 1) << "the text of the third error throws";
}

TEST(TaskOwnerErrors, SpawnWithoutRuntimeIsMisuse) {
    task_owner owner;
    EXPECT_THROW(owner.spawn([] {}), eddy::misuse);
}

// covers: I20.3.15
TEST(TaskOwnerDeathTest, DestructionByItsOwnTaskIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            eddy::core core;
            core.run([]() -> task<void> {
                auto owner = std::make_unique<task_owner>();
                owner->spawn([&owner] { owner.reset(); });
                co_await eddy::yield_now();
                co_await eddy::yield_now();
            }());
        },
        "task_owner was destroyed by one of its own children");
}

struct session {
    task_owner tasks;
};

/// Runs a task of a session, whose function has the last reference to the session.
void destroy_owner_in_closure(unsigned workers, bool is_coroutine) {
    executor(workers).run([](bool spawns_coroutine) -> task<void> {
        auto self = std::make_shared<session>();
        if (spawns_coroutine) {
            self->tasks.spawn([self]() -> task<void> {
                while (self.use_count() > 1) co_await eddy::yield_now();
            });
        } else {
            self->tasks.spawn([self] {
                while (self.use_count() > 1) std::this_thread::yield();
            });
        }
        self.reset();
        co_await eddy::pending();
    }(is_coroutine));
}

// covers: I20.3.15
TEST(TaskOwnerDeathTest, DestructionByTheFunctionOfItsOwnTaskIsReported) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (const unsigned workers : {0u, 2u}) {
        EXPECT_DEATH(destroy_owner_in_closure(workers, true), "task_owner was destroyed by one of its own children");
        EXPECT_DEATH(destroy_owner_in_closure(workers, false), "task_owner was destroyed by one of its own children");
    }
}

}  // namespace
