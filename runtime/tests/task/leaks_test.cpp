// SPDX-License-Identifier: MIT
// Reports of leaks at the shutdown of an executor: report_leaks() and on_leaks() of the builders, EDDY_LEAKS.
#include <eddy/runtime/runtime_hooks.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <ostream>
#include <source_location>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/io/read.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include "support/limit.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using std::source_location;
namespace sync = eddy::sync;

enum class executor { loop, pool };
std::ostream& operator<<(std::ostream& out, executor which) {
    return out << (which == executor::loop ? "loop" : "pool");
}

/// What a test plants: objects that outlive the executor, and the line at which the leaked task waits.
class ground {
public:
    ~ground() {
        while (!kept_.empty()) kept_.pop_back();  // locks after their guards
    }

    template <class T, class... Args>
    T& make(Args&&... args) {
        const auto made = std::make_shared<T>(std::forward<Args>(args)...);
        kept_.push_back(made);
        return *made;
    }
    template <class T>
    T& keep(T&& object) {
        return make<std::remove_cvref_t<T>>(std::forward<T>(object));
    }
    /// Records that the next line waits.
    void next_line_waits(source_location where = source_location::current()) { line_ = where.line() + 1; }
    [[nodiscard]] bool has_place() const { return line_ != 0; }
    [[nodiscard]] std::string place() const { return "leaks_test.cpp:" + std::to_string(line_.load()) + "\n"; }

private:
    std::vector<std::shared_ptr<void>> kept_;
    std::atomic<unsigned> line_{0};
};

/// Runs `main` in an executor, shuts the executor down, and returns what it reports.
std::string reports_of(executor which, const std::function<task<void>()>& main) {
    std::string reports;
    const auto add = [&](std::string_view report) { reports += report; };
    if (which == executor::loop) {
        eddy::core::builder().on_leaks(add).build()->run(main);
    } else {
        eddy::runtime::builder().worker_threads(2).on_leaks(add).build()->block_on(main);
    }
    return reports;
}

/// Returns whether a text has a part at least `count` times.
bool has(std::string_view text, std::string_view part, int count) {
    for (; count != 0 && text.contains(part); --count) text.remove_prefix(text.find(part) + part.size());
    return count == 0;
}

/// Waits until the tree of all tasks has a text at least `count` times.
task<void> until_shown(std::string text, int count = 1) {
    while (!has(eddy::dump_tasks(), text, count)) co_await eddy::yield_now();
}

// ---- What leaks ----

task<void> sleeps(ground& in) {
    in.next_line_waits();
    co_await eddy::time::sleep(1h);
}
task<void> locks(ground& in) {
    auto& lock = in.make<sync::mutex<int>>(1);
    auto& held = in.keep(*lock.try_lock());
    in.next_line_waits();
    auto again = co_await lock.lock();
    *again = *held;
}
task<void> locks_to_read(ground& in) {
    auto& lock = in.make<sync::rwlock<int>>(1);
    in.keep(*lock.try_write());
    in.next_line_waits();
    auto guard = co_await lock.read();
}
task<void> locks_to_write(ground& in) {
    auto& lock = in.make<sync::rwlock<int>>(1);
    in.keep(*lock.try_read());
    in.next_line_waits();
    auto guard = co_await lock.write();
}
task<void> acquires(ground& in) {
    in.next_line_waits();
    static_cast<void>(co_await in.make<sync::semaphore>(0).acquire());
}
task<void> receives(ground& in) {
    auto& ends = in.keep(sync::mpsc<int>::channel(1));
    in.next_line_waits();
    static_cast<void>(co_await ends.receiver.recv());
}
task<void> sends(ground& in) {
    auto& ends = in.keep(sync::mpsc<int>::channel(1));
    static_cast<void>(ends.sender.try_send(1));
    in.next_line_waits();
    static_cast<void>(co_await ends.sender.send(2));
}
task<void> receives_one(ground& in) {
    auto& ends = in.keep(sync::oneshot<int>::channel());
    in.next_line_waits();
    static_cast<void>(co_await ends.receiver);
}
task<void> is_not_notified(ground& in) {
    in.next_line_waits();
    co_await in.make<sync::notify>().notified();
}
task<void> watches(ground& in) {
    auto& ends = in.keep(sync::watch<int>::channel(1));
    static_cast<void>(ends.receiver.borrow_and_update());
    in.next_line_waits();
    static_cast<void>(co_await ends.receiver.changed());
}
task<void> awaits_cancellation(ground& in) {
    in.next_line_waits();
    co_await in.make<sync::cancellation_token>().cancelled();
}
task<void> reads(ground& in) {
    auto ends = eddy::net::unix_stream::pair().value();
    std::array<std::byte, 8> head;
    in.next_line_waits();
    static_cast<void>(co_await ends.first.read(head));
}
task<void> selects(ground& in) {
    in.next_line_waits();
    co_await eddy::select(eddy::time::sleep(1h), in.make<sync::notify>().notified());
}
task<void> joins(ground& in) {
    auto child = eddy::spawn(is_not_notified(in));
    static_cast<void>(co_await child);
}
task<void> has_a_scope(ground& in) {
    co_await eddy::scope([&in](auto& scope) {
        scope.spawn(is_not_notified(in));
        return eddy::ready();
    });
}

