// SPDX-License-Identifier: MIT
// covers: P098
#include <eddy/runtime/wait.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/items.hpp"
#include "support/polling.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"

namespace {

namespace streams = eddy::streams;
namespace sinks = eddy::sinks;
using eddy::result;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::always_ready;
using support::items_of;
using support::plan;
using support::source;
using support::stream_by_hand;

const std::error_code broken = std::make_error_code(std::errc::io_error);
const std::error_code refused = std::make_error_code(std::errc::connection_refused);

/// The script and the record of an `into` sink. This object must outlive the sink. The sink accepts items while `room`
/// is above zero, and holds them until a flush delivers them.
template <class Item>
struct drain {
    std::size_t room = 0;
    std::deque<Item> held = {};
    std::vector<Item> arrived = {};
    std::optional<std::error_code> error = {};
    bool flushes = true;  // whether a flush delivers the held items
    bool closed = false;
    bool alive = false;
    bool promised = false;  // poll_ready has returned ready
    int flushed = 0;
    eddy::waker waker = {};

    void change() { std::exchange(waker, eddy::waker()).wake(); }
    void make_room(std::size_t more) {
        room += more;
        change();
    }
};

template <class Item>
class into : public eddy::sink_ops<into<Item>> {
public:
    using error_type = std::error_code;

    explicit into(drain<Item>& to) noexcept : to_(&to) { to.alive = true; }
    into(into&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    into& operator=(into&&) = delete;
    ~into() {
        if (to_ != nullptr) to_->alive = false;
    }

    eddy::poll_result<result<void>> poll_ready(eddy::context& cx) {
        if (to_->error) return result<void>(std::unexpect, *to_->error);
        if (to_->room == 0) return wait(cx);
        to_->promised = true;
        return eddy::ok();
    }
    result<void> start_send(Item item) {
        EXPECT_TRUE(std::exchange(to_->promised, false)) << "start_send() without a poll_ready() that was ready";
        EXPECT_FALSE(to_->closed);
        --to_->room;
        to_->held.push_back(std::move(item));
        return {};
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context& cx) {
        if (to_->error) return result<void>(std::unexpect, *to_->error);
        if (!to_->flushes && !to_->held.empty()) return wait(cx);
        ++to_->flushed;
        for (auto& item : to_->held) to_->arrived.push_back(std::move(item));
        to_->held.clear();
        return eddy::ok();
    }
    eddy::poll_result<result<void>> poll_close(eddy::context& cx) {
        auto flushed = poll_flush(cx);
        if (flushed && *flushed) to_->closed = true;
        return flushed;
    }

private:
    eddy::not_ready_t wait(eddy::context& cx) {
        to_->waker = cx.waker();
        return eddy::not_ready;
    }

    drain<Item>* to_;
};

using ints = std::vector<int>;

static_assert(eddy::sink<into<int>, int>);
static_assert(eddy::sink<into<std::string>, std::string>);
static_assert(!eddy::sink<into<int>, std::string>);
static_assert(!eddy::sink<int, int>);

TEST(Sink, SendWaitsForCapacityAndForTheFlush) {
    drain<int> to;
    to.flushes = false;
    into<int> sink(to);
    by_hand send{sink.send(7)};
    assert_pending(send.poll());
    EXPECT_TRUE(to.held.empty());
    to.make_room(1);
    EXPECT_TRUE(send.is_woken());
    assert_pending(send.poll());
    EXPECT_EQ(to.held.size(), 1u);
    to.flushes = true;
    to.change();
    EXPECT_TRUE(send.is_woken());
    EXPECT_TRUE(assert_ready(send.poll()));
    EXPECT_EQ(to.arrived, ints{7});
    EXPECT_TRUE(support::text_of_misuse([&] { static_cast<void>(send.poll()); }).starts_with("send was awaited after"));
}

TEST(Sink, FeedDoesNotWaitForTheFlush) {
    drain<int> to{.room = 2};
    into<int> sink(to);
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(1)}.poll()));
    by_hand feed{sink.feed(2)};
    EXPECT_TRUE(assert_ready(feed.poll()));
    EXPECT_THROW(static_cast<void>(feed.poll()), eddy::misuse);
    EXPECT_EQ(to.arrived, ints());
    EXPECT_TRUE(assert_ready(by_hand{sink.flush()}.poll()));
    EXPECT_EQ(to.arrived, (ints{1, 2}));
    EXPECT_FALSE(to.closed);
    EXPECT_TRUE(assert_ready(by_hand{sink.close()}.poll()));
    EXPECT_TRUE(to.closed);
}

