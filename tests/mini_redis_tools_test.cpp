// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <eddy/bytes/bytes_mut.hpp>

#include <support/net.hpp>
#include <support/process.hpp>
#include <support/temp_dir.hpp>

#include "mini_redis/reply_codec.hpp"
#include "mini_redis/split_words.hpp"

// Compares mini_redis with the real Redis: both servers run the same scripts and must answer with the same bytes. Also
// runs the tools of Redis against mini_redis. Debian's package redis-tools has all of them: the server is the program
// redis-check-rdb, run under another name.

namespace {

using mini_redis::reply;
using support::process;
using support::raw_socket;

constexpr const char* server_program = "/usr/bin/redis-check-rdb";

bool has_redis() { return ::access(server_program, X_OK) == 0 && ::access("/usr/bin/redis-cli", X_OK) == 0; }

#define NEEDS_REDIS() \
    if (!has_redis()) GTEST_SKIP() << "Debian's package redis-tools is not installed"

// ---- The two servers ----

/// The real Redis server, on a Unix socket in a temporary folder, so that it needs no port.
class real_redis {
public:
    real_redis() : program_(dir_ / "redis-server"), socket_(dir_ / "socket") {
        std::filesystem::create_symlink(server_program, program_);
        process_.emplace(std::vector<std::string>{program_, "--port", "0", "--unixsocket", socket_, "--save", "",
                                                  "--appendonly", "no", "--dir", dir_ / ""});
        if (!support::comes_true([this] { return connected().has_value(); }))
            throw std::runtime_error("no redis-server");
    }

