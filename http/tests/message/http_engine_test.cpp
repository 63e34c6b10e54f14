// SPDX-License-Identifier: MIT
// The engines of HTTP/1.1 without I/O: what a server engine writes, a client engine reads, and the other way round. How
// they parse requests and responses: http_messages_test.cpp.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/io.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

namespace http = eddy::http;
namespace io = eddy::io;
namespace h1 = eddy::http::h1;
using event = h1::engine::event;

#define END "\r\n\r\n"

/// Receives a request from `input`, which must contain a head.
h1::server_engine received(std::string_view& input, const h1::limits& limits = h1::limits()) {
    h1::server_engine engine(limits);
    EXPECT_EQ(engine.receive(input), event::head) << input;
    return engine;
}

std::string written(h1::server_engine& engine, const http::response& answer) {
    std::string out;
    engine.write_head(out, answer);
    if (const auto* const content = answer.body.in_memory()) engine.write_data(out, content->text());
    engine.write_end(out);
    return out;
}

/// Receives the rest of a message.
template <class Engine>
std::string body_of(Engine& engine, std::string_view& input) {
    std::string body;
    for (auto found = engine.receive(input, 3); found != event::end; found = engine.receive(input, 3)) {
        if (found != event::data) return body + " ...";
        body += engine.data();
    }
    return body;
}

// covers: B27
TEST(HttpEngine, ClientReadsWhatServerWrites) {
    std::string sent;
    h1::client_engine client;
    http::request asked(http::method::post, "/a");
    asked.body = http::body::from_reader(io::cursor<std::string>("hello"));
    client.write_head(sent, asked, "example.org");
    EXPECT_TRUE(client.sends_body());
    client.write_data(sent, "hello");
    client.write_end(sent);
    EXPECT_FALSE(client.sends_body());

    std::string_view input = sent;
    auto server = received(input);
    EXPECT_EQ(server.request().target, "/a");
    EXPECT_EQ(server.request().headers.get("Host"), "example.org");
    EXPECT_EQ(server.body_size(), std::nullopt);
    EXPECT_EQ(body_of(server, input), "hello");
    EXPECT_TRUE(server.has_received());
    EXPECT_TRUE(input.empty());

    http::headers trailers;
    trailers.add("Sum", "1");
    std::string answered;
    const http::response answer(http::status::ok, http::body::from_reader(io::cursor<std::string>("")));
    server.write_head(answered, answer);
    EXPECT_TRUE(server.sends_trailers());
    server.write_data(answered, "");  // does not end the body
    server.write_data(answered, "answer");
    server.write_end(answered, trailers);
    EXPECT_TRUE(server.keeps_alive());
    answered += "rest";

    input = answered;
    EXPECT_EQ(client.receive(input), event::head);
    EXPECT_EQ(client.take_response().status, http::status::ok);
    EXPECT_EQ(body_of(client, input), "answer");
    EXPECT_EQ(client.trailers().get("Sum"), "1");
    EXPECT_TRUE(client.keeps_alive());
    EXPECT_EQ(client.receive(input), event::end);
    EXPECT_EQ(input, "rest");
}

TEST(HttpEngine, IncompleteHeadConsumesNothing) {
    const std::string_view all = "GET / HTTP/1.1\r\nHost: a" END;
    for (std::size_t size = 0; size < all.size(); ++size) {
        h1::server_engine engine;
        auto input = all.substr(0, size);
        ASSERT_EQ(engine.receive(input), event::incomplete);
        ASSERT_EQ(input.size(), size);
        input = all;
        ASSERT_EQ(engine.receive(input), event::head);
        ASSERT_TRUE(input.empty());
        ASSERT_EQ(engine.receive(input), event::end);
    }
}

TEST(HttpEngine, RefusedRequestIsAnsweredAndStays) {
    std::string_view input = "HEAD / HTTP/1.1" END "rest";
    const auto size = input.size();
    h1::server_engine engine;
    EXPECT_EQ(engine.receive(input), event::failed);
    EXPECT_EQ(input.size(), size);
    EXPECT_EQ(engine.refusal(), http::status::bad_request);
    EXPECT_EQ(engine.failure(), http::errc::bad_message);
    std::string out;
    engine.write_refusal(out);
    EXPECT_TRUE(out.starts_with("HTTP/1.1 400 Bad Request\r\n")) << out;
    EXPECT_TRUE(out.contains("Connection: close\r\n")) << out;
    EXPECT_TRUE(out.ends_with(END)) << out;  // the response to HEAD has no body
    EXPECT_FALSE(engine.keeps_alive());
}

