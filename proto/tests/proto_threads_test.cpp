// SPDX-License-Identifier: MIT
// Connections, layers and pools of eddy::proto that several threads use. Tests of one thread are in the group proto,
// which ThreadSanitizer does not run.
// runs: tsan
#include <eddy/proto.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/stream/async_generator.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/spawn.hpp>

#include "support/dice.hpp"
#include "support/proto/numbered_codec.hpp"
#include "support/proto/streamed_codec.hpp"
#include "support/runtimes.hpp"
#include "support/stress.hpp"
#include "support/yields.hpp"

namespace {

namespace proto = eddy::proto;
using eddy::result;
using eddy::task;
using eddy::codec::framed;
using eddy::io::duplex;
using eddy::io::duplex_stream;
using support::numbered_codec;

// ---- Connections ----

auto lines(duplex_stream stream) { return framed(std::move(stream), eddy::codec::lines_codec(1024)); }

auto messages(duplex_stream stream) { return framed(std::move(stream), numbered_codec()); }

using line_client = proto::pipelined_client<std::string, std::string>;
using message_client = proto::multiplexed_client<std::string, std::string>;

/// Makes many calls from many tasks and checks the answers.
template <class Client>
task<int> call_often(Client client, int tasks, int calls) {
    eddy::join_set<int> all;
    for (int t = 0; t < tasks; ++t) {
        all.spawn([client, t, calls]() -> task<int> {
            int right = 0;
            for (int i = 0; i < calls; ++i) {
                const auto text = std::to_string(t) + "." + std::to_string(i);
                const auto answer = co_await client(text);
                if (answer && *answer == text + "!") ++right;
            }
            co_return right;
        });
    }
    int right = 0;
    while (auto ended = co_await all.join_next()) right += **ended;
    co_return right;
}

task<result<std::string>> add_mark(std::string text) {
    for (auto n = text.size() % 3; n > 0; --n) co_await eddy::yield_now();
    co_return text + "!";
}

// The buffers have a few bytes, and the server accepts fewer calls than the client makes. So both sides must read while
// they cannot write.
// covers: S92
TEST(ProtoClient, ManyTasksCallOverOneConnection) {
    support::on_pools([]() -> task<> {
        const auto options = proto::connection_options().max_in_flight(3);
        auto first = duplex(16);
        auto second = duplex(16);
        auto pipelined = eddy::spawn(proto::pipelined(lines(std::move(first.first)), add_mark, options));
        auto multiplexed = eddy::spawn(proto::multiplexed(messages(std::move(second.first)), add_mark, options));
        {
            const line_client a(lines(std::move(first.second)), 8);
            const message_client b(messages(std::move(second.second)), 8);
            const auto [right_a, right_b] = co_await eddy::join(call_often(a, 12, 20), call_often(b, 12, 20));
            EXPECT_EQ(right_a, 240);
            EXPECT_EQ(right_b, 240);
        }
        // The last handle is gone, so the connections end.
        const auto ended_a = co_await pipelined;
        const auto ended_b = co_await multiplexed;
        EXPECT_TRUE(*ended_a && *ended_b);
    });
}

/// Makes calls, and drops some of them at random moments. Returns the number of wrong answers.
template <class Client>
task<int> call_and_drop(Client client, std::uint64_t seed, std::uint64_t rounds) {
    support::dice dice(seed);
    int wrong = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const auto text = std::to_string(seed) + "." + std::to_string(i);
        auto call = client(text);
        const auto ended = co_await eddy::select_biased(std::move(call), support::yields(dice.below(12)));
        if (ended.index() == 0 && std::get<0>(ended) != text + "!") ++wrong;
    }
    const auto last = co_await client("last");
    co_return last == "last!" ? wrong : wrong + 1;
}

template <class Client>
task<int> call_and_drop_on_threads(Client client) {
    eddy::join_set<int> all;
    for (unsigned i = 1; i <= 4; ++i) all.spawn(call_and_drop(client, support::seed() + i, support::rounds(5000)));
    int wrong = 0;
    while (auto ended = co_await all.join_next()) wrong += **ended;
    co_return wrong;
}

