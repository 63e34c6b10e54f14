// SPDX-License-Identifier: MIT
// WebSockets of eddy::ws over TCP: the handshake in both roles, handlers, and the shutdown of a server.
// covers: P145
#include <eddy/http.hpp>
#include <eddy/ws.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/http/http_proxy.hpp"
#include "support/http/http_server.hpp"
#include "support/process.hpp"
#include "support/ws/ws_frames.hpp"

#ifdef EDDY_TEST_WSS
#include <eddy/tls.hpp>

#include "support/tls_pair.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::sync::cancellation_token;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
namespace ws = eddy::ws;

task<result<void>> echo(ws::connection socket) {
    for (;;) {
        auto message = co_await try_(socket.receive());
        co_await try_(socket.send(std::move(message)));
    }
}

/// What a server has done.
struct served {
    std::uint64_t failed = 0;
    std::uint64_t aborted = 0;
    std::string errors;  // of the handlers
};

/// Serves on a free port while `script(address, token)` runs. The token ends the server.
template <class Script>
served serve_during(http::service app, Script script) {
    eddy::core loop;
    served outcome;
    const auto play = [&](net::socket_addr at, const cancellation_token& end) { return script(at.to_string(), end); };
    auto options = http::serve_options().drain(10s).on_error(
        [&outcome](const eddy::unobserved_error& error) { outcome.errors += error.message + ";"; });
    const auto report = loop.run(support::serve_http_during(std::move(app), std::move(options), play));
    outcome.failed = report.failed;
    outcome.aborted = report.aborted;
    return outcome;
}

/// Sends a request, and returns the response up to the end of its head.
task<std::string> request(std::string to, std::string text) {
    auto client = (co_await net::tcp_stream::connect(to)).value();
    (co_await client.write_all(text)).value();
    std::string got;
    std::array<std::byte, 1> one{};
    while (!got.ends_with("\r\n\r\n")) {
        const auto count = co_await client.read(one);
        if (!count || *count == 0) break;
        got += static_cast<char>(one[0]);
    }
    co_return got;
}