struct planted {
    const char* name;
    task<void> (*leaks)(ground&);
    const char* waits_for;
};
std::ostream& operator<<(std::ostream& out, const planted& one) { return out << one.name; }

class Leaks : public testing::TestWithParam<std::tuple<executor, planted>> {};
INSTANTIATE_TEST_SUITE_P(
    Planted, Leaks,
    testing::Combine(testing::Values(executor::loop, executor::pool),
                     testing::Values(planted{"Timer", sleeps, "a timer, in 60 min"},
                                     planted{"Mutex", locks, "a mutex at"},
                                     planted{"ReadLock", locks_to_read, "a read lock at"},
                                     planted{"WriteLock", locks_to_write, "a write lock at"},
                                     planted{"Semaphore", acquires, "a semaphore at"},
                                     planted{"Receiver", receives, "a message from a channel at"},
                                     planted{"Sender", sends, "room in a channel at"},
                                     planted{"Oneshot", receives_one, "the value of a oneshot at"},
                                     planted{"Notify", is_not_notified, "a notification at"},
                                     planted{"Watch", watches, "a new value of a watch at"},
                                     planted{"Token", awaits_cancellation, "a cancellation at"},
                                     planted{"Socket", reads, "data from descriptor"},
                                     planted{"Select", selects, "the first of 2:"},
                                     planted{"Join", joins, "the end of task"},
                                     planted{"Scope", has_a_scope, "the children of a scope, task"})),
    [](const auto& its) {
        return std::string(std::get<1>(its.param).name) + (std::get<0>(its.param) == executor::loop ? "Loop" : "Pool");
    });

// covers: B08
TEST_P(Leaks, AreNamedWithFileAndLine) {
    const auto& [which, one] = GetParam();
    ground in;
    const auto spawned_at = source_location::current();
    const std::string text = reports_of(which, [&, leaks = one.leaks, waits_for = one.waits_for]() -> task<void> {
        eddy::task_builder().name("planted").spawn(leaks(in), spawned_at).detach();
        // The child of a task waits, too.
        co_await until_shown(" \"planted\", waits, spawned at ");
        co_await until_shown(std::string("waits for ") + waits_for);
        while (!in.has_place()) co_await eddy::yield_now();
        co_await until_shown(in.place());
    });
    EXPECT_TRUE(text.starts_with("eddy: leaks: tasks that have not ended at the shutdown of their executor:\n"))
        << text;
    EXPECT_TRUE(text.contains(which == executor::loop ? "\nevent loop " : "\npool ")) << text;
    EXPECT_TRUE(text.contains(" \"planted\", waits, spawned at " + std::string(spawned_at.file_name()) + ":" +
                              std::to_string(spawned_at.line()) + ", "))
        << text;
    EXPECT_TRUE(text.contains(in.place())) << text;
    EXPECT_TRUE(text.contains(one.waits_for)) << text;
    EXPECT_FALSE(text.contains("descriptors that outlive")) << text;
}

class LeaksOf : public testing::TestWithParam<executor> {};
INSTANTIATE_TEST_SUITE_P(Executors, LeaksOf, testing::Values(executor::loop, executor::pool),
                         [](const auto& its) { return its.param == executor::loop ? "Loop" : "Pool"; });

