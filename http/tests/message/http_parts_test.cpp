// SPDX-License-Identifier: MIT
// The parts of HTTP messages in memory: header fields, URLs, bodies.
// covers: P147
// runs: once
#include <eddy/http.hpp>
#include <eddy/http/h1.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace {

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
    head += "Empty:\r\n\r\n";
    http::h1::server_engine engine;
    std::string_view input = head;
    ASSERT_EQ(engine.receive(input), http::h1::engine::event::head);
    auto& all = engine.request().headers;
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

TEST(HttpHeaders, MissingFieldIsNamed) {
    http::headers all;
    all.add("Host", "a");
    EXPECT_EQ(all.at("host"), "a");
    try {
        static_cast<void>(all.at("X-Request-Id"));
        ADD_FAILURE() << "no exception";
    } catch (const std::out_of_range& e) {
        EXPECT_STREQ(e.what(), "eddy: headers::at(): there is no field \"X-Request-Id\"");
    }
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
        {"http://a:0/", "bad"},
        {"https://.evil.com/", "bad"},
        {"http://a..b/", "bad"},
        {"http://a../", "bad"},
        {"http://./", "bad"},
        {"http://a%zz/", "bad"},
        {"http://[:::1]/", "bad"},
        {"http://a.b./", "http://a.b./"},
        {"http://u:p@a/", "bad"},
        {"http://[::1/", "bad"},
        {"http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"},
        {"http://[::g]/", "bad"},
        {"http://[127.0.0.1]/", "bad"},
        {"http://a/b/c/../..", "http://a/"},
        {"http://[2001:DB8:0:0::0001]/", "http://[2001:db8::1]/"},
        {"http://[0:0:0:0:0:0:0:1]:8080/", "http://[::1]:8080/"},
        {"http://a\\b\\..\\c", "http://a/c"},
        {"http:\\\\a\\b?c\\d", "http://a/b?c\\d"},
        {"http://a?b\\c", "http://a/?b\\c"},
        {"http://a\\@b/", "http://a/@b/"},  // the host is the one of browsers
        {"http://a/b#\\", "http://a/b"},
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
        {"//.x/", "bad"},
        {"/x?u=http://y/", "http://a:81/x?u=http://y/"},
        {"\\x", "http://a:81/x"},
        {"..\\x", "http://a:81/x"},
        {"/\\x\\y", "http://x/y"},
        {"?x\\y", "http://a:81/b/c?x\\y"},
        {"http:\\\\x\\y", "http://x/y"},
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
}

// An empty text would hide the mistake.
TEST(HttpBody, SecondReadOfTheWholeFails) {
    eddy::core loop;
    http::body memory("hello");
    auto streamed = http::body::from_reader(reader_of("hello"));
    http::body empty;
    auto small = http::body::from_reader(reader_of("hello"));
    EXPECT_EQ(loop.run(memory.read_text()).value(), "hello");
    EXPECT_EQ(loop.run(streamed.read_text()).value(), "hello");
    EXPECT_EQ(loop.run(empty.read_text()).value(), "");
    EXPECT_EQ(loop.run(small.read_all(4)).error(), http::errc::body_too_large);
    http::body large("hello");  // refused before a byte was read
    EXPECT_EQ(loop.run(large.read_all(4)).error(), http::errc::body_too_large);
    EXPECT_EQ(loop.run(large.read_text()).value(), "hello");
    for (auto* const body : {&memory, &streamed, &empty, &small, &large}) {
        EXPECT_EQ(loop.run(body->read_text()).error(), http::errc::body_already_read);
        EXPECT_EQ(loop.run(body->read_all()).error(), http::errc::body_already_read);
    }
    memory = "again";
    EXPECT_EQ(loop.run(memory.read_text()).value(), "again");
}

// covers: P142
TEST(HttpBody, SecondTaskThatReadsIsMisuse) {
    eddy::core loop;
    auto [near, far] = eddy::io::duplex(16);
    auto body = http::body::from_reader(std::move(near), 5);
    loop.run([](http::body& from, auto to) -> eddy::task<void> {
        const auto read = [&]() -> eddy::task<std::string> {
            auto text = co_await from.read_text();
            co_return text.value_or("nothing");
        };
        auto first = eddy::spawn(std::ref(read));
        for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
        std::string text;
        try {
            std::array<char, 5> bytes{};
            static_cast<void>(co_await eddy::io::read(from, bytes));
        } catch (const eddy::misuse& thrown) {
            text = thrown.what();
        }
        EXPECT_NE(text.find("two tasks read one http::body at the same time"), std::string::npos) << text;
        static_cast<void>(co_await eddy::io::write_all(to, "hello"));
        const auto got = co_await first;
        EXPECT_EQ(got.value(), "hello");
    }(body, std::move(far)));
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
        EXPECT_EQ(loop.run(body->read_text()).error(), http::errc::body_already_read);
    }
    EXPECT_EQ(loop.run(taken.read_text()).value(), "hello");
}

}  // namespace