TEST(Sink, EveryOperationReturnsTheSinksError) {
    drain<int> to{.room = 1, .error = broken};
    into<int> sink(to);
    EXPECT_EQ(assert_ready(by_hand{sink.send(1)}.poll()).error(), broken);
    EXPECT_EQ(assert_ready(by_hand{sink.feed(1)}.poll()).error(), broken);
    EXPECT_EQ(assert_ready(by_hand{sink.flush()}.poll()).error(), broken);
    EXPECT_EQ(assert_ready(by_hand{sink.close()}.poll()).error(), broken);
    EXPECT_TRUE(to.held.empty());
}

TEST(Sink, DroppedSendHasSentAllOrNothing) {
    drain<std::shared_ptr<int>> to;
    const auto item = std::make_shared<int>(1);
    into<std::shared_ptr<int>> sink(to);
    {
        by_hand send{sink.send(item)};
        assert_pending(send.poll());
    }
    EXPECT_EQ(item.use_count(), 1);
    EXPECT_TRUE(to.held.empty());
    to.flushes = false;
    to.make_room(1);
    {
        by_hand send{sink.send(item)};
        assert_pending(send.poll());
    }
    EXPECT_EQ(to.held.size(), 1u);
}

TEST(Sink, EachItemCostsOneBudgetUnit) {
    drain<int> to{.room = 10'000};
    into<int> sink(to);
    by_hand one{sink.send(1)};
    assert_pending(one.poll(0));
    EXPECT_TRUE(one.is_woken());
    by_hand all{sink.send_all(streams::repeat_with([] { return 1; }).take(1000))};
    int polls = 1;
    for (; !all.poll(); ++polls) EXPECT_TRUE(all.is_woken());
    EXPECT_EQ(polls, 8);
}

TEST(Sink, SendAllFlushesAndLeavesTheSinkOpen) {
    drain<int> to{.room = 2};
    into<int> sink(to);
    source<int> from;
    by_hand all{sink.send_all(items_of<int>(from))};
    from.give(1);
    assert_pending(all.poll());
    EXPECT_EQ(to.arrived, ints{1}) << "flushed while the stream waits";
    for (const int i : {2, 3, 4}) from.give(i);
    assert_pending(all.poll());
    EXPECT_EQ(to.held.size(), 1u);
    EXPECT_EQ(from.items.size(), 1u) << "only one item is held";
    from.end();
    to.make_room(5);
    EXPECT_TRUE(assert_ready(all.poll()));
    EXPECT_EQ(to.arrived, (ints{1, 2, 3, 4}));
    EXPECT_FALSE(from.alive);
    EXPECT_FALSE(to.closed);
    EXPECT_THROW(static_cast<void>(all.poll()), eddy::misuse);
}

TEST(Sink, SendAllUnwrapsItemsAndStopsAtFirstError) {
    drain<int> to{.room = 9};
    into<int> sink(to);
    source<result<int>> from;
    by_hand all{sink.send_all(items_of<result<int>>(from))};
    from.give(1);
    from.give(std::unexpected(refused));
    from.give(2);
    EXPECT_EQ(assert_ready(all.poll()).error(), refused);
    EXPECT_EQ(to.held.size(), 1u);
    EXPECT_FALSE(from.alive);
}

// covers: S91
TEST(Sink, ForwardSendsAllItemsAndCloses) {
    drain<int> to{.room = 1};
    source<int> from;
    by_hand all{items_of<int>(from).forward(into<int>(to))};
    for (int i = 0; i < 100; ++i) from.give(i);
    assert_pending(all.poll());
    EXPECT_EQ(from.items.size(), 98u) << "bounded memory: one in the sink, one held";
    from.end();
    to.flushes = false;
    to.make_room(1000);
    assert_pending(all.poll());
    EXPECT_FALSE(from.alive) << "the stream is gone before the sink is closed";
    EXPECT_FALSE(to.closed);
    to.flushes = true;
    to.change();
    EXPECT_TRUE(all.is_woken());
    EXPECT_TRUE(assert_ready(all.poll()));
    EXPECT_TRUE(to.closed);
    EXPECT_FALSE(to.alive);
    EXPECT_EQ(to.arrived.size(), 100u);
    EXPECT_THROW(static_cast<void>(all.poll()), eddy::misuse);
}

TEST(Sink, ForwardReleasesStreamAndSinkOnSinkError) {
    drain<int> to;
    source<int> from;
    by_hand all{items_of<int>(from).forward(into<int>(to))};
    from.give(1);
    assert_pending(all.poll());
    to.error = broken;
    to.change();
    EXPECT_EQ(assert_ready(all.poll()).error(), broken);
    EXPECT_FALSE(from.alive || to.alive);

    drain<int> other;
    source<int> quiet;
    by_hand waits{items_of<int>(quiet).forward(into<int>(other))};
    other.error = broken;
    EXPECT_EQ(assert_ready(waits.poll()).error(), broken) << "found while the stream waits";
}

TEST(Sink, ForwardCanBorrowTheSink) {
    drain<int> to{.room = 9};
    into<int> sink(to);
    EXPECT_TRUE(assert_ready(by_hand{streams::of(1, 2).forward(std::ref(sink))}.poll()));
    EXPECT_TRUE(to.closed);
    EXPECT_TRUE(to.alive);
}

TEST(Sink, WithConvertsItems) {
    drain<std::string> to{.room = 9};
    auto sink = into<std::string>(to).with<int>([](int i) { return std::to_string(i); });
    EXPECT_TRUE(assert_ready(by_hand{sink.send(12)}.poll()));
    EXPECT_EQ(to.arrived, std::vector<std::string>{"12"});
}

TEST(Sink, WithReturnsTheErrorOfItsFunction) {
    drain<int> to{.room = 9};
    auto sink = into<int>(to).with<int>([](int i) -> result<int> {
        if (i < 0) return std::unexpected(refused);
        return i;
    });
    EXPECT_TRUE(assert_ready(by_hand{sink.send(1)}.poll()));
    EXPECT_EQ(assert_ready(by_hand{sink.send(-1)}.poll()).error(), refused);
    EXPECT_EQ(to.arrived, ints{1});
}

TEST(Sink, WithAwaitsAnAsyncFunction) {
    drain<int> to{.room = 9};
    support::script work;
    auto sink = into<int>(to).with<int>([&](int i) -> eddy::task<result<int>> {
        const auto more = co_await support::scripted(work);
        if (!more) co_return std::unexpected(more.error());
        co_return i + *more;
    });
    by_hand send{sink.send(1)};
    assert_pending(send.poll());
    EXPECT_TRUE(to.held.empty());
    work.value = 10;
    work.change(plan::ready);
    EXPECT_TRUE(send.is_woken());
    EXPECT_TRUE(assert_ready(send.poll()));
    EXPECT_EQ(to.arrived, ints{11});
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(2)}.poll()));
    EXPECT_TRUE(assert_ready(by_hand{sink.close()}.poll()));
    EXPECT_EQ(to.arrived, (ints{11, 12}));
    work.now = plan::fails;
    to.closed = false;
    EXPECT_EQ(assert_ready(by_hand{sink.send(1)}.poll()).error(), std::errc::io_error);
}

