// SPDX-License-Identifier: MIT
// What breaks what tasks wait for each other with, the third time: primitives in each other's way, where one is ended while another
// goes on; what is cancelled half way and then used again; keys whose copies fail.
#include <gtest/gtest.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/futures_unordered.hpp>
#include <eddy/join.hpp>
#include <eddy/join_all.hpp>
#include <eddy/join_map.hpp>
#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/shielded.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/stream_map.hpp>
#include <eddy/sync/mutex.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/items.hpp"
#include "support/runtime.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::scripted;
using support::stream_by_hand;
namespace streams = eddy::streams;
namespace sync = eddy::sync;

// ---- Losers that are given something while others end ----

eddy::task<void> lock_once(sync::mutex<>& m) { const auto guard = co_await m.lock(); }

TEST(BreakerLosers, OneThatWaitsForALockDoesNotKeepItFromOneThatIsShielded) {
    sync::mutex<> m;
    auto held = m.try_lock();
    script first;
    by_hand chosen(eddy::select(scripted(first), m.lock(), eddy::shielded(lock_once(m))));
    assert_pending(chosen.poll());
    first.change(plan::ready);
    assert_pending(chosen.poll());
    held->unlock();
    EXPECT_EQ(assert_ready(chosen.poll()).index(), 0u);
}

TEST(BreakerLosers, OneOfAJoinThatFailsDoesNotEither) {
    sync::mutex<> m;
    auto held = m.try_lock();
    script first;
    by_hand all(eddy::join(scripted(first), m.lock(), eddy::shielded(lock_once(m))));
    assert_pending(all.poll());
    first.change(plan::throws);
    assert_pending(all.poll());
    held->unlock();
    EXPECT_THROW(static_cast<void>(all.poll()), std::runtime_error);
}

TEST(BreakerLosers, NorOneOfASelectThatIsCancelled) {
    sync::mutex<> m;
    auto held = m.try_lock();
    by_hand chosen(eddy::select(m.lock(), eddy::shielded(lock_once(m))));
    assert_pending(chosen.poll());
    assert_pending(chosen.poll_cancel());
    held->unlock();
    EXPECT_TRUE(chosen.poll_cancel().is_ready());
}

eddy::task<sync::mutex<>::guard> lock_it(sync::mutex<>& m) { co_return co_await m.lock(); }

eddy::task<sync::mutex<>::guard> lock_it_to_the_end(sync::mutex<>& m) {
    auto lock = eddy::shielded(m.lock());
    co_return co_await lock;
}

eddy::task<sync::mutex<>::guard> fails() {
    co_await eddy::ready();
    throw std::runtime_error("no lock");
}

TEST(BreakerLosers, OutputsThatNobodyWillTakeDoNotEither) {
    sync::mutex<> m;
    std::vector<eddy::task<sync::mutex<>::guard>> tasks;
    tasks.push_back(lock_it(m));
    tasks.push_back(lock_it_to_the_end(m));
    tasks.push_back(fails());
    by_hand all(eddy::join_all(std::move(tasks)));
    EXPECT_THROW(static_cast<void>(all.poll()), std::runtime_error);
    EXPECT_TRUE(m.try_lock());
}

TEST(BreakerLosers, ANotificationThatALoserWasHandedGoesToTheNextAtOnce) {
    sync::notify changed;
    script first;
    script slow;
    slow.may_end = false;
    by_hand chosen(eddy::select(scripted(first), changed.notified(), cancellable_scripted(slow)));
    assert_pending(chosen.poll());
    by_hand other(changed.notified());
    assert_pending(other.poll());
    first.change(plan::ready);
    assert_pending(chosen.poll());
    changed.notify_one();
    EXPECT_TRUE(other.poll().is_ready());
}

// ---- What was ended half way, and is used again ----

