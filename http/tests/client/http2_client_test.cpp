// SPDX-License-Identifier: MIT
// HTTP/2 in the client of eddy::http: with eddy's own server, and with servers that send single frames.
// covers: S66
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "message/coding.hpp"
#include "support/http/http2_peer.hpp"
#include "support/http/http_proxy.hpp"
#include "support/http/http_readers.hpp"
#include "support/http/http_server.hpp"
#include "support/yields.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

using answer = std::expected<http::response, http::client_error>;

http::client_options known() { return http::client_options().prior_knowledge(true).timeout(20s); }

task<std::string> text_of(task<answer> work) {
    auto got = co_await std::move(work);
    if (!got) co_return got.error().message();
    EXPECT_EQ(got->version, http::version::http_2);
    const auto text = co_await got->body.read_text(64 << 20);
    const std::string shown = text ? *text : "(" + text.error().message() + ")";
    co_return std::to_string(http::to_int(got->status)) + " " + shown;
}

http::router site() {
    http::router app;
    app.get("/hello", [](http::request) -> task<http::response> { co_return http::response::text("hello"); });
    app.any("/echo", [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::move(asked.body));
    });
    app.any("/fields", [](http::request asked) -> task<http::response> {
        std::string text(to_string(asked.method));
        for (const auto& [name, value] : asked.headers) text.append(" ").append(name).append("=").append(value);
        co_return http::response::text(text);
    });
    app.get("/away", [](http::request) -> task<http::response> { co_return http::response::redirect("/hello"); });
    return app;
}

template <class Script>
net::serve_report serve_during(Script script, http::serve_options options = http::serve_options()) {
    eddy::core loop;
    const auto play = [&](net::socket_addr at, const auto&) { return script("http://" + at.to_string()); };
    return loop.run(support::serve_http_during(site(), std::move(options), play));
}

std::vector<task<std::string>> many(const http::client& web, const std::string& url, int count) {
    std::vector<task<std::string>> all;
    for (int i = 0; i < count; ++i) all.push_back(text_of(web.get(url)));
    return all;
}

TEST(Http2Client, RequestsShareOneConnection) {
    const auto report = serve_during([](std::string url) -> task<void> {
        const http::client web(known());
        const auto all = co_await eddy::join_all(many(web, url + "/hello", 50));
        for (const auto& each : all) EXPECT_EQ(each, "200 hello");
        EXPECT_EQ(co_await text_of(web.get(url + "/none")), "404 Not Found\n");
        EXPECT_EQ(co_await text_of(web.get(url + "/away")), "200 hello");
    });
    EXPECT_EQ(report.accepted, 1U);
}

TEST(Http2Client, QuerySendsItsBodyInBothVersions) {
    serve_during([](std::string url) -> task<void> {
        for (const bool has_http2 : {false, true}) {
            const http::client web(known().prior_knowledge(has_http2));
            for (const std::string path : {"/echo", "/fields"}) {
                http::request asked(http::method::query);
                asked.body = "which";
                auto got = co_await web.send(url + path, std::move(asked));
                EXPECT_EQ(got->version, has_http2 ? http::version::http_2 : http::version::http_1_1);
                const auto text = co_await got->body.read_text();
                EXPECT_TRUE(path == "/echo" ? *text == "which" : text->starts_with("QUERY ")) << *text;
            }
        }
    });
}

TEST(Http2Client, RequestsShareTunnelOfProxy) {
    support::http_proxy proxy;
    std::string port;
    const auto report = serve_during([&](std::string url) -> task<void> {
        port = url.substr(url.rfind(':'));
        const auto ask = [&](std::string address) -> task<void> {
            const http::client web(known().decompressed_limit(0).proxies(http::proxies::none().for_all(address)));
            for (int i = 0; i < 3; ++i) {
                http::request asked(http::method::get);
                asked.headers.add("Proxy-Authorization", "not for a server");
                asked.headers.add("Authorization", "secret");
                EXPECT_EQ(co_await text_of(web.send("http://one.test" + port + "/fields", std::move(asked))),
                          "200 GET Host=one.test" + port + " authorization=secret user-agent=eddy");
            }
        };
        const auto with_user = [&](std::string address) { return ask("http://a:b@" + address); };
        co_await proxy.during(with_user);
    });
    EXPECT_EQ(report.accepted, 1U);
    ASSERT_EQ(proxy.heads.size(), 1U);
    EXPECT_EQ(proxy.heads[0], "CONNECT one.test" + port + " HTTP/1.1\r\nHost: one.test" + port +
                                  "\r\nUser-Agent: eddy\r\nProxy-Authorization: Basic YTpi\r\n\r\n");
}

