// SPDX-License-Identifier: MIT
// A coroutine of another library that awaits a future: it is resumed once, by the task or by itself, sees the outcome,
// and may be destroyed before the call that has suspended it returns.
#include <eddy/interop/as_awaitable.hpp>

#include <gtest/gtest.h>

#include <coroutine>
#include <exception>
#include <optional>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/task.hpp>

#include "explore/explore.hpp"

namespace {

using explore::cell;
using explore::check;
using explore::holds;

/// An executor that passes a task to another thread of the model.
class hand_over {
public:
    hand_over() = default;
    hand_over(const hand_over&) = delete;
    hand_over& operator=(const hand_over&) = delete;

    void take(eddy::task<void> work) {
        work_.emplace(std::move(work));
        is_given_.set();
    }
    void run() {
        is_given_.wait();
        const eddy::waker none = eddy::waker::noop();
        eddy::context cx(none);
        check(work_->poll(cx).is_ready(), "the future is ready");
        work_.reset();
    }
    /// Destroys the task early, as an executor does that shuts down.
    void drop() {
        is_given_.wait();
        work_.reset();
    }

private:
    explore::event is_given_;
    std::optional<eddy::task<void>> work_;
};

/// A handle of the executor.
struct hand_over_handle {
    hand_over* to;
    void spawn(eddy::task<void> work, std::source_location) const { to->take(std::move(work)); }
};

/// A coroutine of another library. Its frame is freed when it ends.
struct foreign {
    struct promise_type {
        foreign get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

constexpr int dropped = -1;

foreign await_seven(hand_over& executor, cell<int>& outcome, explore::event& has_ended) {
    int seen = 0;
    try {
        seen = co_await eddy::as_awaitable(hand_over_handle{&executor}, eddy::ready(7));
    } catch (const std::system_error&) {
        seen = dropped;
    }
    outcome.write(seen);
    has_ended.set();
}

TEST(ExploreAsAwaitable, TaskResumesTheCoroutine) {
    EXPECT_TRUE(holds([] {
        hand_over executor;
        cell<int> outcome;
        explore::event has_ended;
        explore::thread worker([&] { executor.run(); });
        await_seven(executor, outcome, has_ended);
        has_ended.wait();
        check(outcome.read() == 7, "the output arrives");
    }));
}

TEST(ExploreAsAwaitable, DroppedTaskResumesTheCoroutine) {
    EXPECT_TRUE(holds([] {
        hand_over executor;
        cell<int> outcome;
        explore::event has_ended(false);  // the coroutine may end on either thread
        explore::thread worker([&] { executor.drop(); });
        await_seven(executor, outcome, has_ended);
        has_ended.wait();
        worker.join();
        check(outcome.read() == dropped, "the error arrives");
    }));
}

/// The state alone: the shared_ptr to it would order the outcome, too.
TEST(ExploreAsAwaitable, OutcomeOfADroppedTaskIsVisible) {
    EXPECT_TRUE(holds([] {
        eddy::detail::coroutine_wait<int> wait(std::noop_coroutine());
        explore::thread worker([&] {
            wait.outcome.set_value(7);
            wait.drop();
        });
        if (!wait.begin_waiting()) check(wait.outcome.value() == 7, "the outcome is visible");
    }));
}

}  // namespace
