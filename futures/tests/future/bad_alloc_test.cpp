// SPDX-License-Identifier: MIT
// Channels, timers, streams and groups of futures when an allocation fails. Each allocation fails once; afterwards
// everything else must keep working. A separate executable, since it replaces operator new. A block of the frame pool
// is a separate allocation only under AddressSanitizer.
// runs: memory
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/join_all.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select_all.hpp>
#include <eddy/net/inherited_listeners.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/stream/stream_map.hpp>
#include <eddy/sync/broadcast.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/sync/watch.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/delay_queue.hpp>

#include "support/emulated.hpp"
#include "support/executors.hpp"
#include "support/failing_allocations.hpp"
#include "support/items.hpp"
#include "support/sanitizers.hpp"
#include "support/scripted.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::allocations_left;
using support::no_limit;
using support::one_has_failed;
using support::plan;
using support::script;
using support::stream_by_hand;
namespace streams = eddy::streams;
namespace sync = eddy::sync;

/// Calls `f` and lets its allocation number `nth`, counted from 0, fail. Returns whether an allocation failed.
template <class Fn>
bool fails(long nth, Fn&& f) {
    allocations_left = nth;
    bool has_failed = false;
    try {
        f();
    } catch (const std::bad_alloc&) {
        has_failed = true;
    }
    has_failed |= allocations_left == one_has_failed;
    allocations_left = no_limit;
    return has_failed;
}

enum class allocates_from { heap, frame_pool };

/// Calls `f(0)`, `f(1)`, ... until `f` reports that no allocation failed. A call that allocates only from the frame
/// pool may find a free block there. Then no allocation fails.
template <class Fn>
void fail_each(Fn f, allocates_from source = allocates_from::heap) {
    for (long nth = 0; nth < 200; ++nth) {
        SCOPED_TRACE("allocation " + std::to_string(nth));
        const bool has_failed = f(nth);
        EXPECT_TRUE(has_failed || nth > 0 || source == allocates_from::frame_pool) << "no allocation could fail";
        if (!has_failed || ::testing::Test::HasFailure()) return;
    }
}

/// A number of futures above the limit up to which join_all polls all futures. Above the limit, join_all tracks which
/// futures were woken.
constexpr std::size_t many = 40;

std::vector<support::scripted> futures_of(std::vector<script>& scripts) {
    std::vector<support::scripted> futures;
    futures.reserve(scripts.size());
    for (auto& one : scripts) futures.emplace_back(one);
    return futures;
}

TEST(BadAlloc, JoinAllPolledAgainWaitsForAllFutures) {
    fail_each([](long nth) {
        std::vector<script> scripts(many);
        by_hand all(eddy::join_all(futures_of(scripts)));
        const bool has_failed = fails(nth, [&] { assert_pending(all.poll()); });
        for (auto& one : scripts) one.change(plan::ready);
        try {
            const auto answer = all.poll();
            EXPECT_TRUE(answer.is_ready()) << "join_all stayed pending although all futures are ready";
            EXPECT_EQ(answer ? answer->size() : 0, many);
        } catch (const eddy::misuse& e) {
            EXPECT_NE(std::string(e.what()).find("join_all was awaited after it had ended"), std::string::npos)
                << "unexpected misuse: " << e.what();
        }
        return has_failed;
    });
}

TEST(BadAlloc, SelectAllPolledAgainPollsAllFutures) {
    fail_each(
        [](long nth) {
            std::vector<script> scripts(many);
            by_hand first(eddy::select_all(futures_of(scripts)));
            const bool has_failed = fails(nth, [&] { assert_pending(first.poll()); });
            scripts.back().change(plan::ready);
            try {
                const auto answer = first.poll();
                EXPECT_TRUE(answer.is_ready()) << "select_all stayed pending although the last future is ready";
                EXPECT_EQ(answer ? answer->index : 0, many - 1);
            } catch (const eddy::misuse& e) {
                EXPECT_NE(std::string(e.what()).find("select_all was awaited after it had ended"), std::string::npos)
                    << "unexpected misuse: " << e.what();
            }
            return has_failed;
        },
        allocates_from::frame_pool);
}

TEST(BadAlloc, SelectAllGivesItsOutputInTheNextPoll) {
    fail_each(
        [](long nth) {
            std::vector<script> scripts(3);
            const auto follow = [](script& s) -> eddy::task<int> {
                const auto value = co_await support::scripted(s);
                co_return value.value_or(-1);
            };
            std::vector<eddy::task<int>> tasks;
            tasks.reserve(scripts.size());
            for (auto& one : scripts) tasks.push_back(follow(one));
            by_hand first(eddy::select_all(std::move(tasks)));
            assert_pending(first.poll());
            scripts[1].change(plan::ready);
            const bool has_failed = fails(nth, [&] { static_cast<void>(first.poll()); });
            if (!has_failed) return false;
            try {
                const auto answer = first.poll();
                EXPECT_TRUE(answer.is_ready());
                EXPECT_EQ(answer ? answer->index : 0, 1u);
            } catch (const eddy::misuse& e) {
                EXPECT_NE(std::string(e.what()).find("select_all was awaited after it had ended"), std::string::npos)
                    << "unexpected misuse: " << e.what();
            }
            return true;
        },
        allocates_from::frame_pool);
}