TEST(Sink, WithRefusesStartSendBeforePollReady) {
    drain<int> to{.room = 9};
    support::script work;
    auto sink = into<int>(to).with<int>([&](int i) -> eddy::task<int> {
        static_cast<void>(co_await support::scripted(work));
        co_return i;
    });
    EXPECT_TRUE(sink.start_send(1));
    EXPECT_THROW(static_cast<void>(sink.start_send(2)), eddy::misuse);
    to.promised = true;
    work.now = plan::ready;
    EXPECT_TRUE(assert_ready(by_hand{sink.flush()}.poll()));
    EXPECT_EQ(to.arrived, ints{1});
}

TEST(Sink, BufferHoldsItemsUntilTheSinkHasCapacity) {
    drain<int> to;
    auto sink = into<int>(to).buffer<int>(2);
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(1)}.poll()));
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(2)}.poll()));
    by_hand third{sink.feed(3)};
    assert_pending(third.poll());
    EXPECT_EQ(sink.waiting(), 2u);
    to.make_room(1);
    EXPECT_TRUE(third.is_woken());
    EXPECT_TRUE(assert_ready(third.poll()));
    EXPECT_EQ(sink.waiting(), 2u);
    by_hand flush{sink.flush()};
    assert_pending(flush.poll());
    to.make_room(9);
    EXPECT_TRUE(assert_ready(flush.poll()));
    EXPECT_EQ(to.arrived, (ints{1, 2, 3}));
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(4)}.poll()));
    EXPECT_TRUE(assert_ready(by_hand{sink.close()}.poll()));
    EXPECT_EQ(to.arrived.back(), 4);
    EXPECT_TRUE(to.closed);
}

