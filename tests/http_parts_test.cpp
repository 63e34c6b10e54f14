// SPDX-License-Identifier: MIT
// The parts of HTTP messages in memory: header fields, URLs, bodies, heads, routes.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "http/connect_to_any.hpp"
#include "http/head_parser.hpp"
#include "http/head_writer.hpp"
#include "support/polling.hpp"

namespace {

using eddy::result;
using eddy::task;
namespace http = eddy::http;
namespace io = eddy::io;

std::string listed(const http::headers& all) {
    std::string text;
    for (const auto& [name, value] : all) text.append(name).append("=").append(value).append(";");
    return text;
}

TEST(HttpHeaders, KeepOrderAndDuplicates) {
    http::headers all;
    all.add("B", "1");
    all.add("a", "2");
    all.add("b", " 3\t");
    EXPECT_EQ(listed(all), "B=1;a=2;b=3;");
    EXPECT_EQ(all.size(), 3U);
    EXPECT_EQ(all.count("B"), 2U);
    EXPECT_EQ(all.get("b"), "1");
    EXPECT_EQ(all.get("c"), std::nullopt);
}

TEST(HttpHeaders, SetReplacesAllAtPositionOfFirst) {
    http::headers all;
    all.add("X", "1");
    all.add("Y", "2");
    all.add("x", "3");
    all.set("x", "4");
    all.set("Z", "5");
    EXPECT_EQ(listed(all), "x=4;Y=2;Z=5;");
    all.set("Y", *all.get("Z"));  // a view of its own memory
    EXPECT_EQ(listed(all), "x=4;Y=5;Z=5;");
    EXPECT_EQ(all.remove("x"), 1U);
    EXPECT_EQ(all.remove("x"), 0U);
    EXPECT_EQ(listed(all), "Y=5;Z=5;");
}

TEST(HttpHeaders, AddAndSetAcceptViewsOfOwnValues) {
    http::headers all;
    const std::string value(100, 'x');
    all.add("A", value);
    all.add("B", *all.get("A"));  // the list must grow while it copies its own value
    all.set("C", *all.get("B"));
    all.add(all[2].name, all[1].value);
    EXPECT_EQ(listed(all), "A=" + value + ";B=" + value + ";C=" + value + ";C=" + value + ";");
}

TEST(HttpHeaders, ParsedListGrowsAndCanBeChanged) {
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
    std::string expected = "Host=a;";
    for (int i = 0; i < 40; ++i) {
        const auto name = "X" + std::to_string(i);
        head.append(name).append(": \t").append(std::to_string(i)).append(" \r\n");
        expected.append(name).append("=").append(std::to_string(i)).append(";");
    }
    eddy::detail::request_head parsed;
    const auto refused = eddy::detail::parse_request_head(head + "Empty:\r\n\r\n", {}, parsed);
    ASSERT_EQ(refused, eddy::detail::accepted);
    auto& all = parsed.headers;
    EXPECT_EQ(listed(all), expected + "Empty=;");
    const auto copy = all;
    all.set("Host", *all.get("X39"));
    all.add("Y", std::string(1000, 'y'));
    EXPECT_EQ(all.remove("empty"), 1U);
    EXPECT_EQ(listed(all), "Host=39;" + expected.substr(7) + "Y=" + std::string(1000, 'y') + ";");
    EXPECT_EQ(listed(copy), expected + "Empty=;");
}

TEST(HttpHeaders, FieldsOfTextResponseCanBeChanged) {
    const auto made = [] { return http::response::text("x").headers; };
    const std::string type = "Content-Type=text/plain; charset=utf-8;";
    auto all = made();
    EXPECT_EQ(listed(all), type);
    all.add("A", *all.get("Content-Type"));
    EXPECT_EQ(listed(all), type + "A=text/plain; charset=utf-8;");
    all = made();
    all.set("content-type", "text/html");
    EXPECT_EQ(listed(all), "content-type=text/html;");
    all = made();
    EXPECT_EQ(all.remove("CONTENT-TYPE"), 1U);
    EXPECT_EQ(listed(all), "");
    all.add("B", "");
    EXPECT_EQ(listed(all), "B=;");
    all = made();
    all.clear();
    EXPECT_EQ(listed(all), "");
    all.add("C", "1");
    EXPECT_EQ(listed(all), "C=1;");
    const auto from = http::response::text("x");
    all = from.headers;  // a copy
    all.set("D", "2");
    EXPECT_EQ(listed(all), type + "D=2;");
    EXPECT_EQ(listed(from.headers), type);
    all = std::move(http::response::json("{}").headers);
    EXPECT_EQ(listed(all), "Content-Type=application/json;");
    EXPECT_EQ(listed(made()), type);
}

TEST(HttpHeaders, FindsTokensOfLists) {
    http::headers all;
    all.add("Connection", "a, Close ,b");
    all.add("connection", "keep-alive");
    EXPECT_TRUE(all.has_token("Connection", "close"));
    EXPECT_TRUE(all.has_token("CONNECTION", "Keep-Alive"));
    EXPECT_FALSE(all.has_token("Connection", "clos"));
    EXPECT_FALSE(all.has_token("Other", "close"));
}

TEST(HttpHeaders, RefuseInvalidNamesAndValues) {
    http::headers all;
    EXPECT_THROW(all.add("X", "a\r\nY: b"), eddy::misuse);
    EXPECT_THROW(all.add("X", std::string_view("\0", 1)), eddy::misuse);
    EXPECT_THROW(all.set("X", "a\nb"), eddy::misuse);
    EXPECT_THROW(all.add("X:", "a"), eddy::misuse);
    EXPECT_THROW(all.add("", "a"), eddy::misuse);
    EXPECT_THROW(all.add("X Y", "a"), eddy::misuse);
    EXPECT_TRUE(all.empty());
}

TEST(HttpHeaders, RefusalNamesTheCallSite) {
    http::headers all;
    try {
        all.set("Content Type", "text/html");
        ADD_FAILURE();
    } catch (const eddy::misuse& refused) {
        EXPECT_NE(std::string_view(refused.what()).find("http_parts_test.cpp"), std::string_view::npos);
    }
}

TEST(HttpNames, MethodsAndStatusesHaveNames) {
    EXPECT_EQ(http::to_string(http::method::delete_), "DELETE");
    EXPECT_EQ(http::method_of("PATCH"), http::method::patch);
    EXPECT_EQ(http::method_of("patch"), std::nullopt);
    EXPECT_EQ(http::reason_of(http::status::not_found), "Not Found");
    EXPECT_EQ(http::reason_of(http::status(299)), "");
    EXPECT_TRUE(http::is_success(http::status(299)));
    EXPECT_EQ(make_error_code(http::errc::bad_url), std::errc::invalid_argument);
    EXPECT_EQ(std::error_code(http::errc::body_too_large), std::errc::message_size);
}

std::string parsed(std::string_view text) {
    const auto got = http::url::parse(text);
    return got ? got->to_string() : "bad";
}

TEST(HttpUrl, ParsesAndNormalizes) {
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"http://a", "http://a/"},
        {"HTTP://Example.ORG/Path", "http://example.org/Path"},
        {"http://a:80/b", "http://a/b"},
        {"https://a:443", "https://a/"},
        {"https://a:80/", "https://a:80/"},
        {"http://a?b", "http://a/?b"},
        {"http://a/b?c#d", "http://a/b?c"},
        {"http://[::1]:8080/", "http://[::1]:8080/"},
        {"http://a/b/./c/../d", "http://a/b/d"},
        {"http://a/../..", "http://a/"},
        {"http://a/b/..", "http://a/"},
        {"http://a/b/.", "http://a/b/"},
        {"http://a/b/", "http://a/b/"},
        {"http://a//b", "http://a//b"},
        {"", "bad"},
        {"a", "bad"},
        {"/a", "bad"},
        {"ftp://a/", "bad"},
        {"http:/a", "bad"},
        {"http://", "bad"},
        {"http:///a", "bad"},
        {"http://:80/", "bad"},
        {"http://a:b/", "bad"},
        {"http://a:65536/", "bad"},
        {"http://u:p@a/", "bad"},
        {"http://[::1/", "bad"},
        {"http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"},
        {"http://[::g]/", "bad"},
        {"http://[127.0.0.1]/", "bad"},
        {"http://a/b/c/../..", "http://a/"},
        {"http://a b/", "bad"},
        {"http://a/b c", "bad"},
        {"http://a/\r\nX: y", "bad"},
    };
    for (const auto& [text, expected] : rows) EXPECT_EQ(parsed(text), expected) << text;
}

