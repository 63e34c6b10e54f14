// SPDX-License-Identifier: MIT
// Messages with streamed bodies, in memory, both sides.
#include <eddy/proto.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/future/deadline.hpp>
#include <eddy/future/join.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/test/run_paused.hpp>
#include <eddy/time/sleep.hpp>

#include "support/proto/streamed_codec.hpp"

namespace {

using namespace std::chrono_literals;
namespace proto = eddy::proto;
using eddy::errc;
using eddy::result;
using eddy::task;
using eddy::codec::framed;
using eddy::io::duplex;
using eddy::io::duplex_stream;
using eddy::test::run_paused;
using eddy::time::sleep;
using support::streamed_codec;

using message = proto::message<std::string, std::string>;
using body = proto::body<std::string>;

const auto io_error = std::make_error_code(std::errc::io_error);

struct pipelined_protocol {
    static constexpr bool is_multiplexed = false;
    using client = proto::pipelined_client<message, message>;
    static auto frames(duplex_stream stream) { return framed(std::move(stream), streamed_codec<false>()); }
    template <class S>
    static auto serve(duplex_stream stream, S service, const proto::connection_options& options = {}) {
        return proto::pipelined(frames(std::move(stream)), std::move(service), options);
    }
};
struct multiplexed_protocol {
    static constexpr bool is_multiplexed = true;
    using client = proto::multiplexed_client<message, message>;
    static auto frames(duplex_stream stream) { return framed(std::move(stream), streamed_codec<true>()); }
    template <class S>
    static auto serve(duplex_stream stream, S service, const proto::connection_options& options = {}) {
        return proto::multiplexed(frames(std::move(stream)), std::move(service), options);
    }
};

template <class Protocol>
class ProtoBodies : public ::testing::Test {};
using protocols = ::testing::Types<pipelined_protocol, multiplexed_protocol>;
TYPED_TEST_SUITE(ProtoBodies, protocols);

/// The chunk number `n` of a body.
std::string chunk(int n) { return std::to_string(n) + std::string(static_cast<std::size_t>(n) % 40, 'x'); }

std::string chunks_until(int count) {
    std::string all;
    for (int n = 0; n < count; ++n) all += chunk(n) + ",";
    return all;
}

/// What became of a body.
struct progress {
    int produced = 0;
    bool alive = false;
};
class alive_guard {
public:
    explicit alive_guard(progress& of) : of_(&of) { of_->alive = true; }
    alive_guard(const alive_guard&) = delete;
    alive_guard& operator=(const alive_guard&) = delete;
    ~alive_guard() { of_->alive = false; }

private:
    progress* of_;
};

/// Yields chunks, and then ends, fails, or waits forever.
enum class last : unsigned char { end, error, wait };
eddy::async_generator<result<std::string>> produce(int count, progress& of, last how = last::end) {
    const alive_guard alive(of);
    for (int n = 0; n < count; ++n) {
        ++of.produced;
        co_yield chunk(n);
    }
    if (how == last::error) co_yield std::unexpected(io_error);
    if (how == last::wait) co_await sleep(10h);
}

/// Reads a body. Returns its chunks, and then the error if there is one.
task<std::string> read_all(body from) {
    std::string all;
    while (auto next = co_await from.next()) {
        if (!*next) co_return all + next->error().message();
        all += **next + ",";
    }
    co_return all;
}

/// Answers with the head and the body of the request. The head "no" gets no body.
task<result<message>> echo(message request) {
    if (request.head == "fail") co_return std::unexpected(io_error);
    std::string head = request.head + (request.body.has_value() ? "+" : "");
    if (request.head == "no") {
        const auto all = co_await read_all(std::move(request.body));
        co_return message(head + all);
    }
    co_return message(std::move(head), std::move(request.body));
}

/// Ends both sides: the client by its destruction.
template <class Client, class Serving>
task<> end_both(std::optional<Client>& client, Serving& serving) {
    client.reset();
    const auto ended = co_await serving;
    EXPECT_TRUE(ended && *ended);
}

// covers: S92
TYPED_TEST(ProtoBodies, BothDirectionsWithAndWithoutBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        auto service = [&sent](message request) -> task<result<message>> {
            const bool answers_with_body = request.head == "with";
            auto all = co_await read_all(std::move(request.body));
            if (!answers_with_body) co_return message(std::move(all));
            co_return message(std::move(all), produce(50, sent));
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        for (const bool request_has_body : {false, true}) {
            for (const bool response_has_body : {false, true}) {
                progress made;
                message request(response_has_body ? "with" : "without");
                if (request_has_body) request.body = produce(70, made);
                auto answer = co_await (*client)(std::move(request));
                EXPECT_EQ(answer->head, request_has_body ? chunks_until(70) : "");
                EXPECT_EQ(answer->body.has_value(), response_has_body);
                const auto all = co_await read_all(std::move(answer->body));
                EXPECT_EQ(all, response_has_body ? chunks_until(50) : "");
                EXPECT_FALSE(made.alive);
            }
        }
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ResponseBodyIsSentWhileRequestBodyArrives) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), echo));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        auto [tx, rx] = eddy::sync::mpsc<std::string>::channel(1);
        auto answer = co_await (*client)(message("echo", std::move(rx)));
        EXPECT_EQ(answer->head, "echo+");
        for (int n = 0; n < 100; ++n) {
            const auto sent = co_await tx.send(chunk(n));
            EXPECT_TRUE(sent);
            const auto next = co_await answer->body.next();
            EXPECT_EQ(**next, chunk(n));
        }
        {
            const auto gone = std::move(tx);
        }
        const auto end = co_await answer->body.next();
        EXPECT_FALSE(end);
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ManyCallsAtOnceKeepTheirBodies) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), echo));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        std::vector<progress> made(30);
        eddy::join_set<std::string> calls;
        for (int i = 0; i < 30; ++i) {
            calls.spawn([](typename TypeParam::client with, message request) -> task<std::string> {
                auto head = request.head;
                auto answer = co_await with(std::move(request));
                EXPECT_EQ(answer->head, head + "+");
                co_return co_await read_all(std::move(answer->body));
            }(*client, message(std::to_string(i), produce(40 + i, made[static_cast<std::size_t>(i)]))));
        }
        std::size_t total = 0;
        while (auto ended = co_await calls.join_next()) total += (*ended)->size();
        std::size_t expected = 0;
        for (int i = 0; i < 30; ++i) expected += chunks_until(40 + i).size();
        EXPECT_EQ(total, expected);
        co_await end_both(client, serving);
    });
}

