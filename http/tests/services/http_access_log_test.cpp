// SPDX-License-Identifier: MIT
// http::access_log: a line for each request, in two formats.
#include <eddy/http/access_log.hpp>

#include <eddy/future.hpp>
#include <eddy/http/client_limit.hpp>
#include <eddy/http/cors.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/request_id.hpp>
#include <eddy/http/router.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/server_timing.hpp>
#include <eddy/http/service.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "message/syntax.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

/// A log that keeps its lines, with "TIME" in place of the time.
class kept_log {
public:
    explicit kept_log(http::log_format format) : log_(format, [this](std::string_view line) { keep(line); }) {}
    kept_log(const kept_log&) = delete;
    kept_log& operator=(const kept_log&) = delete;
    ~kept_log() = default;

    [[nodiscard]] const http::access_log& log() const { return log_; }
    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

private:
    void keep(std::string_view line) {
        static const std::regex common(R"(\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000\])");
        static const std::regex json(R"("\d{4}-[01]\d-[0-3]\dT\d\d:\d\d:\d\dZ")");
        lines_.push_back(std::regex_replace(std::regex_replace(std::string(line), common, "[TIME]"), json, "\"TIME\""));
    }

    std::vector<std::string> lines_;
    http::access_log log_;
};

task<result<http::response>> answer(http::request asked) {
    if (asked.path() == "/throw") throw std::runtime_error("no");
    if (asked.path() == "/large") co_return std::unexpected(make_error_code(http::errc::body_too_large));
    if (asked.path() == "/fail") co_return std::unexpected(make_error_code(eddy::errc::timed_out));
    co_await eddy::time::sleep(1500us);
    co_return http::response::text("hello");
}

http::request asking(http::method what, std::string target) {
    http::request asked(what, std::move(target));
    asked.peer = net::socket_addr::parse("192.0.2.1:1234").value();
    return asked;
}

TEST(HttpAccessLog, CommonFormat) {
    kept_log kept(http::log_format::common);
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::service(answer) | kept.log().layer();
        static_cast<void>(co_await app(asking(http::method::get, "/a?b=\"c\"")));
        auto head = asking(http::method::head, "/");
        head.version = http::version::http_2;
        head.peer = net::socket_addr::parse("[2001:db8::1]:1").value();
        static_cast<void>(co_await app(std::move(head)));
        static_cast<void>(co_await app(http::request(http::method::get, "/large")));
        static_cast<void>(co_await app(http::request(http::method::get, "/fail")));
        bool has_thrown = false;
        try {
            static_cast<void>(co_await app(http::request(http::method::get, "/throw")));
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
        auto cancelled = co_await eddy::time::timeout(1us, app(http::request(http::method::post, "/")));
        EXPECT_FALSE(cancelled);
    });
    const std::vector<std::string> expected = {
        R"(192.0.2.1 - - [TIME] "GET /a?b=\"c\" HTTP/1.1" 200 5)",
        R"(2001:db8::1 - - [TIME] "HEAD / HTTP/2.0" 200 0)",
        R"(- - - [TIME] "GET /large HTTP/1.1" 413 -)",
        R"(- - - [TIME] "GET /fail HTTP/1.1" 500 -)",
        R"(- - - [TIME] "GET /throw HTTP/1.1" 500 -)",
        R"(- - - [TIME] "POST / HTTP/1.1" 499 -)",
    };
    EXPECT_EQ(kept.lines(), expected);
}

/// Names the clients of requests without an address.
std::string everyone(const http::request&) { return "everyone"; }

