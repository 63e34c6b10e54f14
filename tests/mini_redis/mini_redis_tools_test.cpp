// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include <support/mini_redis/real_redis.hpp>
#include <support/mini_redis/redis_server.hpp>
#include <support/process.hpp>

// The tools of Redis, run against mini_redis.

namespace {

using support::redis_server;

TEST(MiniRedisTools, RedisCliWorksAgainstMiniRedis) {
    const redis_server ours;
    const auto ask = [&](std::vector<std::string> words) {
        std::vector<std::string> command{"/usr/bin/redis-cli", "-p", std::to_string(ours.addr().port())};
        command.insert(command.end(), words.begin(), words.end());
        const auto ended = support::run(command);
        EXPECT_EQ(ended.err, "");
        EXPECT_EQ(ended.code, 0);
        return ended.out;
    };
    EXPECT_EQ(ask({"PING"}), "PONG\n");
    EXPECT_EQ(ask({"SET", "k", "v"}), "OK\n");
    EXPECT_EQ(ask({"GET", "k"}), "v\n");
    EXPECT_EQ(ask({"-r", "3", "INCR", "n"}), "1\n2\n3\n");
    EXPECT_NE(ask({"INFO"}).find("redis_version:"), std::string::npos);
    EXPECT_NE(ask({"COMMAND"}).find("lrange"), std::string::npos);
    EXPECT_EQ(ask({"COMMAND", "COUNT"}), "54\n");
}

TEST(MiniRedisTools, RedisBenchmarkRunsWithoutErrors) {
    const redis_server ours;
    const auto ended =
        support::run({"/usr/bin/redis-benchmark", "-p", std::to_string(ours.addr().port()), "-c", "50", "-P", "16",
                      "-n", "20000", "-t", "ping,set,get,incr,lpush,rpush,lpop,sadd,hset,lrange_100,mset", "-q"});
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.out.find("rror"), std::string::npos) << ended.out;
    for (const std::string_view name : {"SET: ", "GET: ", "LRANGE_100 (first 100 elements): ", "MSET (10 keys): "}) {
        EXPECT_NE(ended.out.find(name), std::string::npos) << ended.out;
    }
}

}  // namespace
