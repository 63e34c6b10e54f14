// SPDX-License-Identifier: MIT
// Pipelined and multiplexed connections in memory, both sides.
#include <eddy/proto.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/io/read_to_end.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/stream/sources.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/run_paused.hpp>
#include <eddy/time/sleep.hpp>

#include "support/proto/numbered_codec.hpp"
#include "support/scripted.hpp"

namespace {

using namespace std::chrono_literals;
namespace proto = eddy::proto;
using eddy::errc;
using eddy::result;
using eddy::task;
using eddy::codec::framed;
using eddy::io::duplex;
using eddy::io::duplex_stream;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::test::run_paused;
using eddy::time::sleep;
using support::numbered_codec;
using support::plan;
using support::script;
using support::scripted;

const auto io_error = std::make_error_code(std::errc::io_error);

auto lines(duplex_stream stream) { return framed(std::move(stream), eddy::codec::lines_codec(1024)); }

auto messages(duplex_stream stream) { return framed(std::move(stream), numbered_codec()); }

using line_client = proto::pipelined_client<std::string, std::string>;
using message_client = proto::multiplexed_client<std::string, std::string>;

/// Waits as many milliseconds as the number in `text`, and returns twice the number.
task<result<std::string>> double_slowly(std::string text) {
    const int n = std::stoi(text);
    co_await sleep(std::chrono::milliseconds(n));
    co_return std::to_string(2 * n);
}

/// A service whose calls follow scripts: the request is the index of the script.
auto following(std::vector<script>& scripts) {
    return [&scripts](const std::string& text) -> task<result<std::string>> {
        const auto value = co_await scripted(scripts[static_cast<std::size_t>(std::stoi(text))]);
        if (!value) co_return std::unexpected(value.error());
        co_return std::to_string(*value);
    };
}

// ---- Servers ----

// covers: S92
TEST(ProtoPipelined, HundredRequestsAreAnsweredInOrder) {
    run_paused([]() -> task<> {
        auto [client, server] = duplex(4096);
        std::string requests;
        std::string expected;
        for (int i = 100; i > 0; --i) {
            requests += std::to_string(i) + "\n";
            expected += std::to_string(2 * i) + "\n";
        }
        const auto start = eddy::time::clock::now();
        auto served = eddy::spawn(
            proto::pipelined(lines(std::move(server)), double_slowly, proto::connection_options().max_in_flight(100)));
        static_cast<void>(co_await eddy::io::write_all(client, requests));
        static_cast<void>(co_await eddy::io::shutdown(client));
        const auto answers = co_await eddy::io::read_to_string(client);
        EXPECT_EQ(answers, expected);
        EXPECT_EQ(eddy::time::clock::now() - start, 100ms);  // they ran concurrently
        const auto ended = co_await served;
        EXPECT_TRUE(ended && *ended);
    });
}

// covers: S92
TEST(ProtoPipelined, LimitOfRequestsInFlightIsExact) {
    auto scripts = support::numbered_scripts(5);
    auto [client, server] = duplex(4096);
    by_hand served(
        proto::pipelined(lines(std::move(server)), following(scripts), proto::connection_options().max_in_flight(2)));
    by_hand written(eddy::io::write_all(client, std::string("0\n1\n2\n3\n4\n")));
    EXPECT_TRUE(assert_ready(written.poll()));
    assert_pending(served.poll());
    EXPECT_TRUE(scripts[0].alive && scripts[1].alive && !scripts[2].alive);
    scripts[1].change(plan::ready);  // its answer has to wait for the first one, so request 1 is still in flight
    assert_pending(served.poll());
    EXPECT_FALSE(scripts[2].alive);
    scripts[0].change(plan::ready);
    assert_pending(served.poll());
    EXPECT_TRUE(scripts[2].alive && scripts[3].alive && !scripts[4].alive);
    served.drop();  // drops the calls
    EXPECT_FALSE(scripts[2].alive || scripts[3].alive);
    by_hand answers(eddy::io::read_to_string(client));
    EXPECT_EQ(assert_ready(answers.poll()), "0\n1\n");
}

TEST(ProtoPipelined, ServiceErrorEndsConnectionAfterEarlierAnswers) {
    auto scripts = support::numbered_scripts(3);
    auto [client, server] = duplex(4096);
    by_hand served(proto::pipelined(lines(std::move(server)), following(scripts)));
    by_hand written(eddy::io::write_all(client, std::string("0\n1\n2\n")));
    EXPECT_TRUE(assert_ready(written.poll()));
    assert_pending(served.poll());
    scripts[2].change(plan::ready);
    scripts[1].change(plan::fails);
    assert_pending(served.poll());  // waits for the first answer
    scripts[0].change(plan::ready);
    EXPECT_EQ(assert_ready(served.poll()).error(), io_error);
    by_hand answers(eddy::io::read_to_string(client));
    EXPECT_EQ(assert_ready(answers.poll()), "0\n");
}

TEST(ProtoPipelined, FirstErrorOfServiceNamesRecover) {
    if constexpr (!eddy::detail::has_checks) return;  // the message needs EDDY_CHECKS
    // It is printed once in a process, so the test needs one of its own.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto serve_one = [] {
        run_paused([]() -> task<> {
            auto [client, server] = duplex(64);
            const auto fails = [](const std::string&) -> task<result<std::string>> {
                co_return std::unexpected(std::make_error_code(std::errc::io_error));
            };
            auto served = eddy::spawn(proto::pipelined(lines(std::move(server)), fails));
            static_cast<void>(co_await eddy::io::write_all(client, std::string("0\n")));
            const auto ended = co_await served;
            EXPECT_EQ(ended->error(), std::errc::io_error);
        });
        std::_Exit(testing::Test::HasFailure() ? 1 : 0);
    };
    EXPECT_EXIT(serve_one(), testing::ExitedWithCode(0), "turn errors into responses with proto::recover");
}

