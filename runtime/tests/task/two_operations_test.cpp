// SPDX-License-Identifier: MIT
// Objects that permit one operation at a time, or one in each direction: the second one is misuse, and the first one is
// not disturbed.
// covers: P140 P142
// runs: asan, plain
#include <eddy/codec.hpp>
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/poll_once.hpp"
#include "support/polling.hpp"
#include "support/runtime/let_others_run.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::net::unix_stream;
using support::let_others_run;
namespace io = eddy::io;
namespace sync = eddy::sync;

/// Runs `use()`, and returns the text of its misuse; empty if there was none.
template <class Use>
task<std::string> misuse_in(Use& use) {
    try {
        co_await use();
    } catch (const eddy::misuse& thrown) {
        co_return thrown.what();
    }
    co_return "";
}

/// Expects that `second()` is a misuse with the text `expected` while a task waits in `first()`, and that this task
/// ends after `make_ready()`.
template <class First, class Second, class Ready>
task<void> expect_refused(std::string_view expected, First first, Second second, Ready make_ready) {
    const auto run_first = [&]() -> task<std::string> { return misuse_in(first); };
    auto waits = eddy::spawn(std::ref(run_first));
    co_await let_others_run();
    EXPECT_FALSE(waits.is_finished()) << expected;
    const auto text = co_await misuse_in(second);
    EXPECT_NE(text.find(expected), std::string::npos) << "expected: " << expected << "; is: " << text;
    const auto first_place = text.find("The first one was awaited (at ");
    const auto second_place = text.find("The second one was awaited (at ");
    EXPECT_NE(first_place, std::string::npos) << text;
    EXPECT_LT(first_place, second_place) << text;
    EXPECT_NE(text.find("two_operations_test.cpp:", second_place), std::string::npos) << text;
    co_await make_ready();
    const auto outcome = co_await waits;
    EXPECT_EQ(outcome.value(), "") << "of the first task: " << expected;
}

eddy::async_generator<int> items_of(sync::mpsc<int>::receiver& from) {
    while (auto item = co_await from.recv()) co_yield *item;
}

TEST(TwoOperations, SecondTaskAtAGeneratorIsRefused) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto [sender, receiver] = sync::mpsc<int>::channel(4);
        auto items = items_of(receiver);
        int got = 0;
        const auto send = [&]() -> task<void> {
            sender.try_send(7).value();
            co_return;
        };
        co_await expect_refused(
            "the next item of one async_generator",
            [&]() -> task<void> {
                const auto item = co_await items.next();
                got = item.value_or(0);
            },
            [&]() -> task<void> { static_cast<void>(co_await items.next()); }, send);
        EXPECT_EQ(got, 7);
        co_await send();
        const auto later = co_await items.next();
        EXPECT_EQ(later, 7);
    };
    core.run(test());
}

TEST(TwoOperations, SecondTaskAtAnEndOfADuplexIsRefused) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto [near, far] = io::duplex(4);
        std::array<char, 4> bytes{};
        std::array<char, 4> others{};
        co_await expect_refused(
            "two tasks read from one end of an io::simplex or io::duplex",
            [&]() -> task<void> { static_cast<void>(co_await io::read_exact(near, bytes)); },
            [&]() -> task<void> { static_cast<void>(co_await io::read(near, others)); },
            [&]() -> task<void> { static_cast<void>(co_await io::write_all(far, "abcd")); });
        EXPECT_EQ(std::string_view(bytes.data(), 4), "abcd");
        co_await expect_refused(
            "two tasks write to one end of an io::simplex or io::duplex",
            [&]() -> task<void> { static_cast<void>(co_await io::write_all(near, "12345678")); },
            [&]() -> task<void> { static_cast<void>(co_await io::write_all(near, "x")); },
            [&]() -> task<void> {
                std::array<char, 8> received{};
                static_cast<void>(co_await io::read_exact(far, received));
                EXPECT_EQ(std::string_view(received.data(), 8), "12345678");
            });
    };
    core.run(test());
}

