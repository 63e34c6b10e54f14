// SPDX-License-Identifier: MIT
// Scopes that end early: cancelled, destroyed, or ended with their runtime, while they are in use.
// covers: B05
#include <eddy/task/scope.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/poll_once.hpp"
#include "support/polling.hpp"
#include "support/runtime/on_executor.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::scope_handle;
using eddy::task;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::executor;
using support::poll_once;
using support::wait_for_ever;

/// Runs on an event loop, and on runtimes with 1, 2 and 4 workers.
class ScopeEnd : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeEnd, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// For tests that need several workers.
class ScopeEndOnWorkers : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeEndOnWorkers, testing::Values(2u, 4u), support::name_of_executor);

// ---- Cancelled from outside, with poll_cancel ----

/// Runs a scope with `children` children. The body and the children wait forever; their poll_cancel() waits for
/// `may_end`. `cancels` counts the calls of poll_cancel(), `living` the body and the children.
task<void> slow_scope(async_gate& may_end, std::atomic<int>& cancels, census& living, int children) {
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
    };
    co_await eddy::scope([&](auto& s) -> task<void> {
        for (int i = 0; i < children; ++i) s.spawn(child());
        co_await child();
    });
}

TEST_P(ScopeEnd, AbortOfParentAwaitsPollCancelOfChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto work = [&]() -> task<void> {
        struct checks_at_end {
            census& living;
            ~checks_at_end() { EXPECT_EQ(living.alive(), 0) << "a child has outlived its parent's locals"; }
        };
        const checks_at_end borrowed{living};
        co_await slow_scope(may_end, cancels, living, 3);
        ADD_FAILURE() << "the task continued after an abort";
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(work());
        while (living.total() < 4) co_await eddy::yield_now();
        handle.abort();
        while (cancels < 4) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        EXPECT_EQ(living.alive(), 4);
        may_end.open();
        const auto ended = co_await handle;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, AbortAfterEndOfBodyAwaitsChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> {
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn([&]() -> task<void> {
                    const auto mine = living.begin_life();
                    co_await ends_slowly(may_end, &cancels);
                });
                co_return;
            });
        });
        while (living.total() < 1) co_await eddy::yield_now();
        handle.abort();
        while (cancels < 1) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        may_end.open();
        EXPECT_FALSE((co_await handle).has_value());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, TimeoutAwaitsPollCancelOfChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto main = [&]() -> task<void> {
        auto opener = eddy::spawn([&]() -> task<void> {
            // Not all three: on a busy machine the time may be over before each child has begun.
            while (cancels == 0 || cancels < living.total()) co_await eddy::yield_now();
            may_end.open();
        });
        const auto outcome = co_await eddy::time::timeout(1ms, slow_scope(may_end, cancels, living, 2));
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(living.alive(), 0);
        static_cast<void>(co_await opener);
    };
    on.run(main());
}

TEST_P(ScopeEnd, ElapsedTimeoutDestroysChildrenImmediately) {
    census living;
    const auto main = [&]() -> task<void> {
        auto limited = eddy::time::timeout(1ms, eddy::scope([&](auto& s) -> task<void> {
                                               s.spawn(wait_for_ever(living));
                                               s.spawn(wait_for_ever(living));
                                               co_await wait_for_ever(living);
                                           }));
        const auto outcome = co_await limited;
        EXPECT_FALSE(outcome.has_value());
        EXPECT_EQ(living.alive(), 0);
        co_await eddy::yield_now();  // `limited` still exists
    };
    on.run(main());
}

TEST_P(ScopeEnd, LoserOfSelectAwaitsItsChildren) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto main = [&]() -> task<void> {
        auto opener = eddy::spawn([&]() -> task<void> {
            while (cancels < 3) co_await eddy::yield_now();
            EXPECT_EQ(living.alive(), 3);
            may_end.open();
        });
        const auto wins = [&]() -> task<int> {
            while (living.total() < 3) co_await eddy::yield_now();
            co_return 4;
        };
        const auto first = co_await eddy::select(slow_scope(may_end, cancels, living, 2), wins());
        EXPECT_EQ(first.index(), 1u);
        EXPECT_EQ(living.alive(), 0);
        static_cast<void>(co_await opener);
    };
    on.run(main());
}

