// SPDX-License-Identifier: MIT
// Back-pressure of HTTP/2: full output buffers and flow-control windows, in memory and on a paused clock.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/exchange.hpp"
#include "h2/http2.hpp"
#include "support/http/http2_client.hpp"
#include "support/http/http2_peer.hpp"
#include "support/http/http_readers.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using support::http2_client;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;
namespace time = eddy::time;

// A connection collects 64 KiB of frames before it writes them. A body of this size, with the heads of its frames, is
// more than that, and flow control permits it without a WINDOW_UPDATE.
constexpr std::size_t filling_size = 65'535;
// The connections below take a part of the frames at each poll.
constexpr std::size_t pipe_size = 4096;

// ---- Full output ----

TEST(Http2Windows, ServerReadsAgainAfterFullOutputWasSent) {
    const http::service app = [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(asked.path() == "/large" ? filling_size : 1, 'a'));
    };
    const auto talk = [](io::duplex_stream near) -> task<void> {
        const auto began = time::clock::now();
        http2_client one(std::move(near));
        const auto large = one.ask("GET", "/large");
        while (one.at(large).body.empty()) EXPECT_TRUE(co_await one.step());
        const auto small = one.ask("GET", "/small");  // the server does not read at this time
        const auto got = co_await one.finish(small);
        EXPECT_EQ(got.body, "a");
        EXPECT_EQ(one.at(large).body.size(), filling_size);
        EXPECT_EQ(time::clock::now() - began, 0s);  // no time limit has woken the server
        co_await one.close();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(pipe_size);
        // A task of its own: a join would poll the server whenever the client is woken.
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        co_await talk(std::move(near));
        EXPECT_TRUE((co_await serving).has_value());
    });
}

TEST(Http2Windows, ClientReadsAgainAfterFullOutputWasSent) {
    // Answers before it has received the body, which the client is sending.
    const auto serve = [](io::duplex_stream far) -> task<void> {
        peer one(std::move(far));
        co_await one.begin();
        co_await one.next(peer::data);
        co_await one.answer(1, "early");
        for (;;) {
            const auto part = co_await one.next(peer::data);
            if (part.is_end || part.flags == peer::end_stream) break;
        }
    };
    const auto ask = [](io::duplex_stream near) -> task<std::string> {
        const auto began = time::clock::now();
        const auto on = eddy::detail::start_http2(std::move(near), -1, http::client_options(), "");
        http::request asked(http::method::post, "/");
        asked.body = std::string(filling_size, 'a');
        const auto to = http::url::parse("http://a/");
        const auto exchange = eddy::detail::start_http2_exchange(on, asked, *to);
        const auto head = co_await eddy::poll_fn([&](eddy::context& cx) { return exchange->poll_head(cx); });
        EXPECT_TRUE(head.has_value());
        auto got = exchange->take_response();
        const auto text = co_await got.body.read_text();
        EXPECT_EQ(time::clock::now() - began, 0s);  // no time limit has woken the client
        co_return text.value_or("");
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(pipe_size);
        auto both = eddy::join(serve(std::move(far)), ask(std::move(near)));
        const auto [served, text] = co_await both;
        EXPECT_EQ(text, "early");
    });
}

// ---- Receive windows ----