TEST(TwoOperations, ReaderAndWriterOfOneObjectAreLegal) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto [near, far] = io::duplex(4);
        auto [one, other] = unix_stream::pair().value();
        const auto exchange = [](auto& mine, auto& theirs) -> task<void> {
            std::array<char, 8> bytes{};
            std::array<char, 8> received{};
            auto [read, written, got, sent] =
                co_await eddy::join(io::read_exact(mine, bytes), io::write_all(mine, "12345678"),
                                    io::read_exact(theirs, received), io::write_all(theirs, "abcdefgh"));
            EXPECT_TRUE(read && written && got && sent);
            EXPECT_EQ(std::string_view(bytes.data(), 8), "abcdefgh");
            EXPECT_EQ(std::string_view(received.data(), 8), "12345678");
        };
        co_await exchange(near, far);
        co_await exchange(one, other);
    };
    core.run(test());
}

/// Calls `with(name, use)` for ways to read from a socket; `use(from, got)` stores a line.
template <class With>
task<void> for_each_read(With with) {
    co_await with("read", [](unix_stream& from, std::string& got) -> task<void> {
        got.resize(5);
        static_cast<void>(co_await from.read(got));
    });
    co_await with("timeout of read", [](unix_stream& from, std::string& got) -> task<void> {
        got.resize(5);
        static_cast<void>(co_await eddy::time::timeout(1h, from.read(got)));
    });
    co_await with("io::read_exact", [](unix_stream& from, std::string& got) -> task<void> {
        got.resize(5);
        static_cast<void>(co_await io::read_exact(from, got));
    });
    co_await with("lines", [](unix_stream& from, std::string& got) -> task<void> {
        auto lines = io::lines(io::buf_reader(std::ref(from)));
        const auto line = co_await lines.next();
        got = line->value() + "\n";
    });
    co_await with("framed", [](unix_stream& from, std::string& got) -> task<void> {
        eddy::codec::framed frames(std::ref(from), eddy::codec::lines_codec());
        const auto line = co_await frames.next();
        got = line->value() + "\n";
    });
    co_await with("half", [](unix_stream& from, std::string& got) -> task<void> {
        auto [reader, writer] = from.split();
        got.resize(5);
        static_cast<void>(co_await reader.read(got));
    });
}

TEST(TwoOperations, SecondTaskThatReadsASocketIsRefused) {
    eddy::core core;
    int count = 0;
    const auto test = [&]() -> task<void> {
        co_await for_each_read([&](const char* first_name, auto first) -> task<void> {
            co_await for_each_read([&](const char* second_name, auto second) -> task<void> {
                const testing::ScopedTrace trace(__FILE__, __LINE__, std::string(first_name) + ", " + second_name);
                auto [near, far] = unix_stream::pair().value();
                std::string got;
                std::string others;
                co_await expect_refused(
                    "two tasks read from one socket or pipe", [&]() -> task<void> { co_await first(near, got); },
                    [&]() -> task<void> { co_await second(near, others); },
                    [&]() -> task<void> { static_cast<void>(co_await far.write_all("line\n")); });
                EXPECT_EQ(got, "line\n");
                ++count;
            });
        });
    };
    core.run(test());
    EXPECT_EQ(count, 36);
}

TEST(TwoOperations, SecondTaskThatWritesToASocketIsRefused) {
    eddy::core core;
    const std::string much(4 << 20, 'x');  // more than the socket can hold
    const auto test = [&]() -> task<void> {
        const auto expect = [&](auto write) -> task<void> {
            auto [near, far] = unix_stream::pair().value();
            co_await expect_refused(
                "two tasks write to one socket or pipe", [&]() -> task<void> { co_await write(near); },
                [&]() -> task<void> { co_await write(near); },
                [&]() -> task<void> {
                    std::string all(much.size(), ' ');
                    static_cast<void>(co_await io::read_exact(far, all));
                    EXPECT_EQ(all, much);
                });
        };
        co_await expect([&](unix_stream& to) -> task<void> { static_cast<void>(co_await to.write_all(much)); });
        co_await expect([&](unix_stream& to) -> task<void> { static_cast<void>(co_await io::write_all(to, much)); });
    };
    core.run(test());
}

TEST(TwoOperations, SecondTaskThatAcceptsIsRefused) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto bound = co_await eddy::net::tcp_listener::bind("127.0.0.1:0");
        auto& listener = bound.value();
        const auto accept = [&]() -> task<void> {
            const auto accepted = co_await listener.accept();
            EXPECT_TRUE(accepted);
        };
        co_await expect_refused(
            "two tasks read from one socket or pipe at the same time (or accept on one listener)", accept, accept,
            [&]() -> task<void> {
                static_cast<void>(co_await eddy::net::tcp_stream::connect(listener.local_addr().value()));
            });
    };
    core.run(test());
}

