// SPDX-License-Identifier: MIT
// http::cors(): what the Fetch standard and RFC 6454 say about origins, preflight requests and caches.
#include <eddy/http/cors.hpp>

#include <eddy/error.hpp>
#include <eddy/http/service.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace http = eddy::http;

task<http::response> hello(http::request asked) {
    auto answer = http::response::text("hello");
    if (asked.method == http::method::options) answer.headers.add("Allow", "GET");
    answer.headers.add("X-Count", "1");
    co_return answer;
}

http::response answer_of(const http::cors_options& options, http::request asked) {
    http::response answer;
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::service(hello) | http::cors(options);
        auto given = co_await app(std::move(asked));
        answer = std::move(given).value();
    });
    return answer;
}

http::request asking(http::method what, std::string_view origin) {
    http::request asked(what, "/");
    if (!origin.empty()) asked.headers.add("Origin", origin);
    return asked;
}

http::request preflight(std::string_view origin) {
    auto asked = asking(http::method::options, origin);
    asked.headers.add("Access-Control-Request-Method", "PUT");
    asked.headers.add("Access-Control-Request-Headers", "content-type");
    return asked;
}

/// Returns the fields of the response that concern origins, one per line.
std::string permission(const http::response& answer) {
    std::string text;
    for (const auto& [name, value] : answer.headers)
        if (name.starts_with("Access-Control-") || name == "Vary")
            text.append(name).append(": ").append(value).append("\n");
    return text;
}

http::cors_options usual() {
    return http::cors_options().origin("https://app.example").origin("http://[::1]:3000").origin("null");
}

TEST(HttpCors, PermittedOriginMayReadTheResponse) {
    for (const std::string origin : {"https://app.example", "http://[::1]:3000", "null"}) {
        const auto answer = answer_of(usual(), asking(http::method::get, origin));
        EXPECT_EQ(answer.status, http::status::ok);
        EXPECT_EQ(permission(answer), "Vary: Origin\nAccess-Control-Allow-Origin: " + origin + "\n");
    }
}

TEST(HttpCors, OtherOriginsGetTheResponseWithoutPermission) {
    for (const char* const origin :
         {"", "https://app.example.evil", "http://app.example", "https://app.example:8443", "https://APP.example"}) {
        const auto answer = answer_of(usual().credentials(true), asking(http::method::get, origin));
        EXPECT_EQ(answer.status, http::status::ok);
        EXPECT_EQ(permission(answer), "Vary: Origin\n") << origin;
    }
}

TEST(HttpCors, CredentialsAndFieldsArePermitted) {
    const auto answer = answer_of(usual().credentials(true).exposed_headers("X-Count"),
                                  asking(http::method::post, "https://app.example"));
    EXPECT_EQ(permission(answer),
              "Vary: Origin\n"
              "Access-Control-Allow-Origin: https://app.example\n"
              "Access-Control-Allow-Credentials: true\n"
              "Access-Control-Expose-Headers: X-Count\n");
}

TEST(HttpCors, AnyOriginNeedsNoVary) {
    for (const char* const origin : {"", "https://a.example"}) {
        const auto answer = answer_of(http::cors_options().any_origin(), asking(http::method::get, origin));
        EXPECT_EQ(permission(answer), "Access-Control-Allow-Origin: *\n");
    }
}

TEST(HttpCors, PreflightIsAnsweredByTheLayer) {
    const auto options = usual().headers("Content-Type").credentials(true).max_age(10min).exposed_headers("X-Count");
    auto answer = answer_of(options, preflight("https://app.example"));
    EXPECT_EQ(answer.status, http::status::no_content);
    EXPECT_FALSE(answer.headers.contains("X-Count"));
    EXPECT_EQ(permission(answer),
              "Vary: Origin\n"
              "Access-Control-Allow-Origin: https://app.example\n"
              "Access-Control-Allow-Credentials: true\n"
              "Access-Control-Allow-Methods: PUT, PATCH, DELETE\n"
              "Access-Control-Allow-Headers: Content-Type\n"
              "Access-Control-Max-Age: 600\n");
    answer = answer_of(http::cors_options().any_origin().methods(""), preflight("https://a.example"));
    EXPECT_EQ(permission(answer), "Access-Control-Allow-Origin: *\n");
}