TEST(Http2Client, RequestsWaitForFreeStream) {
    const auto report = serve_during(
        [](std::string url) -> task<void> {
            const http::client web(known());
            EXPECT_EQ(co_await text_of(web.get(url + "/hello")), "200 hello");  // the settings have arrived
            const auto all = co_await eddy::join_all(many(web, url + "/hello", 30));
            for (const auto& each : all) EXPECT_EQ(each, "200 hello");
        },
        http::serve_options().max_streams(2));
    EXPECT_EQ(report.accepted, 1U);
}

TEST(Http2Client, RefusedRequestsAreRepeatedAfterSettings) {
    // The client does not know the limit of the server when it sends the first requests.
    serve_during(
        [](std::string url) -> task<void> {
            const http::client web(known());
            const auto all = co_await eddy::join_all(many(web, url + "/hello", 30));
            for (const auto& each : all) EXPECT_EQ(each, "200 hello");
        },
        http::serve_options().max_streams(2));
}

TEST(Http2Client, BodiesAreStreamedInBothDirections) {
    const auto report = serve_during(
        [](std::string url) -> task<void> {
            const http::client web(known());
            const std::string large(3'000'000, 'x');
            EXPECT_EQ(co_await text_of(web.post(url + "/echo", "text/plain", "")), "200 ");
            EXPECT_TRUE(co_await text_of(web.post(url + "/echo", "a/b", std::string(large))) == "200 " + large);
            for (const bool has_size : {false, true}) {
                http::request streamed(http::method::put, "");
                streamed.body =
                    http::body::from_reader(io::cursor<std::string>(large),
                                            has_size ? std::optional<std::uint64_t>(large.size()) : std::nullopt);
                EXPECT_TRUE(co_await text_of(web.send(url + "/echo", std::move(streamed))) == "200 " + large);
            }
            auto head = co_await web.send(url + "/hello", http::request(http::method::head, ""));
            EXPECT_EQ(head.value().headers.get("Content-Length"), "5");
            EXPECT_EQ(head.value().body.size(), 0U);
        },
        http::serve_options().body_limit(10 << 20));
    EXPECT_EQ(report.accepted, 1U);
}

/// A reader that waits for some polls before each of its parts, so that the connection runs meanwhile.
class slow_reader {
public:
    explicit slow_reader(std::vector<std::string> parts) : parts_(std::move(parts)) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (next_ == parts_.size()) return eddy::ok(std::size_t{0});
        if (++polls_ % 5 != 0) {
            cx.waker().wake_by_ref();
            return eddy::not_ready;
        }
        const auto& part = parts_[next_++];
        std::ranges::copy(std::as_bytes(std::span(part)), into.begin());
        return eddy::ok(part.size());
    }

private:
    std::vector<std::string> parts_;
    std::size_t next_ = 0;
    unsigned polls_ = 0;
};

/// Not with a list in braces, for GCC 12.
template <class... Text>
http::request streamed_post(const Text&... parts) {
    http::request made(http::method::post, "");
    made.body = http::body::from_reader(slow_reader({std::string(parts)...}));
    return made;
}

TEST(Http2Client, BodiesThatAreReadBeforeTheirStreamOpensArriveOnce) {
    std::vector<std::string> received;
    const auto app = [&](http::request asked) -> task<http::response> {
        received.push_back((co_await asked.body.read_text()).value());
        co_return http::response::text(received.back());
    };
    const auto script = [](net::socket_addr at, const auto&) -> task<void> {
        const std::string url = "http://" + at.to_string() + "/";
        const http::client web(known());
        EXPECT_EQ(co_await text_of(web.get(url)), "200 ");  // the settings have arrived
        std::vector<task<std::string>> posts;
        for (int i = 0; i < 4; ++i)
            posts.push_back(text_of(web.send(url, streamed_post(std::to_string(i), "begin", "middle", "end"))));
        const auto all = co_await eddy::join_all(std::move(posts));
        for (int i = 0; i < 4; ++i) EXPECT_EQ(all.at(i), "200 " + std::to_string(i) + "beginmiddleend");
        EXPECT_EQ(co_await text_of(web.get(url)), "200 ");  // nothing else waits for a stream before it
    };
    eddy::core loop;
    loop.run(support::serve_http_during(app, http::serve_options().max_streams(1), script));
    std::ranges::sort(received);
    EXPECT_EQ(received, std::vector<std::string>(
                            {"", "", "0beginmiddleend", "1beginmiddleend", "2beginmiddleend", "3beginmiddleend"}));
}

TEST(Http2Client, SendsPermittedFields) {
    const std::string codings(eddy::detail::available_codings());
    serve_during([&](std::string url) -> task<void> {
        http::request asked;
        for (const char* const name : {"X-Own", "Connection", "Transfer-Encoding", "TE", "Content-Length"})
            asked.headers.add(name, "y");
        const http::client web(known());
        EXPECT_EQ(co_await text_of(web.send(url + "/fields", std::move(asked))),
                  "200 GET Host=" + url.substr(7) + " x-own=y user-agent=eddy accept-encoding=" + codings);
        EXPECT_EQ(co_await text_of(web.post(url + "/fields", "a/b", "")),
                  "200 POST Host=" + url.substr(7) + " content-type=a/b user-agent=eddy accept-encoding=" + codings +
                      " content-length=0");
    });
}

