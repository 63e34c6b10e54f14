// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/socket.h>

#include <string>
#include <system_error>
#include <vector>

#include <support/mini_redis/real_redis.hpp>
#include <support/mini_redis/redis_server.hpp>
#include <support/net.hpp>

#include "mini_redis/split_words.hpp"

// Connections, transactions, subscriptions and both versions of the protocol: mini_redis answers like the real Redis.

namespace {

using support::answers;
using support::encoded;
using support::expect_same;
using support::raw_socket;
using support::read_reply;
using support::real_redis;
using support::redis_server;
using support::run_script;

TEST(MiniRedisSessions, AnswersPubSubAndBadCommandsLikeRedis) {
    const std::string long_word(300, 'w');
    expect_same({
        "PUBLISH news x",
        "PUBLISH",
        "PUBLISH a",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "UNSUBSCRIBE news",
        "SUBSCRIBE news weather news",
        "PING",
        "PING x",
        "PING x y",
        "GET a",
        "SET a",
        "nonsense",
        "UNSUBSCRIBE weather none",
        "SUBSCRIBE sport",
        "UNSUBSCRIBE news sport",
        "GET a",
        "PING",
        "nonsense",
        "nonsense a",
        "NonSense a b",
        "\"a\\r\\nb\" c",
        "\"a\\x00b\" \"c\\x00d\"",
        "\"\"",
        "\"\" a",
        long_word,
        "x " + long_word,
        "x " + long_word + " y",
        "x " + std::string(100, 'a') + " " + std::string(100, 'b') + " c",
        "x " + std::string(126, 'a') + " b",
        "x " + std::string(128, 'a') + " b",
        "x '' ''",
        "CONFIG",
        "CONFIG GET",
        "CONFIG nonsense",
        "CONFIG \"non\\x00sense\"",
        "CONFIG GET save",
        "CONFIG GET appendonly",
        "CONFIG GET none",
        "CONFIG GET SaVe",
        "CONFIG GET SAV*",
        "CONFIG GET save SAVE s[a]ve",
        "COMMAND nonsense",
        "COMMAND \"non\\x00sense\"",
        "COMMAND INFO none",
        "INFO nonsense",
        "QUIT",
    });
}

TEST(MiniRedisSessions, AnswersConnectionCommandsLikeRedis) {
    expect_same({
        "SELECT 0",
        "SELECT 99",
        "SELECT x",
        "SELECT",
        "AUTH",
        "AUTH x",
        "AUTH default x",
        "AUTH other x",
        "AUTH a b c",
        "CLIENT",
        "CLIENT nonsense",
        "CLIENT ID x",
        "CLIENT GETNAME",
        "CLIENT SETNAME name",
        "CLIENT GETNAME",
        "CLIENT SETNAME \"a b\"",
        "CLIENT SETNAME",
        "CLIENT SETNAME a b",
        "HELLO x",
        "HELLO 1",
        "HELLO 4",
        "HELLO 3 nonsense",
        "HELLO 3 SETNAME",
        "HELLO 3 SETNAME \"a b\"",
        "HELLO 3 AUTH other x",
        "HELLO 3 AUTH default",
        "RESET",
        "RESET x",
        "CLIENT GETNAME",
        "PING",
    });
}

// covers: I20.4.6
TEST(MiniRedisSessions, AnswersTransactionsLikeRedis) {
    expect_same({
        "EXEC",        "DISCARD",   "MULTI",         "EXEC",    "MULTI",   "MULTI",    "SET a 1",        "WATCH a",
        "INCR a",      "LPUSH a x", "MGET a none",   "EXEC",    "MULTI",   "SET a 5",  "DISCARD",        "GET a",
        "MULTI",       "SET a",     "SET a 6",       "EXEC",    "MULTI",   "nonsense", "EXEC",           "GET a",
        "WATCH a",     "SET a 7",   "MULTI",         "INCR a",  "EXEC",    "GET a",    "WATCH a none",   "UNWATCH",
        "SET a 8",     "MULTI",     "INCR a",        "EXEC",    "WATCH a", "GET a",    "EXPIRE none 10", "DEL none",
        "SET a 9 NX",  "MULTI",     "INCR a",        "EXEC",    "WATCH a", "MULTI",    "UNWATCH",        "EXEC",
        "WATCH",       "MULTI x",   "MULTI",         "SET r 1", "RESET",   "EXEC",     "GET r",          "MULTI",
        "SUBSCRIBE c", "EXEC",      "UNSUBSCRIBE c", "PING",
    });
}

/// Each command changes a key that another connection watches, or leaves it as it was.
TEST(MiniRedisSessions, WatchedKeysNoticeChangesLikeRedis) {
    const auto transact = [](const auto& server) {
        const auto watching = server.connect();
        const auto changing = server.connect();
        answers all;
        for (const std::string change :
             {"SET s 2",      "SET s 2 NX", "SET s 2 XX", "GET s",    "INCR s",       "DECRBY s 1",      "APPEND s 1",
              "GETSET s 1",   "GETDEL s",   "DEL s",      "DEL none", "EXPIRE s 100", "EXPIRE none 100", "PERSIST s",
              "MSET s 1 t 2", "MSET t 1",   "RPUSH l x",  "LPOP l",   "LPOP none",    "LPOP l 0",        "HSET h f 1",
              "HSET h g 1",   "SADD set x", "SADD set y", "FLUSHALL", "SETNX s 1",    "SETEX s 100 1",   "PING"}) {
            run_script(changing, {"FLUSHALL", "SET s 1", "RPUSH l a b", "HSET h f 1", "SADD set x"});
            run_script(watching, {"WATCH s l h set none"});
            run_script(changing, {change});
            const auto ended = run_script(watching, {"MULTI", "ECHO done", "EXEC"});
            all.push_back(change + ": " + ended.back());
        }
        return all;
    };
    EXPECT_EQ(transact(redis_server()), transact(real_redis()));
}

/// Returns all bytes of the answers to a script in RESP3.
std::string run_in_resp3(const raw_socket& server, const std::vector<std::string>& script) {
    const auto receive_until = [&](const std::string& last) {
        std::string all;
        while (!all.ends_with(last)) {
            const auto more = server.receive(1);
            if (more.empty()) return all + " and the end of the stream";
            all += more;
        }
        return all;
    };
    server.send(encoded({"HELLO", "3"}) + encoded({"ECHO", "ready"}));
    EXPECT_TRUE(receive_until("ready\r\n").starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n"));
    std::string requests;
    for (const auto& line : script) requests += encoded(mini_redis::split_words(line).value());
    server.send(requests + encoded({"ECHO", "all done"}));
    return receive_until("all done\r\n");
}

/// Moves the answer of PUBLISH behind the message for the connection's own subscription, as in Redis 7. Redis 8 sends
/// the answer first.
std::string with_message_first(std::string received) {
    const std::string message = ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\ntext\r\n";
    const std::string answer = ":1\r\n";
    if (const auto at = received.find(answer + message); at != received.npos) {
        received.replace(at, answer.size() + message.size(), message + answer);
    }
    return received;
}

// covers: I20.4.6
TEST(MiniRedisSessions, AnswersResp3LikeRedis) {
    const std::vector<std::string> script{
        "PING",
        "GET none",
        "SET a 1",
        "MGET a none",
        "LPOP none",
        "LPOP none 1",
        "HSET h f 1 g 2",
        "HGETALL h",
        "HGETALL none",
        "HGET h none",
        "SADD s 2 1",
        "SMEMBERS s",
        "SMEMBERS none",
        "CONFIG GET save",
        "CONFIG GET none",
        "COMMAND INFO none",
        "GET h",
        "nonsense",
        "SUBSCRIBE a b",
        "PING",
        "PING x",
        "GET a",
        "PUBLISH a text",
        "UNSUBSCRIBE a",
        "UNSUBSCRIBE",
        "UNSUBSCRIBE",
        "WATCH a",
        "SET a 2",
        "MULTI",
        "GET a",
        "EXEC",
        "MULTI",
        "HGETALL h",
        "GET none",
        "EXEC",
        "CLIENT GETNAME",
        "RESET",
        "GET none",
        "HGETALL h",
    };
    EXPECT_EQ(run_in_resp3(redis_server().connect(), script),
              with_message_first(run_in_resp3(real_redis().connect(), script)));
}

/// Sends inline commands and invalid requests in one call, and then the end of the stream.
TEST(MiniRedisSessions, AnswersLinesAndBrokenFramesLikeRedis) {
    const real_redis real;
    const redis_server ours;
    const auto ask = [](const raw_socket& server, const std::string& bytes) {
        // A server that finds an error closes the connection without reading the rest. Then a large send() fails, and
        // the connection ends with a reset instead of an end of stream. The answer arrives before that.
        try {
            server.send(bytes);
        } catch (const std::system_error&) {
        }
        server.shutdown();
        std::string all;
        for (char c = 0; ::recv(server.fd(), &c, 1, 0) == 1;) all += c;
        return all;
    };
    for (const std::string& bytes : std::vector<std::string>{"PING\r\nPING\nSET k 'a b'\r\nGET k\r\n",
                                                             "\r\n\nPING\r\n",
                                                             "*0\r\n*-1\r\nPING\r\n",
                                                             "  PING  \r\n",
                                                             "ECHO \"a\\x41\\n\\t\\q\"\r\n",
                                                             "ECHO 'a\\'b\\n'\r\n",
                                                             "ECHO a\"b\"\r\n",
                                                             "ECHO \"a\"b\r\n",
                                                             "ECHO \"a\r\n",
                                                             "ECHO 'a\r\n",
                                                             "ECHO \"\\xzz\"\r\n",
                                                             "*x\r\n",
                                                             "*1x\r\n",
                                                             "*\r\n",
                                                             "*2147483648\r\n",
                                                             "*1\r\n$x\r\n",
                                                             "*1\r\n$-1\r\n",
                                                             "*1\r\n$536870913\r\n",
                                                             "*1\r\n:1\r\n",
                                                             "*1\r\n\n",
                                                             "*2\r\n$4\r\nECHO\r\n$3\r\nhello\r\n",
                                                             "*2\r\n$4\r\nECHO\r\n$5\r\nhelloxyPING\r\n",
                                                             "PING\r\n*1\r\n$4\r\nPING\r\n*1\r\nPING\r\nPING\r\n",
                                                             "*3\r\n$3\r\nSET\r\n",
                                                             "GET",
                                                             "QUIT\r\nPING\r\n",
                                                             "quit now\r\n",
                                                             std::string(70'000, 'x'),
                                                             "*" + std::string(70'000, '1'),
                                                             "*1\r\n$" + std::string(70'000, '1')}) {
        EXPECT_EQ(ask(ours.connect(), bytes), ask(real.connect(), bytes)) << bytes.substr(0, 100);
    }
}

/// Compares what two subscribers and a publisher receive.
TEST(MiniRedisSessions, DeliversMessagesLikeRedis) {
    const auto converse = [](const auto& server) {
        const auto first = server.connect();
        const auto second = server.connect();
        const auto publisher = server.connect();
        answers all = run_script(first, {"SUBSCRIBE a b"});
        for (const auto& each : run_script(second, {"SUBSCRIBE b"})) all.push_back(each);
        for (const auto& each :
             run_script(publisher, {"PUBLISH a 1", "PUBLISH b \"2\\x00\"", "PUBLISH c 3", "PUBLISH b \"\""}))
            all.push_back(each);
        for (int i = 0; i < 3; ++i) all.push_back(read_reply(first));
        for (int i = 0; i < 2; ++i) all.push_back(read_reply(second));
        return all;
    };
    EXPECT_EQ(converse(redis_server()), converse(real_redis()));
}

}  // namespace