template <class Jobs>
void push_without_memory() {
    fail_each(
        [](long nth) {
            std::vector<script> scripts(4);
            Jobs jobs;
            jobs.push(support::scripted(scripts[0]));
            support::scripted second(scripts[1]);
            const bool has_failed = fails(nth, [&] { jobs.push(std::move(second)); });
            jobs.push(support::scripted(scripts[2]));
            EXPECT_EQ(jobs.size(), has_failed ? 2u : 3u);
            stream_by_hand items(std::move(jobs));
            for (auto& one : scripts) one.now = plan::ready;
            EXPECT_EQ(items.take_ready().size(), has_failed ? 2u : 3u);
            for (auto& one : scripts) one.alive = one.alive && &one == &scripts[3];
            return has_failed;
        },
        allocates_from::frame_pool);
}

TEST(BadAlloc, FailedPushDestroysOnlyItsFuture) {
    push_without_memory<eddy::futures_unordered<support::scripted>>();
    push_without_memory<eddy::futures_ordered<support::scripted>>();
}

TEST(BadAlloc, DelayQueueStaysInOrder) {
    for (const bool compacts : {false, true}) {
        fail_each([&](long nth) {
            support::time_loop loop;
            eddy::time::delay_queue<std::string> queue;
            std::vector<eddy::time::delay_key> keys;
            keys.reserve(8);
            for (int i = 0; i < 8; ++i) keys.push_back(queue.insert(std::to_string(i), std::chrono::seconds(20 - i)));
            for (const int i : {0, 3, 6}) static_cast<void>(queue.remove(keys[static_cast<std::size_t>(i)]));
            std::size_t extra = 0;
            const bool has_failed = fails(nth, [&] {
                if (compacts) {
                    queue.compact();
                } else {
                    for (; extra < 20; ++extra) queue.insert("x", 1h);
                }
            });
            EXPECT_EQ(queue.size(), 5 + extra);
            EXPECT_TRUE(queue.contains(keys[1]));
            queue.insert("8", 1s);
            stream_by_hand items(std::move(queue));
            loop.advance(30s);
            std::string got;
            for (auto& one : items.take_ready()) got += one.value;
            EXPECT_EQ(got, "875421");
            loop.advance(1h);
            EXPECT_EQ(items.take_ready().size(), extra);
            return has_failed;
        });
    }
}

TEST(BadAlloc, StreamMapKeepsItsCount) {
    fail_each([](long nth) {
        eddy::stream_map<std::string, streams::once_stream<int>> all;
        all.insert("a", streams::once(1));
        bool was_new = false;
        const bool has_failed = fails(nth, [&] { was_new = all.insert("b", streams::once(2)); });
        EXPECT_EQ(all.contains("b"), was_new);
        const bool has_failed_again = fails(nth, [&] { all.insert("a", streams::once(3)); });
        const std::size_t count = all.size();
        EXPECT_EQ(count, std::size_t{all.contains("a")} + std::size_t{all.contains("b")});
        stream_by_hand items(std::move(all));
        EXPECT_EQ(items.take_ready().size(), count);
        return has_failed || has_failed_again;
    });
}

TEST(BadAlloc, ChannelsKeepWorking) {
    fail_each([](long nth) {
        support::census values;
        using life = support::census::life;
        struct value {
            life alive;
            char space[3000];  // too large for the frame pool
        };
        bool has_failed = false;
        {
            auto [tx, rx] = sync::mpsc<value>::unbounded_channel();
            has_failed |= fails(nth, [&, &to = tx] { static_cast<void>(to.send(value{values.begin_life(), {}})); });
            EXPECT_TRUE(tx.send(value{values.begin_life(), {}}).has_value());
            EXPECT_TRUE(rx.try_recv().has_value());
            EXPECT_EQ(rx.try_recv().has_value(), !has_failed);
            EXPECT_EQ(values.alive(), 0);
        }
        {
            auto [tx, rx] = sync::broadcast<value>::channel(2);
            const bool failed =
                fails(nth, [&, &to = tx] { static_cast<void>(to.send(value{values.begin_life(), {}})); });
            EXPECT_EQ(rx.len(), failed ? 0u : 1u);
            EXPECT_TRUE(tx.send(value{values.begin_life(), {}}).has_value());
            EXPECT_TRUE(rx.try_recv().has_value());
            has_failed |= failed;
        }
        {
            has_failed |= fails(nth, [] { auto ends = sync::mpsc<value>::channel(4); });
            has_failed |= fails(nth, [] { auto ends = sync::mpsc<value>::unbounded_channel(); });
            has_failed |= fails(nth, [] { auto ends = sync::broadcast<int>::channel(4); });
            has_failed |= fails(nth, [] { auto ends = sync::watch<int>::channel(4); });
            has_failed |= fails(nth, [] { const sync::cancellation_token token; });
            has_failed |= fails(nth, [] { const sync::task_tracker tracker; });
        }
        EXPECT_EQ(values.alive(), 0);
        return has_failed;
    });
}