TEST(Http2Client, RequestsMayBeDroppedAtAnyMoment) {
    const auto report = serve_during([](std::string url) -> task<void> {
        const http::client web(known());
        const std::string large(100'000, 'x');
        int complete = 0;
        for (int i = 0; i < 120; ++i) {
            auto posting = text_of(web.post(url + "/echo", "text/plain", std::string(large)));
            const auto ended = co_await eddy::select_biased(std::move(posting), support::yields(i));
            if (ended.index() != 0) continue;
            EXPECT_TRUE(std::get<0>(ended) == "200 " + large);
            ++complete;
        }
        EXPECT_EQ(co_await text_of(web.get(url + "/hello")), "200 hello");
        EXPECT_LT(complete, 120);
    });
    EXPECT_LE(report.accepted, 120U);
}

TEST(Http2Client, FailedRequestBodyEndsRequest) {
    serve_during([](std::string url) -> task<void> {
        const http::client web(known());
        http::request fails(http::method::post, "");
        fails.body = http::body::from_reader(support::failing_reader());
        auto failed = co_await web.send(url + "/echo", std::move(fails));
        if (failed) {  // the response began before the body failed
            EXPECT_EQ((co_await failed->body.read_text()).error(), std::errc::io_error);
        } else {
            EXPECT_EQ(failed.error().code(), std::errc::io_error) << failed.error().message();
            EXPECT_EQ(failed.error().phase(), http::phase::body);
        }
        EXPECT_EQ(co_await text_of(web.get(url + "/hello")), "200 hello");
    });
}

TEST(Http2Client, ExceptionOfRequestBodyEndsResponseBody) {
    serve_during([](std::string url) -> task<void> {
        const http::client web(known());
        bool fails = false;
        http::request echoed(http::method::post, "");
        echoed.body = http::body::from_reader(support::throwing_reader(fails));
        auto response = (co_await web.send(url + "/echo", std::move(echoed))).value();
        fails = true;
        std::string thrown;
        try {
            static_cast<void>(co_await response.body.read_text());
        } catch (const std::runtime_error& error) {
            thrown = error.what();
        }
        EXPECT_EQ(thrown, "broken");
        for (int i = 0; i < 2; ++i) {
            const auto text = co_await response.body.read_text();
            EXPECT_TRUE(!text && text.error() == std::errc::io_error) << i;
        }
        EXPECT_EQ(co_await text_of(web.get(url + "/hello")), "200 hello");
    });
}

/// Sends GET on a new connection, without a library, and receives until the server ends the connection.
task<std::string> receive_until_end(net::socket_addr at, std::string path) {
    auto stream = (co_await net::tcp_stream::connect(at)).value();
    const std::string fields =
        "\x82\x86\x41\x01"
        "a"
        "\x04" +
        std::string(1, static_cast<char>(path.size())) + path;
    const std::string bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + peer::frame_of(peer::settings, 0, 0, "") +
                              peer::frame_of(peer::headers, peer::end_headers | peer::end_stream, 1, fields);
    (co_await stream.write_all(bytes)).value();
    co_return co_await support::receive_all(stream);
}

TEST(Http2Client, ServerEndsIdleConnectionsAndNoOthers) {
    const auto app = [](http::request asked) -> task<http::response> {
        if (asked.path() == "/slow") co_await eddy::time::sleep(100ms);
        co_return http::response::text(asked.path());
    };
    for (const std::string path : {"/fast", "/slow"}) {
        net::serve_report report;
        eddy::core loop;
        const auto play = [&](net::socket_addr at, const auto&) -> task<void> {
            const auto got = co_await receive_until_end(at, path);
            EXPECT_TRUE(got.contains(path)) << path;  // the whole response came before the end
        };
        report = loop.run(support::serve_http_during(app, http::serve_options().idle_timeout(20ms), play));
        EXPECT_EQ(report.aborted, 1U) << path;
    }
}

TEST(Http2Client, WithoutPriorKnowledgeCleartextIsHttp1) {
    serve_during([](std::string url) -> task<void> {
        const auto page = co_await http::get(url + "/hello");
        EXPECT_EQ(page.value().version, http::version::http_1_1);
    });
}

// ---- Servers that send single frames ----

template <class Server, class Script>
task<void> play_both(Server& serve, Script& run) {
    auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
    auto listener = std::move(bound).value();
    const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
    const auto serving = [&]() -> task<bool> {
        co_await serve(listener);
        co_return true;
    };
    const auto running = [&]() -> task<bool> {
        co_await run(url);
        co_return true;
    };
    auto both = eddy::join(serving(), running());
    const auto [served, ran] = co_await both;
    EXPECT_TRUE(served && ran);
}

/// Calls `server(listener)` while `script(url)` runs.
template <class Server, class Script>
void play(Server server, Script script) {
    eddy::core loop;
    loop.run(play_both(server, script));
}

task<peer> accepted(net::tcp_listener& from, std::string settings = "") {
    peer made((co_await from.accept()).value().stream);
    co_await made.begin(std::move(settings));
    co_return made;
}

TEST(Http2Client, RequestsAfterGoawayAreRepeatedOnNewConnection) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto first = co_await accepted(listener);
        EXPECT_EQ((co_await first.next(peer::headers)).stream, 1U);
        EXPECT_EQ((co_await first.next(peer::headers)).stream, 3U);
        co_await first.send(peer::goaway, 0, 0, peer::bytes_of(1) + peer::bytes_of(0));
        auto second = co_await accepted(listener);
        EXPECT_EQ((co_await second.next(peer::headers)).stream, 1U);
        co_await second.answer(1, "second");
        co_await first.answer(1, "first");
        EXPECT_TRUE((co_await first.next(peer::goaway)).is_end);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        // POST is repeated, too, because the server has not processed it.
        auto both = eddy::join(text_of(web.post(url, "a/b", "x")), text_of(web.post(url, "a/b", "y")));
        const auto [one, two] = co_await both;
        EXPECT_EQ(one, "200 first");
        EXPECT_EQ(two, "200 second");
    });
}