TEST(ProtoClientStress, CallsDroppedAtAnyMomentDoNotDisturbOthers) {
    support::on_pools([]() -> task<> {
        auto first = duplex(64);
        auto second = duplex(64);
        auto pipelined = eddy::spawn(proto::pipelined(lines(std::move(first.first)), add_mark));
        auto multiplexed = eddy::spawn(proto::multiplexed(messages(std::move(second.first)), add_mark));
        {
            const line_client a(lines(std::move(first.second)), 3);
            const message_client b(messages(std::move(second.second)), 3);
            const auto [wrong_a, wrong_b] =
                co_await eddy::join(call_and_drop_on_threads(a), call_and_drop_on_threads(b));
            EXPECT_TRUE(wrong_a == 0 && wrong_b == 0);
        }
        const auto ended_a = co_await pipelined;
        const auto ended_b = co_await multiplexed;
        EXPECT_TRUE(*ended_a) << ended_a->error().message();
        // A dropped multiplexed call is not waited for. So the server may find the connection closed when it answers.
        EXPECT_TRUE(*ended_b || ended_b->error() == std::errc::broken_pipe) << ended_b->error().message();
    });
}

// ---- Streamed bodies ----

using message = proto::message<std::string, std::string>;
using stream_client = proto::pipelined_client<message, message>;
using numbered_stream_client = proto::multiplexed_client<message, message>;

constexpr int chunk_count = 40;

std::string chunk(std::uint64_t of, int n) { return std::to_string(of) + ":" + std::to_string(n); }

eddy::async_generator<result<std::string>> produce(std::uint64_t of) {
    for (int n = 0; n < chunk_count; ++n) {
        if (n % 7 == 0) co_await eddy::yield_now();
        co_yield chunk(of, n);
    }
}

/// Echoes the body. Its reader may run in another task than the connection, on another thread.
task<result<message>> echo(message request) {
    if (request.head == "here") co_return message(request.head, std::move(request.body));
    auto [tx, rx] = eddy::sync::mpsc<result<std::string>>::channel(2);
    eddy::spawn([](auto to, proto::body<std::string> from) -> task<> {
        while (auto next = co_await from.next()) {
            const auto sent = co_await to.send(*std::move(next));
            if (!sent) co_return;
        }
    }(std::move(tx), std::move(request.body)))
        .detach();
    co_return message(request.head, std::move(rx));
}

template <class Client>
task<bool> is_echoed(Client client, std::uint64_t id, bool here) {
    auto answer = co_await client(message(here ? "here" : "there", produce(id)));
    if (!answer) co_return false;
    for (int n = 0; n < chunk_count; ++n) {
        const auto next = co_await answer->body.next();
        if (!next || !*next || **next != chunk(id, n)) co_return false;
    }
    const auto end = co_await answer->body.next();
    co_return !end;
}

/// Echoes bodies, and drops some of the calls and bodies at random moments. Returns the number of wrong bodies.
template <class Client>
task<int> stream_and_drop(Client client, std::uint64_t seed, std::uint64_t rounds) {
    support::dice dice(seed);
    int wrong = 0;
    for (std::uint64_t i = 0; i < rounds; ++i) {
        auto work = is_echoed(client, seed * 1000 + i, dice.one_in(2));
        const auto ended = co_await eddy::select_biased(std::move(work), support::yields(dice.below(100)));
        if (ended.index() == 0 && !std::get<0>(ended)) ++wrong;
    }
    const auto last = co_await is_echoed(client, seed, true);
    co_return last ? wrong : wrong + 1;
}

template <class Client>
task<int> stream_on_threads(Client client) {
    eddy::join_set<int> all;
    for (unsigned i = 1; i <= 4; ++i) all.spawn(stream_and_drop(client, support::seed() + i, support::rounds(1000)));
    int wrong = 0;
    while (auto ended = co_await all.join_next()) wrong += **ended;
    co_return wrong;
}