TEST(BadAlloc, RecvManyLosesNoValue) {
    fail_each([](long nth) {
        auto [tx, rx] = sync::mpsc<std::unique_ptr<int>>::channel(8);
        for (int i = 0; i < 8; ++i) EXPECT_TRUE(tx.try_send(std::make_unique<int>(i)).has_value());
        std::vector<std::unique_ptr<int>> into;
        by_hand receiving(rx.recv_many(into, 8));
        const bool has_failed = fails(nth, [&] { static_cast<void>(receiving.poll()); });
        EXPECT_EQ(tx.capacity(), into.size());
        while (auto rest = rx.try_recv()) into.push_back(std::move(*rest));
        EXPECT_EQ(into.size(), 8u);
        for (int i = 0; const auto& one : into) EXPECT_EQ(*one, i++);
        return has_failed;
    });
}

TEST(BadAlloc, CancellationTreeStaysConnected) {
    fail_each([](long nth) {
        const sync::cancellation_token root;
        const auto one = root.child_token();
        std::optional<sync::cancellation_token> two;
        const bool has_failed = fails(nth, [&] { two = one.child_token(); });
        const auto three = one.child_token();
        root.cancel();
        EXPECT_TRUE(one.is_cancelled() && three.is_cancelled());
        EXPECT_EQ(has_failed, !two.has_value());
        return has_failed;
    });
}

TEST(BadAlloc, AdaptorsLoseAtMostOneItem) {
    const auto check = [](const char* what, auto make, allocates_from source) {
        SCOPED_TRACE(what);
        fail_each(
            [&](long nth) {
                stream_by_hand items(make());
                std::size_t count = 0;
                allocations_left = nth;
                for (int i = 0; i < 40; ++i) {
                    try {
                        auto next = items.poll();
                        if (next && !next->has_value()) break;
                        if (!next) continue;
                        if constexpr (requires { (*next)->size(); }) {
                            count += (*next)->size();
                        } else {
                            ++count;
                        }
                    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the item is lost
                    }
                }
                const bool has_failed = allocations_left == one_has_failed;
                allocations_left = no_limit;
                EXPECT_GE(count, 4u);
                EXPECT_FALSE(assert_ready(items.poll()).has_value());
                return has_failed;
            },
            source);
    };
    const auto numbers = [] { return streams::of(1, 2, 3, 4, 5); };
    check("chunks", [&] { return numbers().chunks(2); }, allocates_from::heap);
    check(
        "buffered", [&] { return numbers().map([](int i) { return eddy::ready(i); }).buffered(2); },
        allocates_from::frame_pool);
    check(
        "buffer_unordered", [&] { return numbers().map([](int i) { return eddy::ready(i); }).buffer_unordered(2); },
        allocates_from::frame_pool);
}

// ---- Inherited sockets ----

/// Without memory, a call leaves the descriptors open, and the next call takes them.
int take_inherited_without_memory() {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    for (const int fd : {3, 4, 5}) {
        if (fd == socket) ::fcntl(fd, F_SETFD, 0);
        ::dup2(socket, fd);
    }
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "3", 1);
    ::setenv("LISTEN_FDNAMES", "a name that is longer than a short string:another name that is as long", 1);
    for (int failures = 0; failures < 1000; ++failures) {
        try {
            support::allocations_left = failures;
            const auto taken = eddy::net::inherited_listeners();
            support::allocations_left = support::no_limit;
            const bool are_all = taken && taken->size() == 3 && (*taken)[1].name().starts_with("another");
            return are_all && failures >= 4 ? EXIT_SUCCESS : EXIT_FAILURE;
        } catch (const std::bad_alloc&) {
            support::allocations_left = support::no_limit;
            for (const int fd : {3, 4, 5}) {
                if (::fcntl(fd, F_GETFD) != 0) return EXIT_FAILURE;
            }
        }
    }
    return EXIT_FAILURE;
}

TEST(BadAllocDeathTest, LargestBroadcastFailsOnlyForLackOfMemory) {
    if (support::is_sanitized || support::is_emulated()) GTEST_SKIP() << "the limit of the memory has no effect";
    const auto make_largest = [] {
        const rlimit few{std::size_t{6} << 30, std::size_t{6} << 30};
        ::setrlimit(RLIMIT_AS, &few);
        try {
            static_cast<void>(sync::broadcast<int>::channel(std::size_t{1} << 31));
        } catch (const std::bad_alloc&) {
            return EXIT_SUCCESS;
        }
        return EXIT_FAILURE;
    };
    EXPECT_EXIT(std::_Exit(make_largest()), testing::ExitedWithCode(EXIT_SUCCESS), "");
}

TEST(BadAllocDeathTest, InheritedListenersStayUntilTheyAreTaken) {
    EXPECT_EXIT(std::_Exit(take_inherited_without_memory()), testing::ExitedWithCode(EXIT_SUCCESS), "");
}

}  // namespace