/// Returns a request for a WebSocket, where the line that begins with `without` is missing, and `more` is added.
std::string handshake(std::string_view without = "none", std::string_view more = "") {
    std::string text = "GET /echo HTTP/1.1\r\n";
    for (const std::string_view line : {"Host: example.org", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"})
        if (!line.starts_with(without)) text.append(line).append("\r\n");
    return text.append(more).append("\r\n");
}

http::router echo_service(const ws::options& with = ws::options()) {
    http::router app;
    app.get("/echo", ws::service(echo, with));
    return app;
}

TEST(WsServe, ClientAndServerTalk) {
    for (const bool compresses : {false, true}) {
        const auto options = ws::options().compression(compresses).protocol("chat.v2").protocol("chat");
        const auto script = [&](std::string to, cancellation_token) -> task<void> {
            auto connected = co_await ws::connect("ws://" + to + "/echo", options);
            EXPECT_TRUE(connected.has_value()) << connected.error().message();
            if (!connected) co_return;
            EXPECT_EQ(connected->protocol(), "chat.v2");
            EXPECT_EQ(connected->is_compressed(), compresses);
            const std::string large(300'000, 'x');
            for (const auto& text : {std::string("hello"), std::string(), large}) {
                EXPECT_TRUE((co_await connected->send(text)).has_value());
                const auto got = co_await connected->receive();
                EXPECT_TRUE(got.has_value() && got->is_text() && got->text() == text);
            }
            EXPECT_TRUE((co_await connected->close()).has_value());
        };
        const auto outcome = serve_during(echo_service(options), script);
        EXPECT_EQ(outcome.failed, 0U);
        EXPECT_EQ(outcome.errors, "");
    }
}

TEST(WsServe, AnswersTheHandshakeOfRfc6455) {
    std::string got;
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        got = co_await request(to, handshake());
    };
    serve_during(echo_service(), script);
    EXPECT_EQ(got,
              "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n");
}

TEST(WsServe, OtherRequestsAreRefused) {
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        const auto expect = [&](std::string text, std::string status) -> task<void> {
            const auto got = co_await request(to, text);
            EXPECT_EQ(got.substr(9, 3), status) << text << got;
            const bool has_version = got.find("\r\nSec-WebSocket-Version: 13\r\n") != std::string::npos;
            EXPECT_EQ(has_version, status == "426") << got;
        };
        co_await expect("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "426");
        co_await expect(handshake("Upgrade:"), "426");
        co_await expect(handshake("Connection:"), "426");
        co_await expect(handshake("Sec-WebSocket-Version"), "426");
        co_await expect(handshake("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8\r\n"), "426");
        co_await expect(handshake("Sec-WebSocket-Key"), "400");
        co_await expect(handshake("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ=\r\n"), "400");
        co_await expect(handshake("none", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "400");
        co_await expect(handshake("none", "Origin: https://evil.example\r\n"), "403");
        co_await expect(handshake("none", "Origin: null\r\n"), "403");
        co_await expect(handshake("none", "Origin: https://Example.org\r\n"), "101");
        co_await expect(handshake("none", "Origin: https://example.org\r\nOrigin: https://evil.example\r\n"), "403");
        co_await expect("POST" + handshake().substr(3), "405");
    };
    const auto outcome = serve_during(echo_service(), script);
    EXPECT_EQ(outcome.failed, 0U);
}

TEST(WsServe, OptionsPermitOtherOrigins) {
    std::string named;
    std::string other;
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        named = co_await request(to, handshake("none", "Origin: https://friend.example\r\n"));
        other = co_await request(to, handshake("none", "Origin: https://evil.example\r\n"));
    };
    serve_during(echo_service(ws::options().allow_origin("https://friend.example")), script);
    EXPECT_TRUE(named.starts_with("HTTP/1.1 101 ")) << named;
    EXPECT_TRUE(other.starts_with("HTTP/1.1 403 ")) << other;
    serve_during(echo_service(ws::options().allow_any_origin()), script);
    EXPECT_TRUE(other.starts_with("HTTP/1.1 101 ")) << other;
}

TEST(WsServe, HandlerGetsTheRequest) {
    http::router app;
    const auto greet = [](ws::connection socket, http::request asked) -> task<result<void>> {
        co_return co_await socket.send("hello " + std::string(asked.param("name")));
    };
    app.get("/greet/{name}", ws::service(greet));
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        auto socket = co_await ws::connect("ws://" + to + "/greet/ada");
        EXPECT_TRUE(socket.has_value());
        if (!socket) co_return;
        EXPECT_EQ((co_await socket->receive())->text(), "hello ada");
        EXPECT_EQ((co_await socket->receive()).error(), ws::errc::closed);
        EXPECT_EQ(socket->peer_close()->code, ws::close_code::normal);
    };
    EXPECT_EQ(serve_during(app, script).errors, "");
}

TEST(WsServe, FailureOfHandlerClosesWith1011) {
    http::router app;
    app.get("/error", ws::service([](ws::connection) -> task<result<void>> {
                co_return std::unexpected(make_error_code(std::errc::no_space_on_device));
            }));
    app.get("/throw", ws::service([](ws::connection) -> task<void> {
                throw std::runtime_error("broken");
                co_return;
            }));
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        for (const char* const path : {"/error", "/throw"}) {
            auto socket = co_await ws::connect("ws://" + to + path);
            EXPECT_TRUE(socket.has_value());
            if (!socket) co_return;
            EXPECT_EQ((co_await socket->receive()).error(), ws::errc::closed);
            EXPECT_EQ(socket->peer_close()->code, ws::close_code::internal_error);
        }
    };
    const auto outcome = serve_during(app, script);
    EXPECT_EQ(outcome.failed, 2U);
    const auto why = std::make_error_code(std::errc::no_space_on_device).message();
    EXPECT_EQ(outcome.errors, "GET /error: " + why + ";GET /throw: broken;");
}

