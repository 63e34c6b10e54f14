// SPDX-License-Identifier: MIT
// The heads of HTTP/2 messages as fields: what a server accepts, and what is sent.
// runs: once
#include <eddy/http.hpp>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "h2/heads.hpp"
#include "message/fields.hpp"

namespace {

namespace http = eddy::http;
using eddy::detail::head_limits;
using eddy::detail::http2_head;
using fields = std::vector<std::pair<std::string, std::string>>;

const fields usual = {{":method", "GET"}, {":scheme", "http"}, {":path", "/p?q"}, {":authority", "h:1"}};

/// Returns the fields `from` with one of them replaced, or without it if `value` is nullopt.
fields with(fields from, const std::string& name, const std::optional<std::string>& value) {
    fields made;
    for (auto& field : from) {
        if (field.first != name) {
            made.push_back(std::move(field));
        } else if (value) {
            made.emplace_back(name, *value);
        }
    }
    return made;
}
fields and_more(const fields& more) {
    fields made = usual;
    made.insert(made.end(), more.begin(), more.end());
    return made;
}

/// Returns the status of a refusal, or the first line of the request and its fields.
std::string received(const fields& all, const head_limits& limits = head_limits()) {
    http2_head head(limits);
    for (const auto& [name, value] : all) head.add(name, value);
    http::request asked;
    const auto refused = head.finish(asked);
    if (refused) return std::to_string(http::to_int(*refused));
    std::string text(http::to_string(asked.method));
    text += " " + asked.target + (asked.version == http::version::http_2 ? "" : " of another version");
    for (const auto& [name, value] : asked.headers) text.append(" ").append(name).append("=").append(value);
    if (head.length()) text += " length " + std::to_string(*head.length());
    if (head.expects_continue()) text += " expects";
    return text;
}

const std::string accepted = "GET /p?q Host=h:1";

TEST(Http2Heads, PseudoFieldsAreChecked) {
    struct test_case {
        const char* name;
        std::optional<std::string> value;
        std::string expected;
    };
    const std::vector<test_case> cases = {
        {":scheme", "https", accepted},
        {":scheme", "HTTP", accepted},
        {":scheme", "HttpS", accepted},
        {":scheme", "ftp", "400"},
        {":scheme", "", "400"},
        {":scheme", "httpss", "400"},
        {":scheme", "ws", "400"},
        {":method", "HEAD", "HEAD /p?q Host=h:1"},
        {":method", "get", "501"},
        {":method", "BREW", "501"},
        {":method", "CONNECT", "501"},
        {":path", "/", "GET / Host=h:1"},
        {":path", std::nullopt, "400"},
        {":path", "", "400"},
        {":path", "p", "400"},
        {":path", "*", "400"},
        {":path", "http://h/", "400"},
        {":path", "/a b", "400"},
        {":path", "/a#b", "400"},
        {":path", "/\x7f", "400"},
        {":path", "/\xc3\xa9", "400"},
        {":path", "/a\tb", "400"},
        {":authority", std::nullopt, "400"},
        {":authority", "[::1]:80", "GET /p?q Host=[::1]:80"},
        {":authority", "a b", "400"},
        {":authority", "h:x", "400"},
        {":authority", "u@h", "400"},
        {":other", "x", accepted},
    };
    for (const auto& [name, value, expected] : cases)
        EXPECT_EQ(received(with(usual, name, value)), expected) << name << '=' << value.value_or("(none)");
    EXPECT_EQ(received(with(with(usual, ":method", "OPTIONS"), ":path", "*")), "OPTIONS * Host=h:1");
    EXPECT_EQ(received(with(with(usual, ":method", "OPTIONS"), ":path", "**")), "400");
    EXPECT_EQ(received(with(with(usual, ":method", "BREW"), ":scheme", "ftp")), "501") << "the first reason counts";
}

TEST(Http2Heads, RegularFieldsAreChecked) {
    const std::vector<std::pair<fields, std::string>> cases = {
        {{{"a", "b"}, {"a", "c"}}, accepted + " a=b a=c"},
        {{{"host", "h:1"}}, accepted},
        {{{"host", "h:2"}}, "400"},
        {{{"host", "H:1"}}, "400"},
        {{{"content-length", "0"}}, accepted + " content-length=0 length 0"},
        {{{"content-length", "18446744073709551615"}},
         accepted + " content-length=18446744073709551615 length 18446744073709551615"},
        {{{"content-length", "18446744073709551616"}}, "400"},
        {{{"content-length", ""}}, "400"},
        {{{"content-length", "-1"}}, "400"},
        {{{"content-length", "1x"}}, "400"},
        {{{"expect", "100-Continue"}}, accepted + " expect=100-Continue expects"},
        {{{"expect", "100-continue"}, {"expect", "100-continue"}}, "417"},
        {{{"expect", "x"}}, "417"},
        {{{"expect", ""}}, "417"},
        {{{"cookie", "a"}}, accepted + " cookie=a"},
        {{{"cookie", "a"}, {"b", "c"}, {"cookie", "d"}, {"cookie", "e"}}, accepted + " b=c cookie=a; d; e"},
    };
    for (const auto& [more, expected] : cases) EXPECT_EQ(received(and_more(more)), expected) << more[0].second;
    fields without_authority = with(usual, ":authority", std::nullopt);
    without_authority.emplace_back("host", "h:1");
    EXPECT_EQ(received(without_authority), accepted);
    without_authority.back().second = "h h";
    EXPECT_EQ(received(without_authority), "400");
}

TEST(Http2Heads, LimitsHoldExactly) {
    head_limits limits;
    limits.fields = 3;
    const fields three = {{"cookie", "a"}, {"b", "c"}, {"cookie", "d"}, {"host", "h:1"}, {"cookie", "e"}};
    EXPECT_EQ(received(and_more(three), limits), accepted + " b=c cookie=a; d; e");
    limits.fields = 2;
    EXPECT_EQ(received(and_more(three), limits), "431");
    limits.fields = 100;
    limits.bytes = 0;
    for (const auto& [name, value] : usual) limits.bytes += name.size() + value.size() + 32;
    EXPECT_EQ(received(usual, limits), accepted);
    EXPECT_EQ(received(and_more({{"", ""}}), limits), "431");
    --limits.bytes;
    EXPECT_EQ(received(usual, limits), "431");
    limits.bytes = 120;
    EXPECT_EQ(received(usual, limits), "414") << "the path is too long";
}

TEST(Http2Heads, RefusedRequestKeepsItsNameAndNoFields) {
    http2_head head{head_limits()};
    for (const auto& [name, value] : usual) head.add(name, value);
    EXPECT_EQ(head.method_text(), "GET");
    head.add("expect", "x");
    head.add("content-length", "7");
    EXPECT_EQ(head.length(), std::nullopt);
    http::request asked;
    EXPECT_EQ(head.finish(asked), http::status::expectation_failed);
    EXPECT_EQ(head.target(), "/p?q");
    EXPECT_EQ(asked.target, http::request().target);
    http2_head unknown{head_limits()};
    unknown.add(":method", "BREW");
    EXPECT_EQ(unknown.method_text(), "");
    EXPECT_EQ(unknown.method(), http::method::get);
}

// ---- Sent heads ----

std::string text_of(const eddy::detail::http2_fields& all) {
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& field = all.data()[i];
        const auto part = [](const std::uint8_t* data, std::size_t size) {
            return std::string(reinterpret_cast<const char*>(data), size);
        };
        const auto name = part(field.name, field.namelen);
        text += name + "=" + (name == "date" ? "now" : part(field.value, field.valuelen)) + " ";
    }
    return text + (all.has_body() ? "body" : "-");
}

