// SPDX-License-Identifier: MIT
// Services whose HTTP/1.1 client goes away: they are cancelled, or told by a token.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/http/curl.hpp"
#include "support/http/http_conversation.hpp"
#include "support/http/http_server.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/tls_pair.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::sync::cancellation_token;
using eddy::sync::notify;
using support::converse;
using support::get;
using support::ok;
using support::serve_http_during;
using support::text_client;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

/// Notifies when it is destroyed, for example with the frame of a service.
class at_end {
public:
    explicit at_end(notify& told) noexcept : told_(told) {}
    at_end(const at_end&) = delete;
    at_end& operator=(const at_end&) = delete;
    ~at_end() { told_.notify_one(); }

private:
    notify& told_;
};

/// The events of a service.
struct events {
    notify begun;
    notify ended;
};

/// Waits until the service has ended. A failure is reported as false, and not as a hanging test.
task<bool> ends(events& of) {
    auto waiting = eddy::time::timeout(20s, of.ended.notified());
    const auto ended = co_await waiting;
    co_return ended.has_value();
}

/// A response body that waits without an end.
class silent_reader {
public:
    explicit silent_reader(events& of) : end_(std::make_unique<at_end>(of.ended)), begun_(&of.begun) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte>) {
        if (begun_ != nullptr) std::exchange(begun_, nullptr)->notify_one();
        return eddy::not_ready;
    }

private:
    std::unique_ptr<at_end> end_;
    notify* begun_;
};

enum class leaving { close, reset };
constexpr std::array both_ways = {leaving::close, leaving::reset};

void leave(net::tcp_stream client, leaving how) {
    if (how == leaving::reset) client.set_zero_linger().value();
}

/// Sends `bytes` to a server of `app`, and leaves when the service has begun. Expects that the service ends then.
void expect_end(const http::service& app, events& seen, const std::string& bytes,
                const http::serve_options& options = http::serve_options()) {
    for (const auto how : both_ways) {
        if (how == leaving::close && options.half_close()) continue;
        eddy::core loop;
        auto script = [&](net::socket_addr to, const cancellation_token&) -> task<void> {
            auto client = (co_await net::tcp_stream::connect(to)).value();
            (co_await client.write_all(bytes)).value();
            co_await seen.begun.notified();
            leave(std::move(client), how);
            const bool has_ended = co_await ends(seen);
            EXPECT_TRUE(has_ended) << (how == leaving::close ? "close" : "reset");
        };
        const auto report = loop.run(serve_http_during(app, options, script));
        EXPECT_EQ(report.failed, 0U);
    }
}

const std::string post_head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc";