TEST(HttpEngine, LimitsHaveTheirOwnRefusals) {
    h1::limits limits;
    limits.head_bytes = 100;
    limits.headers = 2;
    limits.body_bytes = 3;
    const std::pair<std::string, int> rows[] = {
        {"GET /" + std::string(100, 'a'), 414},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(100, 'a'), 431},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nY: c" END, 431},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4" END, 413},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked" END "4\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked" END "x\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked" END "0\r\n\rx", 400},
        {"GET / HTTP/2.0\r\nHost: a" END, 505},
    };
    for (const auto& [bytes, status] : rows) {
        h1::server_engine engine(limits);
        std::string_view input = bytes;
        auto found = engine.receive(input);
        if (found == event::head) found = engine.receive(input);
        EXPECT_EQ(found, event::failed) << bytes;
        EXPECT_EQ(http::to_int(engine.refusal()), status) << bytes;
        EXPECT_FALSE(engine.keeps_alive() || engine.has_received()) << bytes;
        input = "GET / HTTP/1.1\r\nHost: a" END;
        EXPECT_EQ(engine.receive(input), event::failed) << "a failure is final: " << bytes;
        EXPECT_EQ(engine.end_of_input(), event::failed) << bytes;
    }
}

TEST(HttpEngine, WholeBodyIsTakenAtOnce) {
    std::string_view input = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3" END "abGET";
    auto engine = received(input);
    EXPECT_EQ(engine.body_size(), 3U);
    auto part = input.substr(0, 2);
    EXPECT_EQ(engine.take_body(part), std::nullopt);
    EXPECT_EQ(engine.take_body(input), "abG");
    EXPECT_EQ(input, "ET");
    EXPECT_TRUE(engine.has_received());
    EXPECT_EQ(engine.body_size(), 0U);
    std::string_view none = "GET / HTTP/1.1\r\nHost: a" END;
    auto without = received(none);
    EXPECT_EQ(without.take_body(none), "");
}

TEST(HttpEngine, WholeBodyAboveLimitIsNotTaken) {
    for (const bool fits : {true, false}) {
        h1::limits limits;
        limits.body_bytes = fits ? 3 : 2;
        h1::client_engine client(limits);
        std::string out;
        client.write_head(out, http::request(), "a");
        std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 3" END "abc";
        EXPECT_EQ(client.receive(input), event::head);
        EXPECT_EQ(client.take_body(input).value_or("too large"), fits ? "abc" : "too large");
        EXPECT_EQ(client.receive(input), fits ? event::end : event::failed);
        EXPECT_EQ(client.failure() == http::errc::body_too_large, !fits);
    }
}

TEST(HttpEngine, ContinueIsSentOnceAndOnlyIfExpected) {
    const std::string_view head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue" END;
    auto input = head;
    auto engine = received(input);
    EXPECT_TRUE(engine.expects_continue());
    std::string out;
    engine.write_continue(out);
    engine.write_continue(out);
    EXPECT_EQ(out, "HTTP/1.1 100 Continue" END);
    EXPECT_FALSE(written(engine, http::response()).contains("Connection: close"));
    // Without "100 Continue", the client may or may not send the body after the response.
    input = head;
    auto early = received(input);
    EXPECT_TRUE(written(early, http::response()).contains("Connection: close"));
    EXPECT_FALSE(early.keeps_alive());
    // A client that has sent the body does not wait.
    const std::string whole = std::string(head) + "abc";
    input = whole;
    auto late = received(input);
    EXPECT_EQ(late.receive(input), event::data);
    EXPECT_EQ(late.receive(input), event::end);
    out.clear();
    late.write_continue(out);
    EXPECT_EQ(out, "");
}

TEST(HttpEngine, ResponseToHeadHasNoBody) {
    std::string_view input = "HEAD / HTTP/1.1\r\nHost: a" END;
    auto engine = received(input);
    const auto out = written(engine, http::response::text("hello"));
    EXPECT_TRUE(out.contains("Content-Length: 5\r\n")) << out;
    EXPECT_TRUE(out.ends_with(END)) << out;
}

TEST(HttpEngine, EmptyResponseIsWholeAfterItsHead) {
    for (const auto code : {http::status::ok, http::status::reset_content}) {
        std::string_view input = "GET / HTTP/1.1\r\nHost: a" END;
        auto engine = received(input);
        // RFC 9110, section 15.3.6: a 205 has no body.
        const http::response answer(code, code == http::status::ok ? "" : "hello");
        std::string out;
        engine.write_head(out, answer);
        EXPECT_FALSE(engine.sends_body());
        engine.write_data(out, "hello");
        EXPECT_TRUE(out.contains("Content-Length: 0\r\n") && out.ends_with(END)) << out;
    }
}

// RFC 9110, section 8.6.
TEST(HttpEngine, ResponseWithoutContentHasNoLength) {
    for (const std::string method : {"GET", "HEAD"}) {
        const std::string bytes = method + " / HTTP/1.1\r\nHost: a" END;
        std::string_view input = bytes;
        auto engine = received(input);
        http::response answer(http::status::no_content);
        answer.headers.add("Content-Length", "5");
        const auto out = written(engine, answer);
        EXPECT_FALSE(out.contains("Content-Length")) << out;
    }
}