TEST_P(ScopeEnd, CancelBeforeFirstPollNeverRunsBody) {
    bool has_begun = false;
    const auto main = [&]() -> task<void> {
        auto first = co_await eddy::select_biased(eddy::ready(1), eddy::scope([&](auto&) -> task<void> {
                                                      has_begun = true;
                                                      co_return;
                                                  }));
        EXPECT_EQ(first.index(), 0u);
        static_cast<void>(eddy::scope([&](auto&) -> task<void> {
            has_begun = true;
            co_return;
        }));
    };
    on.run(main());
    EXPECT_FALSE(has_begun);
}

// ---- Destroyed without poll_cancel ----

TEST_P(ScopeEnd, DestructorDestroysWaitingChildren) {
    census living;
    async_gate never;
    std::atomic<int> cancels = 0;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(never, &cancels);
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 10; ++i) s.spawn(child());
                co_await child();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (living.total() < 11) co_await eddy::yield_now();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(cancels, 0) << "the children are destroyed without poll_cancel";
}

TEST_P(ScopeEnd, DestructorDestroysQueuedChildren) {
    census living;
    const auto child = [&](census::life) -> task<void> { co_await eddy::pending(); };
    const auto main = [&]() -> task<void> {
        for (int round = 0; round < 100; ++round) {
            {
                auto scope = eddy::scope([&](auto& s) -> task<void> {
                    for (int i = 0; i < 10; ++i) s.spawn(child(living.begin_life()));
                    co_await eddy::pending();
                });
                EXPECT_FALSE(co_await poll_once(scope));
            }
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
    EXPECT_EQ(living.total(), 1000);
}

TEST_P(ScopeEndOnWorkers, DestructorWaitsForRunningChild) {
    census living;
    std::atomic<bool> is_polled = false;
    std::atomic<bool> is_dropped = false;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        is_polled = true;
        while (!is_dropped) std::this_thread::yield();
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        co_await eddy::pending();
        ADD_FAILURE() << "the child continued after it was cancelled";
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn(child());
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (!is_polled) co_await eddy::yield_now();
            is_dropped = true;
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

// Destruction does not call poll_cancel, not even for a child that is being polled: poll_cancel might never complete.
TEST_P(ScopeEndOnWorkers, DestructorSkipsPollCancelOfRunningChild) {
    census living;
    async_gate never;
    std::atomic<bool> is_polled = false;
    std::atomic<bool> is_dropped = false;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        is_polled = true;
        while (!is_dropped) std::this_thread::yield();
        for (int i = 0; i < 1000; ++i) std::this_thread::yield();
        co_await ends_slowly(never);
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn(child());
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (!is_polled) co_await eddy::yield_now();
            is_dropped = true;
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, DestructorDestroysChildrenInPollCancel) {
    census living;
    async_gate never;
    std::atomic<int> cancels = 0;
    const auto child = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(never, &cancels);
    };
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 4; ++i) s.spawn(child());
                while (living.total() < 4) co_await eddy::yield_now();
                s.cancel();
                co_await eddy::pending();
            });
            while (cancels < 4) {
                EXPECT_FALSE(co_await poll_once(scope));
                co_await eddy::yield_now();
            }
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, DestructorDestroysChildSpawnedByDestructor) {
    struct spawns_at_end {
        scope_handle& s;
        census& living;
        int left;
        ~spawns_at_end() {
            if (left == 0) return;
            s.spawn([&to = s, &count = living, next = left - 1, mine = living.begin_life()]() -> task<void> {
                const spawns_at_end local{to, count, next};
                co_await eddy::pending();
            });
        }
    };
    census living;
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn([&]() -> task<void> {
                    const auto mine = living.begin_life();
                    const spawns_at_end local{s, living, 3};
                    co_await eddy::pending();
                });
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (living.total() < 1) co_await eddy::yield_now();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(living.total(), 2) << "the child that is spawned late is destroyed before it runs";
}

