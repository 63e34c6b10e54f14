// SPDX-License-Identifier: MIT
// Connections that switch from HTTP to another protocol, with both roles of eddy::http.
// covers: P147
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/http/http_conversation.hpp"
#include "support/http/http_server.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using support::receive_all;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

/// Reads up to the first space.
task<result<std::string>> read_word(io::boxed_stream& from) {
    std::string word;
    std::array<std::byte, 1> one{};
    for (;;) {
        const auto count = co_await try_(io::read(from, one));
        if (count == 0 || one[0] == std::byte{' '}) co_return std::move(word);
        word += static_cast<char>(one[0]);
    }
}

/// Answers each word with the same word and a "!", until the connection ends.
task<result<void>> exclaim(http::upgraded_connection connection) {
    for (;;) {
        const auto word = co_await try_(read_word(connection.stream));
        if (word.empty()) co_return eddy::ok();
        co_await try_(io::write_all(connection.stream, word + "! "));
    }
}

task<http::response> switch_to_exclaim(http::request asked) {
    if (asked.headers.get("Upgrade") != "exclaim") co_return http::response::text("no\n", http::status::bad_request);
    auto answer = http::switch_protocols("exclaim", exclaim);
    answer.headers.add("X-Volume", "loud");
    co_return std::move(answer);
}

/// Serves on a free port while `script(port)` runs. Returns the reported errors.
template <class Script>
std::vector<std::string> serve_during(http::service app, Script script) {
    eddy::core loop;
    std::vector<std::string> errors;
    const auto play = [&](net::socket_addr at, const auto&) { return script(std::to_string(at.port())); };
    auto options = http::serve_options().on_error([&](const auto& error) { errors.push_back(error.message); });
    const auto report = loop.run(support::serve_http_during(std::move(app), std::move(options), play));
    EXPECT_EQ(report.failed, errors.size());
    return errors;
}
const std::vector<std::string> no_errors;

http::request asking_for(std::string_view protocol) {
    http::request asked(http::method::get, "/");
    asked.headers.add("Upgrade", protocol);
    return asked;
}

TEST(HttpUpgrade, ClientAndServerSwitchProtocols) {
    std::string got;
    const auto script = [&](std::string port) -> task<void> {
        auto outcome = co_await http::upgrade("http://127.0.0.1:" + port + "/", asking_for("exclaim"));
        EXPECT_TRUE(outcome.has_value());
        if (!outcome) co_return;
        EXPECT_EQ(outcome->response.status, http::status::switching_protocols);
        EXPECT_EQ(outcome->response.headers.get("X-Volume"), "loud");
        EXPECT_TRUE(outcome->stream.has_value());
        if (!outcome->stream) co_return;
        (co_await io::write_all(*outcome->stream, std::string("hello world "))).value();
        got = (co_await read_word(*outcome->stream)).value();
        got += (co_await read_word(*outcome->stream)).value();
    };
    EXPECT_EQ(serve_during(switch_to_exclaim, script), no_errors);
    EXPECT_EQ(got, "hello!world!");
}

TEST(HttpUpgrade, BytesAfterRequestBelongToNewProtocol) {
    std::string got;
    const auto script = [&](std::string port) -> task<void> {
        auto client = (co_await net::tcp_stream::connect("127.0.0.1:" + port)).value();
        (co_await client.write_all(
             "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: exclaim\r\nConnection: Upgrade\r\n\r\nso early "))
            .value();
        (co_await client.shutdown()).value();
        got = co_await receive_all(client);
    };
    EXPECT_EQ(serve_during(switch_to_exclaim, script), no_errors);
    EXPECT_EQ(got,
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: exclaim\r\nX-Volume: loud\r\nConnection: Upgrade\r\n\r\n"
              "so! early! ");
}

TEST(HttpUpgrade, ClientIsNotGoneAfterSwitch) {
    std::optional<eddy::sync::cancellation_token> gone;
    const auto app = [&](http::request asked) {
        gone = asked.client_gone();
        return switch_to_exclaim(std::move(asked));
    };
    const auto script = [&](std::string port) -> task<void> {
        auto outcome = (co_await http::upgrade("http://127.0.0.1:" + port + "/", asking_for("exclaim"))).value();
        (co_await io::write_all(outcome.stream.value(), std::string("hello "))).value();
        EXPECT_EQ((co_await read_word(*outcome.stream)).value(), "hello!");
    };
    EXPECT_EQ(serve_during(app, script), no_errors);
    EXPECT_TRUE(gone && !gone->is_cancelled());
}