TEST(HttpUrl, ResolvesReferences) {
    const auto base = http::url::parse("http://a:81/b/c?d").value();
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"", "http://a:81/b/c?d"},
        {"#x", "http://a:81/b/c?d"},
        {"?x", "http://a:81/b/c?x"},
        {"x", "http://a:81/b/x"},
        {"../x", "http://a:81/x"},
        {"/x", "http://a:81/x"},
        {"//x/y", "http://x/y"},
        {"https://x/y", "https://x/y"},
        {"x:y", "bad"},
        {"/x?u=http://y/", "http://a:81/x?u=http://y/"},
    };
    for (const auto& [reference, expected] : rows) {
        const auto got = base.resolve(reference);
        EXPECT_EQ(got ? got->to_string() : "bad", expected) << reference;
    }
    EXPECT_EQ(http::url::parse("https://a/b").value().resolve("//x/y").value().to_string(), "https://x/y");
}

TEST(HttpUrl, SchemePortAndHostAreTheOrigin) {
    const auto base = http::url::parse("http://a:81/b").value();
    const std::pair<std::string_view, bool> rows[] = {
        {"http://A:81/c?d", true}, {"https://a:81/b", false}, {"http://a/b", false}, {"http://b:81/b", false}};
    for (const auto& [text, expected] : rows)
        EXPECT_EQ(base.has_same_origin(http::url::parse(text).value()), expected) << text;
}

