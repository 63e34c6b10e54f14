// SPDX-License-Identifier: MIT
// HTTP/1.1 and HTTP/2 over TLS: the choice of the version, files, compressed responses and server-sent events.
// covers: S66 P067
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/file_contents.hpp"
#include "support/http/http_answers.hpp"
#include "support/net.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_pair.hpp"

namespace {

using support::text_of;

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;
namespace tls = eddy::tls;

/// A server over TLS.
struct secure_site {
    support::tls_world world;
    http::router app;
    unsigned connections = 0;
    unsigned resumed = 0;  // of these
    eddy::sync::cancellation_token end;
    std::chrono::nanoseconds idle_limit = 60s;

    secure_site() {
        app.get("/version", [](const http::request& asked) -> task<http::response> {
            co_return http::response::text(asked.version == http::version::http_2 ? "2" : "1.1");
        });
        app.get("/peer", [](const http::request& asked) -> task<http::response> {
            co_return http::response::text(asked.peer ? asked.peer->ip().to_string() : "unknown");
        });
    }
    http::client_options options() const {
        return http::client_options().tls(world.client().build().value()).timeout(20s);
    }
    /// Serves while `script(url)` runs. Offers the protocols by ALPN.
    template <class Script>
    void serve_during(std::vector<std::string> protocols, Script script) {
        eddy::core loop;
        loop.run(serve(std::move(protocols), script));
    }

private:
    template <class Script>
    task<void> serve(std::vector<std::string> offered, Script& run) {
        auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const std::string url = "https://localhost:" + std::to_string(listener.local_addr().value().port());
        const auto config = world.server().alpn(std::move(offered)).build().value();
        const http::service service(app);
        const auto handler = [this, service, config](net::tcp_stream tcp, net::socket_addr from,
                                                     net::serve_connection c) -> task<result<void>> {
            ++connections;
            auto stream = co_await try_(tls::accept(std::move(tcp), config));
            if (stream.was_resumed()) ++resumed;
            co_return co_await http::serve_connection(std::move(stream), service, http::serve_options(), std::move(c),
                                                      from);
        };
        const auto options = net::serve_options().idle_timeout(idle_limit).shutdown(end).on_error([](const auto&) {
        });  // refused handshakes
        auto server = eddy::spawn(net::serve(std::move(listener), handler, options));
        co_await run(url);
        server.abort();
        static_cast<void>(co_await std::move(server));
    }
};

std::vector<task<std::string>> many(const http::client& web, const std::string& url, int count) {
    std::vector<task<std::string>> all;
    for (int i = 0; i < count; ++i) all.push_back(text_of(web, url));
    return all;
}

TEST(Http2Tls, FirstRequestsShareConnectionThatServerMadeHttp2) {
    secure_site site;
    site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
        const http::client web(site.options());
        const auto all = co_await eddy::join_all(many(web, url + "/version", 10));
        for (const auto& each : all) EXPECT_EQ(each, "2");
        EXPECT_EQ(site.connections, 1U);
    });
}

TEST(Http2Tls, RequestsHaveTheAddressThatTheServerPasses) {
    secure_site site;
    site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
        for (const bool is_http2 : {true, false}) {
            const http::client web(site.options().http2(is_http2));
            EXPECT_EQ(co_await text_of(web, url + "/peer"), "127.0.0.1");
        }
    });
}

TEST(Http2Tls, ClientCanInsistOnEitherVersion) {
    secure_site site;
    site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
        const http::client old(site.options().http2(false));
        EXPECT_EQ(co_await text_of(old, url + "/version"), "1.1");
        const http::client known(site.options().prior_knowledge(true));
        EXPECT_EQ(co_await text_of(known, url + "/version"), "2");
    });
}

TEST(Http2Tls, ServerWithoutAlpnGetsHttp1) {
    secure_site site;
    site.serve_during({}, [&](std::string url) -> task<void> {
        const http::client web(site.options());
        const auto all = co_await eddy::join_all(many(web, url + "/version", 5));
        for (const auto& each : all) EXPECT_EQ(each, "1.1");
        const http::client known(site.options().prior_knowledge(true));
        const auto refused = co_await known.get(url + "/version");
        EXPECT_EQ(refused.error().code(), http::errc::no_http2);
        EXPECT_EQ(refused.error().phase(), http::phase::tls);
    });
}

