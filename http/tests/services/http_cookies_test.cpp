// SPDX-License-Identifier: MIT
// Cookies: the syntax of RFC 6265, the prefixes of its successor, and signed cookies.
#include <eddy/http/cookies.hpp>

#include <eddy/error.hpp>
#include <eddy/http/headers.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;

http::headers with_cookies(const std::vector<std::string>& fields) {
    http::headers all;
    all.add("Host", "a.example");
    for (const auto& each : fields) all.add("cookie", each);
    return all;
}

std::string value_in(const std::vector<std::string>& fields, std::string_view name) {
    const auto all = with_cookies(fields);
    return std::string(http::cookie_value(all, name).value_or("(none)"));
}

TEST(HttpCookies, ValuesOfARequest) {
    struct row {
        std::vector<std::string> fields;
        std::string name;
        std::string value;
    };
    const std::vector<row> rows = {
        {{"SID=31d4d96e407aad42"}, "SID", "31d4d96e407aad42"},  // RFC 6265, section 3.1
        {{"SID=31d4d96e407aad42; lang=en-US"}, "lang", "en-US"},
        {{"SID=31d4d96e407aad42; lang=en-US"}, "SID", "31d4d96e407aad42"},
        {{"SID=1"}, "sid", "(none)"},
        {{"SID=1"}, "SI", "(none)"},
        {{"SID=1"}, "", "(none)"},
        {{"a=1; a=2"}, "a", "1"},
        {{"a=1;b=2"}, "b", "2"},
        {{"  a = 1 ;\tb\t=\t2"}, "a", "1"},
        {{"  a = 1 ;\tb\t=\t2"}, "b", "2"},
        {{"a="}, "a", ""},
        {{"a"}, "a", "(none)"},
        {{"a; b=2"}, "b", "2"},
        {{"=a; b=2"}, "b", "2"},
        {{";;; b=2;"}, "b", "2"},
        {{"a=b=c"}, "a", "b=c"},
        {{"a=\"x y\""}, "a", "\"x y\""},
        {{"a=%41"}, "a", "%41"},
        {{"a=1", "b=2"}, "b", "2"},
        {{}, "a", "(none)"},
        {{""}, "a", "(none)"},
    };
    for (const auto& each : rows)
        EXPECT_EQ(value_in(each.fields, each.name), each.value) << (each.fields.empty() ? "" : each.fields.front());
}

TEST(HttpCookies, AttributesOfAResponse) {
    using http::cookie;
    EXPECT_EQ(cookie("SID", "31d4").to_string(), "SID=31d4; Path=/; Secure; HttpOnly; SameSite=Lax");
    EXPECT_EQ(cookie("lang", "en-US").max_age(1h).domain("example.com").path("/docs").to_string(),
              "lang=en-US; Path=/docs; Domain=example.com; Max-Age=3600; Secure; HttpOnly; SameSite=Lax");
    EXPECT_EQ(cookie("a", "1").secure(false).http_only(false).same_site(http::same_site::strict).to_string(),
              "a=1; Path=/; SameSite=Strict");
    EXPECT_EQ(cookie("a", "1").same_site(http::same_site::none).to_string(),
              "a=1; Path=/; Secure; HttpOnly; SameSite=None");
    EXPECT_EQ(cookie("a").max_age(0s).to_string(), "a=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax");
    EXPECT_EQ(cookie("__Host", "1").secure(false).path("/b").to_string(), "__Host=1; Path=/b; HttpOnly; SameSite=Lax");
    EXPECT_TRUE(cookie("a", std::string(4095, 'x')).to_string().starts_with("a=xxx"));
    EXPECT_EQ(cookie("__Host-a", "1").to_string(), "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=Lax");
    EXPECT_EQ(cookie("__Secure-a", "1").path("/b").to_string(),
              "__Secure-a=1; Path=/b; Secure; HttpOnly; SameSite=Lax");
}

TEST(HttpCookies, CookieThatABrowserRefusesThrows) {
    using http::cookie;
    const std::vector<cookie> refused = {
        cookie("", "1"),
        cookie("a b", "1"),
        cookie("a=b", "1"),
        cookie("a;b", "1"),
        cookie("a", "x y"),
        cookie("a", "x;y"),
        cookie("a", "x,y"),
        cookie("a", "x\\y"),
        cookie("a", "\"x\""),
        cookie("a", "x\r\ny"),
        cookie("a", "\xc3\xa4"),
        cookie("a").path(""),
        cookie("a").path("b"),
        cookie("a").path("/; Domain=b"),
        cookie("a").domain("b; Secure"),
        cookie("__Host-a").domain("b.example"),
        cookie("__Host-a").path("/b"),
        cookie("__Host-a").secure(false),
        cookie("__Secure-a").secure(false),
        cookie("__hosT-a").secure(false),
        cookie("__HOST-a").path("/b"),
        cookie("__secure-a").secure(false),
        cookie("a", std::string(4096, 'x')),
        cookie(std::string(4000, 'a'), std::string(97, 'x')),
        cookie("a").same_site(http::same_site::none).secure(false),
    };
    for (const auto& each : refused)
        EXPECT_THROW(static_cast<void>(each.to_string()), eddy::misuse) << each.name() << '=' << each.value();
}

const std::string secret(32, 'k');

/// Returns what a key reads from a cookie.
std::optional<std::string> read_by(const http::cookie_key& key, std::string name, std::string value) {
    const auto all = with_cookies({name + "=" + value});
    const auto found = key.value(all, name);
    return found ? std::optional(std::string(*found)) : std::nullopt;
}

TEST(HttpCookies, SignedValueIsReadBack) {
    const http::cookie_key key(secret);
    for (const std::string value : {"7", "", "a.b", "a=b"}) {
        const auto made = key.sign("user", value);
        EXPECT_TRUE(made.to_string().starts_with("user=" + value + ".")) << made.to_string();
        EXPECT_EQ(read_by(key, "user", made.value()), value);
    }
}

TEST(HttpCookies, ChangedCookieIsNotRead) {
    const http::cookie_key key(secret);
    const auto good = key.sign("user", "7").value();
    EXPECT_EQ(good.size(), 2U + 44U);
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        EXPECT_EQ(read_by(key, "user", bad), std::nullopt) << i;
        EXPECT_EQ(read_by(key, "user", good.substr(0, i)), std::nullopt) << i;
    }
    EXPECT_EQ(read_by(key, "admin", good), std::nullopt);
    EXPECT_EQ(read_by(key, "user", good + "="), std::nullopt);
    EXPECT_EQ(read_by(http::cookie_key(std::string(32, 'l')), "user", good), std::nullopt);
    EXPECT_EQ(key.value(with_cookies({}), "user"), std::nullopt);
}

TEST(HttpCookies, FormerSecretIsAccepted) {
    const http::cookie_key former(secret);
    auto key = http::cookie_key(std::string(40, 'n'));
    key.accept(secret);
    EXPECT_EQ(read_by(key, "user", former.sign("user", "7").value()), "7");
    EXPECT_EQ(read_by(key, "user", key.sign("user", "8").value()), "8");
    EXPECT_EQ(read_by(former, "user", key.sign("user", "8").value()), std::nullopt);
}

TEST(HttpCookies, ShortSecretThrows) {
    EXPECT_THROW(http::cookie_key("secret"), eddy::misuse);
    EXPECT_THROW(http::cookie_key(secret).accept("secret"), eddy::misuse);
}

}  // namespace