TEST(HttpCors, PreflightOfOtherOriginIsRefused) {
    const auto answer = answer_of(usual(), preflight("https://evil.example"));
    EXPECT_EQ(answer.status, http::status::forbidden);
    EXPECT_EQ(permission(answer), "Vary: Origin\n");
}

TEST(HttpCors, OptionsThatIsNoPreflightReachesTheService) {
    EXPECT_EQ(answer_of(usual(), preflight("")).headers.get("Allow"), "GET");
    EXPECT_EQ(answer_of(usual(), asking(http::method::options, "null")).headers.get("Allow"), "GET");
    auto other = preflight("https://app.example");
    other.method = http::method::get;
    EXPECT_EQ(answer_of(usual(), std::move(other)).headers.get("X-Count"), "1");
}

TEST(HttpCors, VaryOfOtherLayersStays) {
    eddy::test::run_paused([]() -> task<void> {
        const auto service = [](http::request) -> task<http::response> {
            auto answer = http::response::text("hello");
            answer.headers.add("Vary", "Accept-Language, origin");
            answer.headers.add("Access-Control-Allow-Origin", "*");
            co_return answer;
        };
        const auto app = http::service(service) | http::cors(usual());
        auto answer = co_await app(asking(http::method::get, "null"));
        EXPECT_EQ(permission(answer.value()), "Vary: Accept-Language, origin\nAccess-Control-Allow-Origin: null\n");
    });
}

TEST(HttpCors, InvalidOptionsThrow) {
    for (const char* const origin : {"",
                                     "*",
                                     "app.example",
                                     "https://",
                                     "https://app.example/",
                                     "https://App.example",
                                     "https://user@app.example",
                                     "https://a.example https://b.example",
                                     "https://app.example:443",
                                     "http://app.example:80",
                                     "https://*.app.example",
                                     "https://:1",
                                     "https://a.example:x",
                                     "https://a.example:",
                                     "https://a.example:0",
                                     "https://a.example:08",
                                     "https://a.example:65536",
                                     "https://[::1",
                                     "https://[x]",
                                     "https://\xc3\xa4.example",
                                     "https://a.example\n",
                                     "https://a..example"})
        EXPECT_THROW(static_cast<void>(http::cors_options().origin(origin)), eddy::misuse) << origin;
    const auto with_credentials = http::cors_options().origin("null").credentials(true);
    EXPECT_THROW(static_cast<void>(http::cors(http::cors_options(with_credentials).any_origin())), eddy::misuse);
    EXPECT_THROW(static_cast<void>(http::cors(http::cors_options(with_credentials).headers("*"))), eddy::misuse);
    EXPECT_THROW(static_cast<void>(http::cors(http::cors_options(with_credentials).methods("PUT,*"))), eddy::misuse);
    static_cast<void>(http::cors(http::cors_options().any_origin().headers("*")));
    for (const char* const list : {"A B", "A,,B", "A\r\nB", "A; B", "\xc3\xa4", ","}) {
        EXPECT_THROW(static_cast<void>(http::cors(usual().methods(list))), eddy::misuse) << list;
        EXPECT_THROW(static_cast<void>(http::cors(usual().headers(list))), eddy::misuse) << list;
        EXPECT_THROW(static_cast<void>(http::cors(usual().exposed_headers(list))), eddy::misuse) << list;
    }
}

TEST(HttpCors, OriginsOfBrowsersArePermitted) {
    for (const char* const origin : {"https://app.example", "http://app.example:443", "https://app.example:80",
                                     "http://localhost:8080", "https://[2001:db8::1]", "https://[2001:db8::1]:8443",
                                     "https://xn--4ca.example", "moz-extension://0a1b-2c", "http://192.0.2.1:65535"})
        EXPECT_EQ(http::cors_options().origin(origin).origins().front(), origin);
}

}  // namespace