/// Answers with 204 if the body is that of "/read" below.
task<result<http::response>> read_body(http::request asked) {
    const auto text = co_await try_(asked.body.read_text());
    co_return http::response(text.size() == 100'000 ? http::status::no_content : http::status::bad_request);
}

/// Sends larger bodies to "/unread" than the window of the connection permits. Expects that the service then receives
/// the body of "/read".
void expect_window_after_unread_bodies(const http::service& app,
                                       const std::vector<nghttp2_settings_entry>& settings = {}) {
    const auto talk = [&](io::duplex_stream near) -> task<void> {
        http2_client one(std::move(near), settings);
        for (int i = 0; i < 3; ++i) one.ask("POST", "/unread", {}, std::string(1'000'000, 'a'));  // 2 MiB and more
        static_cast<void>(co_await time::timeout(1s, one.finish_all()));  // until both sides wait
        const auto read = one.ask("POST", "/read", {}, std::string(100'000, 'b'));
        const auto got = co_await time::timeout(10s, one.finish(read));
        EXPECT_EQ(got ? got->status : "nothing", "204");
        co_await one.close();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        co_await talk(std::move(near));
        static_cast<void>(co_await serving);
    });
}

TEST(Http2Windows, UnreadBodiesDoNotUseUpTheWindowOfTheConnection) {
    const http::service app = [](http::request asked) -> task<result<http::response>> {
        if (asked.path() == "/unread") co_return http::response(http::status::ok, "x");
        co_return co_await read_body(std::move(asked));
    };
    // The client takes no bodies of responses, so the streams stay open.
    expect_window_after_unread_bodies(app, {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
}

// The service destroys the bodies of three requests, and continues its responses: it destroys them itself, or a task
// does after the client had to stop.
TEST(Http2Windows, DestroyedBodiesDoNotUseUpTheWindowOfTheConnection) {
    for (const bool is_late : {false, true}) {
        SCOPED_TRACE(is_late);
        const auto destroy_late = [](http::body) -> task<void> { co_await time::sleep(2s); };
        const http::service app = [&](http::request asked) -> task<result<http::response>> {
            if (asked.path() == "/unread") {
                if (is_late) static_cast<void>(eddy::spawn_background(destroy_late(std::move(asked.body))));
                co_return http::response(http::status::ok, http::body::from_reader(support::silent_reader()));
            }
            co_return co_await read_body(std::move(asked));
        };
        expect_window_after_unread_bodies(app);
    }
}

/// Uploads `size` bytes over a connection on which a round trip takes 20 ms. Returns the last window for a stream that
/// the server has announced. Sets `left` to how many bytes the window of the connection then permits.
std::uint32_t window_after_upload(std::size_t size, const http::service& app, http::serve_options options,
                                  std::int32_t* left = nullptr) {
    std::uint32_t window = 0;
    options.body_limit(1 << 30);
    const auto talk = [&](io::duplex_stream near) -> task<void> {
        http2_client one(std::move(near));
        const auto id = one.ask("POST", "/", {}, std::string(size, 'a'));
        bool continues = true;
        while (continues && !one.at(id).closed) {
            co_await time::sleep(20ms);
            continues = co_await one.step();
        }
        EXPECT_EQ(one.at(id).status, "200");
        window = nghttp2_session_get_remote_settings(one.session(), NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);
        if (left != nullptr) *left = nghttp2_session_get_remote_window_size(one.session());
        co_await one.close();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        auto both = eddy::join(http::serve_connection(std::move(far), app, options), talk(std::move(near)));
        static_cast<void>(co_await both);
    });
    return window;
}

task<result<http::response>> discard(http::request asked) {
    static_cast<void>(co_await try_(asked.body.read_all(1 << 30)));
    co_return http::response(http::status::ok);
}

constexpr std::size_t upload_size = 6 << 20;
constexpr std::uint32_t first_window = 1 << 20;

TEST(Http2Windows, LargeBodiesInBothDirectionsDoNotBlockEachOther) {
    constexpr std::size_t large = 500'000;  // within the first windows, so both sides send without a pause
    const http::service app([](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(large, 'a'));
    });
    const auto ask = [](io::duplex_stream near) -> task<std::size_t> {
        const auto began = time::clock::now();
        const auto on = eddy::detail::start_http2(std::move(near), -1, http::client_options(), "");
        http::request asked(http::method::post, "/");
        asked.body = std::string(large, 'b');
        const auto to = http::url::parse("http://a/");
        const auto exchange = eddy::detail::start_http2_exchange(on, asked, *to);
        const auto head = co_await eddy::poll_fn([&](eddy::context& cx) { return exchange->poll_head(cx); });
        if (!head) co_return 0;
        auto got = exchange->take_response();
        const auto text = co_await got.body.read_text();
        EXPECT_EQ(time::clock::now() - began, 0s);  // no time limit has ended the request
        co_return text.value_or("").size();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(pipe_size);
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        EXPECT_EQ(co_await ask(std::move(near)), large);
        static_cast<void>(co_await serving);
    });
}

TEST(Http2Windows, GrowWhileTheyLimitTheSpeed) {
    std::int32_t left = 0;
    EXPECT_GT(window_after_upload(upload_size, discard, http::serve_options(), &left), first_window);
    EXPECT_GT(left, 2 * first_window) << "the window of the connection grows, too: it was twice that of a stream";
}

TEST(Http2Windows, OfShortBodiesStay) {
    EXPECT_EQ(window_after_upload(first_window / 2, discard, http::serve_options()), first_window);
}

TEST(Http2Windows, StayIfTheServiceIsSlow) {
    const auto read_slowly = [](http::request asked) -> task<result<http::response>> {
        std::array<std::byte, 32 * 1024> part{};
        for (;;) {
            const auto count = co_await try_(io::read(asked.body, part));
            if (count == 0) co_return http::response(http::status::ok);
            co_await time::sleep(100ms);
        }
    };
    EXPECT_EQ(window_after_upload(upload_size, read_slowly, http::serve_options()), first_window);
}

TEST(Http2Windows, GrowUpToTheLimits) {
    EXPECT_EQ(window_after_upload(upload_size, discard, http::serve_options().window_limit(0)), first_window);
    EXPECT_EQ(window_after_upload(upload_size, discard, http::serve_options().window_limit(3 << 20)),
              first_window / 2 * 3);
    // The first step adds 2 MiB to the window of the connection.
    const auto too_little = http::serve_options().window_memory_limit((2 << 20) - 1);
    EXPECT_EQ(window_after_upload(upload_size, discard, too_little), first_window);
    // A connection gives its part back when it ends.
    const auto enough = http::serve_options().window_memory_limit(2 << 20);
    EXPECT_EQ(window_after_upload(upload_size, discard, enough), 2 * first_window);
    EXPECT_EQ(window_after_upload(upload_size, discard, enough), 2 * first_window);
}

// ---- Memory of responses ----

constexpr std::size_t part_of_memory = 256 * 1024;

const std::vector<nghttp2_settings_entry> no_window = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}};

