// SPDX-License-Identifier: MIT
// runs: once
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <eddy/future/select.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/advance.hpp>

#include "mini_redis/channels.hpp"
#include "mini_redis/database.hpp"

// The database of mini_redis, with a paused clock.

namespace {

using namespace std::chrono_literals;
using eddy::time::clock;
using mini_redis::database;
using mini_redis::fault;

/// Runs `work` together with the task that erases expired keys.
void run_with(database& keys, eddy::task<void> work) {
    auto core = eddy::core::builder().start_paused(true).build().value();
    auto both = eddy::select(std::move(work), keys.expire_keys());
    core.run(std::move(both));
}

std::string text_at(database& keys, std::string_view key) {
    const auto found = keys.find_as<std::string>(key);
    return found && *found != nullptr ? **found : "none";
}

TEST(MiniRedisDatabase, ExpiredKeyIsErasedByTask) {
    database keys;
    const auto work = [&]() -> eddy::task<void> {
        keys.set("a", "1");
        keys.set("b", "2");
        keys.expire_at("a", clock::now() + 10s);
        EXPECT_EQ(keys.expiring(), 1u);
        co_await eddy::test::advance(9s);
        EXPECT_EQ(text_at(keys, "a"), "1");
        co_await eddy::test::advance(2s);
        EXPECT_EQ(keys.size(), 1u) << "the task must erase the key without an access";
        EXPECT_EQ(keys.expiring(), 0u);
        EXPECT_EQ(text_at(keys, "a"), "none");
        EXPECT_EQ(text_at(keys, "b"), "2");
        // The queue of expiries is empty now. A new expiry must also be noticed.
        keys.expire_at("b", clock::now() + 1s);
        co_await eddy::test::advance(2s);
        EXPECT_EQ(keys.size(), 0u);
    };
    run_with(keys, work());
}

TEST(MiniRedisDatabase, ExpiredKeyIsErasedOnAccess) {
    database keys;
    auto core = eddy::core::builder().start_paused(true).build().value();
    const auto work = [&]() -> eddy::task<void> {
        keys.set("a", "1");
        keys.expire_at("a", clock::now() + 10s);
        co_await eddy::test::advance(10s);
        EXPECT_EQ(keys.size(), 1u);
        EXPECT_EQ(text_at(keys, "a"), "none");
        EXPECT_EQ(keys.size(), 0u);
        EXPECT_EQ(keys.expiring(), 0u);
    };
    core.run(work());
}

TEST(MiniRedisDatabase, SetRemovesExpiryAndExpiryCanChange) {
    database keys;
    const auto work = [&]() -> eddy::task<void> {
        keys.set("set again", "1");
        keys.expire_at("set again", clock::now() + 1s);
        keys.set("set again", "2");
        keys.set("later", "3");
        keys.expire_at("later", clock::now() + 1s);
        keys.expire_at("later", clock::now() + 3s);
        co_await eddy::test::advance(2s);
        EXPECT_EQ(text_at(keys, "set again"), "2");
        EXPECT_EQ(text_at(keys, "later"), "3");
        co_await eddy::test::advance(2s);
        EXPECT_EQ(text_at(keys, "later"), "none");
        EXPECT_EQ(text_at(keys, "set again"), "2");
    };
    run_with(keys, work());
}

TEST(MiniRedisDatabase, ExpiryOfClearedKeyDoesNotEraseNewKey) {
    database keys;
    const auto work = [&]() -> eddy::task<void> {
        keys.set("a", "1");
        keys.expire_at("a", clock::now() + 1s);
        keys.clear();
        keys.set("a", "2");
        EXPECT_TRUE(keys.erase("a"));
        keys.set("a", "3");
        co_await eddy::test::advance(2s);
        EXPECT_EQ(text_at(keys, "a"), "3");
    };
    run_with(keys, work());
}

TEST(MiniRedisDatabase, ValueHasOneType) {
    database keys;
    keys.set("text", "1");
    EXPECT_EQ(keys.find_as<mini_redis::list>("text").error(), fault::wrong_type);
    EXPECT_EQ(keys.make_as<mini_redis::hash>("text").error(), fault::wrong_type);
    EXPECT_EQ(keys.find_as<mini_redis::set>("none").value(), nullptr);
    EXPECT_TRUE(keys.make_as<mini_redis::hash>("hash").value()->set("f", "1"));
    EXPECT_FALSE(keys.make_as<mini_redis::hash>("hash").value()->set("f", "2"));
    EXPECT_EQ(*keys.find_as<mini_redis::hash>("hash").value()->get("f"), "2");
    keys.set("hash", "text now");
    EXPECT_EQ(text_at(keys, "hash"), "text now");
}

TEST(MiniRedisDatabase, RevisionDiffersAfterEachChange) {
    database keys;
    EXPECT_EQ(keys.revision_of("a"), 0u);
    keys.set("a", "1");
    std::vector<std::uint64_t> seen{0, keys.revision_of("a")};
    const auto expect_new = [&] {
        const auto now = keys.revision_of("a");
        EXPECT_EQ(std::ranges::count(seen, now), 0);
        seen.push_back(now);
    };
    EXPECT_NE(seen[1], 0u);
    keys.set("b", "1");
    EXPECT_EQ(keys.revision_of("a"), seen[1]);
    keys.set("a", "1");
    expect_new();
    keys.touch("a");
    expect_new();
    EXPECT_TRUE(keys.erase("a"));
    EXPECT_EQ(keys.revision_of("a"), 0u);
    keys.set("a", "1");
    expect_new();
}

TEST(MiniRedisChannels, MessageHasTheVersionOfItsSubscriber) {
    mini_redis::channels all;
    mini_redis::subscriptions old(all, 100);
    mini_redis::subscriptions modern(all, 100, mini_redis::protocol::resp3);
    for (auto* const each : {&old, &modern}) each->add("a");
    EXPECT_EQ(all.publish("a", "x"), 2u);
    eddy::bytes_mut sent;
    old.mail().take(mini_redis::reply_writer(sent));
    modern.mail().take(mini_redis::reply_writer(sent));
    const std::string rest = "3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nx\r\n";
    EXPECT_EQ(sent.text(), "*" + rest + ">" + rest);
}

TEST(MiniRedisChannels, FullMailboxAcceptsNoMoreMessages) {
    mini_redis::channels all;
    mini_redis::subscriptions slow(all, 100);
    mini_redis::subscriptions fast(all, 100);
    slow.add("news");
    fast.add("news");
    eddy::bytes_mut sent;
    EXPECT_EQ(all.publish("news", std::string(40, 'x')), 2u);
    fast.mail().take(mini_redis::reply_writer(sent));
    EXPECT_EQ(sent.text(), "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$40\r\n" + std::string(40, 'x') + "\r\n");
    EXPECT_EQ(all.publish("news", std::string(40, 'y')), 1u);
    EXPECT_TRUE(slow.mail().has_overflowed());
    EXPECT_FALSE(fast.mail().has_overflowed());
    eddy::bytes_mut first;
    slow.mail().take(mini_redis::reply_writer(first));
    fast.mail().take(mini_redis::reply_writer(sent));
    EXPECT_EQ(all.publish("news", "z"), 1u) << "a subscriber must not receive messages after a lost one";
    EXPECT_TRUE(slow.mail().empty());
}

TEST(MiniRedisChannels, DestroyedSubscriptionsLeaveTheirChannels) {
    mini_redis::channels all;
    {
        mini_redis::subscriptions one(all, 100);
        one.add("a");
        one.add("a");
        one.add("b");
        EXPECT_EQ(one.names().size(), 2u);
        one.remove("b");
        one.remove("never");
        EXPECT_EQ(all.size(), 1u);
        EXPECT_EQ(all.publish("a", "x"), 1u);
    }
    EXPECT_EQ(all.size(), 0u);
    EXPECT_EQ(all.publish("a", "x"), 0u);
}

}  // namespace
