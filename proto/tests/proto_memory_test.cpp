// SPDX-License-Identifier: MIT
// Services and connections of which one allocation fails. A separate executable, since it replaces operator new.
// runs: memory
#include <eddy/proto.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/duplex.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/stream/async_generator.hpp>
#include <eddy/task/spawn.hpp>

#include "support/failing_allocations.hpp"
#include "support/proto/numbered_codec.hpp"
#include "support/proto/streamed_codec.hpp"

namespace {

using namespace std::chrono_literals;
namespace proto = eddy::proto;
using eddy::result;
using eddy::task;
using eddy::codec::framed;
using eddy::io::duplex;
using eddy::io::duplex_stream;
using support::allocations_left;
using support::no_limit;
using support::numbered_codec;

// Longer than the buffer of a std::string, and than the buffer of the connection. So texts and queues allocate.
const std::string long_text(50, 'x');
constexpr std::size_t pipe_size = 64;

auto lines(duplex_stream stream) { return framed(std::move(stream), eddy::codec::lines_codec(1024)); }

auto messages(duplex_stream stream) { return framed(std::move(stream), numbered_codec()); }

task<result<std::string>> repeat(std::string text) {
    co_await eddy::yield_now();
    co_return text + text;
}

struct pipelined_protocol {
    using client = proto::pipelined_client<std::string, std::string>;
    static auto connection(duplex_stream stream) { return lines(std::move(stream)); }
    static auto serve(duplex_stream stream) { return proto::pipelined(lines(std::move(stream)), repeat); }
};
struct multiplexed_protocol {
    using client = proto::multiplexed_client<std::string, std::string>;
    static auto connection(duplex_stream stream) { return messages(std::move(stream)); }
    static auto serve(duplex_stream stream) { return proto::multiplexed(messages(std::move(stream)), repeat); }
};

/// Returns the text of an answer, "error" or "bad_alloc".
template <class S>
task<std::string> outcome_of(const S& service, std::string text) {
    try {
        auto calling = service(std::move(text));
        auto answer = co_await std::move(calling);
        if (answer) co_return *std::move(answer);
        co_return "error";
    } catch (const std::bad_alloc&) {
        co_return "bad_alloc";
    }
}

template <class S>
task<std::vector<std::string>> outcomes_of(const S& service) {
    auto all = eddy::join(outcome_of(service, long_text), outcome_of(service, long_text),
                          outcome_of(service, long_text), outcome_of(service, long_text));
    auto [a, b, c, d] = co_await all;
    std::vector<std::string> texts;
    texts.push_back(std::move(a));
    texts.push_back(std::move(b));
    texts.push_back(std::move(c));
    texts.push_back(std::move(d));
    co_return texts;
}

void expect_complete(const std::vector<std::string>& answers) {
    for (const auto& each : answers) EXPECT_EQ(each, long_text + long_text);
}

/// Runs `script(nth)` on an event loop, for nth = 0, 1, ..., until it returns that no allocation has failed. In a
/// second round, the allocations after the failed one fail, too.
template <class Script>
void fail_each(Script script) {
    for (const bool stays_short : {false, true}) {
        for (long nth = 0;; ++nth) {
            SCOPED_TRACE("allocation " + std::to_string(nth) + (stays_short ? " and later ones" : ""));
            eddy::core loop;
            support::memory_stays_short = stays_short;
            const bool has_failed = loop.run([&]() -> task<bool> { co_return co_await script(nth); });
            allocations_left = no_limit;
            support::memory_stays_short = false;
            EXPECT_TRUE(has_failed || nth > 0) << "no allocation could fail";
            if (!has_failed || ::testing::Test::HasFailure()) break;
        }
    }
}

/// Returns whether an allocation has failed, or could have. Ends the shortage.
bool end_shortage() { return std::exchange(allocations_left, no_limit) <= 0; }

/// Calls `make()` while the allocation `nth` fails. Then calls the service that it has returned, several times at the
/// same time. Returns whether an allocation has failed.
template <class Make>
task<bool> call_with_failure(long nth, Make make) {
    bool has_failed = true;
    std::vector<std::string> answers;
    try {
        allocations_left = nth;
        const auto service = make();
        auto calling = outcomes_of(service);
        answers = co_await std::move(calling);
        has_failed = end_shortage();
        if (!has_failed) expect_complete(answers);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
    }
    allocations_left = no_limit;
    co_return has_failed;
}

template <class Protocol>
class ProtoMemory : public ::testing::Test {};
using protocols = ::testing::Types<pipelined_protocol, multiplexed_protocol>;
TYPED_TEST_SUITE(ProtoMemory, protocols);

TYPED_TEST(ProtoMemory, FailedAllocationEndsCallsAndNotOtherConnections) {
    using client = typename TypeParam::client;
    fail_each([](long nth) -> task<bool> {
        auto [other_end, other_server_end] = duplex(pipe_size);
        auto other_serving = eddy::spawn(TypeParam::serve(std::move(other_server_end)));
        std::optional<client> other(TypeParam::connection(std::move(other_end)));
        const auto before = co_await outcomes_of(*other);
        expect_complete(before);

        auto [end, server_end] = duplex(pipe_size);
        auto serving = eddy::spawn(TypeParam::serve(std::move(server_end)));
        const bool has_failed =
            co_await call_with_failure(nth, [&end] { return client(TypeParam::connection(std::move(end))); });
        const auto served = co_await serving;  // it ends, with or without an exception
        EXPECT_TRUE(has_failed || (served && *served));

        const auto after = co_await outcomes_of(*other);
        expect_complete(after);
        other.reset();
        const auto other_served = co_await other_serving;
        EXPECT_TRUE(other_served && *other_served);
        co_return has_failed;
    });
}

TYPED_TEST(ProtoMemory, SpawnOfServerFailsWithBadAlloc) {
    using client = typename TypeParam::client;
    fail_each([](long nth) -> task<bool> {
        auto [end, server_end] = duplex(pipe_size);
        const client calls(TypeParam::connection(std::move(end)));
        bool has_failed = true;
        try {
            allocations_left = nth;
            eddy::spawn_background(TypeParam::serve(std::move(server_end))).detach();
            has_failed = end_shortage();
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
        }
        allocations_left = no_limit;
        const auto answers = co_await outcomes_of(calls);
        if (!has_failed) expect_complete(answers);
        co_return has_failed;
    });
}

// ---- Streamed bodies ----

using message = proto::message<std::string, std::string>;

task<result<message>> echo(message request) { co_return message(request.head, std::move(request.body)); }

eddy::async_generator<result<std::string>> produce() {
    for (int i = 0; i < 20; ++i) co_yield long_text;
}

task<result<std::string>> read_all(proto::body<std::string> from) {
    std::string all;
    while (auto next = co_await from.next()) {
        if (!*next) co_return std::unexpected(next->error());
        all += **next;
    }
    co_return all;
}

/// Echoes a body. Returns it, "error" or "bad_alloc".
template <class Client>
task<std::string> echo_body(const Client& client) {
    try {
        auto calling = client(message(long_text, produce()));
        auto answer = co_await std::move(calling);
        if (!answer) co_return "error";
        auto reading = read_all(std::move(answer->body));
        auto all = co_await std::move(reading);
        if (!all) co_return "error";
        co_return *std::move(all);
    } catch (const std::bad_alloc&) {
        co_return "bad_alloc";
    }
}

template <class Protocol>
class ProtoMemoryBodies : public ::testing::Test {};
struct pipelined_bodies {
    using client = proto::pipelined_client<message, message>;
    static auto connection(duplex_stream stream) { return framed(std::move(stream), support::streamed_codec<false>()); }
    static auto serve(duplex_stream stream) { return proto::pipelined(connection(std::move(stream)), echo); }
};
struct multiplexed_bodies {
    using client = proto::multiplexed_client<message, message>;
    static auto connection(duplex_stream stream) { return framed(std::move(stream), support::streamed_codec<true>()); }
    static auto serve(duplex_stream stream) { return proto::multiplexed(connection(std::move(stream)), echo); }
};
using body_protocols = ::testing::Types<pipelined_bodies, multiplexed_bodies>;
TYPED_TEST_SUITE(ProtoMemoryBodies, body_protocols);

TYPED_TEST(ProtoMemoryBodies, FailedAllocationEndsBodiesAndNoOtherConnection) {
    using client = typename TypeParam::client;
    std::string expected;
    for (int i = 0; i < 20; ++i) expected += long_text;
    fail_each([&expected](long nth) -> task<bool> {
        auto [other_end, other_server_end] = duplex(pipe_size);
        auto other_serving = eddy::spawn(TypeParam::serve(std::move(other_server_end)));
        std::optional<client> other(TypeParam::connection(std::move(other_end)));
        const auto before = co_await echo_body(*other);
        EXPECT_EQ(before, expected);

        auto [end, server_end] = duplex(pipe_size);
        auto serving = eddy::spawn(TypeParam::serve(std::move(server_end)));
        bool has_failed = true;
        std::string got;
        try {
            allocations_left = nth;
            const client calls(TypeParam::connection(std::move(end)));
            auto calling = echo_body(calls);
            got = co_await std::move(calling);
            has_failed = end_shortage();
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
        }
        allocations_left = no_limit;
        const bool is_valid = got == expected || got == "error" || got == "bad_alloc" || got.empty();
        EXPECT_TRUE(has_failed ? is_valid : got == expected) << got;
        const auto served = co_await serving;  // it ends, with or without an exception
        EXPECT_TRUE(has_failed || (served && *served));

        const auto after = co_await echo_body(*other);
        EXPECT_EQ(after, expected);
        other.reset();
        const auto other_served = co_await other_serving;
        EXPECT_TRUE(other_served && *other_served);
        co_return has_failed;
    });
}

TEST(ProtoMemoryLayers, FailedAllocationEndsCallsAndNotService) {
    fail_each([](long nth) -> task<bool> {
        auto budget = proto::retry_budget();
        const auto all = repeat | proto::retry(proto::retry_policy().budget(budget)) | proto::timeout(10s) |
                         proto::circuit_breaker(proto::circuit_options().failures(10)) | proto::concurrency_limit(2) |
                         proto::rate_limit(1000, 1s);
        const auto limited = proto::balance(std::vector(2, all));
        const auto buffered = limited | proto::buffer(1, 2);
        const bool has_failed = co_await call_with_failure(nth, [&] { return buffered; });
        const auto later = co_await outcomes_of(buffered);
        expect_complete(later);
        co_return has_failed;
    });
}

TEST(ProtoMemoryLayers, LayersThatCannotBeMadeThrow) {
    fail_each([](long nth) -> task<bool> {
        return call_with_failure(nth, [] {
            const auto limited = repeat | proto::retry(proto::retry_policy()) | proto::circuit_breaker() |
                                 proto::concurrency_limit(2) | proto::rate_limit(1000, 1s);
            return proto::balance(std::vector(2, limited)) | proto::buffer(1, 2);
        });
    });
}

TEST(ProtoMemoryPool, ConnectionThatCannotBeKeptIsClosed) {
    fail_each([](long nth) -> task<bool> {
        proto::pool pool([]() -> task<result<std::unique_ptr<int>>> { co_return std::make_unique<int>(7); });
        bool has_failed = true;
        try {
            allocations_left = nth;
            auto getting = pool.get();
            auto leased = co_await std::move(getting);
            EXPECT_TRUE(leased.has_value());
            if (leased) leased->give_back();
            has_failed = end_shortage();
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
        }
        allocations_left = no_limit;
        auto again = co_await pool.get();
        EXPECT_EQ(**again.value(), 7);
        again->give_back();
        EXPECT_EQ(pool.idle(), 1U);
        co_return has_failed;
    });
}

}  // namespace
