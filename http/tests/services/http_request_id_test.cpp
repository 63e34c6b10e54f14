// SPDX-License-Identifier: MIT
// http::request_id(): each request has an id, in the request and in its response.
#include <eddy/http/request_id.hpp>

#include <eddy/http/service.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace {

using eddy::task;
namespace http = eddy::http;

/// Returns the id of a response, after a check that the service has seen the same.
std::string id_for(std::string_view sent) {
    std::string id;
    eddy::test::run_paused([&]() -> task<void> {
        std::string seen;
        const auto service = [&](http::request asked) -> task<http::response> {
            EXPECT_EQ(asked.headers.count("X-Request-Id"), 1U);
            seen = asked.headers.at("X-Request-Id");
            co_return http::response::text("hello");
        };
        const auto app = http::service(service) | http::request_id();
        http::request asked(http::method::get, "/");
        if (!sent.empty()) asked.headers.add("x-request-id", sent);
        auto answer = co_await app(std::move(asked));
        id = answer.value().headers.at("X-Request-Id");
        EXPECT_EQ(id, seen);
    });
    return id;
}

TEST(HttpRequestId, NewIdsDiffer) {
    std::set<std::string> ids;
    for (int i = 0; i < 100; ++i) {
        const auto id = id_for("");
        EXPECT_EQ(id.size(), 32U);
        EXPECT_TRUE(std::ranges::all_of(id, [](char c) { return std::string_view("0123456789abcdef").contains(c); }));
        ids.insert(id);
    }
    EXPECT_EQ(ids.size(), 100U);
}

TEST(HttpRequestId, IdOfTheClientStays) {
    for (const auto& id : {std::string("7"), std::string("Root=1-67891233-abcdef012345678912345678"),
                           std::string("f058ebd6-02f7-4d3f-942e-904344e8cde5"), std::string(128, 'x')})
        EXPECT_EQ(id_for(id), id);
}

TEST(HttpRequestId, IdThatCouldHarmALogIsReplaced) {
    for (const auto& id : {std::string("a b"), std::string("\"},{"), std::string("a\tb"), std::string("<script>"),
                           std::string("\xc3\xa4"), std::string(129, 'x')}) {
        EXPECT_NE(id_for(id), id);
        EXPECT_EQ(id_for(id).size(), 32U);
    }
}

}  // namespace