TEST(HttpUpgrade, RefusalIsAResponse) {
    const auto script = [&](std::string port) -> task<void> {
        auto outcome = co_await http::upgrade("http://127.0.0.1:" + port + "/", asking_for("whisper"));
        EXPECT_TRUE(outcome.has_value());
        if (!outcome) co_return;
        EXPECT_EQ(outcome->response.status, http::status::bad_request);
        EXPECT_FALSE(outcome->stream.has_value());
        const auto text = co_await outcome->response.body.read_text();
        EXPECT_EQ(text.value_or(""), "no\n");
    };
    EXPECT_EQ(serve_during(switch_to_exclaim, script), no_errors);
}

/// Returns what the client makes of a response: the status, and "stream" if there is one; or the error.
std::string outcome_of(std::string response) {
    eddy::core loop;
    return loop.run([&]() -> task<std::string> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto serve = [&]() -> task<result<void>> {
            auto accepted = co_await try_(listener.accept());
            std::array<std::byte, 1000> some{};
            static_cast<void>(co_await try_(accepted.stream.read(some)));
            co_await try_(accepted.stream.write_all(response));
            static_cast<void>(co_await try_(accepted.stream.read(some)));
            co_return eddy::ok();
        };
        const auto ask = [&]() -> task<std::string> {
            const auto url = "http://" + listener.local_addr().value().to_string() + "/";
            auto outcome = co_await http::upgrade(url, asking_for("exclaim"));
            if (!outcome) co_return outcome.error().code().message();
            co_return std::to_string(to_int(outcome->response.status)) + (outcome->stream ? " stream" : "");
        };
        auto both = eddy::join(ask(), serve());
        auto [got, served] = co_await both;
        co_return std::move(got);
    }());
}

TEST(HttpUpgrade, SwitchNeedsUpgradeAndConnection) {
    const auto invalid = make_error_code(http::errc::bad_message).message();
    const std::pair<std::string, std::string> rows[] = {
        {"Upgrade: exclaim\r\nConnection: Upgrade\r\n", "101 stream"},
        {"upgrade: other\r\nconnection: close, uPGRADE\r\n", "101 stream"},
        {"Upgrade: exclaim\r\n", invalid},
        {"Upgrade: exclaim\r\nConnection: keep-alive\r\n", invalid},
        {"Upgrade: exclaim\r\nConnection: Upgrades\r\n", invalid},
        {"Connection: Upgrade\r\n", invalid},
        {"", invalid},
    };
    for (const auto& [fields, expected] : rows)
        EXPECT_EQ(outcome_of("HTTP/1.1 101 Switching Protocols\r\n" + fields + "\r\n"), expected) << fields;
}

TEST(HttpUpgrade, ErrorOfNewProtocolIsReportedWithTheRequest) {
    const auto app = [](http::request asked) -> task<http::response> {
        const bool throws = asked.path() == "/throw";
        const auto fail = [throws](http::upgraded_connection) -> task<result<void>> {
            if (throws) throw std::runtime_error("broken");
            co_return std::unexpected(make_error_code(std::errc::io_error));
        };
        co_return http::switch_protocols("fail", fail);
    };
    const auto script = [&](std::string port) -> task<void> {
        for (const char* const path : {"/fail?key=secret", "/throw"}) {
            auto outcome = co_await http::upgrade("http://127.0.0.1:" + port + path, asking_for("fail"));
            EXPECT_TRUE(outcome.has_value() && outcome->stream.has_value());
            if (!outcome || !outcome->stream) co_return;
            EXPECT_EQ((co_await read_word(*outcome->stream)).value_or("error"), "");
        }
    };
    const std::vector<std::string> expected{"GET /fail: " + std::make_error_code(std::errc::io_error).message(),
                                            "GET /throw: broken"};
    EXPECT_EQ(serve_during(app, script), expected);
}

/// Sends a request to a service that always switches to `protocol`. Returns the response, and the reported errors.
std::pair<std::string, std::vector<std::string>> answer_to(std::string request, std::string protocol = "exclaim") {
    std::string got;
    const auto always = [&](http::request) -> task<http::response> {
        co_return http::switch_protocols(protocol, exclaim);
    };
    const auto script = [&](std::string port) -> task<void> {
        auto client = (co_await net::tcp_stream::connect("127.0.0.1:" + port)).value();
        (co_await client.write_all(request)).value();
        (co_await client.shutdown()).value();
        got = co_await receive_all(client);
    };
    auto errors = serve_during(always, script);
    return {std::move(got), std::move(errors)};
}

const std::string upload = "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: exclaim\r\nConnection: Upgrade\r\n";

