// SPDX-License-Identifier: MIT
// Objects that are destroyed while a task awaits them: detected with EDDY_CHECKS.
// covers: B20
// runs: asan, plain
#include <eddy/codec.hpp>
#include <eddy/drop.hpp>
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
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
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "future/readable_name.hpp"

#include "support/runtime/let_others_run.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::let_others_run;
namespace sync = eddy::sync;

enum class what_first : unsigned char { destroys_object, aborts_task };

/// Spawns a task that awaits `use(object)`, where `object` is the result of `make()`. Destroys the object before or
/// after it aborts the task, as `order` says.
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

/// A stream whose first member is a receiver, so the stream and the receiver have the same address. The second poll of
/// the stream destroys the receiver.
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

eddy::async_generator<int> sleep_then_yield() {
    co_await eddy::time::sleep(1h);
    co_yield 1;
}

/// Calls `end(make, use)` for an object of each class.
template <class End>
void for_each_class(End end) {
    // The other ends of the channels stay alive, so that no operation is ready.
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
    end(
        "a delay_queue",
        [] {
            eddy::time::delay_queue<int> queue;
            static_cast<void>(queue.insert(1, 1h));
            return queue;
        },
        [](auto& queue) -> task<void> { static_cast<void>(co_await queue.next()); });
    end(
        "an async_generator", [] { return sleep_then_yield(); },
        [](auto& items) -> task<void> { static_cast<void>(co_await items.next()); });
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

// covers: P142
TEST(AwaitedObjects, ObjectDestroyedAfterAbortIsNotReported) {
    int count = 0;
    for_each_class([&](const char*, auto make, auto use) {
        end_await(what_first::aborts_task, make, use);
        ++count;
    });
    EXPECT_EQ(count, 16);
}

// covers: P142
TEST(AwaitedObjects, FirstMemberOfAwaitedObjectMayBeDestroyed) {
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

/// Spawns two tasks that run `use()`, which awaits an object. Runs `make_ready()`, waits until a task has ended, and
/// aborts the other task.
template <class Use, class Ready>
task<void> await_twice(Use use, Ready make_ready) {
    auto first = eddy::spawn(std::ref(use));
    co_await let_others_run();
    auto second = eddy::spawn(std::ref(use));
    co_await let_others_run();
    co_await make_ready();
    for (int i = 0; i < 10'000 && !first.is_finished() && !second.is_finished(); ++i) co_await eddy::time::sleep(1ms);
    co_await let_others_run();
    first.abort();
    second.abort();
    static_cast<void>(co_await first);
    static_cast<void>(co_await second);
}

TEST(AwaitedObjects, ObjectThatWakesAllTasksMayBeAwaitedTwice) {
    sync::broadcast<int>::sender sender(4);
    auto receiver = sender.subscribe();
    int count = 0;
    const auto receive = [&]() -> task<void> {
        static_cast<void>(co_await receiver.recv());
        ++count;
    };
    const auto send = [&]() -> task<void> {
        sender.send(1).value();
        sender.send(2).value();
        co_return;
    };
    eddy::core core;
    core.run(await_twice(receive, send));
    EXPECT_EQ(count, 2);
}

TEST(AwaitedObjects, TwoTasksMayReadAndWriteOneObject) {
    auto [here, there] = eddy::io::duplex(4);
    std::array<char, 4> bytes{};
    const auto reads = [&]() -> task<void> { static_cast<void>(co_await eddy::io::read(here, bytes)); };
    const auto writes = [&]() -> task<void> {
        static_cast<void>(co_await eddy::io::write(here, "full"));
        static_cast<void>(co_await eddy::io::write(here, "more"));
    };
    const auto all = [&]() -> task<void> {
        auto reader = eddy::spawn(std::ref(reads));
        auto writer = eddy::spawn(std::ref(writes));
        co_await let_others_run();
        std::array<char, 4> received{};
        static_cast<void>(co_await eddy::io::read(there, received));
        co_await let_others_run();
        EXPECT_TRUE(writer.is_finished());
        EXPECT_FALSE(reader.is_finished());
        static_cast<void>(co_await eddy::io::write(there, "x"));
        static_cast<void>(co_await reader);
    };
    eddy::core core;
    core.run(all());
    EXPECT_EQ(bytes[0], 'x');
}

TEST(AwaitedObjects, OneTaskMayAwaitAnObjectTwice) {
    auto [sender, receiver] = sync::mpsc<int>::channel(2);
    const auto receive = [&receiver]() -> task<int> { co_return (co_await receiver.recv()).value_or(0); };
    const auto all = [&]() -> task<int> {
        auto both = eddy::spawn(eddy::join(receive(), receive()));
        co_await let_others_run();
        sender.try_send(1).value();
        sender.try_send(2).value();
        auto outcome = co_await both;
        const auto [first, second] = std::move(outcome).value();
        co_return first + second;
    };
    eddy::core core;
    EXPECT_EQ(core.run(all()), 3);
}

// covers: P140
TEST(AwaitedObjects, AnotherTaskMayAwaitAfterAnAbort) {
    auto [sender, receiver] = sync::mpsc<int>::channel(2);
    const auto receive = [&receiver]() -> task<int> { co_return (co_await receiver.recv()).value_or(0); };
    const auto all = [&]() -> task<int> {
        auto first = eddy::spawn(std::ref(receive));
        co_await let_others_run();
        auto second = eddy::spawn(std::ref(receive));
        co_await let_others_run();
        sender.try_send(1).value();
        first.abort();
        co_return (co_await second).value();
    };
    eddy::core core;
    EXPECT_EQ(core.run(all()), 1);
}

TEST(AwaitedObjects, AnotherTaskMayAwaitWhileATaskKeepsItsFuture) {
    auto [sender, receiver] = sync::mpsc<int>::channel(2);
    const auto receive = [&receiver]() -> task<int> { co_return (co_await receiver.recv()).value_or(0); };
    const auto all = [&]() -> task<int> {
        auto kept = receive();
        static_cast<void>(co_await eddy::select_biased(std::ref(kept), eddy::ready()));
        auto other = eddy::spawn(std::ref(receive));
        co_await let_others_run();
        sender.try_send(1).value();
        co_return (co_await other).value();
    };
    eddy::core core;
    EXPECT_EQ(core.run(all()), 1);
}

TEST(AwaitedObjects, StartedFutureMayBeAwaitedByAnotherTask) {
    auto [sender, receiver] = sync::mpsc<int>::channel(2);
    const auto receive = [&receiver]() -> task<int> { co_return (co_await receiver.recv()).value_or(0); };
    const auto all = [&]() -> task<int> {
        auto begun = receive();
        static_cast<void>(co_await eddy::select_biased(std::ref(begun), eddy::ready()));
        const auto go_on = [&begun]() -> task<int> { co_return co_await begun; };
        auto other = eddy::spawn(std::ref(go_on));
        co_await let_others_run();
        sender.try_send(1).value();
        co_return (co_await other).value();
    };
    eddy::core core;
    EXPECT_EQ(core.run(all()), 1);
}

TEST(AwaitedObjects, NamesOfCoroutinesAreReadable) {
    using eddy::detail::readable_name;
    EXPECT_EQ(readable_name("eddy::task<int> f(int)"), "eddy::task<int> f(int)");
    EXPECT_EQ(readable_name("void f(f(int)::_Z1fi.Frame*)"), "f()");
    EXPECT_EQ(readable_name("void f(std::function<void()>, f(int)::_Z1fi.Frame*)"), "f()");
    EXPECT_EQ(readable_name("main()::<lambda(main()::_Z4mainv.Frame*)>(g(int)::_Z1gi.Frame*)"), "main()::<lambda()>()");
    EXPECT_EQ(readable_name("no parenthesis.Frame*)"), "n)");
}

#if EDDY_CHECKS
/// Expects that the program ends with a message if two tasks run `use()`.
template <class Use, class Ready>
void expect_report(Use use, Ready make_ready) {
    EXPECT_DEATH(eddy::core().run(await_twice(use, make_ready)),
                 "two tasks await one object, (a|an|the) .*, which wakes only one of them: .*"
                 "The other co_await is at .*awaited_objects_test.cpp:[0-9]+ in the task spawned at "
                 ".*awaited_objects_test.cpp:[0-9]+; the co_await that was not woken is in the task spawned at "
                 ".*awaited_objects_test.cpp:[0-9]+ .at .*awaited_objects_test.cpp:");
}

// covers: P140 P142
TEST(AwaitedObjectsDeathTest, TwoTasksThatReceiveAreReported) {
    auto many = sync::mpsc<int>::channel(2);
    expect_report([&]() -> task<void> { static_cast<void>(co_await many.receiver.recv()); },
                  [&]() -> task<void> {
                      many.sender.try_send(1).value();
                      co_return;
                  });
    auto once = sync::oneshot<int>::channel();
    expect_report([&]() -> task<void> { static_cast<void>(co_await once.receiver); },
                  [&]() -> task<void> {
                      static_cast<void>(std::move(once.sender).send(1));
                      co_return;
                  });
}

// covers: P142
TEST(AwaitedObjectsDeathTest, TwoTasksThatJoinAreReported) {
    sync::notify ends;
    const auto end = [&]() -> task<void> {
        ends.notify_one();
        co_return;
    };
    const auto child = [&]() -> task<void> { co_await ends.notified(); };
    std::optional<eddy::join_handle<void>> handle;
    expect_report(
        [&]() -> task<void> {
            if (!handle) handle = eddy::spawn(std::ref(child));
            static_cast<void>(co_await *handle);
        },
        end);
    eddy::join_set<void> set;
    expect_report(
        [&]() -> task<void> {
            if (set.is_empty()) set.spawn(std::ref(child));
            static_cast<void>(co_await set.join_next());
        },
        end);
}

// covers: P142
TEST(AwaitedObjectsDeathTest, TwoTasksThatSleepAreReported) {
    auto sleep = eddy::time::sleep(1h);
    expect_report([&]() -> task<void> { co_await sleep; },
                  [&]() -> task<void> {
                      sleep.reset(eddy::time::clock::now());
                      co_return;
                  });
}
#endif

#if EDDY_CHECKS
// covers: P142 I20.2.7
TEST(AwaitedObjectsDeathTest, DestroyedObjectIsReported) {
    int count = 0;
    for_each_class([&](const char* name, auto make, auto use) {
        EXPECT_DEATH(end_await(what_first::destroys_object, make, use),
                     std::string(name) + " was destroyed while a task awaits it: .*awaited_objects_test.cpp:");
        ++count;
    });
    EXPECT_EQ(count, 16);
}

// covers: P142 I20.2.7
TEST(AwaitedObjectsDeathTest, DestroyedSocketInsideOfAnAlgorithmIsReported) {
    std::optional<eddy::net::unix_stream> peer;
    const std::string much(4 << 20, 'x');  // more bytes than the send buffer can hold
    const auto stream = [&peer] {
        auto both = eddy::net::unix_stream::pair().value();
        peer.emplace(std::move(both.second));
        return std::move(both.first);
    };
    const auto expect_reported = [](auto make, auto use) {
        end_await(what_first::aborts_task, make, use);
        EXPECT_DEATH(end_await(what_first::destroys_object, make, use),
                     "a socket was destroyed or moved while one of its operations waits: .*awaited_objects_test.cpp:");
    };
    const auto buffered = [&] { return eddy::io::buf_reader(stream()); };
    const auto framed = [&] { return eddy::codec::framed(stream(), eddy::codec::lines_codec()); };
    expect_reported(stream, [](auto& from) -> task<void> {
        std::array<char, 4> bytes{};
        static_cast<void>(co_await eddy::io::read_exact(from, bytes));
    });
    expect_reported(stream, [&](auto& to) -> task<void> { static_cast<void>(co_await eddy::io::write_all(to, much)); });
    expect_reported(buffered, [](auto& from) -> task<void> {
        std::string line;
        static_cast<void>(co_await eddy::io::read_line(from, line));
    });
    expect_reported(framed, [](auto& lines) -> task<void> { static_cast<void>(co_await lines.next()); });
    expect_reported(framed, [&](auto& lines) -> task<void> { static_cast<void>(co_await lines.send(much)); });
}

// covers: P142
TEST(AwaitedObjectsDeathTest, DestroyedAsyncFdIsReported) {
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

// covers: P142
TEST(AwaitedObjectsDeathTest, DestroyedSignalStreamIsReported) {
    const auto make = [] { return eddy::signal::stream(eddy::signal::kind::interrupt()).value(); };
    const auto next = [](auto& signals) -> task<void> { static_cast<void>(co_await signals.next()); };
    EXPECT_DEATH(end_await(what_first::destroys_object, make, next), "a signal_stream was destroyed while a task");
}
#endif

}  // namespace