TEST(HttpEngine, BodyWithoutLengthEndsHttp10Connection) {
    std::string_view input = "GET / HTTP/1.0\r\nConnection: keep-alive" END;
    auto engine = received(input);
    EXPECT_TRUE(engine.keeps_alive());
    std::string out;
    engine.write_head(out, http::response(http::status::ok, http::body::from_reader(io::cursor<std::string>(""))));
    EXPECT_TRUE(engine.sends_until_end());
    EXPECT_FALSE(engine.keeps_alive());
    engine.write_data(out, "x");
    EXPECT_TRUE(out.ends_with(END "x")) << out;
}

TEST(HttpEngine, EndOfInputEndsOnlyBodyWithoutLength) {
    const std::pair<std::string_view, bool> rows[] = {
        {"HTTP/1.1 200 OK" END "ab", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3" END "ab", false},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked" END "2\r\nab", false},
        {"HTTP/1.1 200 OK\r\nContent-Le", false}};
    for (const auto& [bytes, is_complete] : rows) {
        h1::client_engine engine;
        std::string out;
        engine.write_head(out, http::request(), "a");
        auto input = bytes;
        auto found = engine.receive(input);
        while (found == event::head || found == event::data) found = engine.receive(input);
        EXPECT_EQ(found, event::incomplete) << bytes;
        EXPECT_EQ(engine.end_of_input(), is_complete ? event::end : event::failed) << bytes;
        auto rest = std::string_view("HTTP/1.1 200 OK" END);
        EXPECT_EQ(engine.receive(rest), is_complete ? event::end : event::failed) << "an end is final: " << bytes;
        EXPECT_FALSE(engine.keeps_alive()) << bytes;
    }
}

TEST(HttpEngine, SwitchOfProtocolsNeedsRequest) {
    http::request asked(http::method::get, "/");
    asked.headers.add("Upgrade", "x");
    for (const bool asks : {true, false}) {
        h1::client_engine client;
        std::string out;
        client.write_head(out, asked, "a", asks);
        std::string_view input = out;
        auto server = received(input);
        EXPECT_EQ(server.asks_for_upgrade(), asks) << out;
        http::response answer(http::status::switching_protocols);
        answer.headers.add("Upgrade", "x");
        out.clear();
        server.write_switch(out, answer);
        EXPECT_FALSE(server.keeps_alive());
        out += "next";
        input = out;
        EXPECT_EQ(client.receive(input), asks ? event::head : event::failed);
        EXPECT_EQ(input == "next", asks) << input;
    }
}

TEST(HttpEngine, EitherSideMayEndTheConnection) {
    for (const bool asks : {true, false}) {
        for (const bool answers : {true, false}) {
            http::request asked(http::method::get, "/");
            if (asks) asked.headers.add("Connection", "close");
            h1::client_engine client;
            std::string out;
            client.write_head(out, asked, "a", false);
            const std::string head =
                answers ? "HTTP/1.1 204 No Content\r\nConnection: close" : "HTTP/1.1 204 No Content";
            const std::string bytes = head + END;
            std::string_view input = bytes;
            EXPECT_EQ(client.receive(input), event::head);
            EXPECT_EQ(client.keeps_alive(), !asks && !answers) << out << bytes;
        }
    }
}

TEST(HttpEngine, TunnelIgnoresFraming) {
    h1::client_engine engine;
    std::string out;
    http::headers fields;
    fields.add("User-Agent", "x");
    engine.write_connect(out, "a:443", fields);
    EXPECT_EQ(out, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nUser-Agent: x" END);
    std::string_view input = "HTTP/1.1 100 Continue" END "HTTP/1.1 200 OK\r\nContent-Length: 9" END "tls";
    EXPECT_EQ(engine.receive(input), event::head);
    EXPECT_EQ(engine.take_response().status, http::status::ok);
    EXPECT_EQ(engine.receive(input), event::end);
    EXPECT_EQ(input, "tls");
    EXPECT_FALSE(engine.keeps_alive());
}

// The body stays in the input, where it would be taken for the next response.
TEST(HttpEngine, RefusedTunnelEndsTheConnection) {
    h1::client_engine engine;
    std::string out;
    engine.write_connect(out, "a:443", http::headers());
    std::string_view input = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5" END "hello";
    EXPECT_EQ(engine.receive(input), event::head);
    EXPECT_EQ(input, "hello");
    EXPECT_FALSE(engine.keeps_alive());
}

TEST(HttpEngine, TooManyInterimResponsesAreRefused) {
    std::string bytes;
    for (int i = 0; i < 11; ++i) bytes += "HTTP/1.1 103 Early Hints" END;
    std::string_view input = bytes;
    h1::client_engine engine;
    EXPECT_EQ(engine.receive(input), event::failed);
    EXPECT_EQ(engine.failure(), http::errc::bad_message);
}

}  // namespace