TEST(Http2Client, EndOfStreamLetsWaitingRequestBegin) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        constexpr char max_concurrent_streams = 3;
        auto web = co_await accepted(listener, peer::setting(max_concurrent_streams, 1));
        co_await web.next(peer::headers);
        co_await web.answer(1, "settings");
        EXPECT_EQ((co_await web.next(peer::headers)).stream, 3U);
        co_await web.answer(3, "early");  // the body is larger than the window, so the client resets the stream
        EXPECT_EQ((co_await web.next(peer::headers)).stream, 5U);
        co_await web.answer(5, "next");
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        EXPECT_EQ(co_await text_of(web.get(url)), "200 settings");
        auto both = eddy::join(text_of(web.post(url, "a/b", std::string(100'000, 'x'))), text_of(web.get(url)));
        const auto [early, next] = co_await both;
        EXPECT_EQ(early, "200 early");
        EXPECT_EQ(next, "200 next");
    });
}

TEST(Http2Client, RefusedStreamIsRepeated) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::rst_stream, 0, 1, peer::bytes_of(7));
        EXPECT_EQ((co_await web.next(peer::headers)).stream, 3U);
        co_await web.answer(3, "again");
        co_await web.next(peer::headers);
        co_await web.next(peer::data);  // the body is a reader
        co_await web.send(peer::rst_stream, 0, 5, peer::bytes_of(7));
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        EXPECT_EQ(co_await text_of(web.post(url, "a/b", "x")), "200 again");
        http::request streamed(http::method::post, "");
        streamed.body = http::body::from_reader(io::cursor<std::string>("hi"));
        const auto failed = co_await web.send(url, std::move(streamed));
        EXPECT_EQ(failed.error().code(), std::error_code(7, http::http2_category()));
    });
}

TEST(Http2Client, ResetStreamIsErrorWithCode) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::rst_stream, 0, 1, peer::bytes_of(2));
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 3, std::string(peer::status_200));
        co_await web.send(peer::data, 0, 3, "part");
        co_await web.send(peer::rst_stream, 0, 3, peer::bytes_of(8));
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        const auto failed = co_await web.get(url);
        EXPECT_EQ(failed.error().phase(), http::phase::receive);
        EXPECT_EQ(failed.error().code(), std::error_code(2, http::http2_category()));
        EXPECT_EQ(failed.error().code(), std::errc::connection_reset);
        EXPECT_EQ(failed.error().message(), "no response from " + url.substr(7, url.size() - 8) +
                                                ": the server has ended the request or the connection with the HTTP/2 "
                                                "error INTERNAL_ERROR");
        auto cut = co_await web.get(url);
        EXPECT_EQ((co_await cut.value().body.read_text()).error(), std::error_code(8, http::http2_category()));
    });
}

/// Reads until an error. Returns the bytes that were read before it, and sets `error`.
task<std::string> read_to_error(http::body& from, std::error_code& error) {
    std::string text;
    std::array<std::byte, 10'000> some{};
    for (;;) {
        const auto count = co_await io::read(from, some);
        if (!count) {
            error = count.error();
            co_return text;
        }
        if (*count == 0) co_return text + "(complete)";
        text.append(reinterpret_cast<const char*>(some.data()), *count);
    }
}

