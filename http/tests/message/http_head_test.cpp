// SPDX-License-Identifier: MIT
// The heads of HTTP messages: how they are written, and details of how they are parsed.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "h1/head.hpp"
#include "message/syntax.hpp"

namespace {

namespace http = eddy::http;
namespace io = eddy::io;

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
    const auto stream = [] { return http::body::from_reader(io::cursor<std::string>("")); };
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
    EXPECT_EQ(head_of(http::response::text("", http::status::not_modified)), "HTTP/1.1 304 Not Modified;;");
    announced.headers.add("Content-Type", "image/png");
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

}  // namespace