TEST(HttpAccessLog, SeesRefusalsOfLayersInside) {
    kept_log kept(http::log_format::common);
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::service(answer) |
                         http::client_limit(http::client_limit_options(1, 1h).client(everyone)) |
                         http::server_timing() | http::cors(http::cors_options().origin("https://a.b")) |
                         kept.log().layer() | http::request_id();
        const auto ask = [&](http::method what) -> task<http::response> {
            http::request asked(what, "/");
            asked.headers.add("Origin", "https://a.b");
            asked.headers.add("Access-Control-Request-Method", "PUT");
            asked.headers.add("X-Request-Id", "7");
            auto got = co_await app(std::move(asked));
            co_return std::move(got).value();
        };
        for (const auto expected : {http::status::ok, http::status::too_many_requests}) {
            const auto preflight = co_await ask(http::method::options);
            EXPECT_EQ(preflight.status, http::status::no_content);
            EXPECT_EQ(preflight.headers.get("X-Request-Id"), "7");
            EXPECT_FALSE(preflight.headers.contains("Server-Timing"));
            const auto got = co_await ask(http::method::get);
            EXPECT_EQ(got.status, expected);
            EXPECT_EQ(got.headers.contains("Retry-After"), expected != http::status::ok);
            EXPECT_TRUE(got.headers.contains("Server-Timing"));
            EXPECT_EQ(got.headers.get("Access-Control-Allow-Origin"), "https://a.b");
            EXPECT_EQ(got.headers.get("X-Request-Id"), "7");
        }
        const auto throws = [](const http::request&) -> std::string { throw std::runtime_error("no name"); };
        const auto fails = http::service(answer) |
                           http::client_limit(http::client_limit_options(1, 1h).client(throws)) | kept.log().layer();
        bool has_thrown = false;
        try {
            static_cast<void>(co_await fails(http::request(http::method::get, "/fails")));
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
    });
    const std::vector<std::string> expected = {
        R"(- - - [TIME] "OPTIONS / HTTP/1.1" 204 0)",  R"(- - - [TIME] "GET / HTTP/1.1" 200 5)",
        R"(- - - [TIME] "OPTIONS / HTTP/1.1" 204 0)",  R"(- - - [TIME] "GET / HTTP/1.1" 429 39)",
        R"(- - - [TIME] "GET /fails HTTP/1.1" 500 -)",
    };
    EXPECT_EQ(kept.lines(), expected);
}

/// A filter whose last step fails, as it may without memory.
struct failing_filter {
    struct pass {
        void finish(const http::response&) const { throw std::runtime_error("no memory"); }
    };
    [[nodiscard]] pass begin(const http::request&) const { return {}; }
};

TEST(HttpAccessLog, FailureOfALayerOutsideIsLogged) {
    kept_log kept(http::log_format::common);
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::service(answer) |
                         http::client_limit(http::client_limit_options(1, 1h).client(everyone)) | kept.log().layer() |
                         eddy::detail::filter_layer(failing_filter());
        for (const char* const target : {"/answered", "/refused"}) {
            bool has_thrown = false;
            try {
                static_cast<void>(co_await app(http::request(http::method::get, target)));
            } catch (const std::runtime_error&) {
                has_thrown = true;
            }
            EXPECT_TRUE(has_thrown) << target;
        }
    });
    const std::vector<std::string> expected = {
        R"(- - - [TIME] "GET /answered HTTP/1.1" 500 -)",
        R"(- - - [TIME] "GET /refused HTTP/1.1" 500 -)",
    };
    EXPECT_EQ(kept.lines(), expected);
}

TEST(HttpAccessLog, JsonFormat) {
    kept_log kept(http::log_format::json);
    eddy::test::run_paused([&]() -> task<void> {
        const auto app = http::service(answer) | kept.log().layer() | http::request_id();
        auto asked = asking(http::method::get, "/a?b=\"c\\\"");
        asked.headers.add("X-Request-Id", "7");
        static_cast<void>(co_await app(std::move(asked)));
    });
    ASSERT_EQ(kept.lines().size(), 1U);
    EXPECT_EQ(kept.lines().front(),
              R"({"time":"TIME","client":"192.0.2.1","method":"GET","target":"/a?b=\"c\\\"","version":"1.1",)"
              R"("status":200,"bytes":5,"seconds":0.001500,"id":"7"})");
}

TEST(HttpAccessLog, BytesThatAreNotPrintableAreEscaped) {
    const auto line_of = [](http::log_format format) {
        kept_log kept(format);
        eddy::test::run_paused([&]() -> task<void> {
            const auto app = http::service(answer) | kept.log().layer();
            http::request asked(http::method::get, "/\xc3\n\x7f");
            asked.headers.add("X-Request-Id", "a\t\"\xc3\xa4\x80\"" + std::string(1000, 'x'));
            static_cast<void>(co_await app(std::move(asked)));
        });
        return kept.lines().at(0);
    };
    EXPECT_EQ(line_of(http::log_format::common), R"(- - - [TIME] "GET /\xc3\x0a\x7f HTTP/1.1" 200 5)");
    EXPECT_EQ(line_of(http::log_format::json),
              R"({"time":"TIME","method":"GET","target":"/\u00c3\u000a\u007f","version":"1.1","status":200,"bytes":5,)"
              R"("seconds":0.001500,"id":"a\u0009\"\u00c3\u00a4\u0080\")" +
                  std::string(121, 'x') + "\"}");
}

