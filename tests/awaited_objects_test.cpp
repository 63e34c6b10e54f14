// SPDX-License-Identifier: MIT
// Objects that are destroyed while a task awaits them: detected with EDDY_CHECKS.
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/signal.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace sync = eddy::sync;

enum class what_first : unsigned char { destroys_object, aborts_task };

/// Destroys the object that `make()` returns while a task awaits `use(object)`, or after the task was aborted.
template <class Make, class Use>
void end_await(what_first order, Make make, Use use) {
    eddy::core core;
    const auto all = [&]() -> task<void> {
        using object = decltype(make());
        auto awaited = std::make_unique<object>(make());
        const auto awaits = [&use, at = awaited.get()]() -> task<void> { co_await use(*at); };
        auto waits = eddy::spawn(std::ref(awaits));
        for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
        EXPECT_FALSE(waits.is_finished());
        if (order == what_first::destroys_object) awaited.reset();
        waits.abort();
        static_cast<void>(co_await waits);
        awaited.reset();
    };
    core.run(all());
}

/// A stream with a receiver at its own address, which it destroys in its second poll.
class stream_that_ends : public eddy::stream_ops<stream_that_ends> {
public:
    using item_type = int;

    explicit stream_that_ends(sync::oneshot<int>::receiver&& rx) noexcept : rx_(std::move(rx)) {}

    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        if (std::exchange(was_polled_, true)) {
            rx_.reset();
            return std::optional<int>();
        }
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    }

private:
    std::optional<sync::oneshot<int>::receiver> rx_;
    bool was_polled_ = false;
};

/// Calls `end(make, use)` for an object of each class.
template <class End>
void for_each_class(End end) {
    // The other ends of the channels are kept, so that nothing is ready.
    auto bounded = sync::mpsc<int>::channel(1);
    auto unbounded = sync::mpsc<int>::unbounded_channel();
    auto once = sync::oneshot<int>::channel();
    sync::broadcast<int>::sender to_all(4);
    sync::watch<int>::sender watched(1);
    auto pipe = eddy::io::duplex(16);
    std::vector<int> values;
    std::array<char, 4> bytes{};

    end(
        "a receiver of a sync::mpsc", [&] { return std::move(bounded.receiver); },
        [](auto& rx) -> task<void> { static_cast<void>(co_await rx.recv()); });
    end(
        "a receiver of a sync::mpsc", [&] { return std::move(unbounded.receiver); },
        [&](auto& rx) -> task<void> { static_cast<void>(co_await rx.recv_many(values, 2)); });
    end(
        "a receiver of a sync::oneshot", [&] { return std::move(once.receiver); },
        [](auto& rx) -> task<void> { static_cast<void>(co_await rx); });
    end(
        "a receiver of a sync::broadcast", [&] { return to_all.subscribe(); },
        [](auto& rx) -> task<void> { static_cast<void>(co_await rx.recv()); });
    end(
        "a receiver of a sync::watch", [&] { return watched.subscribe(); },
        [](auto& rx) -> task<void> { static_cast<void>(co_await rx.changed()); });
    end(
        "a receiver of a sync::watch", [&] { return watched.subscribe(); },
        [](auto& rx) -> task<void> {
            auto wait = rx.wait_for([](int value) { return value == 2; });
            static_cast<void>(co_await wait);
        });
    end(
        "an interval", [] { return eddy::time::interval_at(eddy::time::clock::now() + 1h, 1h); },
        [](auto& interval) -> task<void> { co_await interval.tick(); });
    end("a sleep", [] { return eddy::time::sleep(1h); }, [](auto& sleep) -> task<void> { co_await sleep; });
    end(
        "a join_handle", [] { return eddy::spawn(eddy::time::sleep(1h)); },
        [](auto& handle) -> task<void> { static_cast<void>(co_await handle); });
    end(
        "a futures_unordered",
        [] {
            eddy::futures_unordered<eddy::time::sleep_future> all;
            all.push(eddy::time::sleep(1h));
            return all;
        },
        [](auto& all) -> task<void> { static_cast<void>(co_await all.next()); });
    end(
        "a join_set or join_queue",
        [] {
            eddy::join_set<void> set;
            set.spawn(eddy::time::sleep(1h));
            return set;
        },
        [](auto& set) -> task<void> { static_cast<void>(co_await set.join_next()); });
    end(
        "a join_set or join_queue",
        [] {
            eddy::join_queue<void> queue;
            queue.spawn(eddy::time::sleep(1h));
            return queue;
        },
        [](auto& queue) -> task<void> { static_cast<void>(co_await queue.join_next_with_id()); });
    end(
        "a join_map",
        [] {
            eddy::join_map<int, void> map;
            map.spawn(1, eddy::time::sleep(1h));
            return map;
        },
        [](auto& map) -> task<void> { static_cast<void>(co_await map.next()); });
    end(
        "an end of an io::duplex", [&] { return std::move(pipe.first); },
        [&](auto& from) -> task<void> { static_cast<void>(co_await eddy::io::read(from, bytes)); });
}

TEST(AwaitedObjects, TaskThatIsAbortedFirstIsNotReported) {
    int count = 0;
    for_each_class([&](const char*, auto make, auto use) {
        end_await(what_first::aborts_task, make, use);
        ++count;
    });
    EXPECT_EQ(count, 14);
}

TEST(AwaitedObjects, MemberAtTheSameAddressMayBeDestroyed) {
    eddy::core core;
    auto channel = sync::oneshot<int>::channel();
    stream_that_ends stream(std::move(channel.receiver));
    const auto work = [&]() -> task<bool> {
        const auto item = co_await stream.next();
        co_return item.has_value();
    };
    EXPECT_FALSE(core.run(work()));
    EXPECT_TRUE(channel.sender.is_closed());
}

#if EDDY_CHECKS
TEST(AwaitedObjectsDeathTest, ObjectDestroyedDuringAnAwaitIsReported) {
    int count = 0;
    for_each_class([&](const char* name, auto make, auto use) {
        EXPECT_DEATH(end_await(what_first::destroys_object, make, use),
                     std::string(name) + " was destroyed while a task awaits it: .*awaited_objects_test.cpp:");
        ++count;
    });
    EXPECT_EQ(count, 14);
}

TEST(AwaitedObjectsDeathTest, AsyncFdDestroyedDuringAnAwaitIsReported) {
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT_GE(fd, 0);
    const auto make = [fd] { return eddy::io::async_fd<eddy::io::fd_view>(eddy::io::fd_view(fd)); };
    const auto readable = [](auto& watched) -> task<void> { static_cast<void>(co_await watched.readable()); };
    const auto wait = [](auto& watched) -> task<void> { static_cast<void>(co_await watched.wait_readable()); };
    end_await(what_first::aborts_task, make, readable);
    end_await(what_first::aborts_task, make, wait);
    EXPECT_DEATH(end_await(what_first::destroys_object, make, readable), "an async_fd was destroyed while a task");
    EXPECT_DEATH(end_await(what_first::destroys_object, make, wait), "an async_fd was destroyed while a task");
    ::close(fd);
}

TEST(AwaitedObjectsDeathTest, SignalStreamDestroyedDuringAnAwaitIsReported) {
    const auto make = [] { return eddy::signal::stream(eddy::signal::kind::user_defined2()).value(); };
    const auto next = [](auto& signals) -> task<void> { static_cast<void>(co_await signals.next()); };
    EXPECT_DEATH(end_await(what_first::destroys_object, make, next), "a signal_stream was destroyed while a task");
}
#endif

}  // namespace