TEST(HttpClientGone, ServiceThatWaitsIsCancelled) {
    events seen;
    const auto app = [&](http::request) -> task<http::response> {
        const at_end end(seen.ended);
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    expect_end(app, seen, get("/"));
    expect_end(app, seen, get("/") + get("/next"));  // with another request behind it
    expect_end(app, seen, get("/"), http::serve_options().half_close(true));
    expect_end(app, seen, post_head);  // with a body that nothing reads
    expect_end(app, seen, "GET / HTTP/1.0\r\n\r\n");
}

TEST(HttpClientGone, CancelledRequestIsCountedAndNotReported) {
    const http::metrics counters;
    events seen;
    const auto app = [&](http::request) -> task<http::response> {
        const at_end end(seen.ended);
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    int reports = 0;
    auto options = http::serve_options().metrics(counters).on_error([&](const auto&) { ++reports; });
    expect_end(app, seen, get("/"), options);
    EXPECT_TRUE(counters.text().contains("http_requests_total{code=\"499\"} 2\n")) << counters.text();
    EXPECT_TRUE(counters.text().contains("http_requests_in_progress 0\n"));
    EXPECT_EQ(reports, 0);
}

TEST(HttpClientGone, CleanupOfCancelledServiceMayWait) {
    events seen;
    bool has_cleaned_up = false;
    const auto app = [&](http::request) -> task<http::response> {
        seen.begun.notify_one();
        const auto clean_up = [&]() -> task<void> {
            co_await eddy::yield_now();
            has_cleaned_up = true;
            seen.ended.notify_one();
        };
        auto working = eddy::finally(eddy::pending<void>(), clean_up);
        co_await working;
        co_return http::response();
    };
    expect_end(app, seen, get("/"));
    EXPECT_TRUE(has_cleaned_up);
}

TEST(HttpClientGone, WaitingResponseBodyIsDestroyed) {
    events seen;
    const auto app = [&](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(silent_reader(seen)));
    };
    expect_end(app, seen, get("/"));
    expect_end(app, seen, get("/"), http::serve_options().half_close(true));
    expect_end(app, seen, post_head);
}

TEST(HttpClientGone, BodyOfRequestFailsAndServiceIsCancelled) {
    events seen;
    std::vector<std::error_code> failures;
    const auto app = [&](http::request asked) -> task<http::response> {
        const at_end end(seen.ended);
        seen.begun.notify_one();
        const auto text = co_await asked.body.read_text();
        if (!text) failures.push_back(text.error());
        co_await eddy::pending<void>();
        co_return http::response();
    };
    expect_end(app, seen, post_head);
    ASSERT_EQ(failures.size(), 2U);
    EXPECT_EQ(failures[0], http::errc::body_too_short);
    EXPECT_EQ(failures[1], std::errc::connection_reset);
}

TEST(HttpClientGone, IsNoticedWhileAnotherTaskReadsTheBody) {
    events seen;
    const auto read = [](http::body from) -> task<void> { static_cast<void>(co_await from.read_all()); };
    const auto app = [&](http::request asked) -> task<http::response> {
        const at_end end(seen.ended);
        eddy::spawn(read(std::move(asked.body))).detach();
        co_await eddy::yield_now();  // the task waits for the body
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    expect_end(app, seen, post_head);
}

/// A connection that calls a function when its sending direction is shut down.
class noting_stream {
public:
    noting_stream(io::duplex_stream&& below, std::function<void(eddy::context&)> at_shutdown)
        : below_(std::move(below)), at_shutdown_(std::move(at_shutdown)) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        return below_.poll_read(cx, into);
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        return below_.poll_write(cx, from);
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context& cx) { return below_.poll_flush(cx); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context& cx) {
        at_shutdown_(cx);
        return below_.poll_shutdown(cx);
    }

private:
    io::duplex_stream below_;
    std::function<void(eddy::context&)> at_shutdown_;
};

TEST(HttpClientGone, BodyIsDetachedBeforeTheConnectionCloses) {
    events seen;
    std::optional<http::body> kept;  // as another task may have it
    const http::service app = [&](http::request asked) -> task<http::response> {
        kept = std::move(asked.body);
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    std::vector<std::error_code> failures;
    const auto read = [&](eddy::context& cx) {
        std::array<std::byte, 10> some{};
        const auto count = kept->poll_read(cx, some);
        failures.push_back(count && !*count ? count->error() : std::error_code());
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(1000);
        auto leaving = [&]() -> task<void> {
            (co_await io::write_all(near, post_head)).value();
            co_await seen.begun.notified();
            (co_await io::shutdown(near)).value();
        };
        auto both = eddy::join(http::serve_connection(noting_stream(std::move(far), read), app), leaving());
        static_cast<void>(co_await both);
    });
    ASSERT_EQ(failures.size(), 1U);
    EXPECT_EQ(failures[0], http::errc::body_detached);
}

TEST(HttpClientGone, IsNoticedAfterAReadWasDropped) {
    events seen;
    const auto read_for_a_moment = [](http::body& from) -> task<void> {
        std::array<std::byte, 100> some{};
        for (;;) {
            auto limited = eddy::time::timeout(1ms, io::read(from, some));
            const auto count = co_await limited;
            if (!count) co_return;
        }
    };
    const auto app = [&](http::request asked) -> task<http::response> {
        const at_end end(seen.ended);
        auto reading = eddy::spawn(read_for_a_moment(asked.body));
        static_cast<void>(co_await std::move(reading));
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    expect_end(app, seen, post_head);
}

TEST(HttpClientGone, ServiceWithTokenDecidesItself) {
    events seen;
    std::vector<std::string> done;
    const auto app = [&](http::request asked) -> task<http::response> {
        const at_end end(seen.ended);
        const auto gone = asked.client_gone();
        EXPECT_FALSE(gone.is_cancelled());
        seen.begun.notify_one();
        co_await gone.cancelled();
        for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
        done.emplace_back("saved");
        EXPECT_EQ(asked.client_gone(), gone);
        co_return http::response(http::status::ok, "for nobody");
    };
    expect_end(app, seen, get("/"));
    expect_end(app, seen, get("/"), http::serve_options().half_close(true));
    EXPECT_EQ(done.size(), 3U);
}

TEST(HttpClientGone, TokenOfAClientThatHasLeftIsCancelled) {
    events seen;
    std::optional<http::request> kept;  // as another task may have it
    const auto app = [&](http::request asked) -> task<http::response> {
        const at_end end(seen.ended);
        kept = std::move(asked);
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    expect_end(app, seen, get("/"));
    EXPECT_TRUE(kept->client_gone().is_cancelled());
}

TEST(HttpClientGone, TokenIsNotCancelledByACompleteResponse) {
    std::vector<cancellation_token> tokens;
    const auto app = [&](http::request asked) -> task<http::response> {
        tokens.push_back(asked.client_gone());
        if (asked.path() == "/wait") co_await eddy::yield_now();
        http::response answer(http::status::ok, std::string(asked.path()));
        if (asked.path() == "/stream") answer.body = http::body::from_reader(io::cursor(std::string("/stream")), 7);
        co_return answer;
    };
    const auto outcome = converse(app, http::serve_options(), [](text_client& one) -> task<void> {
        for (const std::string path : {"/now", "/wait", "/stream"}) {
            EXPECT_TRUE(co_await one.send(get(path)));
            EXPECT_EQ(co_await one.receive(path), ok(path));
        }
    });
    EXPECT_TRUE(outcome.has_value());
    ASSERT_EQ(tokens.size(), 3U);
    for (const auto& token : tokens) EXPECT_FALSE(token.is_cancelled());
    EXPECT_FALSE(http::request().client_gone().is_cancelled());
}

TEST(HttpClientGone, TokenIsCancelledIfTheResponseCannotBeSent) {
    std::optional<cancellation_token> gone;
    notify begun;
    const auto app = [&](http::request asked) -> task<http::response> {
        gone = asked.client_gone();
        begun.notify_one();
        co_return http::response(http::status::ok, std::string(50'000'000, 'x'));
    };
    eddy::core loop;
    auto script = [&](net::socket_addr to, const cancellation_token&) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/"))).value();
        co_await begun.notified();
        leave(std::move(client), leaving::reset);
        auto waiting = eddy::time::timeout(20s, gone->cancelled());
        const auto told = co_await waiting;
        EXPECT_TRUE(told.has_value());
    };
    loop.run(serve_http_during(app, http::serve_options(), script));
}

TEST(HttpClientGone, HalfClosedClientGetsItsResponses) {
    const auto app = [](http::request asked) -> task<http::response> {
        for (int i = 0; i < 20; ++i) co_await eddy::yield_now();
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    eddy::core loop;
    std::string got;
    auto script = [&](net::socket_addr to, const cancellation_token&) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/a") + get("/b"))).value();
        (co_await client.shutdown()).value();
        got = co_await support::receive_all(client);
    };
    loop.run(serve_http_during(app, http::serve_options().half_close(true), script));
    EXPECT_TRUE(got.contains("/a") && got.ends_with("/b")) << got;
}

TEST(HttpClientGone, BytesBehindTheRequestAreBounded) {
    notify begun;
    notify go;
    const auto app = [&](http::request asked) -> task<http::response> {
        begun.notify_one();
        if (asked.path() == "/slow") co_await go.notified();
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    constexpr std::size_t capacity = 1000;
    const auto outcome = converse(
        app, http::serve_options(),
        [&](text_client& one) -> task<void> {
            EXPECT_TRUE(co_await one.send(get("/slow")));
            co_await begun.notified();
            std::size_t sent = 0;
            for (;;) {  // until the server receives no more
                auto limited = eddy::time::timeout(1s, one.send(std::string(100, '\r')));
                const auto ended = co_await limited;
                if (!ended) break;
                sent += 100;
            }
            EXPECT_GT(sent, std::size_t{60} * 1024);
            EXPECT_LT(sent, std::size_t{64 + 16} * 1024 + capacity + 100);
            go.notify_one();
            EXPECT_EQ(co_await one.receive("/slow"), ok("/slow"));
        },
        capacity);
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpClientGone, RequestsBehindASlowOneAreAnswered) {
    const auto app = [](http::request asked) -> task<http::response> {
        if (asked.path() == "/slow") co_await eddy::time::sleep(1s);
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    const auto outcome = converse(app, http::serve_options(), [&](text_client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/slow") + "GET /b HT"));
        co_await eddy::time::sleep(500ms);
        EXPECT_TRUE(co_await one.send("TP/1.1\r\nHost: a\r\n\r\n" + get("/c")));
        EXPECT_EQ(co_await one.receive("/slow"), ok("/slow"));
        EXPECT_EQ(co_await one.receive("/b"), ok("/b"));
        EXPECT_EQ(co_await one.receive("/c"), ok("/c"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpClientGone, BodyArrivesInsideAJoinAndInAnotherTask) {
    const auto text_of = [](http::body& from) -> task<std::string> {
        const auto text = co_await from.read_text();
        co_return text ? *text : text.error().message();
    };
    const auto joined = [&](http::request asked) -> task<http::response> {
        auto both = eddy::join(text_of(asked.body), eddy::time::sleep(1ms));
        auto [text, slept] = co_await both;
        co_return http::response(http::status::ok, std::move(text));
    };
    const auto spawned = [&](http::request asked) -> task<http::response> {
        auto reading = eddy::spawn(text_of(asked.body));
        auto text = co_await std::move(reading);
        co_return http::response(http::status::ok, *std::move(text));
    };
    for (const auto& app : {http::service(joined), http::service(spawned)}) {
        const auto outcome = converse(app, http::serve_options(), [](text_client& one) -> task<void> {
            EXPECT_TRUE(co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200003\r\n\r\nabc"));
            for (int i = 0; i < 20; ++i) {
                co_await eddy::time::sleep(10ms);
                EXPECT_TRUE(co_await one.send(std::string(10'000, 'x')));
            }
            const auto expected = ok("abc" + std::string(200'000, 'x'));
            EXPECT_TRUE(co_await one.receive(expected.substr(expected.size() - 200'003)) == expected);
        });
        EXPECT_TRUE(outcome.has_value());
    }
}

TEST(HttpClientGone, SlowReaderInAnotherTaskGetsALargeBody) {
    const auto count = [](http::body from) -> task<std::size_t> {
        std::size_t all = 0;
        std::array<std::byte, 1000> some{};
        for (;;) {
            const auto got = co_await io::read(from, some);
            if (!got || *got == 0) co_return all;
            all += *got;
            if (all % 7 == 0) co_await eddy::time::sleep(1ms);  // the buffer of the connection becomes full
        }
    };
    const auto app = [&](http::request asked) -> task<http::response> {
        auto reading = eddy::spawn(count(std::move(asked.body)));
        const auto all = co_await std::move(reading);
        co_return http::response(http::status::ok, std::to_string(*all));
    };
    for (const std::size_t capacity : {1000U, 64 * 1024U}) {
        const auto outcome = converse(
            app, http::serve_options(),
            [](text_client& one) -> task<void> {
                EXPECT_TRUE(co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
                                              std::string(1'000'000, 'x')));
                EXPECT_EQ(co_await one.receive("1000000"), ok("1000000"));
            },
            capacity);
        EXPECT_TRUE(outcome.has_value());
    }
}

TEST(HttpClientGone, EndsServicesWhoseBodiesOtherWorkersRead) {
    auto [begun_sender, begun] = eddy::sync::mpsc<int>::channel(100);
    auto [ended_sender, ended] = eddy::sync::mpsc<int>::channel(100);
    struct mark {
        eddy::sync::mpsc<int>::sender& to;
        explicit mark(eddy::sync::mpsc<int>::sender& other) noexcept : to(other) {}
        mark(const mark&) = delete;
        mark& operator=(const mark&) = delete;
        ~mark() { static_cast<void>(to.try_send(1)); }
    };
    const auto app = [&](http::request asked) -> task<http::response> {
        const auto read = [](http::body from) -> task<void> { static_cast<void>(co_await from.read_all()); };
        auto told = ended_sender;
        const mark end(told);
        eddy::spawn(read(std::move(asked.body))).detach();
        auto sender = begun_sender;
        static_cast<void>(co_await sender.send(1));
        co_await eddy::pending<void>();
        co_return http::response();
    };
    auto workers = eddy::runtime::builder().worker_threads(4).build().value();
    auto script = [&](net::socket_addr to, const cancellation_token&) -> task<void> {
        for (int round = 0; round < 10; ++round) {
            std::vector<net::tcp_stream> clients;
            for (int i = 0; i < 8; ++i) {
                clients.push_back((co_await net::tcp_stream::connect(to)).value());
                (co_await clients.back().write_all(post_head)).value();
            }
            for (int i = 0; i < 8; ++i) co_await begun.recv();
            for (int i = 0; i < 8; ++i) leave(std::move(clients[i]), both_ways[i % 2]);
            for (int i = 0; i < 8; ++i) {
                auto waiting = eddy::time::timeout(20s, ended.recv());
                const auto one = co_await waiting;
                EXPECT_TRUE(one.has_value()) << round << ' ' << i;
            }
        }
    };
    workers.block_on(serve_http_during(app, http::serve_options(), script));
}

TEST(HttpClientGone, ProxyDropsTheRequestToItsServer) {
    events seen;
    const auto slow = [&](http::request asked) -> task<http::response> {
        if (asked.path() == "/stream")
            co_return http::response(http::status::ok, http::body::from_reader(silent_reader(seen)));
        const at_end end(seen.ended);
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    eddy::core loop;
    auto behind = [&](net::socket_addr server, const cancellation_token&) -> task<void> {
        const http::client web(http::client_options().proxies(http::proxies::none()));
        const auto pass_on = [&](http::request asked) -> task<result<http::response>> {
            std::string url = "http://" + server.to_string() + asked.target;
            auto answer = co_await web.send(std::move(url), std::move(asked));
            if (!answer) co_return std::unexpected(answer.error().code());
            co_return *std::move(answer);
        };
        auto script = [&](net::socket_addr to, const cancellation_token&) -> task<void> {
            for (const std::string path : {"/wait", "/stream"}) {
                for (const auto how : both_ways) {
                    auto client = (co_await net::tcp_stream::connect(to)).value();
                    (co_await client.write_all(get(path))).value();
                    co_await seen.begun.notified();
                    leave(std::move(client), how);
                    const bool has_ended = co_await ends(seen);
                    EXPECT_TRUE(has_ended) << path;
                }
            }
        };
        co_await serve_http_during(pass_on, http::serve_options(), script);
    };
    loop.run(serve_http_during(slow, http::serve_options(), behind));
}

TEST(HttpClientGone, IsNoticedWithCurl) {
    events seen;
    const auto app = [&](http::request) -> task<http::response> {
        const at_end end(seen.ended);
        co_await eddy::pending<void>();
        co_return http::response();
    };
    eddy::core loop;
    auto script = [&](net::socket_addr to, const cancellation_token&) -> task<void> {
        auto asking = eddy::spawn_blocking(
            [url = "http://" + to.to_string() + "/"] { return support::curl({"--max-time", "0.2", url}).code; });
        const bool has_ended = co_await ends(seen);
        EXPECT_TRUE(has_ended);
        const auto code = co_await asking;
        EXPECT_EQ(code.value(), 28);  // curl's time has passed
    };
    loop.run(serve_http_during(app, http::serve_options(), script));
}

#ifdef EDDY_TEST_HTTPS
TEST(HttpClientGone, IsNoticedOverTls) {
    const support::tls_world world;
    events seen;
    const http::service app = [&](http::request) -> task<http::response> {
        const at_end end(seen.ended);
        seen.begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    const auto client_config = world.client().build().value();
    const auto server_config = world.server().build().value();
    for (const bool is_orderly : {true, false}) {
        eddy::core loop;
        auto hands = support::shake_hands(loop, client_config, server_config);
        const auto play = [&](support::tls_stream client) -> task<void> {
            (co_await io::write_all(client, get("/"))).value();
            co_await seen.begun.notified();
            if (is_orderly) (co_await io::shutdown(client)).value();
        };
        auto both = eddy::join(http::serve_connection(*std::move(hands.server), app), play(*std::move(hands.client)));
        auto limited = eddy::time::timeout(20s, std::move(both));
        const auto ended = loop.run(std::move(limited));
        EXPECT_TRUE(ended.has_value()) << is_orderly;
    }
}
#endif

}  // namespace