TEST(WsServe, BadPeerIsNotAnErrorOfTheHandler) {
    std::string got;
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(handshake() + support::ws_frame(support::ws_text, "\xff"))).value();
        (co_await client.shutdown()).value();
        std::array<std::byte, 1000> some{};
        for (;;) {
            const auto count = co_await client.read(some);
            if (!count || *count == 0) break;
            got.append(reinterpret_cast<const char*>(some.data()), *count);
        }
    };
    const auto outcome = serve_during(echo_service(), script);
    EXPECT_EQ(outcome.failed, 0U);
    EXPECT_EQ(outcome.errors, "");
    EXPECT_EQ(support::describe_frames(got.substr(got.find("\r\n\r\n") + 4)), "close 1007");
}

TEST(WsServe, ShutdownClosesWith1001) {
    std::optional<ws::close_frame> frame;
    const auto script = [&](std::string to, cancellation_token end) -> task<void> {
        auto socket = co_await ws::connect("ws://" + to + "/echo");
        EXPECT_TRUE(socket.has_value());
        if (!socket) co_return;
        EXPECT_TRUE((co_await socket->send("a")).has_value());
        EXPECT_TRUE((co_await socket->receive()).has_value());
        end.cancel();
        EXPECT_EQ((co_await socket->receive()).error(), ws::errc::closed);
        frame = socket->peer_close();
    };
    const auto outcome = serve_during(echo_service(), script);
    EXPECT_EQ(outcome.failed, 0U);
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->code, ws::close_code::going_away);
}

TEST(WsServe, ShutdownClosesWith1001WhileHandlerDoesSomethingElse) {
    eddy::sync::notify leave;
    http::router app;
    app.get("/wait", ws::service([&](ws::connection) -> task<void> { co_await leave.notified(); }));
    app.get("/split", ws::service([&](ws::connection socket) -> task<void> {
                auto halves = std::move(socket).split();
                auto receiving = eddy::spawn([](ws::receiver from) -> task<bool> {
                    const auto got = co_await from.receive();
                    co_return got.has_value();
                }(std::move(halves.receiver)));
                co_await leave.notified();
                const auto received = co_await receiving;
                EXPECT_TRUE(received && !*received);
            }));
    const auto script = [&](std::string to, cancellation_token end) -> task<void> {
        std::vector<ws::connection> sockets;
        for (const char* const path : {"/wait", "/split"}) {
            auto socket = co_await ws::connect("ws://" + to + path);
            EXPECT_TRUE(socket.has_value());
            if (socket) sockets.push_back(*std::move(socket));
        }
        end.cancel();
        for (auto& socket : sockets) {
            EXPECT_EQ((co_await socket.receive()).error(), ws::errc::closed);
            const auto frame = socket.peer_close();
            EXPECT_TRUE(frame && frame->code == ws::close_code::going_away);
        }
        leave.notify_waiters();
    };
    const auto outcome = serve_during(app, script);
    EXPECT_EQ(outcome.failed, 0U);
    EXPECT_EQ(outcome.aborted, 0U);
}

TEST(WsServe, ShutdownDoesNotWaitForSilentClient) {
    std::string got;
    const auto script = [&](std::string to, cancellation_token end) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(handshake())).value();
        std::array<std::byte, 1000> some{};
        static_cast<void>((co_await client.read(some)).value());  // the response to the handshake
        end.cancel();
        got = co_await support::receive_all(client);
    };
    const auto options = ws::options().close_timeout(100ms);
    const auto outcome = serve_during(echo_service(options), script);
    EXPECT_EQ(outcome.failed, 0U);
    EXPECT_EQ(outcome.aborted, 0U);
    EXPECT_EQ(outcome.errors, "");
    EXPECT_EQ(support::describe_frames(got), "close 1001");
}