/// Sends requests for "/0", "/1" ... on a connection without a window, and returns their streams. They have got their
/// heads.
task<std::vector<std::int32_t>> ask_for(http2_client& one, int requests) {
    std::vector<std::int32_t> all;
    for (int i = 0; i < requests; ++i) all.push_back(one.ask("GET", "/" + std::to_string(i)));
    for (const auto id : all)
        while (one.at(id).status.empty()) EXPECT_TRUE(co_await one.step());
    co_return all;
}

void open_windows(http2_client& one) {
    const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
    nghttp2_submit_settings(one.session(), NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_submit_window_update(one.session(), NGHTTP2_FLAG_NONE, 0, 1 << 20);
}

/// Returns how many of 8 requests of a client without a window are refused.
int refused_of_8(const http::service& app, const http::serve_options& options) {
    return eddy::test::run_paused([&]() -> task<int> {
        auto [near, far] = io::duplex(64 * 1024);
        const auto play = [&]() -> task<int> {
            http2_client one(std::move(near), no_window);
            const auto all = co_await ask_for(one, 8);
            int refused = 0;
            for (const auto id : all) refused += one.at(id).status == "503" ? 1 : 0;
            open_windows(one);
            for (const auto id : all) static_cast<void>(co_await one.finish(id));
            co_await one.close();
            co_return refused;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), app, options), play());
        const auto [outcome, refused] = co_await both;
        EXPECT_TRUE(outcome.has_value());
        co_return refused;
    });
}

/// Runs `play(client, other)` with the connections of two clients, the first of which has no window.
template <class F>
void with_two_clients(const http::service& app, const http::serve_options& options, F play) {
    eddy::test::run_paused([&]() -> task<void> {
        auto first = io::duplex(64 * 1024);
        auto second = io::duplex(64 * 1024);
        const auto ask_both = [&]() -> task<bool> {
            http2_client one(std::move(first.first), no_window);
            http2_client other(std::move(second.first));
            co_await play(one, other);
            co_await one.close();
            co_await other.close();
            co_return true;
        };
        auto all = eddy::join(http::serve_connection(std::move(first.second), app, options),
                              http::serve_connection(std::move(second.second), app, options), ask_both());
        static_cast<void>(co_await all);
    });
}

