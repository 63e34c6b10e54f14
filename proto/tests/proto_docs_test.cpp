// SPDX-License-Identifier: MIT
// The blocks of code in proto/docs/services.md; see docs_test.cpp.
#include <eddy/prelude.hpp>
#include <eddy/proto.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <system_error>
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

TEST(ServicesDocs, ServerAndClientInOneLineEach) {
    eddy::core().run([]() -> eddy::task<void> {
        const eddy::sync::cancellation_token token;
        eddy::spawn_background([](eddy::sync::cancellation_token end) -> eddy::task<> {
            const auto handler = [](std::string name) { return look_up(std::move(name)); };
            const auto run = [&]() -> eddy::task<eddy::result<void>> {
                // docs: one line
                co_await try_(proto::tcp_server(my_codec()).address("127.0.0.1:0").shutdown(end).serve(handler));
                // docs: end
                co_return eddy::ok();
            };
            static_cast<void>(co_await run());
        }(token))
            .detach();
        token.cancel();
        co_return;
    });
}

TEST(ServicesDocs, RefusedRequestGoesToOtherService) {
    eddy::test::run_paused([]() -> eddy::task<void> {
        using request_type = std::unique_ptr<std::string>;
        const auto failing = [](request_type) -> eddy::task<eddy::result<std::string>> {
            co_return std::unexpected(std::make_error_code(std::errc::io_error));
        };
        const auto second = [](request_type name) { return look_up(std::move(*name)); };
        const auto first = failing | proto::circuit_breaker(proto::circuit_options().failures(1));
        static_cast<void>(co_await first(std::make_unique<std::string>("x")));
        auto request = std::make_unique<std::string>("eddy");
        // docs: offer
        auto answer = co_await proto::offer(first, request);
        if (!answer && answer.error() == eddy::errc::circuit_open) answer = co_await proto::offer(second, request);
        // docs: end
        EXPECT_EQ(answer.value(), "hello, eddy");
    });
}

}  // namespace