TEST(Http2Heads, FieldsOfResponsesFollowStatusAndMethod) {
    const auto sent = [](http::response from, http::method asked = http::method::get) {
        return text_of(eddy::detail::http2_response_fields(from, asked));
    };
    const auto made = [](http::status status, const fields& more, std::string body) {
        http::response from(status, std::move(body));
        for (const auto& [name, value] : more) from.headers.add(name, value);
        return from;
    };
    using enum http::status;
    const fields own = {{"Content-Length", "9"}};
    const auto head = http::method::head;
    EXPECT_EQ(sent(made(ok, {}, "hello")), ":status=200 content-length=5 date=now body");
    EXPECT_EQ(sent(made(ok, {}, "")), ":status=200 content-length=0 date=now -");
    EXPECT_EQ(sent(made(ok, own, "hello")), ":status=200 content-length=5 date=now body");
    EXPECT_EQ(sent(made(ok, {}, "hello"), head), ":status=200 content-length=5 date=now -");
    EXPECT_EQ(sent(made(ok, own, "hello"), head), ":status=200 Content-Length=9 date=now -");
    EXPECT_EQ(sent(made(no_content, own, "hello")), ":status=204 date=now -");
    EXPECT_EQ(sent(made(not_modified, {{"Content-Type", "text/css"}, {"ETag", "e"}}, "hello")),
              ":status=304 ETag=e date=now -");
    EXPECT_EQ(sent(made(not_modified, own, "")), ":status=304 Content-Length=9 date=now -");
    EXPECT_EQ(sent(made(ok, {{"Content-Type", "text/css"}}, "")),
              ":status=200 Content-Type=text/css content-length=0 date=now -");
    EXPECT_EQ(sent(made(ok, {{"DATE", " then "}, {"x", "\t y "}}, "")), ":status=200 DATE=then x=y content-length=0 -");
    const fields of_connection = {{"upgrade", "x"},          {"CONNECTION", "x"},        {"Keep-Alive", "x"},
                                  {"Proxy-Connection", "x"}, {"transfer-encoding", "x"}, {"Keep-Alice", "x"},
                                  {"Upgrades", "x"}};
    EXPECT_EQ(sent(made(ok, of_connection, "")), ":status=200 Keep-Alice=x Upgrades=x content-length=0 date=now -");
    http::response streamed(ok);
    streamed.body = http::body("hello").with_trailers([] { return http::headers(); });
    EXPECT_EQ(sent(std::move(streamed)), ":status=200 date=now body");
}