    [[nodiscard]] raw_socket connect() const { return *connected(); }

private:
    [[nodiscard]] std::optional<raw_socket> connected() const {
        raw_socket made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        socket_.copy(to.sun_path, sizeof to.sun_path - 1);
        // SAFETY: connect(2) takes a sockaddr*. `to` is a sockaddr_un with its family set, and outlives the call.
        if (::connect(made.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return std::nullopt;
        return made;
    }

    support::temp_dir dir_;
    std::string program_;
    std::string socket_;
    std::optional<process> process_;
};

class our_redis {
public:
    our_redis() : process_({"mini_redis_server", "127.0.0.1:0"}), addr_(support::addr_in(process_.line())) {}

    [[nodiscard]] raw_socket connect() const { return raw_socket::connected(addr_); }
    [[nodiscard]] std::string port() const { return std::to_string(addr_.port()); }

private:
    process process_;
    eddy::net::socket_addr addr_;
};

// ---- Scripts, run against both servers ----

std::string encoded(const std::vector<std::string>& words) {
    mini_redis::reply_codec codec;
    eddy::bytes_mut out;
    const std::vector<std::string_view> views(words.begin(), words.end());
    static_cast<void>(codec.encode(views, out));
    return std::string(out.text());
}

/// Reads the bytes of one reply.
std::string read_reply(const raw_socket& from) {
    mini_redis::reply_codec codec;
    eddy::bytes_mut in;
    std::string raw;
    for (;;) {
        const std::string more = from.receive(1);
        raw += more;
        in.put(more);
        if (more.empty()) return raw;
        const auto got = codec.decode(in);
        if (!got || *got) return raw;
    }
}

/// Sorts the members of an array reply, for commands whose replies have no order.
std::string sorted(const std::string& raw) {
    mini_redis::reply_codec codec;
    auto in = eddy::bytes_mut::copy_of(raw);
    const auto got = codec.decode(in);
    const auto* const items = got && *got ? (*got)->get_if<reply::array>() : nullptr;
    if (items == nullptr) return raw;
    std::vector<std::string> all;
    for (const auto& each : *items) {
        eddy::bytes_mut one;
        mini_redis::write_reply(each, one);
        all.emplace_back(one.text());
    }
    std::ranges::sort(all);
    std::string text = "sorted " + std::to_string(all.size());
    for (const auto& each : all) text += "\r\n" + each;
    return text;
}

using answers = std::vector<std::string>;

answers run_script(const raw_socket& server, const std::vector<std::string>& script) {
    answers all;
    for (const auto& line : script) {
        const auto words = mini_redis::split_words(line).value();
        server.send(encoded(words));
        // There is one reply per channel.
        const bool is_many = (words[0] == "SUBSCRIBE" || words[0] == "UNSUBSCRIBE") && words.size() > 1;
        std::string answer;
        for (std::size_t i = is_many ? words.size() - 1 : 1; i > 0; --i) answer += read_reply(server);
        all.push_back(line.starts_with("SMEMBERS words") ? sorted(answer) : answer);
    }
    return all;
}

void expect_same(const std::vector<std::string>& script) {
    const real_redis real;
    const our_redis ours;
    const auto expected = run_script(real.connect(), script);
    const auto got = run_script(ours.connect(), script);
    ASSERT_EQ(expected.size(), got.size());
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], expected[i]) << script[i];
}

TEST(MiniRedisAgainstRedis, AnswersStringCommandsLikeRedis) {
    NEEDS_REDIS();
    expect_same({
        "PING",
        "ping",
        "PING hello",
        "PING a b",
        "ECHO hello",
        "ECHO",
        "ECHO a b",
        "ECHO \"\"",
        "ECHO \"\\x00\\r\\n\"",
        "GET none",
        "SET a 1",
        "GET a",
        "set A \"two words\"",
        "GET A",
        "GET",
        "GET a b",
        "SET",
        "SET a",
        "SET a \"\"",
        "GET a",
        "SET a 1 NX",
        "SET b 1 NX",
        "GET b",
        "SET none 1 XX",
        "SET b 2 xx",
        "GET b",
        "SET b 2 NX XX",
        "SET b 2 EX",
        "SET b 2 EX x",
        "SET b 2 EX 0",
        "SET b 2 EX -1",
        "SET b 2 PX 0",
        "SET b 2 EX 10 PX 10",
        "SET b 2 EX 10 EX 100",
        "SET b 2 PX 10 PX 100000",
        "TTL b",
        "SET b 2 EX 9223372036854775807",
        "SET b 2 EX 9223372036854775",
        "SET b 2 PX 9223372036854775807",
        "SET b 2 EX 9223372036854775808",
        "SET b 2 nonsense",
        "SET b 3 EX 100",
        "TTL b",
        "GET b",
        "SET b 4",
        "TTL b",
        "SET b 4 NX EX 100",
        "TTL b",
        "SET b 4 PX 100499",
        "TTL b",
        "SET b 5 EX 100 XX",
        "TTL b",
        "INCR n",
        "INCR n",
        "DECR n",
        "DECR n",
        "DECR n",
        "GET n",
        "SET n 9223372036854775807",
        "INCR n",
        "DECR n",
        "SET n -9223372036854775808",
        "DECR n",
        "INCR n",
        "SET n 01",
        "INCR n",
        "SET n +1",
        "INCR n",
        "SET n \" 1\"",
        "INCR n",
        "SET n 1.5",
        "INCR n",
        "SET n \"\"",
        "INCR n",
        "SET n -0",
        "INCR n",
        "SET n 0",
        "DECR n",
        "SET n 9223372036854775808",
        "INCR n",
        "INCR",
        "INCR a b",
        "SET n 5 EX 100",
        "INCR n",
        "TTL n",
        "APPEND text abc",
        "APPEND text \"\"",
        "APPEND text def",
        "GET text",
        "APPEND text",
        "MSET a 1 b 2 c 3",
        "MGET a b none c",
        "MGET",
        "MSET a",
        "MSET a 1 b",
        "MSET",
        "MSET a 1 a 2",
        "GET a",
        "TTL b",
        "RPUSH list x",
        "GET list",
        "MGET a list b",
        "INCR list",
        "APPEND list x",
        "SET list 1 NX",
        "SET list now_text",
        "GET list",
    });
}

TEST(MiniRedisAgainstRedis, AnswersKeyAndExpiryCommandsLikeRedis) {
    NEEDS_REDIS();
    expect_same({
        "DEL none",
        "MSET a 1 b 2 c 3",
        "EXISTS a",
        "EXISTS a a none b",
        "DEL a none b b",
        "DBSIZE",
        "DBSIZE x",
        "DEL",
        "EXISTS",
        "TTL none",
        "TTL c",
        "TTL",
        "EXPIRE none 10",
        "EXPIRE c 100",
        "TTL c",
        "EXPIRE c x",
        "EXPIRE c",
        "EXPIRE c 1.5",
        "EXPIRE c 9223372036854775807",
        "EXPIRE c -9223372036854775808",
        "EXPIRE c 9223372036854775",
        "EXPIRE c 200 NX",
        "TTL c",
        "EXPIRE c 200 XX",
        "TTL c",
        "EXPIRE c 100 GT",
        "TTL c",
        "EXPIRE c 300 gt",
        "TTL c",
        "EXPIRE c 400 LT",
        "EXPIRE c 50 LT",
        "TTL c",
        "EXPIRE c 50 NX XX",
        "EXPIRE c 50 NX GT",
        "EXPIRE c 50 GT LT",
        "EXPIRE c 50 XX LT",
        "EXPIRE c 50 nonsense",
        "EXPIRE c 50 \"non\\x00sense\"",
        "EXPIRE c 50 \"non\\r\\nsense\"",
        "SET d 1",
        "EXPIRE d 10 XX",
        "EXPIRE d 10 GT",
        "EXPIRE d 10 LT",
        "TTL d",
        "SET e 1",
        "EXPIRE e 10 NX",
        "TTL e",
        "EXPIRE e 0",
        "EXISTS e",
        "SET e 1",
        "EXPIRE e -1",
        "EXISTS e",
        "GET e",
        "DBSIZE",
        "FLUSHALL nonsense",
        "FLUSHALL SYNC ASYNC",
        "FLUSHALL async",
        "DBSIZE",
        "SET a 1 EX 100",
        "FLUSHALL",
        "TTL a",
    });
}

TEST(MiniRedisAgainstRedis, AnswersListHashAndSetCommandsLikeRedis) {
    NEEDS_REDIS();
    expect_same({
        "LPUSH l a",
        "LPUSH l b c",
        "RPUSH l d e",
        "LRANGE l 0 -1",
        "LRANGE l 1 3",
        "LRANGE l -2 -1",
        "LRANGE l -100 100",
        "LRANGE l 3 1",
        "LRANGE l 5 9",
        "LRANGE l -1 -2",
        "LRANGE l 0 -100",
        "LRANGE none 0 -1",
        "LRANGE l x 1",
        "LRANGE l 0 x",
        "LRANGE l 0",
        "LRANGE l 0 9223372036854775807",
        "LRANGE l -9223372036854775808 9223372036854775807",
        "LRANGE none x y",
        "LRANGE l 9223372036854775806 -9223372036854775808",
        "LRANGE l 0 9223372036854775808",
        "LPOP l",
        "LPOP l 2",
        "LPOP l 0",
        "LPOP none",
        "LPOP none 2",
        "LPOP none 0",
        "LPOP l x",
        "LPOP l -1",
        "LPOP l 9223372036854775807",
        "LPOP l 9223372036854775808",
        "EXISTS l",
        "LPOP",
        "LPOP l 1 2",
        "LPUSH",
        "LPUSH l",
        "RPUSH l",
        "SET text 1",
        "LPUSH text a",
        "RPUSH text a",
        "LPOP text",
        "LPOP text 1",
        "LPOP text x",
        "LRANGE text 0 -1",
        "RPUSH l \"\" \"\\x00\"",
        "LRANGE l 0 -1",
        "LPOP l",
        "LPOP l",
        "EXISTS l",
        "LPUSH l a",
        "EXPIRE l 100",
        "RPUSH l b",
        "TTL l",
        "LPOP l 2",
        "RPUSH l c",
        "TTL l",

        "HSET h f 1",
        "HSET h f 2 g 3 e 4",
        "HGET h f",
        "HGET h none",
        "HGET none f",
        "HGETALL h",
        "HGETALL none",
        "HSET h f",
        "HSET h",
        "HSET h a 1 b",
        "HGET h",
        "HGET h f g",
        "HGETALL",
        "HSET text f 1",
        "HGET text f",
        "HGETALL text",
        "HSET h d 5 f 6",
        "HGETALL h",
        "HSET h x 1 x 2",
        "HGET h x",
        "HSET h \"\" \"\"",
        "HGET h \"\"",
        "GET h",
        "DEL h",
        "HGETALL h",

        "SADD s 3 1 2",
        "SADD s 1 4",
        "SMEMBERS s",
        "SADD s -10 100 9223372036854775807 -9223372036854775808",
        "SMEMBERS s",
        "SADD s",
        "SMEMBERS none",
        "SMEMBERS",
        "SADD text 1",
        "SMEMBERS text",
        "SADD words b a c b",
        "SMEMBERS words",
        "SADD words 01 \"\" a",
        "SMEMBERS words",
        "SADD one x",
        "SMEMBERS one",
        "GET s",
        "LPUSH s 1",
        "SET s 1",
        "GET s",
    });
}

TEST(MiniRedisAgainstRedis, AnswersPubSubAndBadCommandsLikeRedis) {
    NEEDS_REDIS();
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
        "CONFIG GET \"save\\x00\"",
        "COMMAND nonsense",
        "COMMAND \"non\\x00sense\"",
        "COMMAND INFO none",
        "INFO nonsense",
        "QUIT",
    });
}