// covers: S92
TYPED_TEST(ProtoBodies, SenderStopsWhileReaderDoesNotRead) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const auto service = [](message request) -> task<result<message>> {
            co_await sleep(1s);
            co_return message(co_await read_all(std::move(request.body)));
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        progress made;
        auto call = eddy::spawn((*client)(message("slow", produce(2000, made))));
        co_await sleep(500ms);
        EXPECT_GE(made.produced, static_cast<int>(proto::body_window));
        EXPECT_LE(made.produced, 1000);  // the window, and the buffers of the two connections
        auto answer = co_await call;
        EXPECT_EQ((*answer)->head, chunks_until(2000));
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ErrorOfBodyReachesReaderAfterChunks) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        const auto service = [&sent](message request) -> task<result<message>> {
            auto all = co_await read_all(std::move(request.body));
            co_return message(std::move(all), produce(5, sent, last::error));
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        progress made;
        auto answer = co_await (*client)(message("x", produce(20, made, last::error)));
        EXPECT_EQ(answer->head, chunks_until(20) + io_error.message());
        const auto all = co_await read_all(std::move(answer->body));
        EXPECT_EQ(all, chunks_until(5) + io_error.message());
        const auto again = co_await (*client)(message("no"));
        EXPECT_EQ(again->head, "");
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ServiceErrorFailsOnlyItsCall) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), echo));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        progress made;
        auto first = (*client)(message("no", produce(30, made)));
        auto failing = (*client)(message("fail", produce(30, made)));
        auto last = (*client)(message("no"));
        auto [a, b, c] = co_await eddy::join(std::move(first), std::move(failing), std::move(last));
        EXPECT_EQ(a->head, "no+" + chunks_until(30));
        EXPECT_EQ(b.error(), io_error);
        EXPECT_EQ(c->head, "no");
        co_await end_both(client, serving);
        EXPECT_FALSE(made.alive);
    });
}

TYPED_TEST(ProtoBodies, EncoderErrorFailsOnlyItsMessage) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), echo));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        const auto refused = co_await (*client)(message("!"));
        EXPECT_EQ(refused.error(), io_error);
        std::vector<std::string> chunks{"a", "!", "b"};
        auto answer = co_await (*client)(message("x", eddy::streams::iter(std::move(chunks))));
        const auto all = co_await read_all(std::move(answer->body));
        EXPECT_EQ(all, "a," + io_error.message());
        const auto again = co_await (*client)(message("no"));
        EXPECT_EQ(again->head, "no");
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ServiceMayAnswerWithoutReadingTheBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const auto service = [](message request) -> task<result<message>> { co_return message(request.head); };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        progress made;
        const auto early = co_await (*client)(message("a", produce(500, made)));
        EXPECT_EQ(early->head, "a");
        const auto next = co_await (*client)(message("b"));
        EXPECT_EQ(next->head, "b");
        EXPECT_FALSE(made.alive);
        // The rest of a body can only be skipped in a pipelined protocol. In a multiplexed one it is cancelled.
        if (TypeParam::is_multiplexed) {
            EXPECT_LE(made.produced, 100);
        }
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ClientMayDropTheResponseBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        const auto service = [&sent](message request) -> task<result<message>> {
            if (request.head == "short") co_return message("short");
            co_return message("long", produce(500, sent));
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        {
            auto answer = co_await (*client)(message("long"));
            const auto first = co_await answer->body.next();
            EXPECT_EQ(**first, chunk(0));
        }
        const auto next = co_await (*client)(message("short"));
        EXPECT_EQ(next->head, "short");
        EXPECT_FALSE(sent.alive);
        if (TypeParam::is_multiplexed) {
            EXPECT_LE(sent.produced, 100);
        }
        co_await end_both(client, serving);
    });
}