TEST(BreakerHalfEnded, FuturesThatWereClearedWhileTheyEndedAreEndedAgain) {
    script former;
    former.may_end = false;
    script later;
    eddy::futures_unordered<cancellable_scripted> jobs;
    jobs.push(cancellable_scripted(former));
    {
        by_hand ends(jobs.cancel());
        assert_pending(ends.poll());
    }
    jobs.clear();
    jobs.push(cancellable_scripted(later));
    assert_pending(by_hand(jobs.next()).poll());
    by_hand ends(jobs.cancel());
    EXPECT_TRUE(ends.poll().is_ready());
    EXPECT_EQ(later.cancel_polls, 1);
}

/// A stream with a poll_cancel that does what its script says.
class ending_stream : public eddy::stream_ops<ending_stream> {
public:
    using item_type = int;
    explicit ending_stream(script& of) noexcept : of_(&of) {}

    eddy::poll_result<std::optional<int>> poll_next(eddy::context& cx) {
        ++of_->polls;
        of_->waker = cx.waker();
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        ++of_->cancel_polls;
        if (of_->may_end) return eddy::poll_result<void>::ready();
        of_->waker = cx.waker();
        return eddy::not_ready;
    }

private:
    script* of_;
};

TEST(BreakerHalfEnded, StreamsThatWereClearedWhileTheyEndedAreEndedAgain) {
    script former;
    former.may_end = false;
    script later;
    eddy::stream_map<int, ending_stream> all;
    all.insert(1, ending_stream(former));
    {
        by_hand ends(all.cancel());
        assert_pending(ends.poll());
    }
    all.clear();
    all.insert(2, ending_stream(later));
    assert_pending(by_hand(all.next()).poll());
    by_hand ends(all.cancel());
    EXPECT_TRUE(ends.poll().is_ready());
    EXPECT_EQ(later.cancel_polls, 1);
}

TEST(BreakerHalfEnded, StreamsOfWhichTheLastWasRemovedWhileItEndedAreEndedAgain) {
    script former;
    former.may_end = false;
    script later;
    eddy::stream_map<int, ending_stream> all;
    all.insert(1, ending_stream(former));
    {
        by_hand ends(all.cancel());
        assert_pending(ends.poll());
    }
    EXPECT_TRUE(all.remove(1));
    all.insert(2, ending_stream(later));
    assert_pending(by_hand(all.next()).poll());
    by_hand ends(all.cancel());
    EXPECT_TRUE(ends.poll().is_ready());
}

// ---- Streams that end before their items do ----

/// Futures, some of which are ready at once.
auto jobs_of(std::vector<script*> scripts) {
    return streams::iter(std::move(scripts)).map([](script* each) { return cancellable_scripted(*each); });
}

/// Whether what `read` makes of the outputs of two jobs, of which one is ready, waits for the other one's end.
template <class Read>
void waits_for_the_other_job(const char* what, Read read, plan first = plan::ready) {
    SCOPED_TRACE(what);
    script quick{.now = first};
    script slow;
    slow.may_end = false;
    by_hand reader(read(jobs_of({&quick, &slow}).buffer_unordered(2)));
    assert_pending(reader.poll());
    EXPECT_TRUE(slow.alive);
    EXPECT_EQ(slow.cancel_polls, 1);
    slow.may_end = true;
    slow.change(plan::pending);
    try {
        static_cast<void>(assert_ready(reader.poll()));
    } catch (const std::runtime_error&) {
        EXPECT_EQ(first, plan::throws);
    }
    EXPECT_FALSE(slow.alive);
}

TEST(BreakerEarlyEnd, StreamsThatEndBeforeTheirSourceEndThatInOrder) {
    using outcome = eddy::result<int>;
    const auto no = [](const outcome&) { return false; };
    const auto nothing = [](const outcome&) { return std::optional<int>(); };
    waits_for_the_other_job("take", [](auto all) { return std::move(all).take(1).count(); });
    waits_for_the_other_job("take_while", [&](auto all) { return std::move(all).take_while(no).count(); });
    waits_for_the_other_job("map_while", [&](auto all) { return std::move(all).map_while(nothing).count(); });
    const auto stop = [](int&, const outcome&) { return std::optional<int>(); };
    waits_for_the_other_job("scan", [&](auto all) { return std::move(all).scan(0, stop).count(); });
    waits_for_the_other_job("zip", [](auto all) { return std::move(all).zip(streams::once(1)).count(); });
    waits_for_the_other_job("zip", [](auto all) { return streams::once(1).zip(std::move(all)).count(); });
}