TEST(HttpUrl, DecodesPercentAndQueries) {
    EXPECT_EQ(http::decode_percent("a%20b%2F+"), "a b/+");
    EXPECT_EQ(http::encode_percent("a b/c?\xc3\xbc%"), "a%20b%2Fc%3F%C3%BC%25");
    EXPECT_EQ(http::encode_percent("Az09-._~"), "Az09-._~");
    EXPECT_EQ(http::decode_percent("%4"), std::nullopt);
    EXPECT_EQ(http::decode_percent("%4x"), std::nullopt);
    EXPECT_EQ(http::decode_percent("%x4"), std::nullopt);
    EXPECT_EQ(http::query_value("a=1&b=x+y%21&c&a=2", "a"), "1");
    EXPECT_EQ(http::query_value("a=1&b=x+y%21&c", "b"), "x y!");
    EXPECT_EQ(http::query_value("a=1&c", "c"), "");
    EXPECT_EQ(http::query_value("a=1", "d"), std::nullopt);
    http::request asked(http::method::get, "/p?x=%41");
    EXPECT_EQ(asked.path(), "/p");
    EXPECT_EQ(asked.query("x"), "A");
}

// ---- Bodies ----

io::cursor<std::string> reader_of(std::string text) { return io::cursor<std::string>(std::move(text)); }

TEST(HttpBody, InMemoryIsReadInParts) {
    eddy::core loop;
    http::body body("hello");
    EXPECT_EQ(body.size(), 5U);
    std::array<std::byte, 2> two{};
    EXPECT_EQ(loop.run(io::read(body, two)), 2U);
    EXPECT_EQ(body.size(), 3U);
    EXPECT_EQ(loop.run(body.read_text()).value(), "llo");
    EXPECT_EQ(body.size(), 0U);
    EXPECT_EQ(loop.run(body.read_text()).value(), "");
}

TEST(HttpBody, CopiesNamedString) {
    eddy::core loop;
    const std::string text = "hello";
    http::body body = text;
    EXPECT_EQ(loop.run(body.read_text()).value(), "hello");
    std::string other = "again";
    body = other;
    EXPECT_EQ(loop.run(body.read_text()).value(), "again");
    EXPECT_EQ(other, "again");
}