TEST(HttpAccessLog, TimesDoNotDependOnTheLocale) {
    using eddy::detail::to_decimal;
    EXPECT_EQ(to_decimal(0, 6), "0.000000");
    EXPECT_EQ(to_decimal(7, 3), "0.007");
    EXPECT_EQ(to_decimal(1000, 3), "1.000");
    EXPECT_EQ(to_decimal(3'600'000'001, 6), "3600.000001");
}

/// Returns the lines of a server that gets these heads of requests, each on a connection of its own.
std::vector<std::string> lines_of(http::log_format format, const http::router& app, http::serve_options options,
                                  const std::vector<std::string>& heads) {
    kept_log kept(format);
    options.on_refused(kept.log().refusals());
    for (const auto& head : heads) {
        eddy::test::run_paused([&]() -> task<void> {
            auto [near, far] = io::duplex(200'000);
            auto serving = eddy::spawn(http::serve_connection(std::move(far), app | kept.log().layer(), options));
            {
                auto client = std::move(near);
                static_cast<void>(co_await io::write_all(client, head + "\r\n\r\n"));
                co_await eddy::time::sleep(1s);  // only the service of /wait has not answered then
            }
            const auto ended = co_await serving;
            if (!ended) {
                EXPECT_FALSE(ended.error().is_cancelled()) << head;  // the exception of /throw
            }
        });
    }
    return kept.lines();
}

TEST(HttpAccessLog, JsonLineOfRefusalHasItsNote) {
    const std::vector<std::string> head = {"PROXY TCP4 127.0.0.1 127.0.0.1 12345 80"};
    EXPECT_EQ(
        lines_of(http::log_format::json, http::router(), http::serve_options(), head),
        std::vector<std::string>{R"({"time":"TIME","method":"PROXY","target":"TCP4","status":400,"note":"this looks )"
                                 R"(like a PROXY header: serve a net::proxy_listener, or turn the header off in the )"
                                 R"(proxy"})"});
    EXPECT_EQ(lines_of(http::log_format::common, http::router(), http::serve_options(), head),
              std::vector<std::string>{R"(- - - [TIME] "PROXY TCP4" 400 -)"});
}

http::router make_app() {
    http::router app;
    app.get("/good", answer).get("/fail", answer).get("/throw", answer);
    app.get("/huge", [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(100'000, 'x'));
    });
    app.get("/wait", [](http::request) -> task<http::response> {
        co_await eddy::time::sleep(1h);
        co_return http::response();
    });
    return app;
}

TEST(HttpAccessLog, EachRequestToAServerHasALine) {
    const auto options = http::serve_options().response_memory_limit(99'999);
    const std::string end = " HTTP/1.1\r\nHost: a";
    const auto lines = lines_of(http::log_format::common, make_app(), options,
                                {"GET /good" + end, "GET /none?a=b" + end, "GET /fail" + end, "GET /throw" + end,
                                 "PROPFIND /x" + end, "GET /huge" + end, "GET /wait" + end});
    const std::vector<std::string> expected = {
        R"(- - - [TIME] "GET /good HTTP/1.1" 200 5)", R"(- - - [TIME] "GET /none?a=b HTTP/1.1" 404 10)",
        R"(- - - [TIME] "GET /fail HTTP/1.1" 500 -)", R"(- - - [TIME] "GET /throw HTTP/1.1" 500 -)",
        R"(- - - [TIME] "PROPFIND /x" 501 -)",        R"(- - - [TIME] "GET /huge HTTP/1.1" 200 100000)",
        R"(- - - [TIME] "GET /huge" 503 -)",          R"(- - - [TIME] "GET /wait HTTP/1.1" 499 -)",
    };
    EXPECT_EQ(lines, expected);
}

TEST(HttpAccessLog, RefusedRequestsHaveALine) {
    const auto options = http::serve_options().header_limit(200).body_limit(10);
    const std::vector<std::string> heads = {"GET / HTTP/1.1", "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11",
                                            "GET /b HTTP/1.1\r\nHost: a\r\nX: " + std::string(300, 'x'), "nonsense"};
    const std::vector<std::string> common = {
        R"(- - - [TIME] "GET /" 400 -)",
        R"(- - - [TIME] "PUT /a" 413 -)",
        R"(- - - [TIME] "GET /b" 431 -)",
        R"(- - - [TIME] "-" 400 -)",
    };
    EXPECT_EQ(lines_of(http::log_format::common, make_app(), options, heads), common);
    const std::vector<std::string> json = {
        R"({"time":"TIME","method":"GET","target":"/","status":400})",
        R"({"time":"TIME","method":"PUT","target":"/a","status":413})",
        R"({"time":"TIME","method":"GET","target":"/b","status":431})",
        R"({"time":"TIME","status":400})",
    };
    EXPECT_EQ(lines_of(http::log_format::json, make_app(), options, heads), json);
}

}  // namespace