TEST(Http2Tls, FailedHandshakeFailsAllWaitingRequests) {
    secure_site site;
    site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
        const http::client web;  // the system does not trust this certificate
        const auto all = co_await eddy::join_all(many(web, url + "/version", 5));
        for (const auto& each : all) EXPECT_TRUE(each.starts_with("no TLS connection to 127.0.0.1:")) << each;
        EXPECT_EQ(site.connections, 1U);
    });
}

TEST(Http2Tls, DroppedFirstRequestLetsTheNextOneConnect) {
    secure_site site;
    site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
        const http::client web(site.options());
        auto first = text_of(web, url + "/version");
        auto both =
            eddy::join(eddy::select_biased(std::move(first), eddy::yield_now()), text_of(web, url + "/version"));
        const auto [dropped, next] = co_await both;
        EXPECT_EQ(dropped.index(), 1U);
        EXPECT_EQ(next, "2");
    });
}

/// Calls `script(client, url)` with HTTP/1.1 and with HTTP/2.
template <class Script>
void with_each_version(secure_site& site, Script script) {
    for (const bool is_http2 : {false, true}) {
        site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
            const http::client web(site.options().http2(is_http2));
            EXPECT_EQ(co_await text_of(web, url + "/version"), is_http2 ? "2" : "1.1");
            co_await script(web, url);
        });
    }
}

/// What a client gets for a file. The body is compared with a part of the file.
task<http::response> ask_for(const http::client& web, std::string url, http::request asked, std::string_view expected) {
    auto got = co_await web.send(std::move(url), std::move(asked));
    EXPECT_TRUE(got) << got.error().message();
    if (!got) co_return http::response(http::status::bad_gateway);
    const auto text = co_await got->body.read_text(expected.size() + 1);
    EXPECT_TRUE(text && *text == expected);
    co_return *std::move(got);
}

http::request asking(http::method how, std::string_view field = "", std::string_view value = "") {
    http::request asked(how, "/");
    if (!field.empty()) asked.headers.add(field, value);
    return asked;
}

TEST(Http2Tls, FilesArriveByteForByte) {
    const support::temp_dir folder;
    std::string text;
    for (int i = 0; text.size() < 5'000'000; ++i) text += std::to_string(i) + '\n';
    support::set_contents(folder / "large", text);
    secure_site site;
    site.app.any("/{path...}", http::files(folder / ""));
    with_each_version(site, [&](const http::client& web, std::string url) -> task<void> {
        const auto large = url + "/large";
        const auto whole = co_await ask_for(web, large, asking(http::method::get), text);
        EXPECT_EQ(whole.status, http::status::ok);
        const auto head = co_await ask_for(web, large, asking(http::method::head), "");
        EXPECT_EQ(head.status, http::status::ok);
        EXPECT_EQ(head.headers.get("Content-Length"), std::to_string(text.size()));
        const auto part = co_await ask_for(web, large, asking(http::method::get, "Range", "bytes=1000001-3999999"),
                                           std::string_view(text).substr(1'000'001, 2'999'999));
        EXPECT_EQ(part.status, http::status::partial_content);
        const std::string tag(whole.headers.get("ETag").value_or(""));
        const auto same = co_await ask_for(web, large, asking(http::method::get, "If-None-Match", tag), "");
        EXPECT_EQ(same.status, http::status::not_modified);
        std::vector<task<http::response>> several;
        for (int i = 0; i < 4; ++i) several.push_back(ask_for(web, large, asking(http::method::get), text));
        const auto all = co_await eddy::join_all(std::move(several));
        for (const auto& each : all) EXPECT_EQ(each.status, http::status::ok);
    });
}