TEST(ProtoPipelined, ExceptionOfServicePassesThrough) {
    auto scripts = support::numbered_scripts(2);
    auto [client, server] = duplex(4096);
    by_hand served(proto::pipelined(lines(std::move(server)), following(scripts)));
    by_hand written(eddy::io::write_all(client, std::string("0\n1\n")));
    EXPECT_TRUE(assert_ready(written.poll()));
    assert_pending(served.poll());
    scripts[1].change(plan::throws);
    EXPECT_THROW(static_cast<void>(served.poll()), std::runtime_error);
    EXPECT_FALSE(scripts[0].alive);
    EXPECT_THROW(static_cast<void>(served.poll()), eddy::misuse);
}

TEST(ProtoPipelined, CodecErrorEndsConnectionAfterEarlierAnswers) {
    run_paused([]() -> task<> {
        auto [client, server] = duplex(4096);
        auto served =
            eddy::spawn(proto::pipelined(framed(std::move(server), eddy::codec::lines_codec(8)), double_slowly));
        static_cast<void>(co_await eddy::io::write_all(client, std::string("9\n8\n7777777777777777\n6\n")));
        const auto answers = co_await eddy::io::read_to_string(client);
        EXPECT_EQ(answers, "18\n16\n");
        const auto ended = co_await served;
        EXPECT_EQ(ended->error(), errc::line_too_long);
    });
}

TEST(ProtoPipelined, ShutdownAnswersRequestsThatWereRead) {
    run_paused([]() -> task<> {
        auto [client, server] = duplex(4096);
        const eddy::sync::cancellation_token token;
        auto served = eddy::spawn(
            proto::pipelined(lines(std::move(server)), double_slowly, proto::connection_options().shutdown(token)));
        static_cast<void>(co_await eddy::io::write_all(client, std::string("20\n10\n")));
        co_await sleep(1ms);
        token.cancel();
        co_await sleep(1ms);
        static_cast<void>(co_await eddy::io::write_all(client, std::string("5\n")));
        const auto answers = co_await eddy::io::read_to_string(client);
        EXPECT_EQ(answers, "40\n20\n");
        const auto ended = co_await served;
        EXPECT_TRUE(ended && *ended);
    });
}