TEST(BreakerEarlyEnd, FuturesThatEndBeforeTheirStreamEndThatInOrder) {
    const auto yes = [](const eddy::result<int>&) { return true; };
    const auto fails = [](int) { return eddy::result<void>(std::unexpect, std::make_error_code(std::errc::io_error)); };
    waits_for_the_other_job("any", [&](auto all) { return std::move(all).any(yes); });
    waits_for_the_other_job("all", [&](auto all) { return std::move(all).all(std::not_fn(yes)); });
    waits_for_the_other_job("for_each", [&](auto all) { return std::move(all).for_each(fails); });
    waits_for_the_other_job("an error", [](auto all) { return std::move(all).for_each([](int) {}); }, plan::fails);
    waits_for_the_other_job(
        "collect", [](auto all) { return std::move(all).template collect<std::vector<int>>(); }, plan::fails);
    waits_for_the_other_job("try_fold", [](auto all) { return std::move(all).try_fold(0, std::plus()); }, plan::fails);
    waits_for_the_other_job("an exception", [](auto all) { return std::move(all).count(); }, plan::throws);
}

TEST(BreakerEarlyEnd, AnExceptionOfAFunctionWaitsForTheEndOfItsStream) {
    script quick{.now = plan::ready};
    script slow;
    slow.may_end = false;
    by_hand all(
        jobs_of({&quick, &slow}).buffer_unordered(2).for_each([](int) { throw std::runtime_error("for_each"); }));
    assert_pending(all.poll());
    assert_pending(all.poll());
    slow.may_end = true;
    slow.change(plan::pending);
    EXPECT_THROW(static_cast<void>(all.poll()), std::runtime_error);
    EXPECT_THROW(static_cast<void>(all.poll()), eddy::misuse);
}

/// Takes nothing.
class closed_sink : public eddy::sink_ops<closed_sink> {
public:
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;
    static outcome no() { return outcome(std::unexpect, std::make_error_code(std::errc::broken_pipe)); }
    eddy::poll_result<outcome> poll_ready(eddy::context&) { return no(); }
    outcome start_send(int) { return no(); }
    eddy::poll_result<outcome> poll_flush(eddy::context&) { return outcome(); }
    eddy::poll_result<outcome> poll_close(eddy::context&) { return outcome(); }
};

TEST(BreakerEarlyEnd, ASinkThatFailsWaitsForTheEndOfTheStream) {
    closed_sink into;
    waits_for_the_other_job("forward", [](auto all) { return std::move(all).forward(closed_sink()); });
    waits_for_the_other_job("send_all", [&](auto all) { return into.send_all(std::move(all)); });
}

// ---- What takes the whole budget of each poll while it ends ----

/// Takes all there is to take in each poll, until `until` has ended.
class greedy_end : public eddy::stream_ops<greedy_end> {
public:
    using item_type = int;
    explicit greedy_end(const int& until) noexcept : until_(&until) {}

    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        if (*until_ != 0) return eddy::poll_result<void>::ready();
        while (cx.consume_budget()) {
        }
        return eddy::not_ready;
    }

private:
    const int* until_;
};

/// Ends when it gets a unit of the budget.
class modest_end : public eddy::stream_ops<modest_end> {
public:
    using item_type = int;
    explicit modest_end(int& ended) noexcept : ended_(&ended) {}

    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        if (!cx.consume_budget()) return eddy::not_ready;
        ++*ended_;
        return eddy::poll_result<void>::ready();
    }

private:
    int* ended_;
};

/// Whether it ends, which no more than a few polls are needed for.
bool comes_to_its_end(auto& what) {
    for (int i = 0; i < 10; ++i) {
        if (what.poll_cancel().is_ready()) return true;
    }
    return false;
}

