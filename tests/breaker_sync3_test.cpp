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
#include <eddy/join_map.hpp>
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

}  // namespace
