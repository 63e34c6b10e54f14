// SPDX-License-Identifier: MIT
// The hand-over of a worker (worker_offer): each offer has one taker, which sees what the thread before it wrote.
#include "executor/pool/worker_offer.hpp"

#include <gtest/gtest.h>

#include "explore/explore.hpp"

namespace {

using explore::check;

/// Something that one thread at a time uses: the one that has taken the last offer.
struct offered_thing : eddy::detail::worker_offer {
    explore::cell<int> uses;
    void use() { uses.write(uses.read() + 1); }
};

TEST(ExploreWorkerOffer, LookingThreadTakesOnlyTheOfferThatItHasSeen) {
    EXPECT_TRUE(explore::holds({.preemptions = 3}, [] {
        offered_thing thing;
        bool is_taken = false;
        {
            const explore::thread looking([&] {
                const auto seen = thing.look();
                is_taken = thing.arrive_at(seen);
                if (is_taken) thing.use();
            });
            for (int call = 0; call < 2; ++call) {
                thing.use();
                static_cast<void>(thing.offer());
                if (!thing.take_back()) return;  // the other thread uses it from now on
            }
            thing.use();
        }
        check(is_taken || thing.uses.read() == 3, "without a hand-over, the first thread has used it three times");
    }));
}

TEST(ExploreWorkerOffer, ThreadThatLeavesIsRequestedAgain) {
    EXPECT_TRUE(explore::holds({.preemptions = 3}, [] {
        offered_thing thing;
        check(!thing.offer(), "no thread is expected");
        check(thing.take_back(), "no thread has arrived");
        bool stays = false;
        bool is_expected = false;
        {
            const explore::thread leaving([&] { stays = thing.dismiss_unless_offered(); });
            is_expected = thing.offer();
        }
        check(stays == is_expected, "a thread that stays is expected, and one that has left is not");
        check(thing.arrive(), "the offer stands");
    }));
}

}  // namespace