/// Answers the first request with `frames`, which arrive together, and ends the connection if `ends`. Checks what the
/// client reads from the response after another request was answered, so after the end has arrived.
void check_cut_response(std::string frames, bool ends, std::string text, std::error_code error) {
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        std::optional<peer> web = co_await accepted(listener);
        co_await web->next(peer::headers);
        co_await web->send_raw(frames);
        if (ends) {
            co_await web->end();
            web = co_await accepted(listener);
        }
        const auto next = co_await web->next(peer::headers);
        co_await web->answer(next.stream, "next");
        co_await web->next(peer::goaway);
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known());
        auto cut = (co_await web.get(url)).value();
        const http::client other(known());
        EXPECT_EQ(co_await text_of((ends ? other : web).get(url)), "200 next");
        std::error_code got;
        EXPECT_TRUE(co_await read_to_error(cut.body, got) == text);
        EXPECT_EQ(got, error);
        EXPECT_EQ((co_await cut.body.read_text()).error(), error);
    });
}

TEST(Http2Client, ReceivedBytesAreReadBeforeErrorOfStream) {
    const std::string head = peer::frame_of(peer::headers, peer::end_headers, 1, peer::status_200);
    const std::string part = peer::frame_of(peer::data, 0, 1, "partial");
    for (const std::uint32_t code : {1, 2, 7, 8}) {
        const auto reset = peer::frame_of(peer::rst_stream, 0, 1, peer::bytes_of(code));
        const std::error_code error(static_cast<int>(code), http::http2_category());
        check_cut_response(head + part + reset, false, "partial", error);
        check_cut_response(head + reset, false, "", error);
    }
    const auto end = peer::frame_of(peer::rst_stream, 0, 1, peer::bytes_of(0));
    check_cut_response(head + part + end, false, "partial", eddy::errc::unexpected_eof);
}

TEST(Http2Client, ReceivedBytesAreReadBeforeEndOfConnection) {
    const std::string head = peer::frame_of(peer::headers, peer::end_headers, 1, peer::status_200);
    const std::string part = peer::frame_of(peer::data, 0, 1, "partial");
    check_cut_response(head + part, true, "partial", eddy::errc::unexpected_eof);
    for (const std::uint32_t code : {0, 2}) {
        const auto goaway = peer::frame_of(peer::goaway, 0, 0, peer::bytes_of(1) + peer::bytes_of(code));
        const std::error_code error = code == 0 ? make_error_code(eddy::errc::unexpected_eof)
                                                : std::error_code(static_cast<int>(code), http::http2_category());
        check_cut_response(head + part + goaway, true, "partial", error);
    }
    std::string large = head;
    for (int i = 0; i < 60; ++i) large += peer::frame_of(peer::data, 0, 1, std::string(10'000, 'x'));
    check_cut_response(large, true, std::string(600'000, 'x'), eddy::errc::unexpected_eof);
}

TEST(Http2Client, ReceivedBytesAreReadAfterFailedWrite) {
    eddy::sync::notify go_on;
    eddy::sync::notify is_reset;
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        {
            auto stream = (co_await listener.accept()).value().stream;
            stream.set_zero_linger().value();
            peer web{io::boxed_stream(std::move(stream))};
            co_await web.begin();
            co_await web.next(peer::headers);
            co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
            co_await go_on.notified();
            co_await web.send(peer::data, 0, 1, "partial");
        }
        is_reset.notify_one();
        auto next = co_await accepted(listener);
        co_await next.next(peer::headers);
        co_await next.answer(1, "next");
        co_await next.next(peer::goaway);
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known());
        auto cut = (co_await web.get(url)).value();
        go_on.notify_one();
        co_await is_reset.notified();
        // The request is written to the connection that was reset, often before the bytes are read.
        EXPECT_EQ(co_await text_of(web.get(url)), "200 next");
        std::error_code error;
        EXPECT_EQ(co_await read_to_error(cut.body, error), "partial");
        EXPECT_TRUE(error);
    });
}

/// Answers with `frames` and resets the connection while the client sends a large body. Returns the response.
std::string answer_and_reset(std::string frames) {
    std::string got;
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto stream = (co_await listener.accept()).value().stream;
        stream.set_zero_linger().value();
        peer web{io::boxed_stream(std::move(stream))};
        co_await web.begin(peer::setting(4, 1 << 24));
        co_await web.send(peer::window_update, 0, 0, peer::bytes_of(1 << 24));
        co_await web.next(peer::headers);
        co_await web.next(peer::data);
        co_await web.send_raw(std::move(frames));
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known());
        got = co_await text_of(web.post(url, "a/b", std::string(16'000'000, 'x')));
    });
    return got;
}