#ifdef EDDY_TEST_ZLIB
TEST(Http2Tls, CompressedResponsesWork) {
    const std::string text(300'000, 'x');
    secure_site site;
    site.app.get("/memory", [&](http::request) -> task<http::response> { co_return http::response::text(text); });
    site.app.get("/streamed", [&](http::request) -> task<http::response> {
        co_return http::response::of_type("text/plain", http::body::from_reader(io::cursor<std::string>(text)));
    });
    http::router all;
    all.any("/{path...}", site.app | http::compress());
    site.app = std::move(all);
    with_each_version(site, [&](const http::client& web, std::string url) -> task<void> {
        for (const char* const path : {"/memory", "/streamed"}) {
            EXPECT_TRUE(co_await text_of(web, url + path) == text) << path;
            http::request raw;
            raw.headers.add("Accept-Encoding", "gzip");
            auto packed = (co_await web.send(url + path, std::move(raw))).value();
            EXPECT_EQ(packed.headers.get("Content-Encoding"), "gzip");
            const auto bytes = co_await packed.body.read_all();
            EXPECT_LT(bytes.value().size(), text.size() / 10);
        }
    });
}
#endif

/// Notifies when it is destroyed.
struct destruction {
    eddy::sync::notify& told;
    explicit destruction(eddy::sync::notify& to) : told(to) {}
    destruction(const destruction&) = delete;
    destruction& operator=(const destruction&) = delete;
    ~destruction() { told.notify_one(); }
};

eddy::async_generator<http::event> forever(eddy::sync::notify& next, eddy::sync::notify& ended) {
    const destruction end(ended);
    for (int i = 1;; ++i) {
        co_yield http::event(std::to_string(i)).id(std::to_string(i));
        co_await next.notified();
    }
}

TEST(Http2Tls, EventsArriveOneByOneUntilTheClientLeaves) {
    eddy::sync::notify next;
    eddy::sync::notify ended;
    secure_site site;
    site.app.get("/events",
                 [&](http::request) -> task<http::response> { co_return http::event_stream(forever(next, ended)); });
    with_each_version(site, [&](const http::client& web, std::string url) -> task<void> {
        auto events = (co_await web.get(url + "/events")).value();
        EXPECT_EQ(events.headers.get("Content-Type"), "text/event-stream");
        std::string text;
        for (int i = 1; i <= 3; ++i) {
            const std::string number = std::to_string(i);
            while (text.find("data: " + number + "\n") == std::string::npos) {
                std::array<std::byte, 100> some{};
                const auto count = co_await io::read(events.body, some);
                text += support::text_of(std::span(some).first(count.value()));
            }
            next.notify_one();
        }
        events.body = http::body();
        next.notify_one();  // with HTTP/1.1 over TLS, a failed write may be the first sign of the end
        co_await ended.notified();
    });
}

// ---- The end of a connection ----

enum class cause { client, idle_timeout, shutdown };

task<result<tls::stream<net::tcp_stream>>> open(const secure_site& site, std::string url, std::string protocol) {
    auto tcp = co_await try_(net::tcp_stream::connect(url.substr(url.find("localhost"))));
    const auto config = site.world.client().alpn({protocol}).build().value();
    co_return co_await tls::connect(std::move(tcp), config, "localhost");
}

/// Makes a connection busy and idle again: over HTTP/1.1 by a request, over HTTP/2 by the settings.
task<result<void>> use(tls::stream<net::tcp_stream>& stream, std::string protocol) {
    const std::string settings("\0\0\0\4\0\0\0\0\0", 9);
    const std::string request = protocol == "h2" ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings
                                                 : "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    co_await try_(stream.write_all(request));
    std::array<std::byte, 1> first{};
    co_return co_await stream.read_exact(first);
}

task<result<void>> read_to_end(tls::stream<net::tcp_stream>& from) {
    std::array<std::byte, 1000> some{};
    for (;;) {
        const auto count = co_await try_(from.read(some));
        if (count == 0) co_return eddy::ok();  // close_notify
    }
}

TEST(Http2Tls, IdleConnectionsEndWithCloseNotify) {
    for (const std::string protocol : {"http/1.1", "h2"}) {
        for (const cause why : {cause::client, cause::idle_timeout, cause::shutdown}) {
            secure_site site;
            if (why == cause::idle_timeout) site.idle_limit = 20ms;
            site.serve_during(http::alpn_protocols(), [&](std::string url) -> task<void> {
                auto stream = co_await open(site, url, protocol);
                EXPECT_TRUE(stream.has_value());
                if (!stream) co_return;
                if (why != cause::idle_timeout) {  // it may elapse before a request
                    const auto used = co_await use(*stream, protocol);
                    EXPECT_TRUE(used.has_value()) << used.error().message();
                }
                if (why == cause::client) {
                    const auto ended = co_await stream->shutdown();
                    EXPECT_TRUE(ended.has_value());
                }
                if (why == cause::shutdown) site.end.cancel();
                const auto ended = co_await read_to_end(*stream);
                EXPECT_TRUE(ended.has_value())
                    << protocol << ", cause " << static_cast<int>(why) << ": " << ended.error().message();
            });
        }
    }
}

TEST(Http2Tls, ClientResumesSessionsOfClosedConnections) {
    for (const bool is_kept : {false, true}) {
        secure_site site;
        site.serve_during({"http/1.1"}, [&](std::string url) -> task<void> {
            // Each request needs a connection of its own: the header forbids to keep it, or the client keeps none.
            const http::client web(is_kept ? site.options().max_idle(0) : site.options());
            for (int i = 0; i < 3; ++i) {
                http::request asked;
                if (!is_kept) asked.headers.add("Connection", "close");
                auto got = co_await web.send(url + "/version", std::move(asked));
                EXPECT_TRUE(got.has_value()) << got.error().message();
            }
            EXPECT_EQ(site.connections, 3U);
            EXPECT_EQ(site.resumed, 2U);
        });
    }
}

/// Answers one request, and returns how the client then ends the connection. With `ended`, ends the connection first.
task<result<void>> answer_once(net::tcp_listener& from, tls::server_config config, std::string fields,
                               eddy::sync::notify* ended = nullptr) {
    auto accepted = co_await try_(from.accept());
    auto stream = co_await try_(tls::accept(std::move(accepted.stream), config));
    std::string head;
    std::array<char, 1> next{};
    while (!head.ends_with("\r\n\r\n")) {
        co_await try_(stream.read_exact(next));
        head += next[0];
    }
    co_await try_(stream.write_all("HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 2\r\n\r\nok"));
    if (ended != nullptr) {
        co_await try_(stream.shutdown());
        ended->notify_one();
    }
    co_return co_await read_to_end(stream);
}

TEST(Http2Tls, ClientEndsItsConnectionsWithCloseNotify) {
    const support::tls_world world;
    const auto options = http::client_options().tls(world.client().build().value()).timeout(20s).http2(false);
    const std::string closes = "Connection: close\r\n";
    eddy::sync::notify told;
    const auto case_of = [&](http::client_options chosen, std::string fields, bool server_ends) -> task<void> {
        auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const std::string url = "https://localhost:" + std::to_string(listener.local_addr().value().port()) + "/";
        const http::client web(chosen);
        const auto config = world.server().build().value();
        const auto serve = [&]() -> task<result<void>> {
            co_await try_(answer_once(listener, config, fields, server_ends ? &told : nullptr));
            co_return co_await answer_once(listener, config, closes);
        };
        const auto ask = [&]() -> task<void> {
            EXPECT_EQ(co_await text_of(web, url), "ok");
            if (server_ends) co_await told.notified();
            EXPECT_EQ(co_await text_of(web, url), "ok");
        };
        auto all = eddy::join(serve(), ask());
        const auto [ended, nothing] = co_await all;
        EXPECT_TRUE(ended.has_value()) << ended.error().message();
    };
    eddy::core loop;
    loop.run(case_of(options, closes, false));
    loop.run(case_of(http::client_options(options).max_idle(0), "", false));
    loop.run(case_of(http::client_options(options).idle_timeout(0s), "", false));  // too old for the second request
    loop.run(case_of(options, "", true));                                          // answers the end of the server
}

}  // namespace