task<http::response> large_response(http::request) {
    co_return http::response(http::status::ok, std::string(part_of_memory, 'a'));
}

TEST(Http2Windows, ResponsesAboveTheMemoryLimitGet503) {
    const auto options = http::serve_options().response_memory_limit(4 * part_of_memory);
    EXPECT_EQ(refused_of_8(large_response, options), 4);  // all at once, so none of them is unread
    EXPECT_EQ(refused_of_8(large_response, options), 4);  // the memory was given back
    EXPECT_EQ(refused_of_8(large_response, http::serve_options()), 0);
}

TEST(Http2Windows, ResponsesAboveTheMemoryLimitAreReportedToAccessLog) {
    std::string log;
    auto options = http::serve_options().response_memory_limit(4 * part_of_memory);
    options.on_refused([&](const http::refused_request& it) {
        log += std::to_string(http::to_int(it.status)) + ' ' + it.method + ' ' + it.target + '\n';
    });
    EXPECT_EQ(refused_of_8(large_response, options), 4);
    EXPECT_EQ(log, "503 GET /4\n503 GET /5\n503 GET /6\n503 GET /7\n");
}

TEST(Http2Windows, SingleResponseMayUseAllTheMemory) {
    const auto options = http::serve_options().response_memory_limit(part_of_memory);
    EXPECT_EQ(refused_of_8(large_response, options), 7);
}

TEST(Http2Windows, SharedBodiesDoNotCountAsMemory) {
    const eddy::bytes cached(std::string(part_of_memory, 'a'));
    const auto app = [cached](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body(cached));
    };
    EXPECT_EQ(refused_of_8(app, http::serve_options().response_memory_limit(4 * part_of_memory)), 0);
}