// covers: B08
TEST_P(LeaksOf, DescriptorThatOutlivesTheExecutorIsNamed) {
    std::optional<eddy::net::unix_stream_pair> ends;
    const std::string text = reports_of(GetParam(), [&]() -> task<void> {
        ends = eddy::net::unix_stream::pair().value();
        std::array<std::byte, 8> head;
        static_cast<void>(co_await eddy::time::timeout(1ms, ends->first.read(head)));
    });
    EXPECT_TRUE(text.starts_with("eddy: leaks: descriptors that outlive ")) << text;
    EXPECT_TRUE(text.ends_with(":\n  descriptor " + std::to_string(ends->first.native_handle()) +
                               " (unix (unnamed) -> (unnamed))\n"))
        << text;
}

TEST_P(LeaksOf, EqualStacksAreOneEntry) {
    ground in;
    const std::string text = reports_of(GetParam(), [&]() -> task<void> {
        auto& gate = in.make<sync::notify>();
        for (int i = 0; i < 20; ++i) eddy::spawn([](auto& at) -> task<void> { co_await at.notified(); }(gate)).detach();
        co_await until_shown("  20 tasks, waits: ");
    });
    EXPECT_TRUE(text.contains("\n  20 tasks, waits: ")) << text;
}

// covers: B08
TEST_P(LeaksOf, DefaultIsTheEnvironment) {
    ASSERT_EQ(setenv("EDDY_LEAKS", "1", 1), 0);
    testing::internal::CaptureStderr();
    const auto leak = []() -> task<void> {
        eddy::spawn(eddy::time::sleep(1h)).detach();
        co_await until_shown(", waits, spawned at ");
    };
    GetParam() == executor::loop ? eddy::core().run(leak) : eddy::runtime().block_on(leak);
    const std::string on = testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    GetParam() == executor::loop ? eddy::core::builder().report_leaks(false).build()->run(leak)
                                 : eddy::runtime::builder().report_leaks(false).build()->block_on(leak);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    unsetenv("EDDY_LEAKS");
    EXPECT_TRUE(on.starts_with("eddy: leaks: ")) << on;
}

// covers: B08
TEST(Leaks, BlockingWorkOfAPoolIsNamed) {
    std::latch end(1);
    std::latch has_ended(1);
    const auto where = source_location::current();
    const std::string text = reports_of(executor::pool, [&]() -> task<void> {
        auto work = [&] {
            end.wait();
            has_ended.count_down();
        };
        auto handle = eddy::spawn_blocking(work, where);
        co_await until_shown(", running, spawned at " + std::string(where.file_name()) + ":" +
                             std::to_string(where.line()) + ", ");
        std::move(handle).detach();
    });
    end.count_down();
    has_ended.wait();
    EXPECT_TRUE(text.contains("\nblocking work of pool ")) << text;
    EXPECT_TRUE(text.contains(", running, spawned at " + std::string(where.file_name()) + ":" +
                              std::to_string(where.line()) + ", "))
        << text;
}

TEST(Leaks, CancellationThatHasNotEndedInTimeIsNamed) {
    ground in;
    std::string text;
    auto loop = eddy::core::builder().on_leaks([&](auto report) { text += report; }).build().value();
    loop.run([&]() -> task<void> {
        const auto cleanup = [&in]() -> task<void> { return is_not_notified(in); };
        eddy::spawn(eddy::finally(eddy::time::sleep(1h), cleanup)).detach();
        co_await until_shown(", waits, spawned at ");
    });
    std::move(loop).shutdown_timeout(1ms);
    EXPECT_TRUE(text.contains("is_not_notified  ")) << text;
    EXPECT_TRUE(text.contains("waits for a notification")) << text;
}

// ---- What does not leak ----

task<void> waits_for(sync::notify& gate) { co_await gate.notified(); }

// covers: B08
TEST_P(LeaksOf, EndedTasksAreNone) {
    for (int i = 0; i < 100; ++i) {
        const std::string text = reports_of(GetParam(), []() -> task<void> {
            auto [sender, receiver] = sync::mpsc<int>::channel(1);
            auto consumer = eddy::spawn([](auto from) -> task<void> {
                for (;;) {
                    const auto next = co_await from.recv();
                    if (!next) break;
                }
            }(std::move(receiver)));
            static_cast<void>(co_await sender.send(1));
            {
                const auto dropped = std::move(sender);
            }
            static_cast<void>(co_await consumer);
            static_cast<void>(co_await eddy::spawn_blocking([] {}));
        });
        ASSERT_EQ(text, "");
    }
}