TEST(ProtoBodiesStress, BodiesDroppedAtAnyMomentDoNotDisturbOthers) {
    support::on_pools([]() -> task<> {
        auto first = duplex(64);
        auto second = duplex(64);
        auto pipelined =
            eddy::spawn(proto::pipelined(framed(std::move(first.first), support::streamed_codec<false>()), echo));
        auto multiplexed =
            eddy::spawn(proto::multiplexed(framed(std::move(second.first), support::streamed_codec<true>()), echo));
        {
            const stream_client a(framed(std::move(first.second), support::streamed_codec<false>()), 3);
            const numbered_stream_client b(framed(std::move(second.second), support::streamed_codec<true>()), 3);
            const auto [wrong_a, wrong_b] = co_await eddy::join(stream_on_threads(a), stream_on_threads(b));
            EXPECT_EQ(wrong_a, 0);
            EXPECT_EQ(wrong_b, 0);
        }
        // The clients have ended. What they had dropped may still be on its way.
        const auto ended_a = co_await pipelined;
        const auto ended_b = co_await multiplexed;
        EXPECT_TRUE(*ended_a || ended_a->error() == std::errc::broken_pipe) << ended_a->error().message();
        EXPECT_TRUE(*ended_b || ended_b->error() == std::errc::broken_pipe) << ended_b->error().message();
    });
}

// ---- Layers ----

TEST(ProtoConcurrencyLimit, LimitHoldsOnSeveralThreads) {
    support::on_pools([]() -> task<> {
        std::atomic<int> running = 0;
        std::atomic<int> most = 0;
        const auto counted = [&](int n) -> task<result<int>> {
            const int now = ++running;
            int seen = most.load();
            while (now > seen && !most.compare_exchange_weak(seen, now)) {
            }
            for (int i = 0; i < n % 4; ++i) co_await eddy::yield_now();
            --running;
            co_return n;
        };
        const auto limited = counted | proto::concurrency_limit(3);
        eddy::join_set<result<int>> all;
        for (int i = 0; i < 500; ++i) all.spawn(limited(i));
        int sum = 0;
        while (auto ended = co_await all.join_next()) sum += (**ended).value_or(-1000000);
        EXPECT_EQ(sum, 500 * 499 / 2);
        EXPECT_LE(most.load(), 3);
    });
}

TEST(ProtoBuffer, ServesSeveralThreads) {
    support::on_pools([]() -> task<> {
        int calls = 0;  // needs no lock, because the buffer runs one call at a time
        const auto counted = [&](int n) -> task<result<int>> {
            const int before = calls;
            co_await eddy::yield_now();
            calls = before + 1;
            co_return n;
        };
        const auto queued = counted | proto::buffer(8);
        eddy::join_set<result<int>> all;
        for (int i = 0; i < 300; ++i) all.spawn(queued(1));
        int sum = 0;
        while (auto ended = co_await all.join_next()) sum += (**ended).value_or(-1000);
        EXPECT_EQ(sum, 300);
        EXPECT_EQ(calls, 300);
    });
}

// ---- Pools ----

TEST(ProtoPool, SeveralThreadsShareConnections) {
    support::on_pools([]() -> task<> {
        const proto::pool pool([]() -> task<result<std::string>> { co_return std::string("x"); },
                               proto::pool_options().max(3));
        eddy::join_set<std::size_t> all;
        for (int i = 0; i < 300; ++i) {
            all.spawn([&pool]() -> task<std::size_t> {  // eddy-check: ignore: the loop below waits for all of them
                auto one = co_await pool.get();
                co_await eddy::yield_now();
                (*one)->push_back('x');  // needs no lock: one task at a time uses the connection
                one->give_back();
                co_return 1;
            });
        }
        std::size_t count = 0;
        while (auto ended = co_await all.join_next()) count += **ended;
        EXPECT_EQ(count, 300u);
        EXPECT_LE(pool.idle(), 3u);
        std::size_t uses = 0;
        std::vector<eddy::proto::leased<std::string>> kept;
        for (std::size_t i = pool.idle(); i > 0; --i) {
            auto one = co_await pool.get();
            uses += (*one)->size() - 1;
            kept.push_back(*std::move(one));
        }
        EXPECT_EQ(uses, 300u);
    });
}

}  // namespace