TEST(ProtoPipelined, CallsContinueWhileClientDoesNotRead) {
    auto scripts = support::numbered_scripts(2);
    auto [client, server] = duplex(8);
    std::vector<std::string> ended;
    const auto service = [&](const std::string& text) -> task<result<std::string>> {
        if (text == "big") co_return std::string(10'000, 'x');  // larger than the buffers
        const auto value = co_await scripted(scripts[static_cast<std::size_t>(std::stoi(text))]);
        ended.push_back(text);
        co_return std::to_string(*value);
    };
    by_hand served(proto::pipelined(lines(std::move(server)), service));
    by_hand written(eddy::io::write_all(client, std::string("big\n0\n1\n")));
    while (!written.poll().is_ready()) assert_pending(served.poll());
    assert_pending(served.poll());
    scripts[1].change(plan::ready);
    scripts[0].change(plan::ready);
    assert_pending(served.poll());
    EXPECT_EQ(ended, (std::vector<std::string>{"1", "0"}));
}

TEST(ProtoPipelined, AnswersThatCannotBeSentCountAsInFlight) {
    auto [client, server] = duplex(64);
    int begun = 0;
    const auto service = [&begun](std::string) -> task<result<std::string>> {
        ++begun;
        co_return std::string(10'000, 'x');  // larger than the buffers
    };
    by_hand served(proto::pipelined(lines(std::move(server)), service, proto::connection_options().max_in_flight(2)));
    by_hand written(eddy::io::write_all(client, std::string("1\n2\n3\n4\n5\n6\n7\n8\n")));
    EXPECT_TRUE(assert_ready(written.poll()));
    for (int i = 0; i < 10; ++i) assert_pending(served.poll());
    EXPECT_EQ(begun, 3);  // the first answer is in the buffer of the connection
}

TEST(ProtoPipelined, ConnectionByReferenceCanBeUsedAfterwards) {
    run_paused([]() -> task<> {
        auto [client, server] = duplex(4096);
        auto connection = lines(std::move(server));
        const eddy::sync::cancellation_token token;
        auto served =
            proto::pipelined(std::ref(connection), double_slowly, proto::connection_options().shutdown(token));
        static_cast<void>(co_await eddy::io::write_all(client, std::string("1\n")));
        token.cancel();
        const auto ended = co_await std::move(served);
        EXPECT_TRUE(ended);
        const auto line = co_await connection.next();
        EXPECT_EQ(**line, "1");
    });
}

// covers: S92
TEST(ProtoMultiplexed, AnswersAreSentAsSoonAsTheyAreReady) {
    run_paused([]() -> task<> {
        auto [client, server] = duplex(4096);
        auto served = eddy::spawn(proto::multiplexed(messages(std::move(server)), double_slowly));
        auto connection = messages(std::move(client));
        for (const std::uint32_t id : {30u, 10u, 20u}) {
            auto request = proto::numbered(id, std::to_string(id));
            const auto sent = co_await connection.send(std::move(request));
            EXPECT_TRUE(sent);
        }
        std::string order;
        for (int i = 0; i < 3; ++i) {
            auto answer = co_await connection.next();
            order += std::to_string((*answer)->id) + "=" + (*answer)->body + " ";
        }
        EXPECT_EQ(order, "10=20 20=40 30=60 ");
        const auto closed = co_await connection.close();
        const auto ended = co_await served;
        EXPECT_TRUE(closed && *ended);
    });
}

TEST(ProtoMultiplexed, EncoderErrorEndsConnectionAfterEarlierAnswers) {
    run_paused([]() -> task<> {
        auto [client, server] = duplex(4096);
        const auto service = [](std::string text) -> task<result<std::string>> { co_return text; };
        auto served = eddy::spawn(proto::multiplexed(messages(std::move(server)), service));
        static_cast<void>(co_await eddy::io::write_all(client, std::string("\0\0\0\1\1a\0\0\0\2\1!\0\0\0\3\1c", 18)));
        const auto answers = co_await eddy::io::read_to_string(client);
        EXPECT_EQ(answers, std::string("\0\0\0\1\1a", 6));
        const auto ended = co_await served;
        EXPECT_EQ(ended->error(), io_error);
    });
}

// ---- Clients ----

task<result<std::string>> add_mark(std::string text) {
    for (auto n = text.size() % 3; n > 0; --n) co_await eddy::yield_now();
    co_return text + "!";
}

TEST(ProtoClient, TypesAreDeducedFromTheCodec) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const proto::multiplexed_client client(messages(std::move(ends.first)));
        static_assert(std::is_same_v<decltype(client), const message_client>);
        auto other = lines(std::move(ends.second));
        static_assert(std::is_same_v<decltype(proto::pipelined_client(std::move(other))), line_client>);
        co_return;
    });
}