TEST(WsServe, EndOfHandlerEndsPartsInOtherTasks) {
    using ended = task<std::error_code>;
    std::optional<eddy::join_handle<std::error_code>> sending;
    std::optional<eddy::join_handle<std::error_code>> receiving;
    eddy::sync::notify has_begun;
    const auto send = [](ws::sender from) -> ended {
        for (;;) {
            const auto sent = co_await from.send(std::string(100'000, 'x'));
            if (!sent) co_return sent.error();
        }
    };
    const auto receive = [](ws::receiver from) -> ended {
        const auto got = co_await from.receive();
        co_return got ? std::error_code() : got.error();
    };
    http::router app;
    const auto leave = [&](ws::connection socket) -> task<void> {
        auto halves = std::move(socket).split();
        sending = eddy::spawn(send(std::move(halves.sender)));
        receiving = eddy::spawn(receive(std::move(halves.receiver)));
        has_begun.notify_one();
        for (int i = 0; i < 100; ++i) co_await eddy::yield_now();
    };
    app.get("/echo", ws::service(leave, ws::options().close_timeout(100ms)));
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(handshake())).value();
        std::array<std::byte, 1000> some{};
        static_cast<void>((co_await client.read(some)).value());  // then it does not read, so the sender waits
        co_await has_begun.notified();
        EXPECT_EQ(co_await std::move(*sending), ws::errc::closed);
        EXPECT_EQ(co_await std::move(*receiving), ws::errc::closed);
        static_cast<void>(co_await support::receive_all(client));  // the server has closed the connection
    };
    EXPECT_EQ(serve_during(app, script).failed, 0U);
}

TEST(WsServe, ClientReportsWhyItCannotConnect) {
    http::router app;
    app.get("/page", [](http::request) -> task<http::response> { co_return http::response::text("a page\n"); });
    app.get("/bad", [](http::request) -> task<http::response> {
        auto answer = http::switch_protocols("websocket", [](http::upgraded_connection) -> task<void> { co_return; });
        answer.headers.add("Sec-WebSocket-Accept", "wrong");
        co_return std::move(answer);
    });
    app.get("/both", [](http::request asked) -> task<http::response> {
        auto answer = ws::accept(std::move(asked), [](ws::connection) -> task<void> { co_return; });
        answer.headers.add("Sec-WebSocket-Accept", "wrong");
        co_return std::move(answer);
    });
    const auto script = [&](std::string to, cancellation_token) -> task<void> {
        const auto both = co_await ws::connect("ws://" + to + "/both");
        EXPECT_EQ(both.error().code(), ws::errc::bad_handshake);
        const auto page = co_await ws::connect("ws://" + to + "/page");
        EXPECT_EQ(page.error().code(), ws::errc::upgrade_refused);
        EXPECT_NE(page.error().message().find("(status 200)"), std::string::npos) << page.error().message();
        const auto bad = co_await ws::connect("ws://" + to + "/bad");
        EXPECT_EQ(bad.error().code(), ws::errc::bad_handshake);
        const auto scheme = co_await ws::connect("http://" + to + "/page");
        EXPECT_EQ(scheme.error().code(), ws::errc::bad_url);
        EXPECT_TRUE(scheme.error().message().contains("write it as ws://host/path or wss://host:port/path"))
            << scheme.error().message();
        const auto host = co_await ws::connect("ws:///page");
        EXPECT_EQ(host.error().code(), std::errc::invalid_argument);
        EXPECT_TRUE(host.error().message().contains("write it as ws://host/path")) << host.error().message();
    };
    serve_during(app, script);
}

TEST(WsServe, TalksThroughProxy) {
    support::http_proxy proxy;
    serve_during(echo_service(), [&](std::string to, const cancellation_token&) -> task<void> {
        const auto talk = [&](std::string address) -> task<void> {
            const auto chosen = http::proxies::none().for_all("http://a:b@" + address);
            const auto options = ws::options().client(http::client_options().proxies(chosen));
            auto socket = (co_await ws::connect("ws://" + to + "/echo", options)).value();
            EXPECT_TRUE((co_await socket.send("hello")).has_value());
            EXPECT_EQ((co_await socket.receive()).value().text(), "hello");
            static_cast<void>(co_await socket.close());
        };
        co_await proxy.during(talk);
        EXPECT_EQ(proxy.heads.size(), 1U);
        EXPECT_TRUE(proxy.heads.at(0).starts_with("CONNECT " + to + " HTTP/1.1\r\n"));
    });
}