// covers: S92
TYPED_TEST(ProtoBodies, DroppedCallStopsItsRequestBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        std::string seen;
        std::error_code why;
        const auto service = [&](message request) -> task<result<message>> {
            while (auto next = co_await request.body.next()) {
                if (*next) seen += **next + ",";
                if (!*next) why = next->error();
            }
            co_return message(request.head);
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        progress made;
        {
            const auto limited = *client | proto::timeout(10ms);
            const auto late = co_await limited(message("late", produce(3, made, last::wait)));
            EXPECT_EQ(late.error(), errc::timed_out);
        }
        const auto next = co_await (*client)(message("next"));
        EXPECT_EQ(next->head, "next");
        EXPECT_FALSE(made.alive);
        EXPECT_EQ(seen, chunks_until(3));
        // In a multiplexed protocol, the running call is dropped, too.
        EXPECT_EQ(why == std::errc::operation_canceled, !TypeParam::is_multiplexed);
        co_await end_both(client, serving);
    });
}

TYPED_TEST(ProtoBodies, ServerThatGoesAwayFailsResponseBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        const auto service = [&sent](message) -> task<result<message>> {
            co_return message("long", produce(5, sent, last::wait));
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        const typename TypeParam::client client(TypeParam::frames(std::move(ends.first)));
        auto answer = co_await client(message("x"));
        co_await sleep(1ms);
        serving.abort();
        const auto all = co_await read_all(std::move(answer->body));
        EXPECT_EQ(all, chunks_until(5) + make_error_code(errc::unexpected_eof).message());
        const auto later = co_await client(message("y"));
        EXPECT_EQ(later.error(), errc::unexpected_eof);
    });
}

TYPED_TEST(ProtoBodies, ClientThatGoesAwayFailsRequestBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        std::string seen;
        const auto service = [&seen](message request) -> task<result<message>> {
            seen = co_await read_all(std::move(request.body));
            co_return message("late");
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        {
            auto frames = TypeParam::frames(std::move(ends.first));
            if constexpr (TypeParam::is_multiplexed) {
                auto head = typename streamed_codec<true>::frame(1, proto::head_frame(std::string("x"), true));
                static_cast<void>(co_await frames.send(std::move(head)));
                auto part = typename streamed_codec<true>::frame(1, proto::chunk_frame(std::string("a")));
                static_cast<void>(co_await frames.send(std::move(part)));
            } else {
                auto head = typename streamed_codec<false>::frame(proto::head_frame(std::string("x"), true));
                static_cast<void>(co_await frames.send(std::move(head)));
                auto part = typename streamed_codec<false>::frame(proto::chunk_frame(std::string("a")));
                static_cast<void>(co_await frames.send(std::move(part)));
            }
        }
        const auto ended = co_await serving;
        EXPECT_EQ(seen, "a," + make_error_code(errc::unexpected_eof).message());
        EXPECT_FALSE(ended && *ended);
    });
}

TYPED_TEST(ProtoBodies, ShutdownWaitsForBodies) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const eddy::sync::cancellation_token token;
        auto serving =
            eddy::spawn(TypeParam::serve(std::move(ends.second), echo, proto::connection_options().shutdown(token)));
        const typename TypeParam::client client(TypeParam::frames(std::move(ends.first)));
        progress made;
        auto answer = co_await client(message("x", produce(100, made)));
        token.cancel();
        co_await sleep(1ms);
        const auto all = co_await read_all(std::move(answer->body));
        EXPECT_EQ(all, chunks_until(100));
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

TYPED_TEST(ProtoBodies, LastHandleMayGoBeforeBodiesEnd) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), echo));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        progress made;
        auto answer = co_await (*client)(message("x", produce(100, made)));
        client.reset();
        const auto all = co_await read_all(std::move(answer->body));
        EXPECT_EQ(all, chunks_until(100));
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

TYPED_TEST(ProtoBodies, LimitOfCallsDoesNotStopBodies) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving =
            eddy::spawn(TypeParam::serve(std::move(ends.second), echo, proto::connection_options().max_in_flight(1)));
        std::optional<typename TypeParam::client> client(std::in_place, TypeParam::frames(std::move(ends.first)), 4);
        std::vector<progress> made(4);
        auto a = (*client)(message("no", produce(200, made[0])));
        auto b = (*client)(message("no", produce(200, made[1])));
        auto c = (*client)(message("no", produce(200, made[2])));
        auto [x, y, z] = co_await eddy::join(std::move(a), std::move(b), std::move(c));
        if (TypeParam::is_multiplexed) {  // one request may wait; others are refused
            EXPECT_EQ(x->head, "no+" + chunks_until(200));
            EXPECT_TRUE(y.has_value() || z.has_value());
        } else {
            EXPECT_EQ(x->head + y->head + z->head,
                      "no+" + chunks_until(200) + "no+" + chunks_until(200) + "no+" + chunks_until(200));
        }
        co_await end_both(client, serving);
    });
}