template <class Client, class Served>
task<> check_dropped_calls(Client client, Served served) {
    auto server = eddy::spawn(std::move(served));
    {
        auto kept = eddy::spawn(client("30"));
        auto dropped = eddy::spawn(client("20"));
        auto last = eddy::spawn(client("40"));
        co_await sleep(10ms);
        dropped.abort();  // its answer arrives later and is discarded
        co_await sleep(50ms);
        const auto a = co_await kept;
        const auto b = co_await last;
        const auto c = co_await client("1");
        EXPECT_TRUE(**a == "60" && **b == "80" && *c == "2");
    }
    {
        const Client gone = std::move(client);
    }
    const auto ended = co_await server;
    EXPECT_TRUE(ended && *ended);
}

// covers: S92
TEST(ProtoClient, DroppedCallDoesNotDisturbOthers) {
    run_paused([]() -> task<> {
        auto first = duplex(64);
        co_await check_dropped_calls(line_client(lines(std::move(first.first)), 3),
                                     proto::pipelined(lines(std::move(first.second)), double_slowly));
        auto second = duplex(64);
        co_await check_dropped_calls(message_client(messages(std::move(second.first)), 3),
                                     proto::multiplexed(messages(std::move(second.second)), double_slowly));
    });
}

TEST(ProtoClient, LimitOfCallsInFlightIsExact) {
    run_paused([]() -> task<> {
        auto ends = duplex(4096);
        auto peer = lines(std::move(ends.second));
        const line_client client(lines(std::move(ends.first)), 2);
        const auto shedding = client | proto::load_shed();
        auto a = eddy::spawn(client("a"));
        auto b = eddy::spawn(client("b"));
        auto c = eddy::spawn(client("c"));
        co_await sleep(1ms);
        const auto shed = co_await shedding("d");
        EXPECT_EQ(shed.error(), errc::overloaded);
        a.abort();  // an aborted call counts until its answer arrives
        co_await sleep(1ms);
        const auto first = co_await peer.next();
        const auto second = co_await peer.next();
        EXPECT_TRUE(**first == "a" && **second == "b");
        EXPECT_TRUE(peer.read_buffer().empty());
        const auto sent = co_await peer.send("A");
        EXPECT_TRUE(sent);
        const auto third = co_await peer.next();
        EXPECT_EQ(**third, "c");
        for (const char* each : {"B", "C"}) static_cast<void>(co_await peer.send(each));
        const auto answer_b = co_await b;
        const auto answer_c = co_await c;
        EXPECT_TRUE(**answer_b == "B" && **answer_c == "C");
    });
}

TEST(ProtoClient, DroppedMultiplexedCallsDoNotCount) {
    run_paused([]() -> task<> {
        auto ends = duplex(4096);
        auto peer = messages(std::move(ends.second));
        const message_client client(messages(std::move(ends.first)), 1);
        for (int i = 0; i < 5; ++i) {  // the peer answers none of them
            auto call = eddy::spawn(client("x"));
            co_await sleep(1ms);
            call.abort();
        }
        auto call = eddy::spawn(client("y"));
        for (std::uint64_t id = 1; id <= 6; ++id) {
            const auto request = co_await peer.next();
            EXPECT_EQ((*request)->id, id);
        }
        for (const std::uint64_t id : {1u, 5u, 6u}) {  // 1 and 5 answer dropped calls and are discarded
            auto answer = proto::numbered(id, std::string("answer"));
            const auto sent = co_await peer.send(std::move(answer));
            EXPECT_TRUE(sent);
        }
        const auto answer = co_await call;
        EXPECT_EQ(**answer, "answer");
    });
}