#ifdef EDDY_TEST_WSS
// docs: over TLS
task<result<void>> serve_over_tls(net::tcp_listener listener, eddy::tls::server_config config, cancellation_token end) {
    http::router app;
    app.get("/echo", ws::service(echo));
    const auto options = http::serve_options().shutdown(end);
    const auto handler = [=](net::tcp_stream tcp, net::socket_addr peer,
                             net::serve_connection connection) -> task<result<void>> {
        auto accepted = co_await eddy::tls::accept(std::move(tcp), config);
        if (!accepted) co_return eddy::ok();  // a client without TLS, or one that refuses the certificate
        co_return co_await http::serve_connection(*std::move(accepted), app, options, std::move(connection), peer);
    };
    auto connections = net::serve_options().idle_timeout(60s).shutdown(end).drain(5s);
    co_await try_(net::serve(std::move(listener), handler, std::move(connections)));
    co_return eddy::ok();
}
// docs: end

TEST(WsServe, DocumentedServerTalksOverTls) {
    const support::tls_world world;
    eddy::core loop;
    const auto both = [&]() -> task<std::string> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto port = std::to_string(listener.local_addr().value().port());
        const cancellation_token end;
        auto serving = eddy::spawn(serve_over_tls(std::move(listener), *world.server().build(), end));
        const auto options = ws::options().client(http::client_options().tls(*world.client().build()));
        auto socket = (co_await ws::connect("wss://localhost:" + port + "/echo", options)).value();
        (co_await socket.send("secret")).value();
        const auto answer = (co_await socket.receive()).value();
        static_cast<void>(co_await socket.close());
        end.cancel();
        const auto served = co_await serving;
        EXPECT_TRUE(served.value().has_value());
        co_return std::string(answer.text());
    };
    EXPECT_EQ(loop.run(both()), "secret");
}

TEST(WsServe, TalksOverTlsAndResumesSessions) {
    const support::tls_world world;
    eddy::core loop;
    int resumed = 0;
    const auto both = [&]() -> task<std::string> {
        auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const auto port = std::to_string(listener.local_addr().value().port());
        const auto config = *world.server().build();
        const http::service app = echo_service();
        const cancellation_token end;
        const auto handler = [app, config, &resumed](net::tcp_stream tcp) -> task<result<void>> {
            auto stream = co_await try_(eddy::tls::accept(std::move(tcp), config));
            if (stream.was_resumed()) ++resumed;
            co_return co_await http::serve_connection(std::move(stream), app);
        };
        const auto play = [&]() -> task<std::string> {
            const auto options = ws::options().client(http::client_options().tls(*world.client().build()));
            std::string got;
            for (int i = 0; i < 3; ++i) {
                auto socket = co_await ws::connect("wss://localhost:" + port + "/echo", options);
                if (socket) {
                    static_cast<void>(co_await socket->send("secret"));
                    got += (co_await socket->receive())->text();
                    static_cast<void>(co_await socket->close());
                } else {
                    got = socket.error().message();
                }
            }
            end.cancel();
            co_return got;
        };
        auto joined = eddy::join(net::serve(std::move(listener), handler, net::serve_options().shutdown(end)), play());
        auto [report, got] = co_await joined;
        co_return got;
    };
    EXPECT_EQ(loop.run(both()), "secretsecretsecret");
    EXPECT_EQ(resumed, 2);
}
#endif

#ifdef EDDY_TEST_WS_EXAMPLES

TEST(WsPeers, WebChatSendsMessagesToAllBrowsers) {
    support::process server({"web_chat", "127.0.0.1:0"});
    const auto to = "ws://" + support::addr_in(server.line()).to_string() + "/chat";
    eddy::core loop;
    const auto talk = [&]() -> task<result<void>> {
        auto one = co_await try_(ws::connect(to));
        auto other = co_await try_(ws::connect(to));
        co_await try_(one.send("hello"));
        const auto mine = co_await try_(one.receive());
        const auto theirs = co_await try_(other.receive());
        EXPECT_EQ(mine.text(), "hello");
        EXPECT_EQ(theirs.text(), "hello");
        co_await try_(one.send(std::string(5000, 'x')));
        const auto refused = co_await one.receive();
        EXPECT_EQ(refused.error(), ws::errc::closed);
        EXPECT_EQ(one.peer_close()->code, ws::close_code::message_too_large);
        server.signal(SIGTERM);
        const auto last = co_await other.receive();
        EXPECT_EQ(last.error(), ws::errc::closed);
        EXPECT_EQ(other.peer_close()->code, ws::close_code::going_away);
        co_return eddy::ok();
    };
    const auto outcome = loop.run(talk());
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
    EXPECT_EQ(server.wait().code, 0);
}