TEST(MiniRedisAgainstRedis, AnswersSetOptionsAndCountersLikeRedis) {
    NEEDS_REDIS();
    expect_same({
        "SET k 1 GET",
        "SET k 2 GET",
        "SET k 3 GET EX 100",
        "TTL k",
        "SET k 4 KEEPTTL",
        "TTL k",
        "SET k 5 KEEPTTL GET XX",
        "TTL k",
        "SET k 6 NX GET",
        "GET k",
        "SET none 6 XX GET",
        "SET new 6 NX GET",
        "SET k 7 KEEPTTL EX 10",
        "SET k 7 EX 10 KEEPTTL",
        "SET k 7 EXAT 1",
        "GET k",
        "SET k 7 PXAT 1",
        "GET k",
        "SET k 7 EXAT 0",
        "SET k 7 PXAT -1",
        "SET k 7 EXAT x",
        "SET k 7 EXAT 9223372036854775807",
        "SET k 7 EXAT 99999999999",
        "GET k",
        "PERSIST k",
        "PERSIST k",
        "PERSIST none",
        "TTL k",
        "RPUSH l a",
        "SET l 1 GET",
        "SET l 1 NX GET",
        "TYPE l",
        "TYPE k",
        "TYPE none",
        "INCRBY n 5",
        "INCRBY n -7",
        "DECRBY n 3",
        "DECRBY n -9223372036854775808",
        "DECRBY n 9223372036854775807",
        "DECRBY n 9223372036854775807",
        "INCRBY n x",
        "INCRBY n",
        "INCRBY l 1",
        "SETNX k 1",
        "SETNX fresh 1",
        "SETEX e 100 v",
        "TTL e",
        "SETEX e 0 v",
        "SETEX e x v",
        "PSETEX e 100000 v",
        "TTL e",
        "PSETEX e -1 v",
        "GETSET e w",
        "TTL e",
        "GETSET l w",
        "GETDEL e",
        "GETDEL e",
        "GETDEL l",
        "STRLEN k",
        "STRLEN none",
        "STRLEN l",
        "PEXPIRE k 100000",
        "TTL k",
        "PEXPIRE k 9223372036854775807",
        "PTTL none",
        "PTTL fresh",
        "UNLINK k fresh none",
    });
}