/// Calls `with(name, start, end)` for each object; `start()` returns a future that waits, and `end()` makes it ready.
template <class With>
task<void> for_each_object(With with) {
    auto [sender, receiver] = sync::mpsc<int>::channel(4);
    auto items = items_of(receiver);
    co_await with(
        "generator", [&] { return items.next(); },
        [&]() -> task<void> {
            sender.try_send(1).value();
            co_return;
        });
    auto [near, far] = io::duplex(4);
    std::array<char, 1> bytes{};  // so that one read does not take what two writes have sent
    co_await with(
        "duplex", [&] { return io::read(near, bytes); },
        [&]() -> task<void> { static_cast<void>(co_await io::write_all(far, "a")); });
    auto [one, other] = unix_stream::pair().value();
    co_await with(
        "socket", [&] { return one.read(bytes); },
        [&]() -> task<void> { static_cast<void>(co_await other.write_all("a")); });
    co_await with(
        "algorithm", [&] { return io::read(one, bytes); },
        [&]() -> task<void> { static_cast<void>(co_await other.write_all("a")); });
}

/// Expects that another task may use the object now.
template <class Start, class End>
task<void> expect_usable(const char* name, Start start, End end) {
    const auto use = [&]() -> task<bool> {
        const auto got = co_await start();
        co_return got.has_value();
    };
    auto other = eddy::spawn(std::ref(use));
    co_await let_others_run();
    EXPECT_FALSE(other.is_finished()) << name;
    co_await end();
    const auto got = co_await other;
    EXPECT_TRUE(got.value()) << name;
}

TEST(TwoOperations, DroppedOperationsAccuseNoLaterOne) {
    eddy::core core;
    const auto test = []() -> task<void> {
        co_await for_each_object([](const char* name, auto start, auto end) -> task<void> {
            auto never_polled = start();
            auto moved = std::move(never_polled);
            static_cast<void>(co_await support::once(std::move(moved)));
            co_await expect_usable(name, start, end);
            static_cast<void>(co_await eddy::time::timeout(1ms, start()));
            co_await expect_usable(name, start, end);
            static_cast<void>(co_await eddy::select(start(), eddy::time::sleep(1ms)));
            co_await expect_usable(name, start, end);
        });
    };
    core.run(test());
}

TEST(TwoOperations, OperationOfAnAbortedTaskAccusesNoLaterOne) {
    eddy::core core;
    const auto test = []() -> task<void> {
        co_await for_each_object([](const char* name, auto start, auto end) -> task<void> {
            const auto waits = [&]() -> task<void> { static_cast<void>(co_await start()); };
            auto aborted = eddy::spawn(std::ref(waits));
            co_await let_others_run();
            aborted.abort();
            // The future of the aborted task is destroyed when that task runs next.
            auto mine = start();
            const auto is_ready = co_await support::poll_once(mine);
            EXPECT_FALSE(is_ready) << name;
            static_cast<void>(co_await aborted);
            co_await end();
            const auto got = co_await mine;
            EXPECT_TRUE(got.has_value()) << name;
        });
    };
    core.run(test());
}

// Another thread may be polling or destroying the future of a task that was aborted.
TEST(TwoOperations, AbortedTaskOfAnotherThreadMustEndFirst) {
    auto ends = io::duplex(4);
    std::array<char, 4> bytes{};
    eddy::core_thread other;
    std::promise<void> has_begun;
    std::promise<void> is_blocked;
    std::promise<void> goes_on;
    const auto read = [&]() -> task<void> {
        has_begun.set_value();
        static_cast<void>(co_await io::read(ends.first, bytes));
    };
    std::optional<eddy::join_handle<void>> aborted;
    other.remote().call([&](eddy::core_handle&) { aborted.emplace(eddy::spawn(read())); }).get();
    has_begun.get_future().wait();
    auto blocked = other.remote().call([&](eddy::core_handle&) {
        is_blocked.set_value();
        goes_on.get_future().wait();
    });
    is_blocked.get_future().wait();
    aborted->abort();
    eddy::test::by_hand second(io::read(ends.first, bytes));
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(second.poll()); }), "(nothing was thrown)");
    goes_on.set_value();
    blocked.get();
    static_cast<void>(eddy::wait(*std::move(aborted)));
    eddy::test::by_hand third(io::read(ends.first, bytes));
    eddy::test::assert_pending(third.poll());
}

