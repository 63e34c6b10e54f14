// SPDX-License-Identifier: MIT
// Objects that a combinator awaits, for example a timeout: EDDY_CHECKS sees them, and ends no program that is correct.
// runs: asan, plain
#include <eddy/codec.hpp>
#include <eddy/drop.hpp>
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/runtime.hpp"
#include "support/runtime/let_others_run.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::net::unix_stream;
using support::let_others_run;
namespace io = eddy::io;
namespace sync = eddy::sync;

#if EDDY_CHECKS
/// Two connected pairs of sockets. The tests await `near` and `other`.
struct sockets {
    std::unique_ptr<unix_stream> near;
    std::unique_ptr<unix_stream> far;
    std::unique_ptr<unix_stream> other;
    std::unique_ptr<unix_stream> other_end;

    sockets() {
        auto one = unix_stream::pair().value();
        auto two = unix_stream::pair().value();
        near = std::make_unique<unix_stream>(std::move(one.first));
        far = std::make_unique<unix_stream>(std::move(one.second));
        other = std::make_unique<unix_stream>(std::move(two.first));
        other_end = std::make_unique<unix_stream>(std::move(two.second));
    }
};

/// Runs `use(all)` in a task, and destroys `all.near` while it waits.
template <class Use>
void destroy_near(Use use) {
    eddy::core core;
    sockets all;
    const auto work = [&]() -> task<void> {
        auto waits = eddy::spawn(use(all));
        co_await let_others_run();
        EXPECT_FALSE(waits.is_finished());
        all.near.reset();
        waits.abort();
        static_cast<void>(co_await waits);
    };
    core.run(work());
}

/// Runs `use(all)` in two tasks, and sends a line. Returns the text of the misuse of the second task.
template <class Use>
std::string await_twice(Use use) {
    eddy::core core;
    sockets all;
    const auto work = [&]() -> task<std::string> {
        auto first = eddy::spawn(use(all));
        co_await let_others_run();
        std::string text;
        try {
            co_await use(all);
        } catch (const eddy::misuse& thrown) {
            text = thrown.what();
        }
        static_cast<void>(co_await all.far->write_all("line\n"));
        const auto ended = co_await first;
        EXPECT_TRUE(ended.has_value());
        co_return text;
    };
    return core.run(work());
}

/// Calls `with(name, use)` for each combinator or adaptor; `use(sockets)` is a coroutine that reads from `near` through
/// it.
template <class With>
void for_each_reader(With with) {
    with("timeout", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        static_cast<void>(co_await eddy::time::timeout(1h, all.near->read(bytes)));
    });
    with("try_timeout", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        static_cast<void>(co_await eddy::time::try_timeout(1h, io::read_exact(*all.near, bytes)));
    });
    with("timeout of a reference", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        auto reading = all.near->read(bytes);
        static_cast<void>(co_await eddy::time::timeout(1h, std::ref(reading)));
    });
    with("select", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        static_cast<void>(co_await eddy::select(eddy::time::sleep(1h), all.near->read(bytes)));
    });
    with("select with handlers", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        co_await eddy::select(eddy::on(eddy::time::sleep(1h), [] {}), eddy::on(all.near->read(bytes), [](auto) {}));
    });
    with("boxed_future", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        eddy::boxed_future<eddy::result<std::size_t>> reading = all.near->read(bytes);
        static_cast<void>(co_await std::move(reading));
    });
    with("timeout of a boxed_future", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        eddy::boxed_future<eddy::result<std::size_t>> reading = all.near->read(bytes);
        static_cast<void>(co_await eddy::time::timeout(1h, std::move(reading)));
    });
    with("timeout of a select", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        static_cast<void>(co_await eddy::time::timeout(1h, eddy::select(all.near->read(bytes), eddy::time::sleep(1h))));
    });
    with("lines", [](sockets& all) -> task<void> {
        auto lines = io::lines(io::buf_reader(std::ref(*all.near)));
        static_cast<void>(co_await lines.next());
    });
    with("try_next of lines", [](sockets& all) -> task<void> {
        auto lines = io::lines(io::buf_reader(std::ref(*all.near)));
        static_cast<void>(co_await lines.try_next());
    });
    with("select_loop over a stream", [](sockets& all) -> task<void> {
        auto lines = io::lines(io::buf_reader(std::ref(*all.near)));
        co_await eddy::select_loop(eddy::on(std::ref(lines), [](auto) { return eddy::flow::stop; }),
                                   eddy::until(eddy::time::sleep(1h)));
    });
    with("select_loop over a function", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        co_await eddy::select_loop(
            eddy::on([&] { return all.near->read(bytes); }, [](auto) { return eddy::flow::stop; }),
            eddy::until(eddy::time::sleep(1h)));
    });
    with("select_loop over a future", [](sockets& all) -> task<void> {
        std::array<char, 5> bytes{};
        auto reading = all.near->read(bytes);
        co_await eddy::select_loop(eddy::on(std::ref(reading), [](auto) {}));
    });
}