TEST(BreakerStarving, TwoStreamsTakeTurnsInTheirEnd) {
    for (const bool greedy_first : {true, false}) {
        int ended = 0;
        const auto begins_to_end = [](auto both) {
            stream_by_hand polled(std::move(both));
            assert_pending(polled.poll());
            return comes_to_its_end(polled);
        };
        EXPECT_TRUE(greedy_first ? begins_to_end(greedy_end(ended).merge(modest_end(ended)))
                                 : begins_to_end(modest_end(ended).merge(greedy_end(ended))));
    }
}

/// Ends as modest_end does.
class modest_job : public eddy::future_ops<modest_job> {
public:
    using output_type = void;
    explicit modest_job(int& ended) noexcept : ends_(ended) {}

    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) { return ends_.poll_cancel(cx); }

private:
    modest_end ends_;
};

TEST(BreakerStarving, AStreamAndWhatRunsOfItTakeTurnsInTheirEnd) {
    int ended = 0;
    const auto one_and_then_greed = [&] { return streams::once(1).merge(greedy_end(ended)); };
    const auto start = [&](int) { return modest_job(ended); };
    stream_by_hand some(one_and_then_greed().map(start).buffer_unordered(4));
    assert_pending(some.poll());
    EXPECT_TRUE(comes_to_its_end(some));
    ended = 0;
    by_hand all(one_and_then_greed().for_each_concurrent(4, start));
    assert_pending(all.poll());
    EXPECT_TRUE(comes_to_its_end(all));
}

// ---- Keys whose copies fail ----

/// Copied, also where it is to be moved; the last copy that `copies_left` allows for throws.
struct brittle_key {
    int number = 0;
    int* copies_left = nullptr;

    brittle_key(int n, int& copies) noexcept : number(n), copies_left(&copies) {}
    brittle_key(const brittle_key& other) : number(other.number), copies_left(other.copies_left) {
        if (--*copies_left == 0) throw std::runtime_error("a key was copied");
    }
    brittle_key& operator=(const brittle_key&) = delete;
    ~brittle_key() = default;
    friend bool operator==(const brittle_key& a, const brittle_key& b) noexcept { return a.number == b.number; }
};
struct key_hash {
    std::size_t operator()(const brittle_key& key) const noexcept { return std::hash<int>()(key.number); }
};

TEST(BreakerJoinMap, AShutdownThatIsNeverAwaitedDoesNothing) {
    auto rt = support::make_runtime(1);
    rt.block_on([]() -> eddy::task<void> {
        eddy::join_map<int, int> tasks;
        tasks.spawn(1, [] { return 7; });
        {
            [[maybe_unused]] const auto never = tasks.shutdown();
        }
        EXPECT_TRUE(tasks.contains(1));
        auto ended = co_await tasks.join_next();
        EXPECT_TRUE(ended.has_value());
    }());
}

/// How many of `tasks` it joins, whatever their keys throw; -1 if it does not come to an end.
eddy::task<int> join_what_is_there(eddy::join_map<brittle_key, int, key_hash>& tasks) {
    for (int joined = 0, thrown = 0; thrown < 100;) {
        try {
            const auto ended = co_await tasks.join_next();
            if (!ended) co_return joined;
            ++joined;
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    co_return -1;
}

TEST(BreakerJoinMap, KnowsWhatIsInItWhicheverCopyOfAKeyThrows) {
    auto rt = support::make_runtime(1);
    rt.block_on([]() -> eddy::task<void> {
        for (int throwing = 1; throwing < 20; ++throwing) {
            int copies = throwing;
            eddy::join_map<brittle_key, int, key_hash> tasks;
            int refused = 0;
            for (const int number : {1, 2, 1}) {
                try {
                    tasks.spawn(brittle_key(number, copies), [] { return 1; });
                } catch (const std::runtime_error&) {
                    ++refused;
                }
            }
            EXPECT_LE(refused, 1);
            const auto known = tasks.len();
            EXPECT_GE(known, 1u) << throwing;
            const int joined = co_await join_what_is_there(tasks);
            EXPECT_TRUE(joined == static_cast<int>(known) || joined + 1 == static_cast<int>(known)) << throwing;
            EXPECT_TRUE(tasks.is_empty()) << throwing;
        }
    }());
}

}  // namespace