// covers: S92
TYPED_TEST(ProtoBodies, ShutdownAnswersRequestsThatWait) {
    run_paused([]() -> task<> {
        auto ends = duplex(4096);
        const eddy::sync::cancellation_token token;
        const auto service = [](message request) -> task<result<message>> {
            co_await sleep(1s);
            co_return message(request.head);
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service,
                                                    proto::connection_options().max_in_flight(1).shutdown(token)));
        const typename TypeParam::client client(TypeParam::frames(std::move(ends.first)), 4);
        auto runs = eddy::spawn(client(message("runs")));
        co_await sleep(1ms);
        auto waits = eddy::spawn(client(message("waits")));
        co_await sleep(1ms);
        token.cancel();
        const auto first = co_await runs;
        EXPECT_TRUE(*first && (*first)->head == "runs");
        const auto second = co_await waits;
        EXPECT_TRUE(*second && (*second)->head == "waits");
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

/// Yields a chunk and throws.
eddy::async_generator<result<std::string>> throws_after(std::string first) {
    co_yield std::move(first);
    throw std::runtime_error("a mistake");
}

TYPED_TEST(ProtoBodies, ExceptionOfBodyEndsOnlyThisBody) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        const auto service = [](message request) -> task<result<message>> {
            auto all = co_await read_all(std::move(request.body));
            co_return message(std::move(all), throws_after("b"));
        };
        auto serving = eddy::spawn(TypeParam::serve(std::move(ends.second), service));
        std::optional<typename TypeParam::client> client(TypeParam::frames(std::move(ends.first)));
        for (int i = 0; i < 2; ++i) {
            auto answer = co_await (*client)(message("x", throws_after("a")));
            EXPECT_TRUE(answer.has_value());
            if (!answer) break;
            EXPECT_EQ(answer->head, "a," + io_error.message());
            const auto all = co_await read_all(std::move(answer->body));
            EXPECT_EQ(all, "b," + io_error.message());
        }
        co_await end_both(client, serving);
    });
}

/// The call of a service that does not end. Its graceful cancellation reads the body of its request to the end.
class reads_when_cancelled {
public:
    using output_type = result<message>;

    reads_when_cancelled(body from, std::string& into) : from_(std::move(from)), into_(&into) {}

    static eddy::poll_result<output_type> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context& cx) {
        for (;;) {
            auto next = from_.poll_next(cx);
            if (!next) return eddy::not_ready;
            if (!*next) return eddy::poll_result<void>::ready();
            *into_ += **std::move(*next) + ",";
        }
    }

private:
    body from_;
    std::string* into_;
};

TYPED_TEST(ProtoBodies, BodiesMoveDuringGracefulCancellation) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        std::string seen;
        const auto service = [&seen](message request) { return reads_when_cancelled(std::move(request.body), seen); };
        auto serving = eddy::spawn(eddy::with_deadline(10ms, TypeParam::serve(std::move(ends.second), service)));
        const typename TypeParam::client client(TypeParam::frames(std::move(ends.first)));
        progress made;
        auto call = eddy::spawn(client(message("x", produce(100, made))));
        co_await sleep(1s);
        EXPECT_EQ(seen, chunks_until(100));
        EXPECT_FALSE(made.alive);
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && !*ended);  // the deadline
        const auto failed = co_await call;
        EXPECT_TRUE(failed && !*failed);
    });
}

// ---- Multiplexed ----

// covers: S92
TEST(ProtoMultiplexedBodies, BodyWithoutReaderDelaysNoOther) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        const auto service = [&sent](message request) -> task<result<message>> {
            if (request.head == "no") co_return co_await echo(std::move(request));
            co_return message("long", produce(500, sent));
        };
        auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), service));
        std::optional<multiplexed_protocol::client> client(multiplexed_protocol::frames(std::move(ends.first)));
        auto unread = co_await (*client)(message("long"));
        progress made;
        for (int i = 0; i < 20; ++i) {
            const auto answer = co_await (*client)(message("no", produce(100, made)));
            EXPECT_EQ(answer->head, "no+" + chunks_until(100));
        }
        EXPECT_EQ(sent.produced, static_cast<int>(proto::body_window) + 1);
        const auto all = co_await read_all(std::move(unread->body));
        EXPECT_EQ(all, chunks_until(500));
        co_await end_both(client, serving);
    });
}

/// A connection that reads only after everything that was written has been flushed.
class flushes_first {
public:
    using connection = decltype(multiplexed_protocol::frames(std::declval<duplex_stream>()));
    using item_type = connection::item_type;
    using error_type = connection::error_type;
    using frame = item_type::value_type;

    explicit flushes_first(connection inner) : inner_(std::move(inner)) {}

    eddy::poll_result<std::optional<item_type>> poll_next(eddy::context& cx) {
        if (unflushed_) return eddy::not_ready;
        return inner_.poll_next(cx);
    }
    auto poll_ready(eddy::context& cx) { return inner_.poll_ready(cx); }
    auto start_send(frame&& one) {
        unflushed_ = true;
        return inner_.start_send(std::move(one));
    }
    auto poll_flush(eddy::context& cx) {
        auto flushed = inner_.poll_flush(cx);
        if (flushed && std::exchange(unflushed_, false)) cx.waker().wake_by_ref();
        return flushed;
    }
    auto poll_close(eddy::context& cx) { return inner_.poll_close(cx); }

private:
    connection inner_;
    bool unflushed_ = false;
};

