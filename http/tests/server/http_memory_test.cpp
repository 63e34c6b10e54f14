// SPDX-License-Identifier: MIT
// HTTP requests of which one allocation fails. A separate executable, since it replaces operator new.
// runs: memory
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/exchange.hpp"
#include "client/pool.hpp"
#include "h2/http2.hpp"
#include "support/failing_allocations.hpp"
#include "support/http/http_server.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/tls_pair.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::allocations_left;
using support::no_limit;
using support::one_has_failed;
namespace http = eddy::http;
namespace io = eddy::io;

http::router make_app() {
    http::router app;
    app.get("/hello", [](http::request) -> task<http::response> { co_return http::response::text("hello"); });
    app.post("/echo", [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::move(asked.body));
    });
    app.any("/moved", [](http::request) -> task<http::response> { co_return http::response::redirect("/parts"); });
    app.get("/parts", [](http::request) -> task<http::response> {
        auto parts = http::body::from_reader(io::cursor<std::string>(std::string(50'000, 'x')));
        const auto sum = [] {
            http::headers fields;
            fields.add("Sum", "12345678901234567890");
            return fields;
        };
        co_return http::response(http::status::ok, std::move(parts).with_trailers(sum));
    });
    return app;
}

task<std::string> text_of(task<std::expected<http::response, http::client_error>> asking) {
    auto answer = co_await std::move(asking);
    if (!answer) co_return answer.error().message();
    if (answer->status != http::status::ok) co_return std::string(http::reason_of(answer->status));
    const auto text = co_await answer->body.read_text();
    co_return text ? *text : text.error().message();
}

http::request streamed_request() {
    http::request asked(http::method::post, "/");
    asked.body = http::body::from_reader(io::cursor<std::string>(std::string(50'000, 'x')));
    return asked;
}

/// Posts to a redirect on a kept connection, and receives a body in chunks with a trailer field. Returns that field.
task<std::string> sum_after_redirect(const http::client& web, std::string url) {
    auto answer = co_await web.post(std::move(url), "text/plain", std::string(100, 'y'));
    if (!answer) co_return answer.error().message();
    if (answer->status != http::status::ok) co_return "failed";  // the server had no memory
    const auto text = co_await answer->body.read_text();
    if (!text) co_return text.error().message();
    EXPECT_EQ(text->size(), 50'000U);
    co_return std::string(answer->body.trailers().get("Sum").value_or("none"));
}

/// Does that while the n-th allocation fails. The client must be usable afterwards. Returns whether an allocation has
/// failed.
task<bool> redirect_with_failure(long nth, std::string url) {
    const http::client web(http::client_options().timeout(20s));
    const auto first = co_await text_of(web.get(url + "/hello"));
    EXPECT_EQ(first, "hello");
    std::string got = "bad_alloc";
    bool has_failed = true;
    try {
        auto asking = sum_after_redirect(web, url + "/moved");
        allocations_left = nth;
        got = co_await std::move(asking);
        has_failed = allocations_left == one_has_failed;
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
    }
    allocations_left = no_limit;
    EXPECT_TRUE(has_failed || got == "12345678901234567890") << got;
    const auto later = co_await sum_after_redirect(web, url + "/moved");
    EXPECT_EQ(later, "12345678901234567890") << "after allocation " << nth << " has failed: " << got;
    co_return has_failed;
}

/// Sends a request while the n-th allocation fails, and then further requests. Returns whether an allocation has
/// failed.
task<bool> request_with_failure(long nth, http::client_options options, bool is_upload, std::string url) {
    const http::client web(options);
    const auto before = eddy::time::clock::now();
    std::string got = "bad_alloc";
    bool has_failed = true;
    try {
        auto asking = is_upload ? web.send(url + "/echo", streamed_request()) : web.get(url + "/hello");
        auto reading = text_of(std::move(asking));
        allocations_left = nth;
        got = co_await std::move(reading);
        has_failed = allocations_left == one_has_failed;
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
    }
    allocations_left = no_limit;
    EXPECT_LT(eddy::time::clock::now() - before, options.timeout()) << nth << ": " << got;
    const std::string complete = is_upload ? std::string(50'000, 'x') : "hello";
    EXPECT_TRUE(has_failed || got == complete) << got.substr(0, 100);
    // A body of which a part is missing does not seem to be complete.
    EXPECT_TRUE(got == complete || !complete.starts_with(got)) << nth << ": " << got.size();
    const http::client other(std::move(options));
    const auto later = co_await text_of(other.get(url + "/hello"));
    EXPECT_EQ(later, "hello") << "after allocation " << nth << " has failed: " << got;
    co_return has_failed;
}

void fail_each_allocation(const http::client_options& options, bool is_upload) {
    for (long nth = 0;; ++nth) {
        bool has_failed = false;
        eddy::core loop;
        const auto script = [&](eddy::net::socket_addr at, const auto&) -> task<void> {
            has_failed = co_await request_with_failure(nth, options, is_upload, "http://" + at.to_string());
        };
        auto silent = http::serve_options().on_error([](const auto&) {});
        static_cast<void>(loop.run(support::serve_http_during(make_app(), std::move(silent), script)));
        if (!has_failed || testing::Test::HasFailure()) break;
    }
}

TEST(HttpMemory, FailedAllocationEndsRequestAndNotServer) {
    for (const bool is_upload : {false, true}) fail_each_allocation(http::client_options().timeout(20s), is_upload);
}

/// Takes expired connections from a pool while the n-th allocation fails. Returns whether an allocation has failed.
bool expire_with_failure(long nth) {
    bool has_failed = false;
    eddy::test::run_paused([&]() -> task<void> {
        using eddy::detail::client_connection;
        auto options = http::client_options().proxies(http::proxies::none());
        eddy::detail::http_client pool(std::move(options));
        for (int i = 0; i < 3; ++i) {
            auto [near, far] = io::duplex(10);
            pool.put("s", std::make_unique<client_connection>(io::boxed_stream(std::move(near)), -1, 1s, "s"));
        }
        co_await eddy::time::sleep(1h);
        allocations_left = nth;
        try {
            EXPECT_EQ(pool.take("s"), nullptr);
        } catch (const std::bad_alloc&) {
            has_failed = true;
        }
        allocations_left = no_limit;
        EXPECT_EQ(pool.take("s"), nullptr);
    });
    return has_failed;
}

TEST(HttpMemory, FailedAllocationLosesNoPooledConnection) {
    long nth = 0;
    while (expire_with_failure(nth)) ++nth;
    EXPECT_GT(nth, 0);
}

TEST(HttpMemory, ClientIsUsableAfterFailedAllocationInRedirect) {
    for (long nth = 0;; ++nth) {
        bool has_failed = false;
        eddy::core loop;
        const auto script = [&](eddy::net::socket_addr at, const auto&) -> task<void> {
            has_failed = co_await redirect_with_failure(nth, "http://" + at.to_string());
        };
        auto silent = http::serve_options().on_error([](const auto&) {});
        static_cast<void>(loop.run(support::serve_http_during(make_app(), std::move(silent), script)));
        if (!has_failed || testing::Test::HasFailure()) break;
    }
}

/// Returns whether the limit refuses a request of the client with this address.
task<bool> is_refused(const auto& limited, std::string_view address) {
    http::request asked;
    asked.peer = eddy::net::socket_addr::parse(address).value();
    const auto answer = co_await limited(std::move(asked));
    co_return answer.value().status == http::status::too_many_requests;
}

/// Sends the first request of a client while the n-th allocation fails, and then reaches its limit. Other clients must
/// not make the limit forget that. Returns whether an allocation has failed.
task<bool> limit_with_failure(long nth) {
    const auto hello = [](http::request) -> task<http::response> { co_return http::response::text("hello"); };
    const auto limited = http::service(hello) | http::client_limit(http::client_limit_options(2, 20s).max_clients(2));
    const std::string client = "192.0.2.1:1";
    bool has_failed = false;
    try {
        auto first = is_refused(limited, client);
        allocations_left = nth;
        static_cast<void>(co_await std::move(first));
    } catch (const std::bad_alloc&) {
        has_failed = true;
    }
    allocations_left = no_limit;
    bool refused = false;
    for (int i = 0; i < 3; ++i) refused = co_await is_refused(limited, client);
    EXPECT_TRUE(refused) << nth;
    for (const char* const other : {"192.0.2.2:1", "192.0.2.3:1"}) {
        refused = co_await is_refused(limited, other);
        EXPECT_FALSE(refused) << nth;
    }
    refused = co_await is_refused(limited, client);
    EXPECT_TRUE(refused) << "after allocation " << nth << " has failed";
    co_return has_failed;
}

TEST(HttpMemory, ClientLimitRemembersClientAfterFailedAllocation) {
    long nth = 0;
    for (bool has_failed = true; has_failed; ++nth)
        eddy::test::run_paused([&]() -> task<void> { has_failed = co_await limit_with_failure(nth); });
    EXPECT_GT(nth, 2);
}

/// The bytes that a client receives from a server whose n-th allocation fails, and the server's counters.
struct served {
    std::string received;
    std::string counters;  // http::metrics::text()
    bool has_failed = false;
};

/// Sends each of `parts` when the server waits, and receives until the connection ends. Counts only the allocations of
/// the server.
served serve_with_failure(long nth, const http::service& app, const std::vector<std::string>& parts) {
    served got;
    long left = nth;
    const auto script = [&]() -> task<void> {
        const http::metrics counters;
        auto [near, far] = io::duplex(64 * 1024);
        // The client ends its requests, and receives responses until the end.
        const auto options = http::serve_options().http2(false).metrics(counters).half_close(true);
        std::optional<task<eddy::result<void>>> serving(http::serve_connection(std::move(far), app, options));
        std::size_t sent = 0;
        auto playing = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            allocations_left = left;
            bool has_ended = true;
            try {
                has_ended = serving->poll(cx).is_ready();
            } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
            }
            left = std::exchange(allocations_left, no_limit);
            if (has_ended) return eddy::poll_result<void>::ready();
            if (sent != parts.size()) {
                EXPECT_TRUE(near.poll_write(cx, std::as_bytes(std::span(parts[sent++]))).is_ready());
                if (sent == parts.size()) {
                    EXPECT_TRUE(near.poll_shutdown(cx).is_ready());
                }
            }
            return eddy::not_ready;
        });
        co_await std::move(playing);
        serving.reset();
        got.counters = counters.text();
        got.received = co_await support::receive_all(near);
    };
    eddy::test::run_paused(script);
    got.has_failed = left == one_has_failed;
    return got;
}

std::string request_of_hello() { return "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"; }

TEST(HttpMemory, ResponseAfterFailedAllocationIsCounted) {
    const http::service app(make_app());
    const std::string body(200, 'x');
    const std::string upload = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200\r\n\r\n" + body;
    for (const std::string& first : {request_of_hello(), upload}) {
        for (long nth = 0;; ++nth) {
            const auto got = serve_with_failure(nth, app, {first + request_of_hello()});
            EXPECT_EQ(got.received.contains("HTTP/1.1 500"), got.counters.contains("code=\"500\"")) << nth;
            if (!got.has_failed) break;
        }
    }
}

TEST(HttpMemory, FailedAllocationWhileServiceWaitsMixesNoRequests) {
    const auto app = [](http::request asked) -> task<http::response> {
        const auto gone = asked.client_gone();
        for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
        co_return http::response::text(std::string(asked.path()));
    };
    std::vector<std::string> parts;
    for (const std::string path : {"/1", "/2", "/3"}) parts.push_back("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
    for (long nth = 0;; ++nth) {
        const auto got = serve_with_failure(nth, app, parts);
        EXPECT_FALSE(got.received.contains("HTTP/1.1 400")) << nth << ": " << got.received;
        // Each request before the failure has its response, and none after it.
        std::string bodies;
        for (const std::string path : {"/1", "/2", "/3"})
            if (got.received.contains("\r\n\r\n" + path)) bodies += path;
        EXPECT_TRUE(std::string("/1/2/3").starts_with(bodies)) << nth << ": " << got.received;
        if (got.has_failed) continue;
        EXPECT_EQ(bodies, "/1/2/3");
        break;
    }
}

/// Answers after it has tried to read the body.
task<http::response> ignore_failed_body(http::request asked) {
    std::string text = "failed";
    try {
        auto read = co_await asked.body.read_text();
        if (read) text = *std::move(read);
    } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
    }
    co_return http::response::text(std::move(text));
}

TEST(HttpMemory, ConnectionIsNotUsedAfterFailedAllocationInBody) {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n";
    for (long nth = 0;; ++nth) {
        const auto got = serve_with_failure(nth, ignore_failed_body, {head, std::string(20, 'x') + request_of_hello()});
        if (!got.has_failed) break;
        // If bytes of the body were lost, the following bytes must not be parsed as requests.
        if (!got.received.contains("failed") || got.received.contains("Connection: close")) continue;
        EXPECT_EQ(got.received.find("HTTP/1.1 200", 1), got.received.rfind("HTTP/1.1 200")) << nth;
        EXPECT_NE(got.received.rfind("HTTP/1.1 200"), 0U) << nth << ": " << got.received;
    }
}

/// Reads from a body once while all allocations fail. Returns the text that was read, "bad_alloc", or the error.
task<std::string> read_without_memory(http::body& from) {
    std::string text(100, ' ');
    auto reading = eddy::poll_fn([&](eddy::context& cx) {
        allocations_left = 0;
        const auto allow = [] { allocations_left = no_limit; };
        try {
            auto count = from.poll_read(cx, std::as_writable_bytes(std::span(text)));
            allow();
            return count;
        } catch (...) {
            allow();
            throw;
        }
    });
    try {
        const auto count = co_await std::move(reading);
        if (!count) co_return count.error().message();
        text.resize(*count);
    } catch (const std::bad_alloc&) {
        text = "bad_alloc";
    }
    co_return text;
}

task<std::string> read_rest(http::body& from) {
    const auto text = co_await from.read_text();
    co_return text ? *text : text.error().message();
}

/// Answers one request on each of `count` connections with `response`.
task<void> answer_with(eddy::net::tcp_listener& listener, int count, std::string response) {
    for (; count != 0; --count) {
        auto [peer, address] = (co_await listener.accept()).value();
        std::string head;
        while (!head.ends_with("\r\n\r\n")) {
            std::array<std::byte, 1> one{};
            if ((co_await peer.read(one)).value_or(0) == 0) break;
            head += static_cast<char>(one[0]);
        }
        (co_await peer.write_all(response)).value();
        co_await support::receive_all(peer);  // until the client closes the connection
    }
}

TEST(HttpMemory, ResponseIsNotReadOnAfterFailedAllocation) {
    eddy::core loop;
    const auto script = []() -> task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string();
        auto asking = [](std::string to) -> task<void> {
            const http::client web;
            for (int i = 0; i < 2; ++i) {
                auto answer = (co_await web.get(to)).value();
                EXPECT_EQ(co_await read_without_memory(answer.body), "hello");
                EXPECT_EQ(co_await read_without_memory(answer.body), "bad_alloc");  // no memory for the trailer field
                EXPECT_EQ(co_await read_rest(answer.body),
                          std::make_error_code(std::errc::not_enough_memory).message());
            }
        };
        auto both = eddy::join(asking(url), answer_with(listener, 2,
                                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                        "5\r\nhello\r\n0\r\nSum: 12345678901234567890\r\n\r\n"));
        co_await std::move(both);
    };
    loop.run(script());
}

#ifdef EDDY_TEST_HTTP2
TEST(HttpMemory, FailedAllocationLosesNoBytesOfHttp2Body) {
    eddy::core loop;
    eddy::sync::notify go_on;
    const auto parts = [&]() -> eddy::async_generator<std::string> {
        co_yield "first ";
        co_await go_on.notified();
        co_yield "second";
    };
    const auto app = [&](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(io::stream_reader(parts())));
    };
    const auto read = [&](std::string url) -> task<void> {
        const http::client web(http::client_options().prior_knowledge(true));
        auto answer = (co_await web.get(std::move(url))).value();
        EXPECT_EQ(co_await read_without_memory(answer.body), "bad_alloc");
        go_on.notify_one();
        EXPECT_EQ(co_await read_rest(answer.body), "first second");
    };
    const auto script = [&](eddy::net::socket_addr at, const auto&) { return read("http://" + at.to_string()); };
    loop.run(support::serve_http_during(app, http::serve_options(), script));
}

TEST(HttpMemory, FailedAllocationEndsRequestOfHttp2) {
    const auto options = http::client_options().timeout(20s).prior_knowledge(true);
    for (const bool is_upload : {false, true}) fail_each_allocation(options, is_upload);
}

/// Submits requests to a connection whose n-th allocation then fails. Expects that all of them fail. Returns whether an
/// allocation has failed.
task<bool> submit_with_failure(long nth, int& without_memory) {
    auto [near, far] = io::duplex(1024);
    const auto on = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
    std::vector<std::shared_ptr<eddy::detail::client_exchange>> all;
    for (int i = 0; i < 50; ++i) {
        http::request asked(http::method::get, "/");
        all.push_back(eddy::detail::start_http2_exchange(on, asked, http::url::parse("http://a/").value()));
    }
    allocations_left = nth;
    co_await eddy::yield_now();  // the connection takes the requests
    const bool has_failed = std::exchange(allocations_left, no_limit) == one_has_failed;
    {
        const auto ended = std::move(far);
    }
    for (const auto& one : all) {
        auto asking = eddy::poll_fn([&](eddy::context& cx) { return one->poll_head(cx); });
        const auto head = co_await eddy::time::timeout(1s, std::move(asking));
        EXPECT_TRUE(head && !*head) << nth;
        without_memory += head && !*head && head->error() == std::errc::not_enough_memory ? 1 : 0;
    }
    co_return has_failed;
}

TEST(HttpMemory, FailedAllocationEndsWaitingRequestsOfHttp2) {
    int without_memory = 0;
    bool has_failed = true;
    for (long nth = 0; has_failed && !testing::Test::HasFailure(); ++nth)
        eddy::test::run_paused([&]() -> task<void> { has_failed = co_await submit_with_failure(nth, without_memory); });
    EXPECT_GT(without_memory, 0);
}
#endif

#ifdef EDDY_TEST_HTTPS
TEST(TlsMemory, FailedAllocationEndsHandshake) {
    const support::tls_world world;
    const auto client = world.client().build().value();
    const auto server = world.server().build().value();
    for (long nth = 0;; ++nth) {
        eddy::core loop;
        bool has_failed = true;
        try {
            allocations_left = nth;
            const auto ends = support::shake_hands(loop, client, server);
            has_failed = allocations_left == one_has_failed;
            EXPECT_TRUE(has_failed || (ends.client && ends.server));
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): expected
        }
        allocations_left = no_limit;
        if (!has_failed) break;
    }
}
#endif

}  // namespace