TEST(Http2Heads, FieldsOfRequestsAreThoseOfTheRequest) {
    const auto sent = [](http::method what, std::optional<std::uint64_t> size, const fields& more = {},
                         bool is_https = false) {
        http::request asked(what, "/p");
        for (const auto& [name, value] : more) asked.headers.add(name, value);
        return text_of(eddy::detail::http2_request_fields(asked, size, "a:1", is_https));
    };
    const std::string get = ":method=GET :scheme=http :authority=a:1 :path=/p ";
    EXPECT_EQ(sent(http::method::get, 0), get + "-");
    EXPECT_EQ(sent(http::method::get, 0, {}, true), ":method=GET :scheme=https :authority=a:1 :path=/p -");
    EXPECT_EQ(sent(http::method::get, 3), get + "content-length=3 body");
    EXPECT_EQ(sent(http::method::get, std::nullopt), get + "body");
    EXPECT_EQ(sent(http::method::post, 0), ":method=POST :scheme=http :authority=a:1 :path=/p content-length=0 -");
    EXPECT_EQ(sent(http::method::get, 0, {{"HOST", "b"}, {"content-length", "9"}, {"x", " y "}}),
              ":method=GET :scheme=http :authority=b :path=/p x=y -");
    EXPECT_EQ(sent(http::method::get, 0, {{"te", "trailers"}, {"TE", "gzip"}, {"tE", "Trailers "}}),
              get + "te=trailers tE=Trailers -");
    EXPECT_EQ(sent(http::method::get, 0, {{"Connection", "x"}, {"Upgrade", "x"}}), get + "-");
}

}  // namespace