// As tokio-proto's test_multiplex_deadlock.
// covers: S92
TEST(ProtoMultiplexedBodies, ConnectionThatMustBeFlushedBeforeReading) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving =
            eddy::spawn(proto::multiplexed(flushes_first(multiplexed_protocol::frames(std::move(ends.second))), echo));
        std::optional<multiplexed_protocol::client> client(multiplexed_protocol::frames(std::move(ends.first)));
        progress made;
        auto a = (*client)(message("no", produce(100, made)));
        auto b = (*client)(message("no", produce(100, made)));
        auto [x, y] = co_await eddy::join(std::move(a), std::move(b));
        EXPECT_EQ(x->head, "no+" + chunks_until(100));
        EXPECT_EQ(y->head, "no+" + chunks_until(100));
        co_await end_both(client, serving);
    });
}

using numbered_frame = streamed_codec<true>::frame;

TEST(ProtoMultiplexedBodies, AnswersOfShortRequestsOvertakeLongBodies) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), echo));
        auto peer = multiplexed_protocol::frames(std::move(ends.first));
        auto open = numbered_frame(7, proto::head_frame(std::string("no"), true));
        static_cast<void>(co_await peer.send(std::move(open)));
        auto other = numbered_frame(3, proto::head_frame(std::string("x"), false));
        static_cast<void>(co_await peer.send(std::move(other)));
        const auto first = co_await peer.next();
        EXPECT_EQ((*first)->id, 3U);
        auto end = numbered_frame(7, proto::end_frame());
        static_cast<void>(co_await peer.send(std::move(end)));
        const auto second = co_await peer.next();
        EXPECT_EQ((*second)->id, 7U);
        static_cast<void>(co_await peer.close());
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

TEST(ProtoMultiplexedBodies, DroppedCallDropsRunningCallOfService) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress running;
        const auto service = [&running](message request) -> task<result<message>> {
            if (request.head != "slow") co_return message(request.head);
            const alive_guard alive(running);
            ++running.produced;
            co_await sleep(10h);
            co_return message("late");
        };
        auto serving = eddy::spawn(
            multiplexed_protocol::serve(std::move(ends.second), service, proto::connection_options().max_in_flight(1)));
        std::optional<multiplexed_protocol::client> client(multiplexed_protocol::frames(std::move(ends.first)));
        const auto limited = *client | proto::timeout(10ms);
        const auto late = co_await limited(message("slow"));
        EXPECT_EQ(late.error(), errc::timed_out);
        EXPECT_EQ(running.produced, 1);
        const auto next = co_await (*client)(message("next"));  // the call has left its place to this one
        EXPECT_EQ(next->head, "next");
        EXPECT_FALSE(running.alive);
        // A call that is cancelled before it begins does not run.
        auto peer_call = eddy::spawn((*client)(message("slow")));
        co_await sleep(1ms);
        auto waiting = eddy::spawn((*client)(message("slow")));
        co_await sleep(1ms);
        waiting.abort();
        co_await sleep(1ms);
        peer_call.abort();
        const auto last = co_await (*client)(message("last"));
        EXPECT_EQ(last->head, "last");
        EXPECT_EQ(running.produced, 2);
        EXPECT_FALSE(running.alive);
    });
}

TEST(ProtoMultiplexedBodies, MoreChunksThanPermittedAreAnError) {
    run_paused([]() -> task<> {
        auto ends = duplex(4096);
        const auto service = [](message request) -> task<result<message>> {
            co_await sleep(1s);
            co_return message(request.head);
        };
        auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), service));
        auto peer = multiplexed_protocol::frames(std::move(ends.first));
        auto open = numbered_frame(1, proto::head_frame(std::string("x"), true));
        static_cast<void>(co_await peer.send(std::move(open)));
        for (std::size_t i = 0; i <= proto::body_window; ++i) {
            auto part = numbered_frame(1, proto::chunk_frame(std::string("a")));
            static_cast<void>(co_await peer.send(std::move(part)));
        }
        const auto ended = co_await serving;
        EXPECT_EQ(ended->error(), std::errc::protocol_error);
    });
}

TEST(ProtoMultiplexedBodies, RequestsBeyondTheLimitAreRefused) {
    run_paused([]() -> task<> {
        auto ends = duplex(4096);
        const auto service = [](message request) -> task<result<message>> {
            co_await sleep(1s);
            co_return message(request.head);
        };
        auto serving = eddy::spawn(
            multiplexed_protocol::serve(std::move(ends.second), service, proto::connection_options().max_in_flight(2)));
        auto peer = multiplexed_protocol::frames(std::move(ends.first));
        for (std::uint64_t id = 1; id <= 6; ++id) {
            auto open = numbered_frame(id, proto::head_frame(std::string("x"), false));
            static_cast<void>(co_await peer.send(std::move(open)));
        }
        std::vector<std::uint64_t> refused;
        for (int i = 0; i < 6; ++i) {
            auto next = co_await peer.next();
            if (std::holds_alternative<proto::error_frame>((*next)->body)) refused.push_back((*next)->id);
        }
        EXPECT_EQ(refused, (std::vector<std::uint64_t>{5, 6}));
        static_cast<void>(co_await peer.close());
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

TEST(ProtoMultiplexedBodies, HalfClosedClientThatGivesNoCreditEndsTheServer) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        const auto service = [&sent](message) -> task<result<message>> {
            co_return message("long", produce(500, sent));
        };
        auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), service));
        auto peer = multiplexed_protocol::frames(std::move(ends.first));
        auto open = numbered_frame(1, proto::head_frame(std::string("x"), false));
        static_cast<void>(co_await peer.send(std::move(open)));
        static_cast<void>(co_await peer.close());
        bool has_failed = false;
        while (auto next = co_await peer.next()) has_failed = std::holds_alternative<proto::error_frame>((*next)->body);
        EXPECT_TRUE(has_failed);
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
        EXPECT_FALSE(sent.alive);
    });
}