/// Same as above, for copies.
template <class With>
void for_each_copy(With with) {
    with("copy", [](sockets& all) -> task<void> { static_cast<void>(co_await io::copy(*all.near, *all.other)); });
    with("copy_buf", [](sockets& all) -> task<void> {
        io::buf_reader from(std::ref(*all.near));
        static_cast<void>(co_await io::copy_buf(from, *all.other));
    });
    with("copy_bidirectional",
         [](sockets& all) -> task<void> { static_cast<void>(co_await io::copy_bidirectional(*all.near, *all.other)); });
}

// covers: P142
TEST(AwaitedLayersDeathTest, SocketDestroyedInsideLayerIsReported) {
    int count = 0;
    const auto expect_report = [&](const char* layer, auto use) {
        EXPECT_DEATH(destroy_near(use),
                     "a socket.* was destroyed .*(while a task awaits it|while one of its operations waits).*"
                     "awaited_layers_test.cpp:")
            << layer;
        ++count;
    };
    for_each_reader(expect_report);
    for_each_copy(expect_report);
    EXPECT_EQ(count, 16);
}

// covers: P142
TEST(AwaitedLayersDeathTest, SocketDestroyedDuringFeedIsReported) {
    const auto feeds = [](sockets& all) -> task<void> {
        eddy::codec::framed lines(std::ref(*all.near), eddy::codec::lines_codec());
        for (;;) {
            const auto fed = co_await lines.feed(std::string(100'000, 'x'));
            if (!fed) co_return;
        }
    };
    EXPECT_DEATH(destroy_near(feeds),
                 "a socket.* was destroyed .*(while a task awaits it|while one of its operations waits).*"
                 "awaited_layers_test.cpp:");
}

// covers: P142
TEST(AwaitedLayers, SocketAwaitedTwiceInsideLayerIsMisuse) {
    int count = 0;
    for_each_reader([&](const char* layer, auto use) {
        const auto text = await_twice(use);
        EXPECT_NE(text.find("two tasks read from one socket or pipe"), std::string::npos) << layer << ": " << text;
        ++count;
    });
    EXPECT_EQ(count, 13);
}

// covers: P142
TEST(AwaitedLayersDeathTest, ReceiverDestroyedInsideTimeoutIsReported) {
    const auto work = []() -> task<void> {
        auto channel = sync::mpsc<int>::channel(1);
        auto receiver = std::make_unique<sync::mpsc<int>::receiver>(std::move(channel.receiver));
        const auto receive = [&]() -> task<void> {
            static_cast<void>(co_await eddy::time::timeout(1h, receiver->recv()));
        };
        auto waits = eddy::spawn(std::ref(receive));
        co_await let_others_run();
        receiver.reset();
    };
    EXPECT_DEATH(eddy::core().run(work()),
                 "a receiver of a sync::mpsc was destroyed while a task awaits it: .*"
                 "awaited_layers_test.cpp:");
}

/// Awaits a future that `make()` returns in a std::unique_ptr, by `use(future)`, and destroys it meanwhile.
template <class Make, class Use>
void destroy_awaited(Make make, Use use) {
    const auto work = [&]() -> task<void> {
        auto future = make();
        auto waits = eddy::spawn(use(*future));
        co_await let_others_run();
        EXPECT_FALSE(waits.is_finished());
        future.reset();
        waits.abort();
        static_cast<void>(co_await waits);
    };
    eddy::core().run(work());
}

// covers: P142
TEST(AwaitedLayersDeathTest, DestroyedTaskOrLocalSetIsReported) {
    const auto sleeps = []() -> task<void> { co_await eddy::time::sleep(1h); };
    const auto make_task = [&] { return std::make_unique<task<void>>(sleeps()); };
    const auto make_boxed = [&] { return std::make_unique<eddy::boxed_future<void>>(eddy::time::sleep(1h)); };
    const auto make_set = [] {
        auto set = std::make_unique<eddy::local_set>();
        static_cast<void>(set->spawn_local(eddy::time::sleep(1h)));
        return set;
    };
    const auto plain = [](auto& future) -> task<void> { co_await future; };
    const auto limited = [](auto& future) -> task<void> {
        static_cast<void>(co_await eddy::time::timeout(1h, std::ref(future)));
    };
    const std::string destroyed = " was destroyed while a task awaits it: .*awaited_layers_test.cpp:";
    const std::string a_task = "a task .an eddy::task or eddy::boxed_future." + destroyed;
    EXPECT_DEATH(destroy_awaited(make_task, plain), a_task);
    EXPECT_DEATH(destroy_awaited(make_task, limited), a_task);
    EXPECT_DEATH(destroy_awaited(make_boxed, limited), a_task);
    EXPECT_DEATH(destroy_awaited(make_set, plain), "a local_set" + destroyed);
    EXPECT_DEATH(destroy_awaited(make_set, limited), "a local_set" + destroyed);
}
#endif

TEST(AwaitedLayers, AwaitedTaskMayEndAndBeDestroyedByAbort) {
    eddy::core core;
    const auto work = []() -> task<int> {
        sync::notify end;
        const auto waits = [&end]() -> task<int> {
            co_await end.notified();
            co_return 4;
        };
        const auto awaits = [&waits]() -> task<int> {
            auto inner = waits();
            const auto got = co_await eddy::time::timeout(1h, std::ref(inner));
            co_return got.value_or(0);
        };
        auto aborted = eddy::spawn(std::ref(awaits));
        auto ends = eddy::spawn(std::ref(awaits));
        co_await let_others_run();
        aborted.abort();
        const auto none = co_await aborted;
        EXPECT_FALSE(none.has_value());
        end.notify_waiters();
        co_return (co_await ends).value_or(0);
    };
    EXPECT_EQ(core.run(work()), 4);
}

TEST(AwaitedLayers, HandlerOfSelectLoopMayDestroyItsSources) {
    eddy::core core;
    const auto work = []() -> task<int> {
        auto channel = sync::mpsc<int>::channel(1);
        std::optional receiver(std::move(channel.receiver));
        const auto send = [&]() -> task<void> {
            co_await let_others_run();
            channel.sender.try_send(3).value();
        };
        auto sends = eddy::spawn(std::ref(send));
        int got = 0;
        co_await eddy::select_loop(eddy::on([&] { return receiver->recv(); },
                                            [&](std::optional<int> item) -> task<eddy::flow> {
                                                receiver.reset();
                                                co_await eddy::yield_now();
                                                got = item.value_or(0);
                                                co_return eddy::flow::stop;
                                            }),
                                   eddy::until(eddy::time::sleep(1h)));
        static_cast<void>(co_await sends);
        co_return got;
    };
    EXPECT_EQ(core.run(work()), 3);
}

TEST(AwaitedLayers, HandlerOfSelectMayDestroyItsReceiver) {
    eddy::core core;
    const auto work = []() -> task<int> {
        auto channel = sync::mpsc<int>::channel(1);
        std::optional receiver(std::move(channel.receiver));
        const auto send = [&]() -> task<void> {
            co_await let_others_run();
            channel.sender.try_send(3).value();
        };
        auto sends = eddy::spawn(std::ref(send));
        int got = 0;
        co_await eddy::select(eddy::on(receiver->recv(),
                                       [&](std::optional<int> item) -> task<void> {
                                           receiver.reset();
                                           co_await eddy::yield_now();
                                           got = item.value_or(0);
                                       }),
                              eddy::on(eddy::time::sleep(1h), [] {}));
        static_cast<void>(co_await sends);
        co_return got;
    };
    EXPECT_EQ(core.run(work()), 3);
}

TEST(AwaitedLayers, ObjectOfEndedChildMayBeDestroyed) {
    eddy::core core;
    const auto work = []() -> task<bool> {
        auto channel = sync::mpsc<int>::channel(1);
        std::optional receiver(std::move(channel.receiver));
        sync::notify end;
        const auto joins = [&]() -> task<void> { co_await eddy::join(receiver->recv(), end.notified()); };
        auto waits = eddy::spawn(std::ref(joins));
        co_await let_others_run();
        channel.sender.try_send(1).value();
        co_await let_others_run();
        receiver.reset();
        end.notify_one();
        const auto ended = co_await waits;
        co_return ended.has_value();
    };
    EXPECT_TRUE(core.run(work()));
}

TEST(AwaitedLayers, OtherTaskMayWriteWhereCopyWrites) {
    eddy::core core;
    const auto work = []() -> task<std::string> {
        auto [from, from_end] = unix_stream::pair().value();
        auto [to, to_end] = unix_stream::pair().value();
        const auto copies = [&]() -> task<void> { static_cast<void>(co_await io::copy(from, to)); };
        auto copy = eddy::spawn(std::ref(copies));
        co_await let_others_run();
        static_cast<void>(co_await to.write_all("own "));
        static_cast<void>(co_await from_end.write_all("copied"));
        std::string received(10, ' ');
        static_cast<void>(co_await io::read_exact(to_end, received));
        static_cast<void>(co_await from_end.shutdown());
        static_cast<void>(co_await copy);
        co_return received;
    };
    EXPECT_EQ(core.run(work()), "own copied");
}

TEST(AwaitedLayers, TaskMayAwaitAfterTimeoutOfOtherTask) {
    const auto work = []() -> task<int> {
        auto [sender, receiver] = sync::mpsc<int>::channel(1);
        const auto receive = [&receiver]() -> task<int> {
            for (;;) {
                const auto item = co_await eddy::time::timeout(1ms, receiver.recv());
                if (item) co_return item->value_or(0);
            }
        };
        const auto send = [&sender]() -> task<void> {
            co_await eddy::time::sleep(5ms);
            sender.try_send(7).value();
        };
        const auto first = co_await eddy::time::timeout(1ms, receiver.recv());
        EXPECT_FALSE(first.has_value());
        auto second = eddy::spawn(std::ref(receive));
        auto sends = eddy::spawn(std::ref(send));
        static_cast<void>(co_await sends);
        co_return (co_await second).value();
    };
    EXPECT_EQ(eddy::test::run_paused(work), 7);
}

/// Receives `count` numbers, each with a timeout inside of a select, and returns their sum.
task<int> sum_of(sync::mpsc<int>::receiver from, int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
        const auto got = co_await eddy::select(eddy::time::timeout(1h, from.recv()), eddy::pending<void>());
        sum += std::get<0>(got).value().value_or(0);
    }
    co_return sum;
}

TEST(AwaitedLayers, TasksMayAwaitDifferentObjects) {
    constexpr int tasks = 20;
    constexpr int numbers = 50;
    const auto rt = support::make_runtime(4);
    const auto work = []() -> task<int> {
        std::vector<sync::mpsc<int>::sender> senders;
        std::vector<eddy::join_handle<int>> sums;
        for (int i = 0; i < tasks; ++i) {
            auto channel = sync::mpsc<int>::channel(1);
            senders.push_back(std::move(channel.sender));
            sums.push_back(eddy::spawn(sum_of(std::move(channel.receiver), numbers)));
        }
        for (int i = 0; i < numbers; ++i)
            for (auto& one : senders) static_cast<void>(co_await one.send(1));
        int sum = 0;
        for (auto& one : sums) sum += (co_await one).value();
        co_return sum;
    };
    EXPECT_EQ(rt.block_on(work()), tasks * numbers);
}

TEST(AwaitedLayers, StoppedSelectLeavesObjectToOtherTask) {
    eddy::core core;
    const auto work = []() -> task<int> {
        auto [sender, receiver] = sync::mpsc<int>::channel(1);
        const sync::cancellation_token stop;
        const auto receive = [&]() -> task<void> {
            static_cast<void>(co_await eddy::select(receiver.recv(), stop.cancelled()));
        };
        const auto send = [&]() -> task<void> {
            co_await let_others_run();
            sender.try_send(5).value();
        };
        auto stopped = eddy::spawn(std::ref(receive));
        co_await let_others_run();
        auto sends = eddy::spawn(std::ref(send));
        stop.cancel();
        static_cast<void>(co_await stopped);
        const auto got = co_await eddy::time::timeout(1h, receiver.recv());
        static_cast<void>(co_await sends);
        co_return got.value().value_or(0);
    };
    EXPECT_EQ(core.run(work()), 5);
}

/// Never ends. Calls a function when it is cancelled, and needs a second poll_cancel() after that.
class ends_slowly {
public:
    using output_type = void;

    explicit ends_slowly(std::function<void()> f) : f_(std::move(f)) {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        if (!f_) return eddy::poll_result<void>::ready();
        std::exchange(f_, nullptr)();
        cx.waker().wake_by_ref();
        return eddy::not_ready;
    }

private:
    std::function<void()> f_;
};

TEST(AwaitedLayers, CancelledSelectMayDestroyItsObjects) {
    eddy::core core;
    const auto work = []() -> task<bool> {
        auto channel = sync::mpsc<int>::channel(1);
        std::optional receiver(std::move(channel.receiver));
        const auto receive = [&]() -> task<void> {
            static_cast<void>(co_await eddy::select(receiver->recv(), ends_slowly([&] { receiver.reset(); })));
        };
        auto waits = eddy::spawn(std::ref(receive));
        co_await let_others_run();
        waits.abort();
        static_cast<void>(co_await waits);
        co_return receiver.has_value();
    };
    EXPECT_FALSE(core.run(work()));
}

TEST(AwaitedLayers, TimeoutMayDestroyObjectsWhileItCancels) {
    const auto work = []() -> task<bool> {
        auto channel = sync::mpsc<int>::channel(1);
        std::optional receiver(std::move(channel.receiver));
        const auto got =
            co_await eddy::time::timeout(1ms, eddy::select(receiver->recv(), ends_slowly([&] { receiver.reset(); })));
        EXPECT_FALSE(got.has_value());
        co_return receiver.has_value();
    };
    EXPECT_FALSE(eddy::test::run_paused(work));
}

}  // namespace