TEST(Http2Client, ResponseBeforeResetOfConnectionIsReceived) {
    const std::string head = peer::frame_of(peer::headers, peer::end_headers, 1, peer::status_200);
    const std::string end = peer::frame_of(peer::data, peer::end_stream, 1, "too large");
    const std::string stop = peer::frame_of(peer::rst_stream, 0, 1, peer::bytes_of(0));
    const std::string goaway = peer::frame_of(peer::goaway, 0, 0, peer::bytes_of(1) + peer::bytes_of(0));
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(answer_and_reset(head + end), "200 too large");
        EXPECT_EQ(answer_and_reset(head + end + stop), "200 too large");
        EXPECT_EQ(answer_and_reset(head + end + stop + goaway), "200 too large");
    }
}

TEST(Http2Client, UnreadBytesOfFailedResponsesDoNotBlockOthers) {
    const std::string part(16'384, 'x');
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        for (std::uint32_t stream = 1; stream < 41; stream += 2) {  // 20 MiB: more than the connection's window
            co_await web.next(peer::headers);
            co_await web.send(peer::headers, peer::end_headers, stream, std::string(peer::status_200));
            for (int i = 0; i < 64; ++i) co_await web.send(peer::data, 0, stream, part);
            co_await web.send(peer::rst_stream, 0, stream, peer::bytes_of(2));
        }
        co_await web.next(peer::headers);
        co_await web.answer(41, "last");
        co_await web.next(peer::goaway);
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known());
        std::vector<http::response> unread;
        for (int i = 0; i < 20; ++i) unread.push_back((co_await web.get(url)).value());
        EXPECT_EQ(co_await text_of(web.get(url)), "200 last");
        std::error_code error;
        EXPECT_EQ((co_await read_to_error(unread.back().body, error)).size(), 64 * part.size());
    });
}

TEST(Http2Client, RefusedStreamIsRepeatedIfNothingWasSent) {
    // The server permits no data at first, so the client has read a part of the body and sent nothing.
    const std::string no_window = peer::setting(4, 0);
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener, no_window);
        co_await web.next(peer::headers);
        co_await web.answer(1, "");  // the settings have arrived
        for (std::uint32_t stream = 3; stream < 15; stream += 4) {
            co_await web.next(peer::headers);
            co_await web.send(peer::ping, 0, 0, "12345678");
            co_await web.next(peer::ping);  // the client has had the time to read
            co_await web.send(peer::rst_stream, 0, stream, peer::bytes_of(7));
            EXPECT_EQ((co_await web.next(peer::headers)).stream, stream + 2);
            co_await web.send(peer::window_update, 0, 0, peer::bytes_of(1 << 20));
            co_await web.send(peer::window_update, 0, stream + 2, peer::bytes_of(1 << 20));
            std::string body;
            for (;;) {
                const auto part = co_await web.next(peer::data);
                body += part.payload;
                if (part.is_end || (part.flags & peer::end_stream) != 0) break;
            }
            co_await web.answer(stream + 2, std::to_string(body.size()) + body.substr(0, 3));
        }
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known().timeout(5s));
        EXPECT_EQ(co_await text_of(web.get(url)), "200 ");
        for (std::size_t size = 3; size <= 100'000; size += 99'997) {
            http::request sized(http::method::post, "");
            sized.body = http::body::from_reader(io::cursor<std::string>("abc" + std::string(size - 3, 'x')), size);
            EXPECT_EQ(co_await text_of(web.send(url, std::move(sized))), "200 " + std::to_string(size) + "abc");
        }
        EXPECT_EQ(co_await text_of(web.send(url, streamed_post("abc", "def"))), "200 6abc");
    });
}

/// Answers with a head, and with a DATA frame that ends the stream. The two are sent together, or the second one after
/// the client has received the first one. Returns the response.
std::string answer_in_two_frames(http::method asked, const std::string& fields, const std::string& data,
                                 bool together) {
    std::string first = peer::frame_of(peer::headers, peer::end_headers, 1, fields);
    std::string later = peer::frame_of(peer::data, peer::end_stream, 1, data);
    if (together) first += std::exchange(later, "");
    std::string got;
    eddy::sync::notify has_head;
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send_raw(first);
        co_await has_head.notified();
        co_await web.send_raw(later);
        co_await web.next(peer::goaway);
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known());
        auto page = (co_await web.send(url, http::request(asked, "/"))).value();
        has_head.notify_one();
        const auto text = co_await page.body.read_text();
        got = std::to_string(http::to_int(page.status)) + " " + (text ? *text : text.error().message());
    });
    return got;
}

