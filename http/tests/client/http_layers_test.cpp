// SPDX-License-Identifier: MIT
// The client of eddy::http as a service of eddy::proto: layers keep its errors.
#include <eddy/http.hpp>
#include <eddy/proto.hpp>

#include <eddy/future.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/net.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace http = eddy::http;
namespace proto = eddy::proto;

using response = std::expected<http::response, http::client_error>;

/// A service that requests a URL.
auto fetching() {
    const http::client web(http::client_options().proxies(http::proxies::none()));
    return [web](std::string url) -> task<response> { return web.get(std::move(url)); };
}

/// Expects that the service cannot connect, and that its error says so.
template <class S>
void expect_refusal(const S& service, const std::string& name) {
    const auto closed = support::closed_addr().to_string();
    eddy::core loop;
    const auto answer = loop.run(service("http://" + closed + "/"));
    static_assert(std::is_same_v<decltype(answer.error()), const http::client_error&>);
    ASSERT_FALSE(answer.has_value()) << name;
    EXPECT_EQ(answer.error().phase(), http::phase::connect) << name;
    EXPECT_EQ(answer.error().where(), closed) << name;
    EXPECT_EQ(answer.error(), std::errc::connection_refused) << name;
}

TEST(HttpLayers, KeepErrorsOfTheClient) {
    expect_refusal(fetching() | proto::timeout(1h), "timeout");
    expect_refusal(fetching() | proto::concurrency_limit(1), "concurrency_limit");
    expect_refusal(fetching() | proto::rate_limit(10, 1s), "rate_limit");
    expect_refusal(fetching() | proto::concurrency_limit(1) | proto::load_shed(), "load_shed");
    expect_refusal(fetching() | proto::circuit_breaker(proto::circuit_options()), "circuit_breaker");
    expect_refusal(fetching() | proto::retry(proto::retry_policy(eddy::time::backoff(1ms).max_retries(2))), "retry");
    expect_refusal(fetching() | proto::map_request([](std::string url) { return url; }), "map_request");
    expect_refusal(fetching() | proto::map_response([](http::response answer) { return answer.status; }),
                   "map_response");
    expect_refusal(fetching() | proto::trace([](const proto::call_report&) {}), "trace");
    const proto::boxed_service<std::string, http::response, http::client_error> boxed(fetching() | proto::timeout(1h));
    expect_refusal(boxed, "boxed_service");
    expect_refusal(boxed | proto::timeout(1h) | proto::concurrency_limit(1) |
                       proto::retry(proto::retry_policy(eddy::time::backoff(1ms).max_retries(2))),
                   "many");
}

TEST(HttpLayers, TaskOfBufferKeepsErrorsOfTheClient) {
    eddy::core loop;
    const auto closed = support::closed_addr().to_string();
    const auto asked = [](std::string url) -> task<response> {
        const auto service = fetching() | proto::buffer(1);
        co_return co_await service(std::move(url));
    };
    EXPECT_EQ(loop.run(asked("http://" + closed + "/")).error().phase(), http::phase::connect);
}

TEST(HttpLayers, ErrorsOfLayersHaveNoPhase) {
    const auto silent = support::raw_socket::listening();
    const auto late = fetching() | proto::timeout(10ms);
    eddy::core loop;
    const auto answer = loop.run(late("http://" + silent.addr().to_string() + "/"));
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().phase(), http::phase::none);
    EXPECT_EQ(answer.error().where(), "");
    EXPECT_EQ(answer.error(), eddy::errc::timed_out);
    EXPECT_EQ(answer.error().message(),
              "the request was not completed: " + make_error_code(eddy::errc::timed_out).message());
}

TEST(HttpLayers, FunctionsOfLayersGetErrorCodesOrErrors) {
    const auto closed = support::closed_addr().to_string();
    std::vector<std::error_code> seen;
    const auto is_worth = [&](const std::error_code& error) {
        seen.push_back(error);
        return true;
    };
    std::optional<http::phase> phase;
    const auto recover = [&](const http::client_error& error) {
        phase = error.phase();
        return http::response(http::status::bad_gateway);
    };
    const auto service =
        fetching() | proto::retry(proto::retry_policy(eddy::time::backoff(1ms).max_retries(1)).when(is_worth)) |
        proto::trace([&](const proto::call_report& report) { seen.push_back(report.error); }) | proto::recover(recover);
    eddy::core loop;
    EXPECT_EQ(loop.run(service("http://" + closed + "/")).value().status, http::status::bad_gateway);
    EXPECT_EQ(phase, http::phase::connect);
    ASSERT_EQ(seen.size(), 3U);
    for (const auto& error : seen) EXPECT_EQ(error, std::errc::connection_refused);
    const auto by_code = fetching() | proto::recover([](std::error_code error) {
                             EXPECT_EQ(error, std::errc::connection_refused);
                             return http::response(http::status::bad_gateway);
                         });
    EXPECT_EQ(loop.run(by_code("http://" + closed + "/")).value().status, http::status::bad_gateway);
}

TEST(HttpLayers, BoxedServiceConvertsErrors) {
    const auto closed = support::closed_addr().to_string();
    eddy::core loop;
    const proto::boxed_service<std::string, http::response> boxed(fetching() | proto::timeout(1h));
    EXPECT_EQ(loop.run(boxed("http://" + closed + "/")).error(), std::errc::connection_refused);
    const proto::boxed_service<std::string, http::response> plain(fetching());
    std::string url = "http://" + closed + "/";
    EXPECT_EQ(loop.run(plain.call(url, proto::when_full::fail)).error(), std::errc::connection_refused);
}

}  // namespace
