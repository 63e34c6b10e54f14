// SPDX-License-Identifier: MIT
// Authentication: http::basic_auth() and http::bearer_auth().
#include <eddy/http/auth.hpp>

#include <eddy/error.hpp>
#include <eddy/http/secrets.hpp>
#include <eddy/http/service.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace http = eddy::http;

http::request asking(std::string_view authorization, std::string path = "/") {
    http::request asked(http::method::get, std::move(path));
    if (!authorization.empty()) asked.headers.add("Authorization", authorization);
    return asked;
}

std::string credentials_in(std::string_view authorization) {
    const auto found = http::basic_credentials_of(asking(authorization).headers);
    return found ? found->user + "|" + found->password : "(none)";
}

TEST(HttpAuth, CredentialsOfRfc7617) {
    EXPECT_EQ(credentials_in("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "Aladdin|open sesame");
    EXPECT_EQ(credentials_in("Basic dGVzdDoxMjPCow=="), "test|123\xc2\xa3");
    EXPECT_EQ(credentials_in("basic   QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "Aladdin|open sesame");
    EXPECT_EQ(credentials_in("Basic YTo="), "a|");
    EXPECT_EQ(credentials_in("Basic OmI="), "|b");
    EXPECT_EQ(credentials_in("Basic YTpiOmM="), "a|b:c");
    EXPECT_EQ(credentials_in("Basic YTpi"), "a|b");
    // "a:b\n", "a\0:b", "\t:b", "a:\x7f"
    for (const char* const wrong : {"Basic YTpiCg==", "Basic YQA6Yg==", "Basic CTpi", "Basic YTp/"})
        EXPECT_EQ(credentials_in(wrong), "(none)") << wrong;
    for (const char* const wrong : {"", "Basic", "Basic ", "Basic YTp", "Basic YTo",
                                    "Basic Y*o=", "Basic YWI=", "Basic YT=o", "Basic ====", "Bearer YTpi", "BasicYTpi"})
        EXPECT_EQ(credentials_in(wrong), "(none)") << wrong;
    // RFC 4648, section 3.5: the bits of the last digit that belong to no byte.
    for (const char* const wrong : {"Basic YTp=", "Basic YTpiYR==", "Basic YTpiYY==", "Basic YTpiYf==",
                                    "Basic YTpiYWJ=", "Basic YTpiYWL=", "Basic YTpiYQ=", "Basic YTpiYQ==="})
        EXPECT_EQ(credentials_in(wrong), "(none)") << wrong;
    EXPECT_EQ(credentials_in("Basic YTpiYQ=="), "a|ba");
    EXPECT_EQ(credentials_in("Basic YTpiYWI="), "a|bab");
    auto twice = asking("Basic YTpi");
    twice.headers.add("Authorization", "Basic YTpi");
    EXPECT_FALSE(http::basic_credentials_of(twice.headers));
}

TEST(HttpAuth, TokensOfRfc6750) {
    const auto token_in = [](std::string_view authorization) {
        const auto asked = asking(authorization);
        return std::string(http::bearer_token_of(asked.headers).value_or("(none)"));
    };
    EXPECT_EQ(token_in("Bearer mF_9.B5f-4.1JqM"), "mF_9.B5f-4.1JqM");
    EXPECT_EQ(token_in("bearer a+/~="), "a+/~=");
    for (const char* const wrong : {"", "Bearer", "Bearer a b", "Bearer \"a\"", "Basic YTpi"})
        EXPECT_EQ(token_in(wrong), "(none)") << wrong;
}

/// Returns the status, the challenge and the text of a response.
template <class Layer>
std::string answer_of(const Layer& layer, http::request asked) {
    std::string text;
    eddy::test::run_paused([&]() -> task<void> {
        const auto service = [](http::request) -> task<http::response> { co_return http::response::text("hello\n"); };
        const auto app = http::service(service) | layer;
        auto answer = co_await app(std::move(asked));
        text = std::to_string(to_int(answer.value().status)) + ' ' +
               std::string(answer.value().headers.get("WWW-Authenticate").value_or("-")) + ' ';
        auto body = co_await answer.value().body.read_text();
        text += body.value();
    });
    return text;
}

TEST(HttpAuth, PasswordDecides) {
    const auto check = [](const http::request& asked, const http::basic_credentials& from) -> task<http::access> {
        co_await eddy::time::sleep(1s);  // as a database would
        if (!http::equal_secrets(from.password, "secret")) co_return http::access::unknown;
        co_return asked.path() == "/admin" && from.user != "root" ? http::access::forbidden : http::access::granted;
    };
    const auto layer = http::basic_auth(check, "notes");
    const std::string challenge = "401 Basic realm=\"notes\", charset=\"UTF-8\" ";
    EXPECT_EQ(answer_of(layer, asking("")), challenge + "a name and a password are needed\n");
    EXPECT_EQ(answer_of(layer, asking("Bearer YTpi")), challenge + "a name and a password are needed\n");
    EXPECT_EQ(answer_of(layer, asking("Basic YTpi")), challenge + "the credentials are wrong\n");
    EXPECT_EQ(answer_of(layer, asking("Basic YTpzZWNyZXQ=")), "200 - hello\n");
    EXPECT_EQ(answer_of(layer, asking("Basic YTpzZWNyZXQ=", "/admin")),
              "403 - these credentials do not permit the request\n");
    EXPECT_EQ(answer_of(layer, asking("Basic cm9vdDpzZWNyZXQ=", "/admin")), "200 - hello\n");
}

TEST(HttpAuth, TokenDecides) {
    const auto check = [](const http::request&, std::string_view token) -> task<http::access> {
        co_return http::equal_secrets(token, "secret") ? http::access::granted : http::access::unknown;
    };
    const auto layer = http::bearer_auth(check, "notes");
    EXPECT_EQ(answer_of(layer, asking("")), "401 Bearer realm=\"notes\" a token is needed\n");
    EXPECT_EQ(answer_of(layer, asking("Bearer secre")),
              "401 Bearer realm=\"notes\", error=\"invalid_token\" the credentials are wrong\n");
    EXPECT_EQ(answer_of(layer, asking("Bearer secret")), "200 - hello\n");
}

TEST(HttpAuth, InvalidRealmThrows) {
    const auto check = [](const http::request&, std::string_view) -> task<http::access> {
        co_return http::access::granted;
    };
    for (const char* const realm : {"a\"b", "a\\b", "a\nb", "\xc3\xa4"})
        EXPECT_THROW(static_cast<void>(http::bearer_auth(check, realm)), eddy::misuse) << realm;
}

}  // namespace