/// A codec for requests of 10,000 bytes.
struct large_codec {
    result<std::optional<proto::numbered<int>>> decode(eddy::bytes_mut&) {
        return std::optional<proto::numbered<int>>();
    }
    result<void> encode(const proto::numbered<std::shared_ptr<int>>&, eddy::bytes_mut& into) {
        into.put(std::string(10'000, 'x'));
        return {};
    }
};

TEST(ProtoClient, DroppedCallsAreNotKeptWhilePeerDoesNotRead) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const auto request = std::make_shared<int>();
        const proto::multiplexed_client<std::shared_ptr<int>, int> client(framed(std::move(ends.first), large_codec()),
                                                                          2);
        long most = 0;
        for (int i = 0; i < 100; ++i) {
            auto call = eddy::spawn(client(request));
            co_await sleep(1ms);
            most = std::max(most, request.use_count());
            call.abort();
        }
        EXPECT_LE(most, 1 + 2 * 2);  // this one, and twice as many as may be in flight
    });
}

template <class Client, class Peer>
task<> check_end(Client client, Peer& peer, std::function<task<>()> end, std::error_code expected) {
    auto a = eddy::spawn(client("a"));
    auto b = eddy::spawn(client("b"));
    auto waits = eddy::spawn(client("waits for a permit"));
    co_await sleep(1ms);
    EXPECT_FALSE(client.is_closed());
    co_await end();
    static_cast<void>(peer);
    for (auto* each : {&a, &b, &waits}) {
        const auto answer = co_await *each;
        EXPECT_EQ(answer->error(), expected);
    }
    const auto later = co_await client("later");
    EXPECT_EQ(later.error(), expected);
    EXPECT_TRUE(client.is_closed());
}

/// A connection on which nothing arrives. Sending fails at the flush, or before.
template <class Item>
class broken_sink {
public:
    using item_type = result<Item>;
    using error_type = std::error_code;

    explicit broken_sink(bool fails_at_flush) : fails_at_flush_(fails_at_flush) {}

    static eddy::poll_result<std::optional<item_type>> poll_next(eddy::context&) { return eddy::not_ready; }
    [[nodiscard]] eddy::poll_result<result<void>> poll_ready(eddy::context&) const {
        if (fails_at_flush_) return result<void>();
        return result<void>(std::unexpect, io_error);
    }
    static result<void> start_send(Item) { return {}; }
    static eddy::poll_result<result<void>> poll_flush(eddy::context&) { return result<void>(std::unexpect, io_error); }
    static eddy::poll_result<result<void>> poll_close(eddy::context&) { return result<void>(); }

private:
    bool fails_at_flush_;
};

TEST(ProtoClient, FailedWriteEndsCallWhilePeerIsSilent) {
    run_paused([]() -> task<> {
        for (const bool at_flush : {false, true}) {
            const line_client one{broken_sink<std::string>(at_flush)};
            const auto first = co_await one("a");
            EXPECT_EQ(first.error(), io_error);
            EXPECT_TRUE(one.is_closed());
            const message_client other{broken_sink<proto::numbered<std::string>>(at_flush)};
            const auto second = co_await other("a");
            EXPECT_EQ(second.error(), io_error);
            EXPECT_TRUE(other.is_closed());
        }
    });
}

TEST(ProtoPipelined, FailedFlushEndsServerWhileClientIsSilent) {
    run_paused([]() -> task<> {
        // The request comes first; then nothing arrives.
        auto requests = eddy::streams::iter(std::vector<result<std::string>>{std::string("a")});
        class connection : public broken_sink<std::string> {
        public:
            explicit connection(decltype(requests) from) : broken_sink(true), from_(std::move(from)) {}
            eddy::poll_result<std::optional<result<std::string>>> poll_next(eddy::context& cx) {
                auto next = from_.poll_next(cx);
                if (next && !*next) return eddy::not_ready;
                return next;
            }

        private:
            decltype(requests) from_;
        };
        const auto service = [](std::string text) -> task<result<std::string>> { co_return text; };
        const auto ended = co_await proto::pipelined(connection(std::move(requests)), service);
        EXPECT_EQ(ended.error(), io_error);
    });
}

