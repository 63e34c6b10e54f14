// SPDX-License-Identifier: MIT
// JSON in requests and responses, and typed parameters: what is wrong gets 400 with the reason.
#include <eddy/http/json.hpp>
#include <eddy/http/parameters.hpp>

#include <eddy/future.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/router.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;

struct note {
    std::string text;
    int stars = 0;

    note() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

// nlohmann/json finds it by its name.
void from_json(const nlohmann::json& from, note& to) {
    from.at("text").get_to(to.text);
    from.at("stars").get_to(to.stars);
}

/// Returns the status, the type and the body of a response.
std::string answer_of(const http::service& app, http::request asked) {
    std::string text;
    eddy::test::run_paused([&]() -> task<void> {
        auto answer = co_await app(std::move(asked));
        text = std::to_string(to_int(answer.value().status)) + ' ' +
               std::string(answer.value().headers.get("Content-Type").value_or("-")) + ' ';
        auto body = co_await answer.value().body.read_text();
        text += body.value();
    });
    return text;
}

task<result<http::response>> praise(http::request asked) {
    auto given = co_await try_(http::read_json<note>(asked, 1000));
    if (!given) co_return std::move(given.error());
    nlohmann::json answer;
    answer["text"] = given->text;
    answer["stars"] = given->stars + 1;
    co_return http::json_response(answer, http::status::created);
}

http::request posting(std::string body, std::string type) {
    http::request asked(http::method::post, "/");
    if (!type.empty()) asked.headers.add("Content-Type", type);
    asked.body = std::move(body);
    return asked;
}

TEST(HttpJson, BodyBecomesAValue) {
    const std::string body = R"({"stars": 1, "text": "t\u00e4"})";
    const std::string expected = "201 application/json {\"stars\":2,\"text\":\"t\xc3\xa4\"}\n";
    for (const char* const type : {"application/json", "Application/JSON; charset=utf-8", "application/ld+json"})
        EXPECT_EQ(answer_of(praise, posting(body, type)), expected);
}

TEST(HttpJson, OtherTypesAreRefused) {
    for (const char* const type : {"", "text/plain", "application/jsonp", "+json", "application/x-www-form-urlencoded"})
        EXPECT_EQ(answer_of(praise, posting("{}", type)),
                  "415 text/plain; charset=utf-8 a body of the type application/json is needed\n");
}

TEST(HttpJson, InvalidBodyGetsTheReason) {
    const auto answer = [](std::string body) {
        return answer_of(praise, posting(std::move(body), "application/json"));
    };
    const std::string refused = "400 text/plain; charset=utf-8 [json.exception.";
    EXPECT_TRUE(answer("").starts_with(refused + "parse_error.101]")) << answer("");
    EXPECT_TRUE(answer("{\"a\":").starts_with(refused + "parse_error.101]")) << answer("{\"a\":");
    for (const char* const after : {"", "{\"admin\":true}", "\xff garbage"}) {
        const auto text = std::string(R"({"text": "a", "stars": 1})") + '\0' + after;
        EXPECT_EQ(answer(text), "400 text/plain; charset=utf-8 the JSON has a NUL byte\n");
    }
    EXPECT_EQ(answer(std::string(1, '\0')), "400 text/plain; charset=utf-8 the JSON has a NUL byte\n");
    EXPECT_TRUE(answer("\"\xff\"").starts_with(refused + "parse_error.101]"));
    EXPECT_TRUE(answer(R"({"text": 7, "stars": 1})").contains("type must be string, but is number"));
    EXPECT_TRUE(answer(R"({"text": "a"})").contains("key 'stars' not found"));
    EXPECT_TRUE(answer("[]").starts_with(refused)) << answer("[]");
}

TEST(HttpJson, ReasonHasAtMost200PrintableBytes) {
    const auto got = answer_of(praise, posting('"' + std::string(900, 'x') + "\xff", "application/json"));
    const std::string head = "400 text/plain; charset=utf-8 ";
    EXPECT_EQ(got.size(), head.size() + 200 + 1);
    EXPECT_TRUE(got.ends_with("xxx\n")) << got;
    EXPECT_EQ(answer_of(praise, posting("{\"\xc3\xa4\": 1} \x7f", "application/json")).find_first_of("\x7f\xc3"),
              std::string::npos);
}

task<result<http::response>> echo(http::request asked) {
    auto given = co_await try_(http::read_json(asked));
    if (!given) co_return std::move(given.error());
    co_return http::json_response(*given);
}

TEST(HttpJson, DeepBodyIsRefused) {
    const auto arrays = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
    const auto objects = [](std::size_t levels) {
        std::string text;
        for (std::size_t i = 1; i < levels; ++i) text += "{\"a\":";
        return text + "{}" + std::string(levels - 1, '}');
    };
    const auto answer = [](std::string body) { return answer_of(echo, posting(std::move(body), "application/json")); };
    const std::string refused = "400 text/plain; charset=utf-8 the JSON has more than 100 levels\n";
    EXPECT_EQ(answer(arrays(100)), "200 application/json " + arrays(100) + "\n");
    EXPECT_EQ(answer(objects(100)), "200 application/json " + objects(100) + "\n");
    EXPECT_EQ(answer(arrays(101)), refused);
    EXPECT_EQ(answer(objects(101)), refused);
    EXPECT_EQ(answer("[1," + objects(100) + "]"), refused);
    EXPECT_EQ(answer(arrays(500'000)), refused);
    EXPECT_EQ(answer(std::string(1'000'000, '[')), refused) << "also if it has no end";
}

TEST(HttpJson, ErrorOfTheBodyIsReturned) {
    eddy::test::run_paused([]() -> task<void> {
        auto answer = co_await praise(posting('"' + std::string(1000, 'x') + '"', "application/json"));
        EXPECT_EQ(answer.error(), http::errc::body_too_large);
    });
}

TEST(HttpJson, InvalidTextOfAResponseIsReplaced) {
    const auto app = [](http::request) -> task<http::response> {
        const nlohmann::json value = "a\xff";
        co_return http::json_response(value);
    };
    EXPECT_EQ(answer_of(app, http::request()), "200 application/json \"a\xef\xbf\xbd\"\n");
}

task<http::response> show(http::request asked) {
    auto id = http::path_parameter<std::uint16_t>(asked, "id");
    if (!id) co_return std::move(id.error());
    auto page = http::query_parameter(asked, "page", 1);
    if (!page) co_return std::move(page.error());
    auto is_long = http::query_parameter<bool>(asked, "long");
    if (!is_long) co_return std::move(is_long.error());
    auto word = http::query_parameter(asked, "word", std::string("-"));
    co_return http::response::text(std::to_string(*id) + ' ' + std::to_string(*page) +
                                   (*is_long ? " long " : " short ") + *word);
}

TEST(HttpParameters, AreTypedAndRefusedWithTheReason) {
    http::router app;
    app.get("/{id}", show);
    const auto answer = [&](std::string target) {
        return answer_of(app, http::request(http::method::get, std::move(target))).substr(0, 200);
    };
    const std::string ok = "200 text/plain; charset=utf-8 ";
    const std::string refused = "400 text/plain; charset=utf-8 parameter ";
    EXPECT_EQ(answer("/7?long=true"), ok + "7 1 long -");
    EXPECT_EQ(answer("/7?long=false&page=-2&word=a%20b+c"), ok + "7 -2 short a b c");
    EXPECT_EQ(answer("/x?long=true"), refused + "\"id\": an integer from 0 to 65535 is needed\n");
    EXPECT_EQ(answer("/65536?long=true"), refused + "\"id\": an integer from 0 to 65535 is needed\n");
    EXPECT_EQ(answer("/7?long=true&page="),
              refused + "\"page\": an integer from -2147483648 to 2147483647 is needed\n");
    EXPECT_EQ(answer("/7?long=1"), refused + "\"long\": true or false is needed\n");
    EXPECT_EQ(answer("/7"), refused + "\"long\": true or false is needed\n");
}

}  // namespace