TEST(HttpUpgrade, NewProtocolBeginsAfterUnreadBody) {
    const std::string large(100'000, 'x');
    const std::string chunked = upload + "Transfer-Encoding: chunked\r\n\r\n";
    for (const std::string& request :
         {upload + "Content-Length: 4\r\n\r\nbody", upload + "Content-Length: 100000\r\n\r\n" + large,
          chunked + "4\r\nbody\r\n0\r\n\r\n", chunked + "186a0\r\n" + large + "\r\n0\r\nX: y\r\n\r\n"}) {
        const auto [got, errors] = answer_to(request + "hi ");
        EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ") && got.ends_with("\r\n\r\nhi! ")) << got;
        EXPECT_EQ(errors, no_errors);
    }
}

TEST(HttpUpgrade, ServerAsksForUnreadBody) {
    // RFC 9110, section 7.8: the response 100 comes first.
    const auto [got, errors] = answer_to(upload + "Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n" +
                                         std::string(100'000, 'x') + "hi ");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 ")) << got;
    EXPECT_TRUE(got.ends_with("\r\n\r\nhi! ")) << got;
    EXPECT_EQ(errors, no_errors);
}

TEST(HttpUpgrade, UnreadBodyThatIsNotReceivedIsRefused) {
    const std::string large(300'000, 'x');
    const std::pair<std::string, std::string> cases[] = {
        {upload + "Content-Length: 300000\r\n\r\n" + large + "hi ", "413"},
        {upload + "Transfer-Encoding: chunked\r\n\r\n493e0\r\n" + large + "\r\n0\r\n\r\nhi ", "413"},
        {upload + "Transfer-Encoding: chunked\r\n\r\nx", "400"},
        {upload + "Content-Length: 1000\r\n\r\nbody", "400"},
    };
    for (const auto& [request, status] : cases) {
        const auto [got, errors] = answer_to(request);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 " + status + " ")) << got;
        EXPECT_FALSE(got.contains(" 101 ")) << got;
        EXPECT_TRUE(got.contains("\r\nConnection: close\r\n")) << got;
        EXPECT_EQ(errors, no_errors);
    }
}

TEST(HttpUpgrade, UnreadBodyThatWasTooSlowIsRefusedAtOnce) {
    const auto app = [](http::request asked) -> task<http::response> {
        EXPECT_EQ((co_await asked.body.read_text()).error(), eddy::errc::timed_out);
        co_return http::switch_protocols("exclaim", exclaim);
    };
    const auto script = [](support::text_client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(upload + "Content-Length: 4\r\n\r\n"));
        co_await eddy::time::sleep(15s);
        static_cast<void>(co_await one.send("bodyhi "));
        EXPECT_EQ(support::statuses(co_await one.receive_all()), "408");
    };
    EXPECT_TRUE(support::converse(app, http::serve_options().io_timeout(10s), script));
}

TEST(HttpUpgrade, ProtocolWithoutNameGets500) {
    const auto [got, errors] = answer_to("GET / HTTP/1.0\r\n\r\nhi ", "");
    EXPECT_TRUE(got.starts_with("HTTP/1.1 500 ")) << got;
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_TRUE(errors[0].starts_with("GET /: switch_protocols() needs the name of a protocol")) << errors[0];
}

TEST(HttpUpgrade, ClientThatDoesNotAskForProtocolGets426) {
    const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const std::string& request : {
             begin + "\r\n",
             begin + "Upgrade: whisper\r\nConnection: Upgrade\r\n\r\n",
             begin + "Upgrade: exclaim\r\n\r\n",
             begin + "Upgrade: exclaim\r\nConnection: keep-alive\r\n\r\n",
             begin + "Connection: Upgrade\r\n\r\n",
             begin + "Upgrade: exclaim/2\r\nConnection: Upgrade\r\n\r\n",
             std::string("GET / HTTP/1.0\r\nUpgrade: exclaim\r\nConnection: Upgrade\r\n\r\n"),
         }) {
        const auto [got, errors] = answer_to(request);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 426 Upgrade Required\r\n")) << request << got;
        EXPECT_TRUE(got.contains("\r\nUpgrade: exclaim\r\n")) << got;
        EXPECT_TRUE(got.contains("\r\nConnection: Upgrade")) << got;
        EXPECT_EQ(errors, no_errors);
    }
    for (const char* const fields :
         {"upgrade: a, EXCLAIM\r\nconnection: keep-alive, upgrade\r\n",
          "Upgrade: a\r\nUpgrade: exclaim\r\nConnection: close\r\nConnection: Upgrade\r\n"}) {
        const auto [got, errors] = answer_to(begin + fields + "\r\nhi ");
        EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ") && got.ends_with("\r\n\r\nhi! ")) << got;
        EXPECT_EQ(errors, no_errors);
    }
}

}  // namespace