TEST(Sink, BufferOfSizeZeroHoldsNothing) {
    drain<int> to;
    auto sink = into<int>(to).buffer<int>(0);
    by_hand feed{sink.feed(1)};
    assert_pending(feed.poll());
    to.make_room(1);
    EXPECT_TRUE(assert_ready(feed.poll()));
    EXPECT_EQ(to.held.size(), 1u);
}

TEST(Sink, FanoutSendsToBothSinks) {
    drain<std::string> left{.room = 9};
    drain<std::string> right;
    auto sink = into<std::string>(left).fanout(into<std::string>(right));
    const std::string item = "a long text that does not fit into the string itself";
    by_hand send{sink.send(item)};
    assert_pending(send.poll());
    EXPECT_TRUE(left.held.empty());
    right.make_room(9);
    EXPECT_TRUE(send.is_woken());
    EXPECT_TRUE(assert_ready(send.poll()));
    EXPECT_EQ(left.arrived, std::vector<std::string>{item});
    EXPECT_EQ(right.arrived, std::vector<std::string>{item});
    right.flushes = false;
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(item)}.poll()));
    by_hand close{sink.close()};
    assert_pending(close.poll());
    EXPECT_TRUE(left.closed);
    right.flushes = true;
    right.change();
    EXPECT_TRUE(assert_ready(close.poll()));
    EXPECT_TRUE(right.closed);
    right.error = broken;
    EXPECT_EQ(assert_ready(by_hand{sink.send(item)}.poll()).error(), broken);
}

TEST(Sink, FanoutPollsBothSinksAndClosesEachOnce) {
    drain<int> left;
    drain<int> right;
    auto sink = into<int>(left).fanout(into<int>(right));
    by_hand feed{sink.feed(1)};
    assert_pending(feed.poll());
    right.make_room(1);
    EXPECT_TRUE(feed.is_woken()) << "the second sink is polled although the first is full";
    assert_pending(feed.poll());
    left.make_room(1);
    EXPECT_TRUE(assert_ready(feed.poll()));
    left.flushes = false;
    by_hand close{sink.close()};
    assert_pending(close.poll());
    EXPECT_TRUE(right.closed && !left.closed);
    left.flushes = true;
    left.change();
    EXPECT_TRUE(assert_ready(close.poll()));
    EXPECT_TRUE(left.closed);
    EXPECT_EQ(right.flushed, 1) << "a closed sink must not be closed again";
}