TEST(Http2Client, ResponseWithoutBodyMayAnnounceItsSize) {
    // The fields ":status" and "content-length: 1000" in HPACK.
    const std::string ok = std::string(peer::status_200) + "\017\015\0041000";
    const std::string not_modified = "\x8b\017\015\0041000";
    const auto refused = "200 " + make_error_code(http::errc::bad_message).message();
    for (const bool together : {true, false}) {
        EXPECT_EQ(answer_in_two_frames(http::method::head, ok, "", together), "200 ");
        EXPECT_EQ(answer_in_two_frames(http::method::get, not_modified, "", together), "304 ");
        // RFC 9113, section 8.1.1: such a response is malformed if it has a body.
        EXPECT_EQ(answer_in_two_frames(http::method::head, ok, std::string(1000, 'x'), together), refused);
    }
}

TEST(Http2Client, DroppedResponseResetsStream) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
        const auto reset = co_await web.next(peer::rst_stream);
        EXPECT_EQ(reset.stream, 1U);
        EXPECT_EQ(reset.code(), 8U);
        EXPECT_EQ((co_await web.next(peer::headers)).stream, 3U);
        co_await web.answer(3, "next");
        EXPECT_FALSE((co_await web.next(peer::goaway)).is_end);  // the client was destroyed
        EXPECT_TRUE((co_await web.next(peer::goaway)).is_end);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        {
            const auto dropped = co_await web.get(url);
            EXPECT_EQ(dropped.value().status, http::status::ok);
        }
        EXPECT_EQ(co_await text_of(web.get(url)), "200 next");
    });
}

TEST(Http2Client, WindowGrowsByBytesThatWereRead) {
    const std::string part(16'384, 'x');
    eddy::sync::notify may_read;
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
        for (int i = 0; i < 40; ++i) co_await web.send(peer::data, 0, 1, part);
        co_await web.send(peer::ping, 0, 0, "12345678");
        EXPECT_EQ((co_await web.next(peer::ping)).payload, "12345678");  // the client has received all of it
        EXPECT_EQ(web.windows(), 0);
        may_read.notify_one();
        EXPECT_EQ((co_await web.next(peer::window_update)).stream, 1U);
        co_await web.send(peer::data, peer::end_stream, 1, "end");
        co_await web.next(peer::goaway);
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known());
        auto page = (co_await web.get(url)).value();
        co_await may_read.notified();
        const auto text = co_await page.body.read_text();
        EXPECT_EQ(text.value().size(), 40 * part.size() + 3);
    });
}

TEST(Http2Client, UnreadResponseDoesNotBlockOthers) {
    const std::string part(16'384, 'x');
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        for (std::uint32_t stream = 1; stream < 41; stream += 2) {  // 20 MiB: more than the connection's window
            co_await web.next(peer::headers);
            co_await web.send(peer::headers, peer::end_headers, stream, std::string(peer::status_200));
            for (int i = 0; i < 64; ++i) co_await web.send(peer::data, 0, stream, part);
        }
        co_await web.next(peer::headers);
        co_await web.answer(41, "last");
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        std::vector<http::response> unread;
        for (int i = 0; i < 20; ++i) unread.push_back((co_await web.get(url)).value());
        EXPECT_EQ(co_await text_of(web.get(url)), "200 last");
    });
}

TEST(Http2Client, SettingsThatOverflowWindowEndConnection) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::window_update, 0, 1, peer::bytes_of(0x7fffffff - 65'535));  // the largest window
        co_await web.send(peer::settings, 0, 0, peer::setting(4, 65'536));
        EXPECT_EQ((co_await web.next(peer::goaway)).code(), 3U);
        EXPECT_TRUE((co_await web.next(peer::goaway)).is_end);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        EXPECT_EQ((co_await web.get(url)).error().code(), http::errc::bad_message);
    });
}

TEST(Http2Client, EndOfConnectionFailsRequests) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
        co_await web.next(peer::data);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        auto cut = (co_await web.get(url)).value();
        const auto failed = co_await web.post(url, "a/b", "x");
        EXPECT_EQ(failed.error().code(), eddy::errc::unexpected_eof) << failed.error().message();
        EXPECT_EQ(failed.error().phase(), http::phase::receive);
        EXPECT_EQ((co_await cut.body.read_text()).error(), eddy::errc::unexpected_eof);
    });
}

TEST(Http2Client, IdempotentRequestIsRepeatedIfKeptConnectionEnds) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        {
            auto web = co_await accepted(listener);
            co_await web.next(peer::headers);
            co_await web.answer(1, "one");
            co_await web.next(peer::headers);
        }
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.answer(1, "two");
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known());
        EXPECT_EQ(co_await text_of(web.get(url)), "200 one");
        EXPECT_EQ(co_await text_of(web.get(url)), "200 two");
    });
}

TEST(Http2Client, ServerWithoutHttp2IsAnError) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        auto server = eddy::spawn(http::serve(std::move(listener), site(), http::serve_options().http2(false)));
        const auto page = co_await http::get(url, known());
        server.abort();
        EXPECT_EQ(page.error().code(), http::errc::bad_message) << page.error().message();
    }());
}