eddy::async_generator<int> items_until_exception() {
    co_yield 1;
    throw std::runtime_error("there is no item");
}

TEST(TwoOperations, ExceptionEndsTheOperation) {
    auto items = items_until_exception();
    EXPECT_EQ(eddy::test::assert_ready(eddy::test::by_hand(items.next()).poll()), 1);
    eddy::test::by_hand failed(items.next());  // exists until the end
    EXPECT_THROW(static_cast<void>(failed.poll()), std::runtime_error);
    EXPECT_EQ(eddy::test::assert_ready(eddy::test::by_hand(items.next()).poll()), std::nullopt);
}

// An aborted task waits for its cleanup, which may use the object as any other task.
TEST(TwoOperations, CleanupOfAnAbortedTaskIsNotDisturbed) {
    eddy::core core;
    const auto test = []() -> task<void> {
        co_await for_each_object([](const char* name, auto start, auto end) -> task<void> {
            const auto use = [&]() -> task<void> { static_cast<void>(co_await start()); };
            const auto clean_up_after = [&]() -> task<void> { co_await eddy::finally(eddy::pending<void>(), use); };
            auto aborted = eddy::spawn(std::ref(clean_up_after));
            co_await let_others_run();
            aborted.abort();
            co_await let_others_run();
            const auto text = co_await misuse_in(use);
            EXPECT_NE(text, "") << name;
            co_await end();
            static_cast<void>(co_await aborted);
        });
    };
    core.run(test());
}

TEST(TwoOperations, CleanupThatReadsAndWritesIsNotDisturbed) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto [near, far] = unix_stream::pair().value();
        const std::string much(4 << 20, 'x');  // more than the socket can hold
        std::array<char, 1> bytes{};
        const auto use = [&]() -> task<void> {
            static_cast<void>(co_await eddy::join(near.read(bytes), near.write_all(much)));
        };
        const auto clean_up_after = [&]() -> task<void> { co_await eddy::finally(eddy::pending<void>(), use); };
        auto aborted = eddy::spawn(std::ref(clean_up_after));
        co_await let_others_run();
        aborted.abort();
        co_await let_others_run();
        const auto read = [&]() -> task<void> {
            auto second = near.read(bytes);
            static_cast<void>(co_await support::poll_once(second));
        };
        const auto text = co_await misuse_in(read);
        EXPECT_NE(text, "");
        static_cast<void>(co_await far.write_all("a"));
        std::string all(much.size(), ' ');
        static_cast<void>(co_await io::read_exact(far, all));
        static_cast<void>(co_await aborted);
    };
    core.run(test());
}

TEST(TwoOperations, OperationsThatMoveToAnotherTaskMayBePolledInAnyOrder) {
    eddy::core core;
    const auto test = []() -> task<void> {
        co_await for_each_object([](const char* name, auto start, auto end) -> task<void> {
            auto one = start();
            auto other = start();
            const auto poll_both = [&]() -> task<void> {
                auto both = eddy::join(std::ref(one), std::ref(other));
                static_cast<void>(co_await support::poll_once(both));
            };
            static_cast<void>(co_await eddy::spawn(std::ref(poll_both)));
            const auto join = [&]() -> task<bool> {
                const auto [second, first] = co_await eddy::join(std::ref(other), std::ref(one));
                co_return second&& first;
            };
            auto both = eddy::spawn(std::ref(join));
            co_await let_others_run();
            co_await end();
            co_await let_others_run();
            co_await end();
            const auto got = co_await both;
            EXPECT_TRUE(got.has_value() && *got) << name << (got ? "" : got.error().what());
        });
    };
    core.run(test());
}

/// Is not ready once, so that a copy reads on meanwhile, and then fails.
class failing_writer {
public:
    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte>) {
        if (!std::exchange(was_polled_, true)) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        return eddy::result<std::size_t>(std::unexpect, std::make_error_code(std::errc::broken_pipe));
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    bool was_polled_ = false;
};