TEST(MiniRedisAgainstRedis, AnswersConnectionCommandsLikeRedis) {
    NEEDS_REDIS();
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

TEST(MiniRedisAgainstRedis, AnswersTransactionsLikeRedis) {
    NEEDS_REDIS();
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
TEST(MiniRedisAgainstRedis, WatchedKeysNoticeChangesLikeRedis) {
    NEEDS_REDIS();
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
    EXPECT_EQ(transact(our_redis()), transact(real_redis()));
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

TEST(MiniRedisAgainstRedis, AnswersResp3LikeRedis) {
    NEEDS_REDIS();
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
    EXPECT_EQ(run_in_resp3(our_redis().connect(), script), run_in_resp3(real_redis().connect(), script));
}

/// Sends inline commands and invalid requests in one call, and then the end of the stream.
TEST(MiniRedisAgainstRedis, AnswersLinesAndBrokenFramesLikeRedis) {
    NEEDS_REDIS();
    const real_redis real;
    const our_redis ours;
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
TEST(MiniRedisAgainstRedis, DeliversMessagesLikeRedis) {
    NEEDS_REDIS();
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
    EXPECT_EQ(converse(our_redis()), converse(real_redis()));
}

// ---- The tools ----

TEST(MiniRedisAgainstRedis, RedisCliWorksAgainstMiniRedis) {
    NEEDS_REDIS();
    const our_redis ours;
    const auto ask = [&](std::vector<std::string> words) {
        std::vector<std::string> command{"/usr/bin/redis-cli", "-p", ours.port()};
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

TEST(MiniRedisAgainstRedis, RedisBenchmarkRunsWithoutErrors) {
    NEEDS_REDIS();
    const our_redis ours;
    const auto ended =
        support::run({"/usr/bin/redis-benchmark", "-p", ours.port(), "-c", "50", "-P", "16", "-n", "20000", "-t",
                      "ping,set,get,incr,lpush,rpush,lpop,sadd,hset,lrange_100,mset", "-q"});
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
    EXPECT_EQ(ended.out.find("rror"), std::string::npos) << ended.out;
    for (const std::string_view name : {"SET: ", "GET: ", "LRANGE_100 (first 100 elements): ", "MSET (10 keys): "}) {
        EXPECT_NE(ended.out.find(name), std::string::npos) << ended.out;
    }
}

}  // namespace