// covers: B08
TEST_P(LeaksOf, TasksThatAreWokenByTheEndAreNone) {
    for (int i = 0; i < 20; ++i) {
        const std::string text = reports_of(GetParam(), []() -> task<void> {
            auto [sender, receiver] = sync::oneshot<int>::channel();
            eddy::spawn([](auto from) -> task<void> { static_cast<void>(co_await from); }(std::move(receiver)))
                .detach();
            co_await until_shown("the value of a oneshot");
        });
        ASSERT_EQ(text, "");
    }
}

// covers: B08
TEST_P(LeaksOf, TasksWithAnOwnerAreNone) {
    ground in;
    auto& gate = in.make<sync::notify>();
    const std::string text = reports_of(GetParam(), [&]() -> task<void> {
        in.make<eddy::task_owner>().spawn(waits_for(gate));
        in.make<eddy::join_set<void>>().spawn(waits_for(gate));
        in.make<eddy::join_map<int, void>>().spawn(1, waits_for(gate));
        in.keep(eddy::spawn(waits_for(gate)));
        eddy::spawn_background(waits_for(gate)).detach();
        co_await until_shown(", waits, spawned at ", 5);
        const auto ended = co_await eddy::time::timeout(1ms, eddy::scope([&](auto& scope) {
                                                            scope.spawn(waits_for(gate));
                                                            return gate.notified();
                                                        }));
        EXPECT_FALSE(ended.has_value());
    });
    EXPECT_EQ(text, "");
}

TEST_P(LeaksOf, AbortedTasksAreNone) {
    sync::notify gate;
    const std::string text = reports_of(GetParam(), [&]() -> task<void> {
        auto handle = eddy::spawn(waits_for(gate));
        co_await until_shown("a notification");
        handle.abort();
    });
    EXPECT_EQ(text, "");
}

TEST_P(LeaksOf, TasksOfALocalSetAreNone) {
    sync::notify gate;
    const std::string text = reports_of(GetParam(), [&]() -> task<void> {
        eddy::local_set set;
        set.spawn_local(waits_for(gate)).detach();
        co_await set.run_until(eddy::yield_now());
    });
    EXPECT_EQ(text, "");
}

TEST_P(LeaksOf, SocketsOfTasksAreNone) {
    const std::string text = reports_of(GetParam(), []() -> task<void> {
        auto ends = eddy::net::unix_stream::pair().value();
        std::array<std::byte, 8> head;
        static_cast<void>(co_await eddy::time::timeout(1ms, ends.first.read(head)));
    });
    EXPECT_EQ(text, "");
}

/// It has no join handle, like a task that was detached.
TEST(Leaks, TaskOfACoreHandleIsNamed) {
    const auto where = source_location::current();
    const std::string line =
        ", waits, spawned at " + std::string(where.file_name()) + ":" + std::to_string(where.line()) + ", ";
    const std::string text = reports_of(executor::loop, [&]() -> task<void> {
        eddy::core_handle::current().spawn(eddy::time::sleep(1h), where);
        co_await until_shown(line);
    });
    EXPECT_TRUE(text.contains(line)) << text;
}

TEST(Leaks, QueuedTasksOfALoopAreNone) {
    const std::string text = reports_of(executor::loop, []() -> task<void> {
        eddy::spawn(eddy::time::sleep(1h)).detach();
        co_return;
    });
    EXPECT_EQ(text, "");
}

TEST_P(LeaksOf, TasksThatAGracefulShutdownEndsAreNone) {
    sync::notify gate;
    std::string text;
    const auto add = [&](std::string_view report) { text += report; };
    const auto main = [&]() -> task<void> {
        eddy::spawn(waits_for(gate)).detach();
        co_await until_shown("a notification");
    };
    if (GetParam() == executor::loop) {
        auto loop = eddy::core::builder().on_leaks(add).build().value();
        loop.run(main);
        std::move(loop).shutdown_timeout(support::operation_limit());
    } else {
        auto pool = eddy::runtime::builder().worker_threads(2).on_leaks(add).build().value();
        pool.block_on(main);
        std::move(pool).shutdown_timeout(support::operation_limit());
    }
    EXPECT_EQ(text, "");
}

}  // namespace