TEST_P(ScopeEnd, DestructorDestroysNestedScopes) {
    census living;
    struct nest {
        census& living;
        task<void> down(int depth) {
            const auto mine = living.begin_life();
            if (depth == 0) co_await eddy::pending();
            co_await eddy::scope([&](auto& s) -> task<void> {
                s.spawn(down(depth - 1));
                s.spawn(down(depth - 1));
                co_await eddy::pending();
            });
        }
    } nested{living};
    const auto main = [&]() -> task<void> {
        {
            auto scope = eddy::scope([&](auto& s) -> task<void> {
                s.spawn(nested.down(6));
                co_await eddy::pending();
            });
            EXPECT_FALSE(co_await poll_once(scope));
            while (living.total() < 127) co_await eddy::yield_now();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(ScopeEnd, SpuriousPollsDoNotChangeOutput) {
    async_gate gate;
    const auto main = [&]() -> task<void> {
        auto scope = eddy::scope([&](auto& s) -> task<int> {
            s.spawn([&]() -> task<void> { co_await gate.wait(); });
            co_return 2;
        });
        for (int i = 0; i < 10; ++i) EXPECT_FALSE(co_await poll_once(scope));
        gate.open();
        EXPECT_EQ(co_await scope, 2);
    };
    on.run(main());
}

// ---- Outputs and wakers of children after their end ----

// The output of a child may refer to data that the child borrowed. Therefore the output is destroyed with the child,
// and does not live until the last waker is dropped.
TEST_P(ScopeEnd, ChildOutputsAreDestroyedBeforeScopeEnds) {
    eddy::waker kept;
    census living;
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            s.spawn([&]() -> task<census::life> {
                co_await eddy::poll_fn([&](eddy::context& cx) {
                    kept = cx.waker();
                    return eddy::poll_result<void>::ready();
                });
                co_return living.begin_life();
            });
            s.spawn([&] { return living.begin_life(); });
            co_return;
        });
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_EQ(living.total(), 2);
    on.end();
    kept.wake_by_ref();
}

// covers: R039
TEST_P(ScopeEnd, WakersOfChildrenOutliveRuntimeUnderSanitizers) {
    std::vector<eddy::waker> kept(4);
    const auto main = [&]() -> task<void> {
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (auto& each : kept) {
                s.spawn([&each]() -> task<void> {
                    co_await eddy::poll_fn([&](eddy::context& cx) {
                        each = cx.waker();
                        return eddy::poll_result<void>::ready();
                    });
                });
            }
            co_return;
        });
        for (const auto& each : kept) each.wake_by_ref();
    };
    on.run(main());
    kept.push_back(kept.front());
    std::thread([&] {
        for (const auto& each : kept) each.wake_by_ref();
        kept.resize(2);
    }).join();
    on.end();
    for (auto& each : kept) std::move(each).wake();
}

// ---- Shutdown of the runtime ----

TEST_P(ScopeEnd, RuntimeShutdownDestroysScopes) {
    census living;
    std::atomic<int> cancels = 0;
    async_gate never;
    const auto parent = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await slow_scope(never, cancels, living, 3);
    };
    const auto main = [&]() -> task<void> {
        for (int i = 0; i < 5; ++i) eddy::spawn(parent());
        while (living.total() < 25) co_await eddy::yield_now();
    };
    on.run(main());
    EXPECT_EQ(living.alive(), 25);
    on.end();
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(ScopeEndOnWorkers, ShutdownTimeoutAwaitsPollCancelOfChildren) {
    census living;
    std::atomic<int> cancels = 0;
    async_gate may_end;
    const auto main = [&]() -> task<void> {
        eddy::spawn(slow_scope(may_end, cancels, living, 3));
        while (living.total() < 4) co_await eddy::yield_now();
    };
    on.run(main());
    std::thread opener([&] {
        EXPECT_TRUE(support::comes_true([&] { return cancels >= 4; }));
        EXPECT_EQ(living.alive(), 4);
        may_end.open();
    });
    std::move(on.pool()).shutdown_timeout(20s);
    EXPECT_EQ(living.alive(), 0);
    opener.join();
}

// ---- Misuse ----

TEST(ScopeMisuse, AwaitOutsideRuntimeThrowsMisuse) {
    const auto text =
        support::text_of_misuse([] { eddy::wait(eddy::scope([](scope_handle&) -> task<void> { co_return; })); });
    EXPECT_NE(text.find("scope needs a runtime on this thread"), std::string::npos) << text;
    EXPECT_NE(text.find("or enter a runtime before"), std::string::npos) << text;
    EXPECT_NE(text.find("scope_end_test.cpp"), std::string::npos) << text;
}

TEST_P(ScopeEnd, AwaitAfterEndThrowsMisuse) {
    const auto main = []() -> task<void> {
        auto scope = eddy::scope([](scope_handle&) -> task<void> { co_return; });
        co_await scope;
        std::string text;
        try {
            co_await scope;
        } catch (const eddy::misuse& e) {
            text = e.what();
        }
        EXPECT_NE(text.find("a scope was awaited after it had ended: await it once"), std::string::npos) << text;
    };
    on.run(main());
}

using scope_body = std::function<task<void>(scope_handle&)>;
using scope_of_body = decltype(eddy::scope(scope_body()));

