// SPDX-License-Identifier: MIT
// Streams that are cancelled: readers that end before their stream does, and the coop budget while several parts end.
#include <eddy/stream.hpp>

#include <gtest/gtest.h>

#include <expected>
#include <functional>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/sink.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/items.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::cancellable_scripted;
using support::plan;
using support::script;
using support::stream_by_hand;
namespace streams = eddy::streams;

// ---- Readers that end before their stream does ----

/// A stream of the futures of `scripts`.
auto jobs_of(std::vector<script*> scripts) {
    return streams::iter(std::move(scripts)).map([](script* each) { return cancellable_scripted(*each); });
}

/// Checks that a reader of two futures, which ends at the output of the first, waits for the graceful shutdown of the
/// second.
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

TEST(StreamCancel, AdaptorThatEndsEarlyEndsItsSourceGracefully) {
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

TEST(StreamCancel, EarlyEndOfConsumerCancelsStreamGracefully) {
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

TEST(StreamCancel, ThrowingFunctionEndsItsStreamGracefully) {
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

TEST(StreamCancel, ThrowingPredicateEndsItsStreamGracefully) {
    script quick{.now = plan::ready};
    script slow;
    slow.may_end = false;
    const auto throws = [](const eddy::result<int>&) -> bool { throw std::runtime_error("any"); };
    by_hand any(jobs_of({&quick, &slow}).buffer_unordered(2).any(throws));
    assert_pending(any.poll());
    assert_pending(any.poll());
    EXPECT_EQ(slow.cancel_polls, 1);
    slow.may_end = true;
    slow.change(plan::pending);
    EXPECT_THROW(static_cast<void>(any.poll()), std::runtime_error);
    EXPECT_THROW(static_cast<void>(any.poll()), eddy::misuse);
}

TEST(StreamCancel, PredicatesFutureIsCancelledBeforeItsStream) {
    script job{.now = plan::ready};
    script test;
    test.may_end = false;
    const auto judge = [&](const eddy::result<int>&) {
        return [](script& s) -> eddy::task<bool> {
            static_cast<void>(co_await cancellable_scripted(s));
            co_return true;
        }(test);
    };
    const auto cancel = [&](auto& reader) {
        test.cancel_polls = 0;
        test.may_end = false;
        assert_pending(reader.poll());
        EXPECT_TRUE(test.alive);
        assert_pending(reader.poll_cancel());
        test.may_end = true;
        EXPECT_TRUE(reader.poll_cancel().is_ready());
        EXPECT_FALSE(test.alive);
        EXPECT_EQ(test.cancel_polls, 2);
    };
    const auto one = [&] { return jobs_of({&job}).buffer_unordered(1); };
    stream_by_hand filtered(one().filter(judge));
    cancel(filtered);
    by_hand any(one().any(judge));
    cancel(any);
    EXPECT_TRUE(any.poll_cancel().is_ready()) << "it has ended";
}

/// A sink that fails each send.
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

TEST(StreamCancel, FailingSinkEndsItsStreamGracefully) {
    closed_sink into;
    waits_for_the_other_job("forward", [](auto all) { return std::move(all).forward(closed_sink()); });
    waits_for_the_other_job("send_all", [&](auto all) { return into.send_all(std::move(all)); });
}

// ---- Sharing the coop budget during a cancel ----

/// A stream whose poll_cancel uses the whole coop budget until `*until` is not zero.
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

/// A stream whose poll_cancel completes as soon as a unit of the coop budget is left for it.
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

/// Returns whether poll_cancel completes within a few polls.
bool cancel_completes(auto& what) {
    for (int i = 0; i < 10; ++i) {
        if (what.poll_cancel().is_ready()) return true;
    }
    return false;
}

TEST(StreamCancel, MergedStreamsShareTheBudgetOfACancel) {
    for (const bool greedy_first : {true, false}) {
        int ended = 0;
        const auto poll_and_cancel = [](auto both) {
            stream_by_hand polled(std::move(both));
            assert_pending(polled.poll());
            return cancel_completes(polled);
        };
        EXPECT_TRUE(greedy_first ? poll_and_cancel(greedy_end(ended).merge(modest_end(ended)))
                                 : poll_and_cancel(modest_end(ended).merge(greedy_end(ended))));
    }
}

/// A future with the poll_cancel of modest_end.
class modest_job : public eddy::future_ops<modest_job> {
public:
    using output_type = void;
    explicit modest_job(int& ended) noexcept : ends_(ended) {}

    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) { return ends_.poll_cancel(cx); }

private:
    modest_end ends_;
};

TEST(StreamCancel, StreamAndItsFuturesShareTheBudgetOfACancel) {
    int ended = 0;
    const auto one_and_then_greedy = [&] { return streams::once(1).merge(greedy_end(ended)); };
    const auto start = [&](int) { return modest_job(ended); };
    stream_by_hand some(one_and_then_greedy().map(start).buffer_unordered(4));
    assert_pending(some.poll());
    EXPECT_TRUE(cancel_completes(some));
    ended = 0;
    by_hand all(one_and_then_greedy().for_each_concurrent(4, start));
    assert_pending(all.poll());
    EXPECT_TRUE(cancel_completes(all));
}

}  // namespace