TEST(HttpBody, ReaderWithoutSizeIsReadToItsEnd) {
    eddy::core loop;
    auto body = http::body::from_reader(reader_of(std::string(40'000, 'x')));
    EXPECT_EQ(body.size(), std::nullopt);
    EXPECT_EQ(body.in_memory(), nullptr);
    EXPECT_EQ(loop.run(body.read_text()).value().size(), 40'000U);
}

TEST(HttpBody, ReaderWithSizeHasExactlyThatSize) {
    eddy::core loop;
    auto longer = http::body::from_reader(reader_of("hello"), 3);
    EXPECT_EQ(loop.run(longer.read_text()).value(), "hel");
    auto shorter = http::body::from_reader(reader_of("hello"), 6);
    EXPECT_EQ(loop.run(shorter.read_text()).error(), http::errc::body_too_short);
}

TEST(HttpBody, ReadAllFailsAboveLimit) {
    eddy::core loop;
    http::body exact("12345");
    EXPECT_EQ(loop.run(exact.read_all(5)).value(), "12345");
    http::body memory("12345");
    EXPECT_EQ(loop.run(memory.read_all(4)).error(), http::errc::body_too_large);
    auto unknown = http::body::from_reader(reader_of("12345"));
    EXPECT_EQ(loop.run(unknown.read_all(4)).error(), http::errc::body_too_large);
    auto known = http::body::from_reader(reader_of("12345"), 5);
    EXPECT_EQ(loop.run(known.read_text(4)).error(), http::errc::body_too_large);
}

TEST(HttpBody, MovedFromIsEmpty) {
    eddy::core loop;
    http::body memory("hello");
    auto streamed = http::body::from_reader(reader_of("hello"));
    http::body taken(std::move(memory));
    taken = std::move(streamed);
    for (auto* const body : {&memory, &streamed}) {  // NOLINT(bugprone-use-after-move): that is the test
        EXPECT_EQ(body->size(), 0U);
        EXPECT_NE(body->in_memory(), nullptr);
        EXPECT_EQ(loop.run(body->read_text()).value(), "");
    }
    EXPECT_EQ(loop.run(taken.read_text()).value(), "hello");
}

// ---- Heads that are sent ----

std::string head_of(const http::response& from, http::method asked = http::method::get,
                    http::version version = http::version::http_1_1, bool keeps_alive = true) {
    eddy::detail::response_context context;
    context.asked = asked;
    context.version = version;
    context.keeps_alive = keeps_alive;
    std::string text;
    eddy::detail::write_response_head(text, from, context);
    const auto date = text.find("Date: ");
    if (date != std::string::npos) text.erase(date, text.find("\r\n", date) + 2 - date);
    std::erase(text, '\r');
    std::ranges::replace(text, '\n', ';');
    return text;
}

TEST(HttpHead, ResponseDelimitsItsBody) {
    const auto stream = [] { return http::body::from_reader(reader_of("")); };
    EXPECT_EQ(head_of(http::response(http::status::ok, "hi")), "HTTP/1.1 200 OK;Content-Length: 2;;");
    EXPECT_EQ(head_of(http::response(http::status::ok)), "HTTP/1.1 200 OK;Content-Length: 0;;");
    EXPECT_EQ(head_of(http::response(http::status(299))), "HTTP/1.1 299 ;Content-Length: 0;;");
    EXPECT_EQ(head_of(http::response(http::status::ok, stream())), "HTTP/1.1 200 OK;Transfer-Encoding: chunked;;");
    EXPECT_EQ(head_of(http::response(http::status::ok, stream()), http::method::get, http::version::http_1_0),
              "HTTP/1.1 200 OK;Connection: close;;");
    EXPECT_EQ(head_of(http::response(http::status::ok, "hi"), http::method::get, http::version::http_1_0),
              "HTTP/1.1 200 OK;Content-Length: 2;Connection: keep-alive;;");
    EXPECT_EQ(head_of(http::response(http::status::ok, "hi"), http::method::get, http::version::http_1_1, false),
              "HTTP/1.1 200 OK;Content-Length: 2;Connection: close;;");
}

TEST(HttpHead, ResponsesToHeadAndWith204Or304HaveNoBody) {
    EXPECT_EQ(head_of(http::response(http::status::no_content, "hi")), "HTTP/1.1 204 No Content;;");
    EXPECT_EQ(head_of(http::response(http::status::not_modified, "hi")), "HTTP/1.1 304 Not Modified;;");
    EXPECT_EQ(head_of(http::response(http::status::ok, "hi"), http::method::head),
              "HTTP/1.1 200 OK;Content-Length: 2;;");
    http::response announced(http::status::ok);
    announced.headers.add("Content-Length", "7");
    EXPECT_EQ(head_of(announced, http::method::head), "HTTP/1.1 200 OK;Content-Length: 7;;");
    announced.status = http::status::not_modified;
    EXPECT_EQ(head_of(announced), "HTTP/1.1 304 Not Modified;Content-Length: 7;;");
    for (const auto none : {http::status::no_content, http::status::not_modified}) {
        const auto text = head_of(http::response(none, "hi"), http::method::head);
        EXPECT_FALSE(text.contains("Content-Length")) << text;
    }
}

TEST(HttpHead, ValueIsCheckedAtEachPosition) {
    for (std::size_t size = 1; size <= 20; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (unsigned byte = 0; byte < 256; ++byte) {
                std::string value(size, 'v');
                value[at] = static_cast<char>(byte);
                eddy::detail::request_head parsed;
                const auto refused = eddy::detail::parse_request_head(
                    "GET / HTTP/1.1\r\nHost: a\r\nX: " + value + "\r\nY: z\r\n\r\n", {}, parsed);
                const bool is_space = byte == ' ' || byte == '\t';
                const bool is_valid = is_space || (byte > 0x20 && byte != 0x7f);
                ASSERT_EQ(refused != eddy::detail::accepted, !is_valid) << size << ' ' << at << ' ' << byte;
                if (!is_valid) continue;
                if (is_space && at == 0) value.erase(0, 1);
                if (is_space && at != 0 && at == size - 1) value.pop_back();
                ASSERT_EQ(parsed.headers.get("X"), value);
                ASSERT_EQ(parsed.headers.get("Y"), "z");
            }
        }
    }
}

TEST(HttpHead, NamesOfFramingFieldsAreFoundInAnyCase) {
    using kind = eddy::detail::body_framing::kind;
    const auto framing_of = [](const std::string& lines) {
        eddy::detail::request_head parsed;
        const auto refused =
            eddy::detail::parse_request_head("POST / HTTP/1.1\r\nhOST: a\r\n" + lines + "\r\n", {}, parsed);
        EXPECT_EQ(refused, eddy::detail::accepted) << lines;
        return parsed.framing.is;
    };
    EXPECT_EQ(framing_of("cONTENT-lENGTH: 3\r\n"), kind::length);
    EXPECT_EQ(framing_of("TRANSFER-ENCODINg: chunked\r\n"), kind::chunked);
    // Names that differ in one character.
    for (const std::string name : {"content-length", "transfer-encoding"}) {
        for (std::size_t at = 0; at < name.size(); ++at) {
            auto other = name;
            other[at] = name[at] == '-' ? '_' : '~';
            EXPECT_EQ(framing_of(other + ": 3\r\n"), kind::none) << other;
        }
    }
}

TEST(HttpHead, DateOfTheServiceIsKept) {
    http::response old(http::status::ok);
    old.headers.add("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
    eddy::detail::response_context context;
    std::string text;
    eddy::detail::write_response_head(text, old, context);
    EXPECT_TRUE(text.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")) << text;
    EXPECT_EQ(text.find("Date: "), text.rfind("Date: ")) << text;
}

TEST(HttpHead, RequestsThatAnticipateABodyAnnounceNone) {
    const std::pair<http::method, bool> rows[] = {{http::method::get, false},  {http::method::delete_, false},
                                                  {http::method::post, true},  {http::method::put, true},
                                                  {http::method::patch, true}, {http::method::head, false}};
    for (const auto& [method, announces] : rows) {
        std::string text;
        eddy::detail::write_request_head(text, http::request(method, "/"), "a:81");
        EXPECT_EQ(text.contains("Content-Length: 0\r\n"), announces) << text;
        EXPECT_TRUE(text.contains("\r\nHost: a:81\r\n")) << text;
    }
    http::request named(http::method::get, "/");
    named.headers.add("Host", "other");
    std::string text;
    eddy::detail::write_request_head(text, named, "a:81");
    EXPECT_EQ(text, "GET / HTTP/1.1\r\nHost: other\r\n\r\n");
}

TEST(HttpHead, FramingFieldsOfServiceAreIgnored) {
    http::response wrong(http::status::ok, "hi");
    wrong.headers.add("Content-Length", "7");
    wrong.headers.add("transfer-encoding", "gzip");
    wrong.headers.add("Connection", "upgrade");
    wrong.headers.add("X", "y");
    EXPECT_EQ(head_of(wrong), "HTTP/1.1 200 OK;X: y;Content-Length: 2;;");
}

TEST(HttpHead, UpgradeRequiredHasConnectionOption) {
    http::response answer(http::status::upgrade_required);
    EXPECT_EQ(head_of(answer), "HTTP/1.1 426 Upgrade Required;Content-Length: 0;;");
    answer.headers.add("Upgrade", "a");
    EXPECT_EQ(head_of(answer), "HTTP/1.1 426 Upgrade Required;Upgrade: a;Content-Length: 0;Connection: Upgrade;;");
    EXPECT_EQ(head_of(answer, http::method::get, http::version::http_1_0),
              "HTTP/1.1 426 Upgrade Required;Upgrade: a;Content-Length: 0;Connection: Upgrade, keep-alive;;");
    answer.headers.add("Connection", "close");
    EXPECT_EQ(head_of(answer),
              "HTTP/1.1 426 Upgrade Required;Upgrade: a;Content-Length: 0;Connection: Upgrade, close;;");
}

TEST(HttpHead, DateHasFixedFormat) {
    const auto date = eddy::detail::current_date();
    ASSERT_EQ(date.size(), 29U);
    EXPECT_EQ(date.substr(3, 2), ", ");
    EXPECT_TRUE(date.ends_with(" GMT")) << date;
}

// ---- Routes ----

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
    EXPECT_EQ(routed(app, method::options, "*"), "204 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE");
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

// ---- Connecting ----

/// Connects to one of the addresses. The port tells how an address answers: 1 never, 2 with a refusal, 3 after 400 ms,
/// and others at once. Returns the times of the attempts in milliseconds, and the outcome.
std::string attempts_of(std::vector<std::string> addresses) {
    return eddy::test::run_paused([&]() -> task<std::string> {
        using namespace std::chrono_literals;
        std::string log;
        const auto begin = eddy::time::clock::now();
        const auto elapsed = [begin] {
            const auto passed = std::chrono::round<std::chrono::milliseconds>(eddy::time::clock::now() - begin);
            return std::to_string(passed.count()) + " ";
        };
        const auto connect = [&](eddy::net::socket_addr to) -> task<result<std::string>> {
            log += elapsed() + to.to_string() + ", ";
            if (to.port() == 1) co_await eddy::pending<void>();
            if (to.port() == 2) co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
            if (to.port() == 3) co_await eddy::time::sleep(400ms);
            co_return "connected";
        };
        std::vector<eddy::net::socket_addr> all;
        for (const auto& each : addresses) all.push_back(eddy::net::socket_addr::parse(each).value());
        std::string where = "none";
        const auto connected = co_await eddy::detail::connect_to_any<std::string>(all, connect, where);
        const std::string outcome = connected ? *connected : connected.error().message();
        co_return log + elapsed() + where + " " + outcome;
    });
}

TEST(HttpConnect, NextAddressIsTriedAfterFailureOrQuarterSecond) {
    EXPECT_EQ(attempts_of({"[::1]:80", "127.0.0.1:80"}), "0 [::1]:80, 0 [::1]:80 connected");
    EXPECT_EQ(attempts_of({"[::1]:1", "127.0.0.1:80"}), "0 [::1]:1, 250 127.0.0.1:80, 250 127.0.0.1:80 connected");
    EXPECT_EQ(attempts_of({"[::1]:2", "127.0.0.1:80"}), "0 [::1]:2, 0 127.0.0.1:80, 0 127.0.0.1:80 connected");
    EXPECT_EQ(attempts_of({"[::1]:3", "127.0.0.1:1"}), "0 [::1]:3, 250 127.0.0.1:1, 400 [::1]:3 connected");
    EXPECT_EQ(attempts_of({"[::1]:1", "127.0.0.1:2", "127.0.0.2:80"}),
              "0 [::1]:1, 250 127.0.0.1:2, 250 127.0.0.2:80, 250 127.0.0.2:80 connected");
    const std::string refused = std::make_error_code(std::errc::connection_refused).message();
    EXPECT_EQ(attempts_of({"[::1]:2", "127.0.0.1:2"}), "0 [::1]:2, 0 127.0.0.1:2, 0 127.0.0.1:2 " + refused);
    EXPECT_EQ(attempts_of({}), "0 none " + make_error_code(eddy::errc::no_address).message());
}

TEST(HttpConnect, FamiliesTakeTurns) {
    EXPECT_EQ(attempts_of({"[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1", "127.0.0.2:80"}),
              "0 [::1]:1, 250 127.0.0.1:1, 500 [::2]:1, 750 127.0.0.2:80, 750 127.0.0.2:80 connected");
}

}  // namespace