TEST_P(ScopeEnd, SpawnAfterEndThrowsMisuse) {
    const auto main = []() -> task<void> {
        scope_handle* kept = nullptr;
        std::optional<scope_of_body> scope;
        scope.emplace(eddy::scope(scope_body([&](scope_handle& s) -> task<void> {
            kept = &s;
            co_return;
        })));
        co_await *scope;
        scope.reset();
        const auto text = support::text_of_misuse([&] { kept->spawn(eddy::ready(1)); });
        EXPECT_NE(text.find("a scope_handle was used after its scope had ended"), std::string::npos) << text;
        EXPECT_NE(text.find("scope_end_test.cpp"), std::string::npos) << text;
    };
    on.run(main());
}

/// A function that starts a child. The child calls `end`.
using child_maker = std::function<void(scope_handle& s, std::function<void()> end)>;

task<void> await_scope_that_a_child_destroys(child_maker make_child) {
    std::unique_ptr<scope_of_body> scope;
    support::gate was_polled;  // the child must not destroy the scope while another worker polls it
    scope_body starts = [&](scope_handle& s) -> task<void> {
        make_child(s, [&] {
            if (was_polled.wait()) scope.reset();
        });
        co_await eddy::pending();
    };
    scope = std::make_unique<scope_of_body>(eddy::scope(std::move(starts)));
    static_cast<void>(co_await poll_once(*scope));
    was_polled.open();
    co_await eddy::pending();
}

/// Creates a scope that one of its own children destroys.
void destroy_scope_in_its_child(unsigned workers, const child_maker& make_child) {
    executor on(workers);
    on.run(await_scope_that_a_child_destroys(make_child));
}

const auto coroutine_child = [](scope_handle& s, std::function<void()> end) {
    s.spawn([end = std::move(end)]() -> task<void> {
        co_await eddy::yield_now();
        end();
    });
};
const auto plain_child = [](scope_handle& s, std::function<void()> end) {
    s.spawn(eddy::poll_fn([end = std::move(end)](eddy::context&) {
        end();
        return eddy::poll_result<void>::ready();
    }));
};
const auto grandchild = [](scope_handle& s, std::function<void()> end) {
    s.spawn([end = std::move(end)]() -> task<void> {
        co_await eddy::scope([&](auto& inner) -> task<void> {
            inner.spawn([&]() -> task<void> {
                co_await eddy::yield_now();
                end();
            });
            co_return;
        });
    });
};

/// An error that is made of an error code.
class own_error {
public:
    explicit own_error(std::error_code code) noexcept : code_(code) {}
    [[nodiscard]] std::error_code code() const noexcept { return code_; }

private:
    std::error_code code_;
};

TEST_P(ScopeEnd, ErrorCodeOfChildBecomesErrorOfOutput) {
    on.run([]() -> task<void> {
        const auto ended = co_await eddy::scope([](auto& s) -> task<std::expected<void, own_error>> {
            s.spawn([]() -> task<eddy::result<void>> {
                co_return std::unexpected(std::make_error_code(std::errc::broken_pipe));
            });
            co_await eddy::pending();
            co_return {};
        });
        EXPECT_EQ(ended.error().code(), std::errc::broken_pipe);
    }());
}

/// An error that cannot be copied.
struct fragile_error {
    fragile_error() = default;
    fragile_error(const fragile_error&) { throw std::runtime_error("a copy"); }
    fragile_error(fragile_error&&) = default;
    fragile_error& operator=(const fragile_error&) = delete;
    fragile_error& operator=(fragile_error&&) = default;
    ~fragile_error() = default;
};

TEST_P(ScopeEnd, ExceptionOfCopiedErrorIsThrown) {
    on.run([]() -> task<void> {
        std::string text;
        try {
            co_await eddy::scope([](auto& s) -> task<void> {
                s.spawn(
                    []() -> task<std::expected<void, fragile_error>> { co_return std::unexpected(fragile_error()); });
                co_await eddy::pending();
            });
        } catch (const std::runtime_error& e) {
            text = e.what();
        }
        EXPECT_EQ(text, "a copy");
    }());
}

TEST(ScopeDeathTest, DestroyedByOwnChildAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    for (const unsigned workers : {0u, 1u, 2u}) {
        EXPECT_DEATH(destroy_scope_in_its_child(workers, coroutine_child), "destroyed by one of its own children");
        EXPECT_DEATH(destroy_scope_in_its_child(workers, plain_child), "destroyed by one of its own children");
        EXPECT_DEATH(destroy_scope_in_its_child(workers, grandchild), "destroyed by one of its own children");
    }
}

}  // namespace