#ifdef EDDY_TEST_WS_SHELL

/// Receives output until it contains `wanted`.
task<result<void>> expect_output(ws::connection& from, std::string_view wanted) {
    for (std::string text; !text.contains(wanted);) {
        const auto message = co_await try_(from.receive());
        text += message.text();
    }
    co_return eddy::ok();
}

task<result<void>> type(ws::connection& into, std::string keys) {
    co_return co_await into.send(eddy::bytes(std::move(keys)));
}

TEST(WsPeers, ShellIsATerminalForItsOwnPageOnly) {
    support::process server({"shell", "127.0.0.1:0", "sh"});
    const auto url = server.line().substr(std::string_view("open ").size());
    const auto address = url.substr(0, url.find('/', std::string_view("http://").size()));
    EXPECT_EQ(url.size(), address.size() + 34) << url;  // 32 digits
    const auto to = "ws" + url.substr(std::string_view("http").size()) + "socket";
    eddy::core loop;
    const auto talk = [&]() -> task<result<void>> {
        for (const std::string_view origin : {"", "http://localhost", "null"}) {
            ws::options other;
            if (!origin.empty()) other.header("Origin", origin);
            const auto refused = co_await ws::connect(to, other);
            EXPECT_FALSE(refused);
        }
        const auto unknown = co_await ws::connect("ws" + address.substr(std::string_view("http").size()) + "/socket",
                                                  ws::options().header("Origin", address));
        EXPECT_FALSE(unknown);

        auto page = co_await try_(ws::connect(to, ws::options().header("Origin", address)));
        co_await try_(page.send("30 100"));
        co_await try_(type(page, "stty -echo size; [ -t 0 ] && echo terminal\r"));
        co_await try_(expect_output(page, "30 100\r\nterminal\r\n"));
        co_await try_(type(page, "sh -c 'echo ready; exec sleep 1000'\r"));
        co_await try_(expect_output(page, "ready\r\n"));
        co_await try_(type(page, "\3"));
        co_await try_(type(page, "echo next\r"));
        co_await try_(expect_output(page, "next\r\n"));
        co_await try_(type(page, "exit\r"));
        const auto last = co_await expect_output(page, "not printed");
        EXPECT_EQ(last.error(), ws::errc::closed);
        EXPECT_EQ(page.peer_close()->code, ws::close_code::normal);
        co_return eddy::ok();
    };
    const auto outcome = loop.run(talk());
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait().code, 0);
    const auto open = support::run({"shell", "0.0.0.0:0"});
    EXPECT_EQ(open.code, 2);
}
#endif

TEST(WsPeers, WebSocketExamplesTalkToEachOther) {
    support::process server({"web_socket", "serve", "127.0.0.1:0"});
    const auto to = support::addr_in(server.line()).to_string();
    http::router app;
    int finished = 0;
    const auto check = [&](ws::connection socket) -> task<result<void>> {
        co_await try_(socket.send("ping-pong"));
        const auto got = co_await try_(socket.receive());
        if (got.text() == "ping-pong" && socket.is_compressed()) ++finished;
        co_return eddy::ok();
    };
    app.get("/", ws::service(check, ws::options().compression(true)));
    const auto script = [&](std::string here, cancellation_token) -> task<void> {
        auto socket = co_await ws::connect("ws://" + to + "/");
        EXPECT_TRUE(socket.has_value());
        if (!socket) co_return;
        EXPECT_TRUE((co_await socket->send("echo")).has_value());
        EXPECT_EQ((co_await socket->receive())->text(), "echo");
        EXPECT_TRUE((co_await socket->close()).has_value());
        const auto url = "ws://" + here + "/";
        auto running = eddy::spawn_blocking([url] { return support::run({"web_socket", "connect", url, "3"}); });
        auto ended = co_await running;
        EXPECT_EQ(ended->code, 0);
    };
    EXPECT_EQ(serve_during(app, script).errors, "");
    EXPECT_EQ(finished, 3);
    server.signal(SIGTERM);
    EXPECT_EQ(server.wait().code, 0);
}

#endif

}  // namespace