// covers: S92
TEST(ProtoClient, EndOfConnectionEndsAllCalls) {
    run_paused([]() -> task<> {
        auto one = duplex(4096);
        std::optional peer(lines(std::move(one.second)));
        const auto drop = [&]() -> task<> {
            peer.reset();
            co_return;
        };
        co_await check_end(line_client(lines(std::move(one.first)), 2), peer, drop, errc::connection_closed);

        auto two = duplex(4096);
        const auto break_it = [&]() -> task<> {
            static_cast<void>(co_await eddy::io::write_all(two.second, "\xff\n"));
        };
        co_await check_end(line_client(lines(std::move(two.first)), 2), two.second, break_it, errc::invalid_utf8);

        auto three = duplex(4096);
        const auto answer_three = [&]() -> task<> {
            static_cast<void>(co_await eddy::io::write_all(three.second, std::string("\0\0\0\7\1x", 6)));
        };
        co_await check_end(message_client(messages(std::move(three.first)), 2), three.second, answer_three,
                           errc::unexpected_answer);
    });
}

TEST(ProtoClient, UnexpectedAnswerEndsConnection) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const line_client client(lines(std::move(ends.first)));
        static_cast<void>(co_await eddy::io::write_all(ends.second, "an answer\n"));
        co_await sleep(1ms);
        const auto answer = co_await client("x");
        EXPECT_EQ(answer.error(), errc::unexpected_answer);
    });
}

/// A codec with a mistake: it does not remove what it decodes, so it never runs out of answers to the first call.
struct repeating_codec {
    result<std::optional<proto::numbered<int>>> decode(eddy::bytes_mut& from) {
        if (from.empty()) return std::optional<proto::numbered<int>>();
        return std::optional(proto::numbered(1, 7));
    }
    result<void> encode(const proto::numbered<int>&, eddy::bytes_mut& into) {
        into.put("x");
        return {};
    }
};

TEST(ProtoClient, EndlessAnswersLeaveTimeForOtherTasks) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const proto::multiplexed_client<int, int> client(framed(std::move(ends.first), repeating_codec()));
        auto both = eddy::join(client(1), eddy::io::write_all(ends.second, "x"));
        const auto [answer, written] = co_await both;
        EXPECT_EQ(answer, 7);
        EXPECT_TRUE(written.has_value());
        co_await eddy::yield_now();
    });
}

TEST(ProtoClient, ErrorOfEncoderConcernsItsCallOnly) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto served = eddy::spawn(proto::multiplexed(messages(std::move(ends.second)), add_mark));
        const message_client client(messages(std::move(ends.first)));
        const auto bad = co_await client("!");
        const auto good = co_await client("x");
        EXPECT_EQ(bad.error(), io_error);
        EXPECT_EQ(good, "x!");
    });
}

TEST(ProtoClient, HandlesMayBeDestroyedWhileCallsWait) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto served = eddy::spawn(proto::pipelined(lines(std::move(ends.second)), double_slowly));
        std::optional<line_client> client(std::in_place, lines(std::move(ends.first)));
        auto call = eddy::spawn((*client)("10"));
        co_await sleep(1ms);
        client.reset();
        const auto answer = co_await call;
        EXPECT_EQ(**answer, "20");
        const auto ended = co_await served;
        EXPECT_TRUE(*ended);
    });
}

TEST(ProtoClient, EndOfEventLoopEndsCalls) {
    auto ends = duplex(64);
    std::optional<by_hand<task<result<std::string>>>> call;
    std::optional<line_client> client;
    {
        eddy::core loop;
        loop.run([&]() -> task<> {
            client.emplace(lines(std::move(ends.first)));
            co_await eddy::yield_now();
        }());
        call.emplace((*client)("x"));
        assert_pending(call->poll());
    }
    EXPECT_EQ(assert_ready(call->poll()).error(), errc::connection_closed);
}

TEST(ProtoClient, CanBeWrappedInLayers) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto peer = lines(std::move(ends.second));
        const auto client = line_client(lines(std::move(ends.first))) | proto::timeout(10ms) |
                            proto::retry(proto::retry_policy(eddy::time::backoff(1ms).jitter(0).max_retries(1)));
        const auto answer = co_await client("x");  // the peer never answers
        EXPECT_EQ(answer.error(), errc::timed_out);
        const auto first = co_await peer.next();
        const auto second = co_await peer.next();
        EXPECT_TRUE(**first == "x" && **second == "x");
    });
}

}  // namespace