TEST(Http2Client, RequestHeadThatIsTooLargeIsAnError) {
    serve_during([](std::string url) -> task<void> {
        const http::client web(known());
        http::request large(http::method::get);
        large.headers.add("large", std::string(100'000, 'x'));  // nghttp2 sends at most 64 KiB
        EXPECT_EQ((co_await web.send(url + "/hello", std::move(large))).error().code(), http::errc::header_too_large);
        EXPECT_EQ(co_await text_of(web.get(url + "/hello")), "200 hello");
    });
}

TEST(Http2Client, ResponseHeadsAreLimited) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        const std::string large = std::string("\0\x01x\x64", 4) + std::string(100, 'y');  // a field of 100 bytes
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200) + large);
        EXPECT_EQ((co_await web.next(peer::rst_stream)).code(), 8U);
        const std::string early = std::string("\x08\x03", 2) + "103";  // ":status: 103"
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 3, early);
        co_await web.send(peer::headers, peer::end_headers, 3, std::string(peer::status_200));
        co_await web.send(peer::data, 0, 3, "body");
        co_await web.send(peer::headers, peer::end_headers | peer::end_stream, 3, std::string("\0\x01t\x01v", 5));
        co_await web.next(peer::headers);
        for (int i = 0; i < 11; ++i) co_await web.send(peer::headers, peer::end_headers, 5, early);
        EXPECT_EQ((co_await web.next(peer::rst_stream)).stream, 5U);
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 7, std::string(peer::status_200));
        co_await web.send(peer::headers, peer::end_headers | peer::end_stream, 7, large + large);
        EXPECT_EQ((co_await web.next(peer::rst_stream)).stream, 7U);
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known().header_limit(150));
        EXPECT_EQ((co_await web.get(url)).error().code(), http::errc::header_too_large);
        EXPECT_EQ(co_await text_of(web.get(url)), "200 body");
        EXPECT_EQ((co_await web.get(url)).error().code(), http::errc::bad_message);
        auto late = (co_await web.get(url)).value();
        EXPECT_EQ((co_await late.body.read_text()).error(), http::errc::header_too_large);
    });
}

TEST(Http2Client, IdleConnectionIsClosed) {
    eddy::sync::notify closed;
    const auto server = [&](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.answer(1, "one");
        EXPECT_FALSE((co_await web.next(peer::goaway)).is_end);
        EXPECT_TRUE((co_await web.next(peer::goaway)).is_end);
        closed.notify_one();
        auto next = co_await accepted(listener);
        co_await next.next(peer::headers);
        co_await next.answer(1, "two");
        co_await next.next(peer::goaway);
    };
    play(server, [&](std::string url) -> task<void> {
        const http::client web(known().idle_timeout(20ms));
        EXPECT_EQ(co_await text_of(web.get(url)), "200 one");
        co_await closed.notified();
        EXPECT_EQ(co_await text_of(web.get(url)), "200 two");
    });
}

TEST(Http2Client, SilentServerGetsPing) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        const auto asked = co_await web.next(peer::ping);
        co_await web.send(peer::ping, peer::ack, 0, asked.payload);
        co_await web.answer(1, "late");
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known().ping_interval(20ms));
        EXPECT_EQ(co_await text_of(web.get(url)), "200 late");
    });
}

TEST(Http2Client, PingIntervalOfZeroSendsNoPing) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.answer(1, "hello");
        co_await web.next(peer::goaway);
        EXPECT_EQ(web.pings(), 0);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known().ping_interval(0s));
        EXPECT_EQ(co_await text_of(web.get(url)), "200 hello");
    });
}

TEST(Http2Client, SilentBodyTimesOut) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto web = co_await accepted(listener);
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
        EXPECT_EQ((co_await web.next(peer::rst_stream)).code(), 8U);
        co_await web.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known().io_timeout(20ms));
        auto page = (co_await web.get(url)).value();
        EXPECT_EQ((co_await page.body.read_text()).error(), eddy::errc::timed_out);
    });
}

TEST(Http2Client, RequestOnSilentConnectionMakesItSuspect) {
    const auto server = [](net::tcp_listener& listener) -> task<void> {
        auto silent = co_await accepted(listener, peer::setting(3, 100));
        co_await silent.next(peer::headers);
        EXPECT_FALSE((co_await silent.next(peer::ping)).is_end);
        EXPECT_EQ((co_await silent.next(peer::rst_stream)).stream, 1U);
        auto fresh = co_await accepted(listener);
        co_await fresh.next(peer::headers);
        co_await fresh.answer(1, "fresh");
        co_await fresh.next(peer::goaway);
    };
    play(server, [](std::string url) -> task<void> {
        const http::client web(known().timeout(1200ms));
        EXPECT_EQ((co_await web.get(url)).error().code(), eddy::errc::timed_out);
        EXPECT_EQ(co_await text_of(web.get(url)), "200 fresh");
    });
}

}  // namespace