// covers: S92
TEST(ProtoMultiplexedBodies, CancelledRequestThatWaitsIsNotKept) {
    run_paused([]() -> task<> {
        auto ends = duplex(4096);
        int started = 0;
        const auto answer = [](message request) -> task<result<message>> {
            co_await sleep(1s);
            co_return message(request.head);
        };
        const auto service = [&](message request) {
            ++started;
            return answer(std::move(request));
        };
        auto serving = eddy::spawn(
            multiplexed_protocol::serve(std::move(ends.second), service, proto::connection_options().max_in_flight(1)));
        auto peer = multiplexed_protocol::frames(std::move(ends.first));
        for (std::uint64_t id = 1; id <= 100; ++id) {
            auto open = numbered_frame(id, proto::head_frame(std::string("x"), false));
            static_cast<void>(co_await peer.send(std::move(open)));
            if (id == 1 || id == 100) continue;
            auto reset = numbered_frame(id, proto::cancel_frame());
            static_cast<void>(co_await peer.send(std::move(reset)));
        }
        const auto first = co_await peer.next();
        EXPECT_EQ((*first)->id, 1U);
        const auto last = co_await peer.next();
        EXPECT_EQ((*last)->id, 100U);
        EXPECT_EQ(started, 2);
        static_cast<void>(co_await peer.close());
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

TEST(ProtoMultiplexedBodies, EndOfBodyNeedsNoCredit) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        progress sent;
        const auto service = [&sent](message) -> task<result<message>> {
            co_return message("full", produce(static_cast<int>(proto::body_window), sent));
        };
        auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), service));
        auto peer = multiplexed_protocol::frames(std::move(ends.first));
        auto open = numbered_frame(1, proto::head_frame(std::string("x"), false));
        static_cast<void>(co_await peer.send(std::move(open)));
        static_cast<void>(co_await peer.close());
        bool has_ended = false;
        while (auto next = co_await peer.next()) has_ended = std::holds_alternative<proto::end_frame>((*next)->body);
        EXPECT_TRUE(has_ended);
        const auto ended = co_await serving;
        EXPECT_TRUE(ended && *ended);
    });
}

TEST(ProtoMultiplexedBodies, HugeLimitsDoNotOverflow) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        constexpr auto huge = std::numeric_limits<std::size_t>::max() / 2 + 1;
        auto serving = eddy::spawn(
            multiplexed_protocol::serve(std::move(ends.second), echo, proto::connection_options().max_in_flight(huge)));
        std::optional<multiplexed_protocol::client> client(multiplexed_protocol::frames(std::move(ends.first)));
        const auto answer = co_await (*client)(message("no"));
        EXPECT_TRUE(answer && answer->head == "no");
        co_await end_both(client, serving);
    });
}

TEST(ProtoMultiplexedBodies, BodyThatOutlivesItsCallBlocksNoOtherCall) {
    run_paused([]() -> task<> {
        auto ends = duplex(64);
        std::vector<body> kept;
        const auto service = [&kept](message request) -> task<result<message>> {
            if (request.body.has_value()) kept.push_back(std::move(request.body));
            co_return message(request.head);
        };
        auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), service));
        std::optional<multiplexed_protocol::client> client(std::in_place,
                                                           multiplexed_protocol::frames(std::move(ends.first)), 1);
        progress made;
        const auto early = co_await (*client)(message("early", produce(1, made, last::wait)));
        EXPECT_TRUE(early && early->head == "early");
        const auto next = co_await (*client | proto::timeout(1s))(message("next"));
        EXPECT_TRUE(next && next->head == "next");
        EXPECT_TRUE(made.alive);
        kept.clear();
        co_await end_both(client, serving);
        EXPECT_FALSE(made.alive);
    });
}

/// Sends a request, with or without a body that never ends, to a peer that answers with `frames`, and then with its
/// end. Returns the outcome: the head and the body of the response, or the error; and whether the client has refused
/// the frames.
std::string answer_of_frames(std::vector<streamed_codec<true>::frame> frames, bool has_body) {
    std::string got;
    run_paused([&]() -> task<> {
        auto ends = duplex(1 << 16);
        const multiplexed_protocol::client client(multiplexed_protocol::frames(std::move(ends.first)));
        progress sent;
        auto request = has_body ? message("x", produce(1, sent, last::wait)) : message("x");
        auto calling = eddy::spawn(client(std::move(request)));
        {
            auto peer = multiplexed_protocol::frames(std::move(ends.second));
            const auto head = co_await peer.next();
            EXPECT_TRUE(head && *head);
            for (auto& one : frames) {
                one.id += (*head)->id;
                static_cast<void>(co_await peer.send(std::move(one)));
            }
            co_await sleep(1s);
        }
        auto response = co_await calling;
        got = *response ? (*response)->head + ":" : response->error().message();
        if (*response && (*response)->body.has_value()) got += co_await read_all(std::move((*response)->body));
        const auto later = co_await client(message("later"));
        if (later.error() == std::errc::protocol_error) got += " (refused)";
    });
    return got;
}

