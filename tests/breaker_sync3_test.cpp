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

}  // namespace
