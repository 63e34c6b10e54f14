// SPDX-License-Identifier: MIT
// The blocks of code in docs/services.md; see docs_test.cpp.
#include <eddy/prelude.hpp>
#include <eddy/proto.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using eddy::try_;
namespace codec = eddy::codec;

// docs: layers
namespace proto = eddy::proto;

eddy::task<eddy::result<std::string>> look_up(std::string name);  // a service
// docs: end

eddy::task<eddy::result<std::string>> look_up(std::string name) {
    co_await eddy::yield_now();
    co_return "hello, " + name;
}

TEST(ServicesDocs, LayersAnswerLikeTheService) {
    eddy::test::run_paused([]() -> eddy::task<void> {
        // docs: call
        const auto handler = look_up | proto::timeout(1s) | proto::concurrency_limit(64) | proto::load_shed();
        auto answer = co_await handler("eddy");
        // docs: end
        EXPECT_EQ(answer.value(), "hello, eddy");
    });
}

codec::lines_codec my_codec() { return codec::lines_codec(100); }

TEST(ServicesDocs, PipelinedServerAnswersPipelinedClient) {
    eddy::test::run_paused([]() -> eddy::task<void> {
        auto [ours, theirs] = eddy::io::duplex(64);
        const auto handler = [](std::string name) { return look_up(std::move(name)); };
        auto server = [handler](auto stream) -> eddy::task<eddy::result<void>> {
            // docs: server
            // One connection of a server. See net::serve for the listener.
            co_await try_(proto::pipelined(codec::framed(std::move(stream), my_codec()), handler));
            // docs: end
            co_return eddy::ok();
        };
        auto serving = eddy::spawn(server(std::move(theirs)));
        {
            auto stream = std::move(ours);
            // docs: client
            // A client: copies of it may be called from many tasks and threads.
            const proto::pipelined_client client(codec::framed(std::move(stream), my_codec()));
            auto answer = co_await client("request");
            // docs: end
            EXPECT_EQ(answer.value(), "hello, request");
        }
        serving.abort();
        static_cast<void>(co_await serving);
    });
}

}  // namespace