TEST(Sink, FanoutClosesTheSecondSinkWhenTheFirstFails) {
    drain<int> left{.room = 1, .error = broken};
    drain<int> right{.room = 1};
    auto sink = into<int>(left).fanout(into<int>(right));
    EXPECT_EQ(assert_ready(by_hand{sink.close()}.poll()).error(), broken);
    EXPECT_TRUE(right.closed);
    left.error.reset();
    EXPECT_TRUE(assert_ready(by_hand{sink.close()}.poll()));
    EXPECT_TRUE(left.closed);
    EXPECT_EQ(right.flushed, 1) << "a closed sink must not be closed again";
}

TEST(Sink, BufferReportsTheSinksErrorImmediately) {
    drain<int> to;
    auto sink = into<int>(to).buffer<int>(4);
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(1)}.poll()));
    to.error = broken;
    EXPECT_EQ(assert_ready(by_hand{sink.feed(2)}.poll()).error(), broken);
    EXPECT_EQ(sink.waiting(), 1u);
}

TEST(Sink, BufferClosesTheSinkOnceEmpty) {
    drain<int> to;
    auto sink = into<int>(to).buffer<int>(4);
    for (const int i : {1, 2}) EXPECT_TRUE(assert_ready(by_hand{sink.feed(i)}.poll()));
    by_hand close{sink.close()};
    assert_pending(close.poll());
    EXPECT_FALSE(to.closed);
    to.make_room(1);
    EXPECT_TRUE(close.is_woken());
    assert_pending(close.poll());
    to.make_room(1);
    EXPECT_TRUE(assert_ready(close.poll()));
    EXPECT_EQ(to.arrived, (ints{1, 2}));
}

TEST(Sink, BufferPassesItemsOnWhenTheSinkHasCapacity) {
    drain<int> to;
    auto sink = into<int>(to).buffer<int>(4);
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(1)}.poll()));
    to.make_room(9);
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(2)}.poll()));
    EXPECT_EQ(to.held.size(), 1u);
    EXPECT_EQ(sink.waiting(), 1u);
}

TEST(Sink, WithFinishesItsFunctionBeforeTheNextItem) {
    drain<int> to{.room = 9};
    support::script work;
    auto sink = into<int>(to).with<int>([&](int i) -> eddy::task<int> {
        static_cast<void>(co_await support::scripted(work));
        co_return i;
    });
    EXPECT_TRUE(assert_ready(by_hand{sink.feed(1)}.poll()));
    by_hand second{sink.feed(2)};
    assert_pending(second.poll());
    by_hand close{sink.close()};
    assert_pending(close.poll());
    EXPECT_FALSE(to.closed);
    work.change(plan::ready);
    EXPECT_TRUE(assert_ready(second.poll()));
    EXPECT_EQ(to.held.size(), 1u);
    EXPECT_TRUE(assert_ready(close.poll()));
    EXPECT_EQ(to.arrived, (ints{1, 2}));
    EXPECT_TRUE(to.closed);
}

TEST(Sink, ForwardStopsWhenStartSendFails) {
    drain<int> to{.room = 9};
    source<int> from;
    const auto refuses_two = [](int i) -> result<int> {
        if (i == 2) return std::unexpected(refused);
        return i;
    };
    by_hand all{items_of<int>(from).forward(into<int>(to).with<int>(refuses_two))};
    for (const int i : {1, 2, 3}) from.give(i);
    EXPECT_EQ(assert_ready(all.poll()).error(), refused);
    EXPECT_EQ(from.items.size(), 1u) << "nothing is read after the error";
    EXPECT_FALSE(to.closed || to.alive || from.alive);
}