TEST(TwoOperations, CopyThatHasFailedHoldsNothing) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto ends = io::duplex(64);
        static_cast<void>(co_await io::write_all(ends.second, "abc"));
        failing_writer to;
        auto copying = io::copy(ends.first, to);  // exists until the end
        const auto copied = co_await copying;
        EXPECT_FALSE(copied);
        const auto read = [&]() -> task<std::size_t> {
            std::array<char, 1> byte{};
            const auto count = co_await io::read(ends.first, byte);
            co_return count.value();
        };
        auto other = eddy::spawn(std::ref(read));
        co_await let_others_run();
        static_cast<void>(co_await io::write_all(ends.second, "d"));
        const auto got = co_await other;
        EXPECT_TRUE(got.has_value() && *got == 1) << (got ? "" : got.error().what());
    };
    core.run(test());
}

/// A reader over an end of a duplex that throws.
class throwing_reader {
public:
    explicit throwing_reader(io::duplex_stream& over) : over_(&over) {}
    [[nodiscard]] io::duplex_stream& inner() const noexcept { return *over_; }
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte>) {
        throw std::runtime_error("cannot read");
    }

private:
    io::duplex_stream* over_;
};

TEST(TwoOperations, ReadThatHasThrownHoldsNothing) {
    auto ends = io::duplex(64);
    throwing_reader broken(ends.first);
    std::array<char, 1> byte{};
    eddy::test::by_hand failed(io::read(broken, byte));  // exists until the end
    EXPECT_THROW(static_cast<void>(failed.poll()), std::runtime_error);
    eddy::test::by_hand other(io::read(ends.first, byte));
    eddy::test::assert_pending(other.poll());
}

TEST(TwoOperations, OneTaskMayJoinOperations) {
    eddy::core core;
    const auto test = []() -> task<void> {
        co_await for_each_object([](const char* name, auto start, auto end) -> task<void> {
            const auto join = [&]() -> task<bool> {
                const auto [first, second] = co_await eddy::join(start(), start());
                co_return first&& second;
            };
            auto both = eddy::spawn(std::ref(join));
            co_await let_others_run();
            co_await end();
            co_await let_others_run();
            co_await end();
            const auto got = co_await both;
            EXPECT_TRUE(got.value()) << name;
        });
    };
    core.run(test());
}

TEST(TwoOperations, DestroyedObjectIsNotTouchedByItsFuture) {
    eddy::core core;
    const auto test = []() -> task<void> {
        auto ends = std::make_unique<io::duplex_ends>(4);
        std::array<char, 4> bytes{};
        auto reading = io::read(ends->first, bytes);
        const auto is_ready = co_await support::poll_once(reading);
        EXPECT_FALSE(is_ready);
        ends.reset();
    };
    core.run(test());
}

TEST(TwoOperations, ThreadsMayUseObjectsInTurn) {
    auto rt = eddy::runtime::builder().worker_threads(2).build().value();
    const auto test = []() -> task<void> {
        auto [near, far] = io::duplex(4);
        auto [one, other] = unix_stream::pair().value();
        sync::mutex<int> turn(0);
        constexpr int rounds = 200;
        const auto read = [&]() -> task<void> {
            for (int i = 0; i < rounds; ++i) {
                const auto guard = co_await turn.lock();
                std::array<char, 1> bytes{};
                const auto from_pipe = co_await io::read_exact(near, bytes);
                const auto from_socket = co_await io::read_exact(one, bytes);
                const auto again = co_await one.read(bytes);
                EXPECT_TRUE(from_pipe && from_socket && again);
            }
        };
        const auto write = [&]() -> task<void> {
            for (int i = 0; i < 2 * rounds; ++i) {
                const auto to_pipe = co_await io::write_all(far, "a");
                const auto to_socket = co_await other.write_all("bc");
                EXPECT_TRUE(to_pipe && to_socket);
            }
        };
        auto first = eddy::spawn(std::ref(read));
        auto second = eddy::spawn(std::ref(read));
        auto writes = eddy::spawn(std::ref(write));
        const auto one_read = co_await first;
        const auto other_read = co_await second;
        const auto written = co_await writes;
        EXPECT_TRUE(one_read && other_read && written);
    };
    rt.block_on(test());
}

}  // namespace
