// SPDX-License-Identifier: MIT
// Routers and services, and the requests and responses that they get and return.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "support/polling.hpp"

namespace {

using eddy::result;
using eddy::task;
namespace http = eddy::http;

http::service says(std::string text) {
    return [text](http::request asked) -> task<http::response> {
        std::string answer = text;
        for (const auto& [name, value] : asked.parameters) answer.append(" ").append(name).append("=").append(value);
        co_return http::response::text(answer);
    };
}

std::string routed(const http::router& app, http::method what, std::string target) {
    eddy::core loop;
    auto answer = loop.run(app(http::request(what, std::move(target)))).value();
    if (answer.status == http::status::ok) return loop.run(answer.body.read_text()).value();
    return std::to_string(http::to_int(answer.status)) + " " + std::string(answer.headers.get("Allow").value_or(""));
}

TEST(HttpRouter, SelectsByPathAndMethod) {
    http::router app;
    app.get("/", says("root"))
        .get("/users", says("users"))
        .get("/users/{id}", says("user"))
        .put("/users/{id}", says("put"))
        .get("/users/me", says("me"))
        .get("/users/{id}/posts/{post}", says("post"))
        .get("/files/{path...}", says("file"));
    using http::method;
    EXPECT_EQ(routed(app, method::get, "/"), "root");
    EXPECT_EQ(routed(app, method::get, "/users?x=y"), "users");
    EXPECT_EQ(routed(app, method::get, "/users/7"), "user id=7");
    EXPECT_EQ(routed(app, method::put, "/users/7"), "put id=7");
    EXPECT_EQ(routed(app, method::get, "/users/me"), "me");
    EXPECT_EQ(routed(app, method::get, "/users/me/posts/2"), "post id=me post=2");
    EXPECT_EQ(routed(app, method::get, "/users/a%20b%2Fc"), "user id=a b/c");
    EXPECT_EQ(routed(app, method::get, "/files/a/b.txt"), "file path=a/b.txt");
    EXPECT_EQ(routed(app, method::get, "/files/"), "file path=");
    EXPECT_EQ(routed(app, method::head, "/users"), "users");
    EXPECT_EQ(routed(app, method::get, "/files"), "404 ");
    EXPECT_EQ(routed(app, method::get, "/users/"), "404 ");
    EXPECT_EQ(routed(app, method::get, "/nothing"), "404 ");
    EXPECT_EQ(routed(app, method::options, "*"), "204 GET, PUT, OPTIONS, HEAD");
    EXPECT_EQ(routed(app, method::options, "/users"), "405 GET, HEAD");
    EXPECT_EQ(routed(app, method::options, "users"), "404 ");
    EXPECT_EQ(routed(app, method::get, "*"), "404 ");
    EXPECT_EQ(routed(app, method::delete_, "/users/7"), "405 GET, PUT, HEAD");
    EXPECT_EQ(routed(app, method::put, "/users/me"), "405 GET, HEAD");
    EXPECT_EQ(routed(app, method::get, "/users/%4"), "400 ");
    EXPECT_EQ(routed(app, method::get, "/users/%00"), "400 ");
}

// A service may use a path parameter as a file name. So the router refuses a path with a segment "." or "..".
TEST(HttpRouter, RefusesDotsAsPartsOfAPath) {
    http::router app;
    app.get("/files/{path...}", says("file")).get("/users/{id}", says("user")).get("/a", says("a"));
    using http::method;
    for (const char* const path : {"/files/../a", "/files/..", "/files/b/%2e%2E/a", "/files/..%2fa", "/files/b%2F..",
                                   "/files/./a", "/users/..", "/users/%2e", "/users/a%2f..%2fb", "/../a", "/./a"})
        EXPECT_EQ(routed(app, method::get, path), "400 ") << path;
    EXPECT_EQ(routed(app, method::get, "/files/.a/b..c/..."), "file path=.a/b..c/...");
    EXPECT_EQ(routed(app, method::get, "/users/..a"), "user id=..a");
    EXPECT_EQ(routed(app, method::get, "/a?../.."), "a");
}

TEST(HttpRouter, QueryHasRoutesOfItsOwn) {
    http::router app;
    app.add(http::method::query, "/a", says("query")).get("/b", says("get"));
    EXPECT_EQ(routed(app, http::method_of("QUERY").value(), "/a"), "query");
    EXPECT_EQ(routed(app, http::method::get, "/a"), "405 QUERY");
    EXPECT_EQ(routed(app, http::method::query, "/b"), "405 GET, HEAD");
}

TEST(HttpRouter, RefusesInvalidPatterns) {
    http::router app;
    for (const char* const pattern : {"", "a", "/{", "/{}", "/{...}", "/a{b}", "/{a}b", "/{a...}/b", "/{a b}", "/:a",
                                      "/a/*b", "/<a>", "/a?b", "/{a}/{a}"})
        EXPECT_THROW(app.get(pattern, says("x")), eddy::misuse) << pattern;
    app.get("/a/{b}", says("x"));
    EXPECT_THROW(app.get("/a/{c}", says("x")), eddy::misuse);
}

TEST(HttpRouter, AnyAnswersMethodsWithoutARoute) {
    http::router app;
    app.get("/a", says("get")).any("/a", says("any")).put("/b", says("put")).any("/{path...}", says("rest"));
    using http::method;
    EXPECT_EQ(routed(app, method::get, "/a"), "get");
    EXPECT_EQ(routed(app, method::head, "/a"), "get");
    EXPECT_EQ(routed(app, method::delete_, "/a"), "any");
    EXPECT_EQ(routed(app, method::head, "/c/d"), "rest path=c/d");
    EXPECT_EQ(routed(app, method::get, "/b"), "405 PUT");
    EXPECT_EQ(routed(app, method::options, "*"), "204 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, QUERY");
    EXPECT_EQ(routed(http::router(), method::options, "*"), "204 OPTIONS");
    EXPECT_THROW(app.any("/a", says("x")), eddy::misuse);
}

TEST(HttpRouter, MovedFromRouterAndServiceStillAnswer) {
    http::router app;
    app.get("/a", says("a"));
    const http::router moved = std::move(app);
    EXPECT_EQ(routed(app, http::method::get, "/a"), "a");  // NOLINT(bugprone-use-after-move): a move is a copy
    EXPECT_EQ(routed(moved, http::method::get, "/a"), "a");
    http::service one = says("b");
    const http::service other = std::move(one);
    http::router both;
    both.get("/1", one).get("/2", other);  // NOLINT(bugprone-use-after-move): a move is a copy
    EXPECT_EQ(routed(both, http::method::get, "/1"), "b");
    EXPECT_EQ(routed(both, http::method::get, "/2"), "b");
}

task<http::response> by_const_reference(const http::request& asked) {
    co_await eddy::yield_now();
    co_return http::response::text(asked.target);
}
task<result<http::response>> by_reference(http::request& asked) {
    auto text = co_await eddy::try_(asked.body.read_text());
    co_await eddy::yield_now();
    co_return http::response::text(asked.target + text);
}

TEST(HttpService, RequestTakenByReferenceLivesUntilTheEnd) {
    const auto by_rvalue = [](http::request&& asked) -> task<http::response> {
        co_await eddy::yield_now();
        co_return http::response::text(asked.target);
    };
    const std::function<task<http::response>(const http::request&)> function = by_const_reference;
    http::router app;
    app.get("/1/{rest...}", by_const_reference).get("/2/{rest...}", by_reference).get("/3/{rest...}", by_rvalue);
    app.get("/4/{rest...}", function);
    for (const char first : {'1', '2', '3', '4'}) {
        const std::string target = std::string("/") + first + "/a-text-that-is-not-in-the-string-itself";
        EXPECT_EQ(routed(app, http::method::get, target), target);
    }
}

TEST(HttpRequest, ParametersMayBeNumbers) {
    http::request asked(http::method::get, "/?page=7&size=-3&name=x");
    asked.parameters.emplace_back("id", "300");
    asked.parameters.emplace_back("large", "18446744073709551615");
    EXPECT_EQ(asked.param<int>("id"), 300);
    EXPECT_EQ(asked.param<unsigned char>("id"), std::nullopt);
    EXPECT_EQ(asked.param<std::uint64_t>("large"), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(asked.param<std::int64_t>("large"), std::nullopt);
    EXPECT_EQ(asked.query<int>("page"), 7);
    EXPECT_EQ(asked.query<int>("size"), -3);
    EXPECT_EQ(asked.query<unsigned>("size"), std::nullopt);
    EXPECT_EQ(asked.query<int>("name"), std::nullopt);
    EXPECT_EQ(asked.query<int>("none"), std::nullopt);
}

TEST(HttpRequest, UnknownParameterIsMisuseWithTheNamesOfTheRoute) {
    http::router app;
    std::string text;
    const auto asks_for = [&text](std::string name) {
        return [&text, name](http::request asked) -> task<http::response> {
            text = support::text_of_misuse([&] { static_cast<void>(asked.param(name)); });
            support::expect_misuse_here([&] { static_cast<void>(asked.param<int>(name)); });
            co_return http::response::text("");
        };
    };
    app.get("/users/{user}/notes/{day}", asks_for("id")).get("/users", asks_for("user"));
    routed(app, http::method::get, "/users/7/notes/1");
    EXPECT_NE(text.find("no parameter \"id\": its parameters are user, day; write {id}"), std::string::npos) << text;
    routed(app, http::method::get, "/users");
    EXPECT_NE(text.find("no parameter \"user\": it has no parameters"), std::string::npos) << text;
}

TEST(HttpRequest, EmptyParameterIsNotMisuse) {
    http::router app;
    std::optional<std::string> got;
    app.get("/files/{path...}", [&got](http::request asked) -> task<http::response> {
        got = asked.param("path");
        co_return http::response::text("");
    });
    routed(app, http::method::get, "/files/");
    EXPECT_EQ(got, "");
}

TEST(HttpResponse, JsonHasItsType) {
    const auto answer = http::response::json("[]", http::status::created);
    EXPECT_EQ(answer.headers.get("Content-Type"), "application/json");
    EXPECT_EQ(answer.status, http::status::created);
    EXPECT_EQ(answer.body.size(), 2U);
}

}  // namespace