TEST(Http2Windows, UnreadResponsesAreDroppedForOthers) {
    std::string log;
    auto options = http::serve_options().response_memory_limit(4 * part_of_memory);
    options.on_refused([&](const http::refused_request& it) {
        log += std::to_string(http::to_int(it.status)) + ' ' + it.method + ' ' + it.target + '\n';
    });
    with_two_clients(large_response, options, [&](http2_client& one, http2_client& other) -> task<void> {
        const auto unread = co_await ask_for(one, 4);
        for (std::size_t i = 0; i < 2; ++i) {
            const auto got = co_await other.get("/read");
            EXPECT_EQ(got.status, "200");
            EXPECT_EQ(got.body.size(), part_of_memory);
            EXPECT_EQ((co_await one.finish(unread[0])).closed, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
        }
        EXPECT_EQ(log, "503 GET /0\n") << "the memory of responses that were sent is there for the next ones";
        open_windows(one);
        for (std::size_t i = 1; i < 4; ++i) {
            const auto got = co_await one.finish(unread[i]);
            EXPECT_EQ(got.closed, std::uint32_t{NGHTTP2_NO_ERROR});
            EXPECT_EQ(got.body.size(), part_of_memory);
        }
    });
}

TEST(Http2Windows, OwnUnreadResponsesAreDroppedToo) {
    const auto options = http::serve_options().response_memory_limit(4 * part_of_memory);
    with_two_clients(large_response, options, [&](http2_client& one, http2_client&) -> task<void> {
        const auto first = co_await ask_for(one, 4);
        const auto second = co_await ask_for(one, 2);
        for (const auto id : second) EXPECT_EQ(one.at(id).status, "200");
        for (std::size_t i = 0; i < 2; ++i)
            EXPECT_EQ((co_await one.finish(first[i])).closed, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
        EXPECT_FALSE(one.at(first[2]).closed.has_value());
    });
}

TEST(Http2Windows, ResponseThatIsReadSlowlyIsNotDropped) {
    const auto options = http::serve_options().response_memory_limit(part_of_memory);
    with_two_clients(large_response, options, [&](http2_client& one, http2_client& other) -> task<void> {
        const auto slow = (co_await ask_for(one, 1)).front();
        for (int i = 0; i < 3; ++i) {
            nghttp2_submit_window_update(one.session(), NGHTTP2_FLAG_NONE, slow, 4096);
            const auto size = one.at(slow).body.size();
            while (one.at(slow).body.size() < size + 4096) EXPECT_TRUE(co_await one.step());
            EXPECT_EQ((co_await other.get("/")).status, "503");
            co_await time::sleep(1500ms);
            EXPECT_EQ((co_await other.get("/")).status, "503");
        }
        co_await time::sleep(1s);
        EXPECT_EQ((co_await other.get("/")).status, "200");
        EXPECT_EQ((co_await one.finish(slow)).closed, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
    });
}

/// A reader of 1 MiB that tells when it was destroyed.
class watched_reader {
public:
    explicit watched_reader(std::shared_ptr<void> alive) : alive_(std::move(alive)) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        const auto count = std::min(into.size(), left_);
        left_ -= count;
        return eddy::ok(count);
    }

private:
    std::shared_ptr<void> alive_;
    std::size_t left_ = 1 << 20;
};

TEST(Http2Windows, UnreadStreamsAreDroppedWithTheirReaders) {
    // A response with a reader has a buffer of 32 KiB.
    const auto options = http::serve_options().response_memory_limit(64 * 1024);
    const auto alive = std::make_shared<int>(0);
    const auto app = [&](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(watched_reader(alive)));
    };
    with_two_clients(app, options, [&](http2_client& one, http2_client& other) -> task<void> {
        const auto unread = co_await ask_for(one, 2);
        EXPECT_EQ(alive.use_count(), 3);
        open_windows(other);
        const auto got = co_await other.get("/");
        EXPECT_EQ(got.status, "200");
        EXPECT_EQ((co_await one.finish(unread[0])).closed, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
        EXPECT_FALSE(one.at(unread[1]).closed.has_value());
        EXPECT_EQ(alive.use_count(), 2);
    });
}

TEST(Http2Windows, StreamThatWaitsForItsReaderIsNotDropped) {
    const auto options = http::serve_options().response_memory_limit(32 * 1024);
    const auto app = [&](http::request asked) -> task<http::response> {
        http::response answer(http::status::ok);
        if (asked.path() == "/0") answer.body = http::body::from_reader(support::silent_reader());
        if (asked.path() != "/0") answer.body = http::body::from_reader(io::cursor(std::string("x")));
        co_return answer;
    };
    with_two_clients(app, options, [&](http2_client& one, http2_client& other) -> task<void> {
        const auto idle = (co_await ask_for(one, 1)).front();
        co_await time::sleep(5s);
        EXPECT_EQ((co_await other.get("/")).status, "503");
        EXPECT_FALSE(one.at(idle).closed.has_value());
    });
}

TEST(Http2Windows, DroppedResponseIsFreedWhileNothingCanBeSent) {
    // The client does not receive, so that the server cannot send that the stream was reset.
    const auto options = http::serve_options().response_memory_limit(64 * 1024);
    const auto alive = std::make_shared<int>(0);
    const auto app = [&](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(watched_reader(alive)));
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto first = io::duplex(512);
        auto second = io::duplex(64 * 1024);
        const auto ask_both = [&]() -> task<bool> {
            http2_client one(std::move(first.first));
            http2_client other(std::move(second.first));
            for (int i = 0; i < 2; ++i) one.ask("GET", "/");
            co_await one.flush();
            co_await time::sleep(1ms);
            EXPECT_EQ(alive.use_count(), 3);
            co_await time::sleep(3s);
            const auto got = co_await other.get("/");
            EXPECT_EQ(got.status, "200");
            co_await time::sleep(1ms);
            EXPECT_EQ(alive.use_count(), 2);
            co_await one.close();
            co_await one.finish_all();
            co_await other.close();
            co_return true;
        };
        auto all = eddy::join(http::serve_connection(std::move(first.second), app, options),
                              http::serve_connection(std::move(second.second), app, options), ask_both());
        static_cast<void>(co_await all);
    });
}

}  // namespace