TEST(ProtoMultiplexedBodies, ClientRefusesOrIgnoresFramesOutOfPlace) {
    using frame = streamed_codec<true>::frame;
    const auto head = [](bool has_body, int id = 0) {
        return frame(id, proto::head_frame(std::string("a"), has_body));
    };
    const auto chunk_of = [](int id = 0) { return frame(id, proto::chunk_frame(std::string("c"))); };
    const auto end = [](int id = 0) { return frame(id, proto::end_frame()); };
    const auto error = [](int id = 0) { return frame(id, proto::error_frame(io_error)); };
    const std::string violation = std::make_error_code(std::errc::protocol_error).message();
    const std::string refused = " (refused)";
    const std::string gone = make_error_code(errc::unexpected_eof).message();
    const std::string failed = io_error.message();
    const auto window = [&](std::size_t count) {
        std::vector<frame> all{head(true)};
        for (std::size_t i = 0; i < count; ++i) all.push_back(chunk_of());
        return all;
    };
    std::string full;
    for (std::size_t i = 0; i < proto::body_window; ++i) full += "c,";
    struct row {
        const char* name;
        std::vector<frame> frames;
        bool has_body;
        std::string expected;
    };
    const row rows[] = {
        {"a second head", {head(true), head(true)}, false, "a:" + violation + refused},
        {"a second head without a body", {head(true), chunk_of(), head(false)}, false, "a:c," + violation + refused},
        {"a second head while the request is sent", {head(false), head(false), end()}, true, "a:" + refused},
        {"frames of no exchange", {chunk_of(1), end(1), error(1), head(true), end()}, false, "a:"},
        {"a chunk before the head", {chunk_of(), head(true), end()}, false, "a:"},
        {"an end before the head", {end(), head(true), end()}, false, "a:"},
        {"a chunk without a body", {head(false), chunk_of(), end()}, true, "a:"},
        {"a chunk after the end", {head(true), end(), chunk_of()}, true, "a:"},
        {"a whole window", window(proto::body_window), false, "a:" + full + gone},
        {"more than a window", window(proto::body_window + 1), false, "a:" + full + violation + refused},
        {"an error before the head", {error(), head(true)}, false, failed},
        {"an error after the head", {head(true), chunk_of(), error(), chunk_of()}, true, "a:c," + failed},
        {"an end, then an error", {head(true), chunk_of(), end(), error()}, true, "a:c,"},
        {"no answer", {}, false, make_error_code(errc::connection_closed).message()},
        {"no end", {head(true), chunk_of()}, false, "a:c," + gone},
    };
    for (const auto& each : rows) EXPECT_EQ(answer_of_frames(each.frames, each.has_body), each.expected) << each.name;
}

TEST(ProtoMultiplexedBodies, ServerRefusesOrIgnoresFramesOutOfPlace) {
    using frame = streamed_codec<true>::frame;
    const auto head = [](bool has_body) { return frame(1, proto::head_frame(std::string("a"), has_body)); };
    const std::pair<std::vector<frame>, bool> rows[] = {
        {{head(true), head(true)}, true},
        {{head(false), head(false)}, true},
        {{head(true), frame(1, proto::end_frame()), head(false)}, true},
        {{head(true), frame(1, proto::cancel_frame()), head(false)}, false},  // the former exchange has ended
        {{frame(1, proto::chunk_frame(std::string("c"))), frame(1, proto::end_frame()), head(false)}, false},
        {{frame(1, proto::error_frame(io_error)), frame(1, proto::cancel_frame()), head(false)}, false},
        {{frame(1, proto::credit_frame(1)), head(false)}, false},
        {{head(true), frame(1, proto::end_frame()), frame(1, proto::chunk_frame(std::string("c")))}, false},
        {{head(true), frame(1, proto::error_frame(io_error)), frame(1, proto::end_frame())}, false},
    };
    for (const auto& [frames, is_refused] : rows) {
        run_paused([&]() -> task<> {
            auto ends = duplex(4096);
            const auto service = [](message request) -> task<result<message>> {
                co_await sleep(1s);
                co_return message(request.head);
            };
            auto serving = eddy::spawn(multiplexed_protocol::serve(std::move(ends.second), service));
            auto peer = multiplexed_protocol::frames(std::move(ends.first));
            for (auto one : frames) static_cast<void>(co_await peer.send(std::move(one)));
            static_cast<void>(co_await peer.close());
            const auto ended = co_await serving;
            const auto why = ended->has_value() ? std::error_code() : ended->error();
            EXPECT_EQ(why == std::errc::protocol_error, is_refused) << &frames - &rows[0].first << why.message();
        });
    }
}

// ---- Pipelined ----

/// A connection whose peer has answered `requests` requests, and whose writes then fail.
class answers_then_fails {
public:
    using frame = streamed_codec<false>::frame;
    using item_type = result<frame>;
    using error_type = std::error_code;

