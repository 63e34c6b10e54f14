// SPDX-License-Identifier: MIT
// Scopes whose children, parents and runtimes end at random times.
#include <eddy/task/scope.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include "support/executors.hpp"
#include "support/poll_once.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/stress.hpp"

namespace {

using eddy::scope_handle;
using eddy::task;
using support::add_one_later;
using support::census;
using support::executor;
using support::poll_once;

// ---- Stress ----

class ScopeStress : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, ScopeStress, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

TEST_P(ScopeStress, ManySmallChildrenAreAwaited) {
    const auto rounds = support::rounds(20'000);
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            std::atomic<int> sum = 0;
            co_await eddy::scope([&](auto& s) -> task<void> {
                for (int i = 0; i < 10; ++i) s.spawn(add_one_later(sum, i % 3));
                co_return;
            });
            EXPECT_EQ(sum, 10);
        }
    };
    on.run(main());
}

TEST_P(ScopeStress, DestructorRacesWithSpawningChildren) {
    const auto rounds = support::rounds(50'000);
    census living;
    struct spawner {
        census& living;
        task<void> run(scope_handle& s, int depth) {
            const auto mine = living.begin_life();
            for (int i = 0; i < 3 && depth > 0; ++i) {
                s.spawn(run(s, depth - 1));
                co_await eddy::yield_now();
            }
        }
    } tree{living};
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            {
                auto scope = eddy::scope([&](auto& s) -> task<void> {
                    s.spawn(tree.run(s, 3));
                    co_await eddy::pending();
                });
                EXPECT_FALSE(co_await poll_once(scope));
                for (std::uint64_t i = 0; i < round % 4; ++i) co_await eddy::yield_now();
            }
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
    on.run_until_idle();
}

/// Runs scopes with random kinds of children and a random kind of end.
class mix {
    template <class S>
    static auto guarded(S& scope) {
        return eddy::poll_fn([&scope](eddy::context& cx) -> eddy::poll_result<bool> {
            try {
                return scope.poll(cx).is_ready();
            } catch (const std::runtime_error&) {
                return true;
            }
        });
    }

public:
    explicit mix(std::uint64_t seed) : random_(seed) {}

    task<void> round() {
        census here;
        const unsigned children = draw(8);
        const unsigned end = draw(6);
        auto scope = eddy::scope([&](auto& s) -> task<eddy::result<int>> {
            const auto mine = here.begin_life();
            for (unsigned i = 0; i < children; ++i) s.spawn(child(s, here, draw(7), draw(4)));
            for (unsigned i = draw(3); i > 0; --i) co_await eddy::yield_now();
            if (end == 1) s.cancel();
            if (end == 2) co_return std::unexpected(std::make_error_code(std::errc::io_error));
            if (end == 3) throw std::runtime_error("body");
            if (children == 0) co_return 1;
            s.spawn(child(s, here, 1, 2));  // fails, so that children that wait forever are cancelled
            co_return 1;
        });
        if (end == 4) {  // the scope is destroyed without poll_cancel
            for (unsigned i = draw(4); i > 0; --i) {
                if (co_await guarded(scope)) break;
                co_await eddy::yield_now();
            }
        } else if (end == 5) {
            static_cast<void>(co_await eddy::select(ticks(draw(4)), ended(std::move(scope))));
            EXPECT_EQ(here.alive(), 0);
        } else {
            co_await ended(std::move(scope));
            EXPECT_EQ(here.alive(), 0);
        }
        total_ += here.total();
        // The remaining children of `scope` are destroyed here, before `here`.
    }

    [[nodiscard]] int total() const noexcept { return total_; }

private:
    unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }

    static task<void> child(scope_handle& s, census& here, unsigned kind, unsigned yields) {
        const auto mine = here.begin_life();
        for (unsigned i = 0; i < yields; ++i) co_await eddy::yield_now();
        switch (kind) {
        case 0: co_await eddy::pending(); break;
        case 1: throw std::runtime_error("child");
        case 2: s.cancel(); break;
        case 3: s.spawn(child(s, here, 4, 1)); break;
        case 4: s.spawn([mine] {}); break;
        case 5:
            co_await eddy::scope([&](auto& inner) -> task<void> {
                inner.spawn(child(inner, here, 6, 2));
                inner.spawn(child(inner, here, 3, 0));
                co_return;
            });
            break;
        default: break;
        }
    }

    static task<void> ticks(unsigned count) {
        for (unsigned i = 0; i < count; ++i) co_await eddy::yield_now();
    }

    template <class S>
    static task<void> ended(S scope) {
        try {
            static_cast<void>(co_await scope);
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): one of the kinds of end
        }
    }

    std::mt19937_64 random_;
    int total_ = 0;
};

TEST_P(ScopeStress, EachKindOfEndDestroysAllChildren) {
    const auto rounds = support::rounds(20'000);
    census living;
    const auto main = [&]() -> task<void> {
        // Runs four sequences of scopes at a time, so that the workers steal tasks from each other.
        std::vector<eddy::join_handle<void>> running;
        for (unsigned i = 0; i < 4; ++i) {
            running.push_back(eddy::spawn([&, i]() -> task<void> {
                const auto mine = living.begin_life();
                mix rounds_of(support::seed() + i);
                for (std::uint64_t round = 0; round < rounds; ++round) co_await rounds_of.round();
            }));
        }
        for (auto& each : running) {
            const auto ended = co_await each;
            EXPECT_TRUE(ended.has_value()) << ended.error().what();
        }
    };
    on.run(main());
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(ScopeStress, AbortOfParentRacesWithChildren) {
    const auto rounds = support::rounds(20'000);
    census living;
    const auto parent = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await eddy::scope([&](auto& s) -> task<void> {
            for (int i = 0; i < 4; ++i) {
                s.spawn([&, i]() -> task<void> {
                    const auto own = living.begin_life();
                    for (int n = 0; n < i; ++n) co_await eddy::yield_now();
                    if (i == 3) co_await eddy::pending();
                });
            }
            co_await eddy::yield_now();
        });
    };
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            auto handle = eddy::spawn(parent());
            for (std::uint64_t i = 0; i < round % 5; ++i) co_await eddy::yield_now();
            handle.abort();
            const auto ended = co_await handle;
            EXPECT_TRUE(!ended && ended.error().is_cancelled());
            EXPECT_EQ(living.alive(), 0);
        }
    };
    on.run(main());
}

task<void> nested(census& living, int depth) {
    const auto mine = living.begin_life();
    if (depth == 0) {
        co_await eddy::pending();
        co_return;
    }
    co_await eddy::scope([&](auto& s) -> task<void> {
        s.spawn(nested(living, depth - 1));
        s.spawn(nested(living, depth - 1));
        co_await eddy::yield_now();
    });
}

TEST_P(ScopeStress, ShutdownRacesWithScopes) {
    const auto rounds = support::rounds(2'000);
    census living;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        executor one(GetParam());
        const auto main = [&]() -> task<void> {
            for (int i = 0; i < 4; ++i) {
                eddy::spawn([&]() -> task<void> {
                    const auto mine = living.begin_life();
                    co_await nested(living, 3);
                });
            }
            for (std::uint64_t i = 0; i < round % 7; ++i) co_await eddy::yield_now();
        };
        one.run(main());
        one.end();
        ASSERT_EQ(living.alive(), 0);
    }
}

}  // namespace