TEST(Sink, FeedCostsOneBudgetUnit) {
    drain<int> to{.room = 9};
    into<int> sink(to);
    auto feed = sink.feed(1);
    const eddy::waker waker = eddy::waker::noop();
    eddy::context cx(waker, 5);
    EXPECT_TRUE(assert_ready(feed.poll(cx)));
    EXPECT_EQ(cx.budget(), 4u);
}

TEST(Sink, SendAllYieldsWhenBothEndsIgnoreTheBudget) {
    drain<int> to{.room = 1'000'000};
    into<int> sink(to);
    int given = 0;
    by_hand all{sink.send_all(always_ready(given).take(100'000))};
    assert_pending(all.poll());
    EXPECT_TRUE(all.is_woken());
    EXPECT_LE(given, 129);
}

TEST(Sink, WorksWithoutARuntime) {
    drain<int> to{.room = 100};
    EXPECT_TRUE(eddy::wait(streams::of(1, 2, 3).forward(into<int>(to))));
    EXPECT_EQ(to.arrived, (ints{1, 2, 3}));
}

// ---- Sinks that fail at each step ----

/// The script of a scripted_sink, and the record of its calls.
struct sink_script {
    int fail_at = -1;  ///< the step with this number returns an error
    int throw_at = -1;
    int steps = 0;
    ints taken = {};
    bool closed = false;
};

class scripted_sink : public eddy::sink_ops<scripted_sink> {
public:
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    explicit scripted_sink(sink_script& s) noexcept : script_(&s) {}

    eddy::poll_result<outcome> poll_ready(eddy::context&) { return step(); }
    outcome start_send(int item) {
        auto done = step();
        if (done) script_->taken.push_back(item);
        return done;
    }
    eddy::poll_result<outcome> poll_flush(eddy::context&) { return step(); }
    eddy::poll_result<outcome> poll_close(eddy::context&) {
        auto done = step();
        if (done) script_->closed = true;
        return done;
    }

private:
    outcome step() {
        const int number = script_->steps++;
        if (number == script_->throw_at) throw std::runtime_error("on purpose");
        if (number == script_->fail_at) return std::unexpected(std::make_error_code(std::errc::io_error));
        return {};
    }

    sink_script* script_;
};

TEST(Sink, ForwardReturnsTheErrorOfAnyFailingStep) {
    sink_script good;
    by_hand all(streams::of(1, 2, 3).forward(scripted_sink(good)));
    EXPECT_TRUE(assert_ready(all.poll()).has_value());
    ASSERT_EQ(good.taken, (ints{1, 2, 3}));
    for (int nth = 0; nth < good.steps; ++nth) {
        sink_script fails;
        fails.fail_at = nth;
        by_hand failing(streams::of(1, 2, 3).forward(scripted_sink(fails)));
        EXPECT_EQ(assert_ready(failing.poll()).error(), std::make_error_code(std::errc::io_error)) << nth;
        EXPECT_THROW(static_cast<void>(failing.poll()), eddy::misuse);
        sink_script throws;
        throws.throw_at = nth;
        by_hand throwing(streams::of(1, 2, 3).forward(scripted_sink(throws)));
        EXPECT_THROW(static_cast<void>(throwing.poll()), std::runtime_error) << nth;
        EXPECT_THROW(static_cast<void>(throwing.poll()), eddy::misuse);
    }
}

/// Sends 1, 2 and 3 and closes the sink. Repeats a step once if the sink throws.
template <class S>
[[gnu::noinline]] void drive(S& into) {  // noinline: otherwise GCC 12 warns about uninitialized members
    const eddy::waker none;
    eddy::context cx(none);
    const auto again_if_it_throws = [](auto f) {
        try {
            return f();
        } catch (const std::runtime_error&) {
            return f();
        }
    };
    for (int i = 1; i <= 3; ++i) {
        auto is_ready = again_if_it_throws([&] { return into.poll_ready(cx); });
        if (!is_ready || !*is_ready) return;
        try {
            if (!into.start_send(int{i})) return;
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the item is lost
        }
    }
    auto flushed = again_if_it_throws([&] { return into.poll_flush(cx); });
    if (!flushed || !*flushed) return;
    static_cast<void>(again_if_it_throws([&] { return into.poll_close(cx); }));
}

TEST(Sink, ThrowingStepLosesAtMostOneItem) {
    const auto check = [](const char* what, auto make) {
        for (int nth = 0; nth < 14; ++nth) {
            sink_script s;
            s.throw_at = nth;
            auto into = make(scripted_sink(s));
            drive(into);
            EXPECT_GE(s.taken.size(), 2u) << what << ", step " << nth;
            EXPECT_TRUE(s.closed) << what << ", step " << nth;
            for (std::size_t i = 1; i < s.taken.size(); ++i) EXPECT_LT(s.taken[i - 1], s.taken[i]) << what << nth;
        }
    };
    check("buffer", [](scripted_sink inner) { return std::move(inner).buffer<int>(2); });
    check("with", [](scripted_sink inner) { return std::move(inner).with<int>([](int i) { return i; }); });
    check("with, a future", [](scripted_sink inner) {
        return std::move(inner).with<int>([](int i) -> eddy::task<int> { co_return i; });
    });
}

/// Sends through adaptors and buffers to a sink that gains capacity and flushes at random: all items arrive, in order.
TEST(SinkStress, AllItemsArriveInOrder) {
    std::mt19937_64 random(support::seed());
    for (std::uint64_t round = support::rounds(20'000); round > 0; --round) {
        drain<int> to;
        ints items(random() % 20);
        for (std::size_t i = 0; i < items.size(); ++i) items[i] = static_cast<int>(i);
        const auto twice = [](int i) { return 2 * i; };
        by_hand all{streams::iter(items).forward(into<int>(to).with<int>(twice).buffer<int>(random() % 4))};
        ints expected = items;
        for (int& i : expected) i *= 2;
        for (;;) {
            auto answer = all.poll(static_cast<std::uint32_t>(random() % 4));
            if (answer) break;
            to.flushes = random() % 2 == 0;
            to.make_room(random() % 3);
            ASSERT_TRUE(std::equal(to.arrived.begin(), to.arrived.end(), expected.begin()));
        }
        ASSERT_EQ(to.arrived, expected);
        ASSERT_TRUE(to.closed);
    }
}

// ---- Flushing while the stream has no item ----

/// Takes all items. A flush costs a unit of the coop budget and sets `flushed` to the number of items taken.
class counting_sink : public eddy::sink_ops<counting_sink> {
public:
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    explicit counting_sink(int& flushed) noexcept : flushed_(&flushed) {}

    static eddy::poll_result<outcome> poll_ready(eddy::context&) { return outcome(); }
    outcome start_send(int) {
        ++taken_;
        return {};
    }
    eddy::poll_result<outcome> poll_flush(eddy::context& cx) {
        if (!cx.consume_budget()) return eddy::not_ready;
        *flushed_ = taken_;
        return outcome();
    }
    eddy::poll_result<outcome> poll_close(eddy::context& cx) { return poll_flush(cx); }

private:
    int* flushed_;
    int taken_ = 0;
};

TEST(Sink, ForwardFlushesWhileItsStreamSearchesForAnItem) {
    // Yields 1 and then rejects items forever, which uses the whole budget of each poll.
    auto numbers = eddy::streams::repeat_with([next = 1]() mutable { return std::exchange(next, 0); });
    auto busy = std::move(numbers).filter([](const int& item) { return item != 0; });
    int flushed = 0;
    by_hand all(std::move(busy).forward(counting_sink(flushed)));
    for (int i = 0; i < 100 && flushed == 0; ++i) assert_pending(all.poll());
    EXPECT_EQ(flushed, 1);
}

}  // namespace