    answers_then_fails(int requests, std::vector<frame> answers) : requests_(requests), answers_(std::move(answers)) {}

    eddy::poll_result<std::optional<item_type>> poll_next(eddy::context&) {
        if (requests_ != 0 || next_ == answers_.size()) return eddy::not_ready;
        return std::optional<item_type>(std::move(answers_[next_++]));
    }
    [[nodiscard]] eddy::poll_result<result<void>> poll_ready(eddy::context&) const {
        if (requests_ != 0) return result<void>();
        return result<void>(std::unexpect, io_error);
    }
    result<void> start_send(frame&&) {
        --requests_;
        return {};
    }
    [[nodiscard]] eddy::poll_result<result<void>> poll_flush(eddy::context& cx) const { return poll_ready(cx); }
    static eddy::poll_result<result<void>> poll_close(eddy::context&) { return result<void>(); }

private:
    int requests_;
    std::vector<frame> answers_;
    std::size_t next_ = 0;
};

// covers: S92
TEST(ProtoPipelinedBodies, FailedWriteLosesNoResponseBehindAnUnreadBody) {
    run_paused([]() -> task<> {
        using frame = answers_then_fails::frame;
        constexpr int count = 30;  // more than the window, so that the connection is not read to its end
        std::vector<frame> answers{frame(proto::head_frame(std::string("a"), true))};
        for (int n = 0; n < count; ++n) answers.emplace_back(proto::chunk_frame(chunk(n)));
        answers.emplace_back(proto::end_frame());
        answers.emplace_back(proto::head_frame(std::string("b"), false));
        const pipelined_protocol::client client(answers_then_fails(2, std::move(answers)));
        auto first = eddy::spawn(client(message("x")));
        auto second = eddy::spawn(client(message("y")));
        auto with_body = co_await first;
        co_await sleep(1ms);
        const auto all = co_await read_all(std::move((*with_body)->body));
        EXPECT_EQ(all, chunks_until(count));
        const auto behind = co_await second;
        EXPECT_TRUE(*behind && (*behind)->head == "b");
        const auto later = co_await client(message("z"));
        EXPECT_EQ(later.error(), io_error);
    });
}

/// The same, but it accepts frames until the end, and cannot flush them.
class cannot_flush : public answers_then_fails {
public:
    using answers_then_fails::answers_then_fails;

    static eddy::poll_result<result<void>> poll_flush(eddy::context&) { return result<void>(std::unexpect, io_error); }
};

// covers: S92
TEST(ProtoPipelinedBodies, FailedFlushEndsCallsWhileThePeerIsSilent) {
    run_paused([]() -> task<> {
        const pipelined_protocol::client client(cannot_flush(2, {}));
        const auto answer = co_await (client | proto::timeout(1s))(message("x"));
        EXPECT_EQ(answer.error(), io_error);
    });
}

// covers: S92
TEST(ProtoPipelinedBodies, UnreadRequestBodyIsDiscardedUpToALimit) {
    run_paused([]() -> task<> {
        using frame = streamed_codec<false>::frame;
        for (const std::size_t more : {0, 1}) {
            auto ends = duplex(4096);
            const auto service = [](message request) -> task<result<message>> { co_return message(request.head); };
            auto serving = eddy::spawn(pipelined_protocol::serve(std::move(ends.second), service));
            auto peer = pipelined_protocol::frames(std::move(ends.first));
            auto open = frame(proto::head_frame(std::string("x"), true));
            static_cast<void>(co_await peer.send(std::move(open)));
            const auto answer = co_await peer.next();
            EXPECT_TRUE(answer && *answer);
            for (std::size_t i = 0; i < proto::max_discarded_chunks + more; ++i) {
                auto part = frame(proto::chunk_frame(std::string("a")));
                static_cast<void>(co_await peer.send(std::move(part)));
            }
            auto end = frame(proto::end_frame());
            static_cast<void>(co_await peer.send(std::move(end)));
            static_cast<void>(co_await peer.close());
            const auto ended = co_await serving;
            const auto why = ended->has_value() ? std::error_code() : ended->error();
            EXPECT_EQ(why == std::errc::message_size, more != 0);
        }
    });
}

TEST(ProtoPipelinedBodies, FramesOutOfPlaceAreAnError) {
    run_paused([]() -> task<> {
        using frame = streamed_codec<false>::frame;
        std::vector<std::vector<frame>> cases;
        cases.push_back({frame(proto::chunk_frame(std::string("a")))});
        cases.push_back({frame(proto::end_frame())});
        cases.push_back(
            {frame(proto::head_frame(std::string("a"), true)), frame(proto::head_frame(std::string("b"), false))});
        for (auto& frames : cases) {
            auto ends = duplex(4096);
            auto serving = eddy::spawn(pipelined_protocol::serve(std::move(ends.second), echo));
            auto peer = pipelined_protocol::frames(std::move(ends.first));
            for (auto& one : frames) static_cast<void>(co_await peer.send(std::move(one)));
            const auto ended = co_await serving;
            EXPECT_EQ(ended->error(), std::errc::protocol_error);
        }
    });
}

}  // namespace
