// SPDX-License-Identifier: MIT
// The client of eddy::http: with eddy's own server, with servers that follow a script, and with Python's server.
// covers: S66
#include <eddy/http.hpp>

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
#include <expected>
#include <fstream>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "message/coding.hpp"
#include "support/http/http_answers.hpp"
#include "support/http/http_readers.hpp"
#include "support/http/http_server.hpp"
#include "support/net.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"
#include "support/yields.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/tls_pair.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using support::status_and_text_of;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

// What the client adds to a request if the library was built with a coding.
const std::string accept_codings = eddy::detail::available_codings().empty()
                                       ? ""
                                       : "Accept-Encoding=" + std::string(eddy::detail::available_codings()) + ";";
const std::string accept_name = accept_codings.empty() ? "" : " Accept-Encoding";

/// A site with the responses that a client must handle.
struct site {
    http::router app;
    int requests = 0;

    site() {
        app.get("/hello", [this](http::request) { return counted(http::response::text("hello")); });
        app.get("/headers", [this](http::request asked) {
            std::string text;
            for (const auto& [name, value] : asked.headers) text.append(name).append("=").append(value).append(";");
            return counted(http::response::text(text));
        });
        app.get("/large", [this](http::request) {
            return counted(http::response(http::status::ok,
                                          http::body::from_reader(io::cursor<std::string>(std::string(500'000, 'x')))));
        });
        for (const int status : {301, 302, 303, 307, 308}) {
            const std::string path = "/" + std::to_string(status);
            const auto answer = [this, status](http::request) {
                return counted(http::response::redirect("/echo?from=redirect", http::status(status)));
            };
            app.any(path, answer);
        }
        app.get("/loop", [this](http::request) { return counted(http::response::redirect("loop")); });
        app.get("/bad", [this](http::request) { return counted(http::response::redirect("ftp://a/")); });
        app.any("/echo", echo);
        app.any("/method", [this](http::request asked) {
            const auto type = asked.headers.get("Content-Type").value_or("");
            return counted(http::response::text(std::string(to_string(asked.method)).append(" ").append(type)));
        });
    }

private:
    task<http::response> counted(http::response answer) {
        ++requests;
        co_return std::move(answer);
    }
    /// Answers with the method and the body, while it receives the body.
    static task<http::response> echo(http::request asked) {
        http::response answer(http::status::ok, std::move(asked.body));
        answer.headers.add("X-Method", to_string(asked.method));
        co_return answer;
    }
};

/// Serves on a free port, while `script(url)` runs. Returns the report of net::serve().
template <class Script>
net::serve_report serve_during(http::service app, Script script, http::serve_options options = http::serve_options()) {
    eddy::core loop;
    const auto play = [&](net::socket_addr at, const auto&) { return script("http://" + at.to_string()); };
    return loop.run(support::serve_http_during(std::move(app), std::move(options), play));
}

TEST(HttpClient, OutputConvertsToResultWithTheCode) {
    std::expected<http::response, http::client_error> failed(std::unexpect, http::phase::connect, "127.0.0.1:1",
                                                             std::make_error_code(std::errc::connection_refused));
    const result<http::response> plain = std::move(failed);
    EXPECT_EQ(plain.error(), std::errc::connection_refused);
    std::expected<http::response, http::client_error> answered(http::response::text("a"));
    const result<http::response> same = std::move(answered);
    ASSERT_TRUE(same.has_value());
    EXPECT_EQ(same->body.in_memory()->text(), "a");
}

TEST(HttpClient, LaterRequestsUseSameConnection) {
    site served;
    const auto report = serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/none")), "404 Not Found\n");
        EXPECT_EQ((co_await status_and_text_of(web.get(url + "/large"))).size(), 500'004U);
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
    });
    EXPECT_EQ(report.accepted, 1U);
}

/// Requests a large body `count` times, and reads every `read_each`th of them. Returns what was printed.
std::string printed_while_dropping(int count, int read_each, http::client_options options = http::client_options()) {
    site served;
    testing::internal::CaptureStderr();
    serve_during(served.app, [=](std::string url) -> task<void> {
        const http::client web(options);
        for (int i = 1; i <= count; ++i) {
            auto answer = co_await web.get(url + "/large");
            EXPECT_TRUE(answer);
            if (!answer || i % read_each != 0) continue;
            const auto all = co_await answer->body.read_all();
            EXPECT_TRUE(all);
        }
    });
    return testing::internal::GetCapturedStderr();
}

TEST(HttpClient, ManyUnreadBodiesArePrintedOnceWithTheLineOfTheRequest) {
    const std::string printed = printed_while_dropping(25, 26);
    if constexpr (eddy::detail::has_checks) {
        EXPECT_TRUE(printed.contains("the bodies of the last 10 responses were destroyed unread")) << printed;
        EXPECT_TRUE(printed.contains("http_client_test.cpp:")) << printed;
        EXPECT_EQ(printed.find("destroyed unread"), printed.rfind("destroyed unread"));
    } else {
        EXPECT_EQ(printed, "");
    }
}

TEST(HttpClient, SomeUnreadBodiesAreNotPrinted) {
    EXPECT_EQ(printed_while_dropping(9, 10), "");
    EXPECT_EQ(printed_while_dropping(25, 5), "");
    EXPECT_EQ(printed_while_dropping(25, 2, http::client_options().max_idle(0)), "");
}

TEST(HttpClient, BodyOutlivesClientOfGetFunction) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        auto page = co_await http::get(url + "/large");
        EXPECT_TRUE(page.has_value());
        if (!page) co_return;
        EXPECT_EQ(page->headers.get("Transfer-Encoding"), "chunked");
        const auto all = co_await page->body.read_all();
        EXPECT_EQ(all.value().size(), 500'000U);
    });
}

TEST(HttpClient, SendsHeadersOfRequest) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        http::request asked;
        asked.headers.add("X", "y");
        asked.headers.add("Content-Length", "7");  // ignored: the body decides
        const http::client web;
        EXPECT_EQ(co_await status_and_text_of(web.send(url + "/headers", std::move(asked))),
                  "200 Host=" + url.substr(7) + ";X=y;User-Agent=eddy;" + accept_codings);
    });
}

TEST(HttpClient, HasFunctionForEachMethod) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        http::client web;
        const http::client other = std::move(web);  // a move is a copy
        url += "/method";
        EXPECT_EQ(co_await status_and_text_of(web.get(url)), "200 GET ");  // NOLINT(bugprone-use-after-move)
        EXPECT_EQ(co_await status_and_text_of(other.post(url, "a/b", "x")), "200 POST a/b");
        EXPECT_EQ(co_await status_and_text_of(other.put(url, "a/c", "x")), "200 PUT a/c");
        EXPECT_EQ(co_await status_and_text_of(other.patch(url, "a/d", "x")), "200 PATCH a/d");
        EXPECT_EQ(co_await status_and_text_of(other.del(url)), "200 DELETE ");
    });
}

TEST(HttpClient, SendsBodiesFromMemoryAndFromReaders) {
    site served;
    const auto report = serve_during(
        served.app,
        [](std::string url) -> task<void> {
            const http::client web;
            EXPECT_EQ(co_await status_and_text_of(web.post(url + "/echo", "text/plain", "hi")), "200 hi");
            EXPECT_EQ(co_await status_and_text_of(web.post(url + "/echo", "text/plain", "")), "200 ");
            // The server sends the body back while it receives it, so the client must send and receive at the same
            // time.
            const std::string large(3'000'000, 'x');
            http::request streamed(http::method::post, "");
            streamed.body = http::body::from_reader(io::cursor<std::string>(large));
            EXPECT_TRUE(co_await status_and_text_of(web.send(url + "/echo", std::move(streamed))) == "200 " + large);
            EXPECT_TRUE(co_await status_and_text_of(web.post(url + "/echo", "text/plain", std::string(large))) ==
                        "200 " + large);
            EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
        },
        http::serve_options().body_limit(10 << 20));
    EXPECT_EQ(report.accepted, 1U);
}

TEST(HttpClient, HeadReturnsSizeWithoutBody) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
        auto answer = co_await web.send(url + "/hello", http::request(http::method::head, ""));
        EXPECT_EQ(answer.value().headers.get("Content-Length"), "5");
        EXPECT_EQ(answer.value().body.size(), 0U);
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
    });
}

TEST(HttpClient, RequestsMayBeDroppedAtAnyMoment) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
        const std::string large(100'000, 'x');
        int complete = 0;
        for (int i = 0; i < 120; ++i) {
            auto posting =
                status_and_text_of(web.post(url + (i % 2 == 0 ? "/echo" : "/307"), "text/plain", std::string(large)));
            const auto ended = co_await eddy::select_biased(std::move(posting), support::yields(i));
            if (ended.index() != 0) continue;
            EXPECT_TRUE(std::get<0>(ended) == "200 " + large);
            ++complete;
        }
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
        EXPECT_LT(complete, 120);
    });
}

// ---- Redirects ----

/// Posts "hi" to a redirect, and returns the method and the body that arrive.
task<std::string> redirected(const http::client& web, std::string url) {
    auto answer = co_await web.post(std::move(url), "text/plain", "hi");
    if (!answer) co_return answer.error().message();
    const auto text = co_await answer->body.read_text();
    co_return std::string(answer->headers.get("X-Method").value_or("none")) + " " + text.value();
}

TEST(HttpClient, FollowsRedirects) {
    site served;
    const auto report = serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
        EXPECT_EQ(co_await redirected(web, url + "/301"), "GET ");
        EXPECT_EQ(co_await redirected(web, url + "/302"), "GET ");
        EXPECT_EQ(co_await redirected(web, url + "/303"), "GET ");
        EXPECT_EQ(co_await redirected(web, url + "/307"), "POST hi");
        EXPECT_EQ(co_await redirected(web, url + "/308"), "POST hi");
        // A body that is a reader cannot be sent again.
        http::request streamed(http::method::post, "");
        streamed.body = http::body::from_reader(io::cursor<std::string>("hi"));
        EXPECT_EQ((co_await web.send(url + "/307", std::move(streamed))).value().status, http::status(307));
    });
    EXPECT_EQ(report.accepted, 1U);
}

TEST(HttpClient, RedirectsKeepTheMethodExceptPost) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
        using enum http::method;
        for (const auto method : {get, head, put, patch, delete_, options}) {
            for (const int status : {301, 302, 303, 307, 308}) {
                http::request asked(method, "");
                if (method == put || method == patch) asked.body = "hi";
                const bool becomes_get = status == 303 && method != head;
                const auto name = std::string(to_string(becomes_get ? get : method));
                auto answer = co_await web.send(url + "/" + std::to_string(status), std::move(asked));
                EXPECT_EQ(answer.value().headers.get("X-Method"), name) << status;
                const auto text = co_await answer->body.read_text();
                EXPECT_EQ(text.value(), name == "PUT" || name == "PATCH" ? "hi" : "") << name << status;
            }
        }
        http::request streamed(put, "");
        streamed.body = http::body::from_reader(io::cursor<std::string>("hi"));
        EXPECT_EQ((co_await web.send(url + "/302", std::move(streamed))).value().status, http::status::found);
    });
}

TEST(HttpClient, FunctionDecidesWhetherRedirectIsFollowed) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        std::vector<std::string> seen;
        const auto decide = [&](const http::url& to) {
            seen.push_back(to.to_string());
            return !to.target().starts_with("/echo");
        };
        const http::client web(http::client_options().max_redirects(2).may_follow(decide));
        auto answer = (co_await web.get(url + "/302")).value();
        EXPECT_EQ(answer.status, http::status::found);
        EXPECT_EQ(answer.headers.get("Location"), "/echo?from=redirect");
        EXPECT_TRUE((co_await answer.body.read_text()).has_value());
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
        EXPECT_EQ((co_await web.get(url + "/loop")).error().code(), http::errc::too_many_redirects);
        EXPECT_EQ(seen,
                  (std::vector<std::string>{url + "/echo?from=redirect", url + "/loop", url + "/loop", url + "/loop"}));
        const auto throws = [](const http::url&) -> bool { throw std::runtime_error("no"); };
        const http::client strict(http::client_options().may_follow(throws));
        bool has_thrown = false;
        try {
            static_cast<void>(co_await strict.get(url + "/302"));
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
    });
}

TEST(HttpClient, RedirectThatIsNotFollowedIsReturnedAtTheLimit) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        int asked = 0;
        const auto decide = [&](const http::url&) { return ++asked == 1; };
        const http::client web(http::client_options().max_redirects(1).may_follow(decide));
        EXPECT_EQ((co_await web.get(url + "/loop")).value().status, http::status::see_other);
        EXPECT_EQ(asked, 2);
    });
}

TEST(HttpClient, LimitsRedirects) {
    site served;
    serve_during(served.app, [&](std::string url) -> task<void> {
        const http::client web(http::client_options().max_redirects(3));
        const auto looped = co_await web.get(url + "/loop");
        EXPECT_EQ(looped.error().code(), http::errc::too_many_redirects);
        EXPECT_EQ(looped.error().phase(), http::phase::url);
        EXPECT_EQ(served.requests, 4);
        EXPECT_EQ((co_await web.get(url + "/bad")).error().code(), http::errc::bad_url);
        const http::client never(http::client_options().max_redirects(0));
        EXPECT_EQ((co_await never.get(url + "/loop")).value().status, http::status::see_other);
    });
}

TEST(HttpClient, RedirectMayHaveSpacesAndUtf8) {
    const auto app = [](http::request asked) -> task<http::response> {
        if (asked.path() == "/start") co_return http::response::redirect("/a b/\xc3\xbc?q=%20#part");
        co_return http::response::text(asked.target);
    };
    serve_during(app, [](std::string url) -> task<void> {
        const http::client web;
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/start")), "200 /a%20b/%C3%BC?q=%20");
    });
}

TEST(HttpClient, RedirectToOtherOriginRemovesCredentials) {
    site other;
    serve_during(other.app, [](std::string url) -> task<void> {
        const auto show = [url](http::request asked) -> task<http::response> {
            if (asked.path() == "/away") co_return http::response::redirect(url + "/headers");
            co_return http::response::redirect("/away");
        };
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string first = "http://" + listener.local_addr().value().to_string();
        auto server = eddy::spawn(http::serve(std::move(listener), show));
        http::request asked;
        asked.headers.add("Authorization", "secret");
        asked.headers.add("Cookie", "secret");
        const http::client web;
        const auto seen = co_await status_and_text_of(web.send(first + "/", std::move(asked)));
        server.abort();
        EXPECT_EQ(seen, "200 Host=" + url.substr(7) + ";User-Agent=eddy;" + accept_codings);
    });
}

/// Redirects all requests to "/to", which answers with the method and the header fields.
task<http::response> redirect_and_show(http::request asked) {
    if (asked.path() != "/to") co_return http::response::redirect("/to");
    std::string text(to_string(asked.method));
    for (const auto& [name, value] : asked.headers) text.append(" ").append(name);
    co_return http::response::text(text);
}

TEST(HttpClient, RedirectKeepsFieldsThatDoNotDescribeTheBody) {
    serve_during(redirect_and_show, [](std::string url) -> task<void> {
        const http::client web;
        for (const bool is_streamed : {false, true}) {
            http::request asked(http::method::post, "");
            for (const char* const name :
                 {"Content-Type", "X", "content-encoding", "Content-Language", "Content-Location"})
                asked.headers.add(name, "y");
            asked.headers.add("Expect", "100-continue");
            asked.body = "hi";
            if (is_streamed) asked.body = http::body::from_reader(io::cursor<std::string>("hi"));
            EXPECT_EQ(co_await status_and_text_of(web.send(url + "/from", std::move(asked))),
                      "200 GET Host X User-Agent" + accept_name);
        }
    });
}

// ---- Servers that follow a script ----

using script = std::vector<std::string>;  // one answer for each connection

/// Accepts one connection for each answer. Receives a head, sends the answer and closes the connection.
task<result<void>> play(net::tcp_listener& listener, script answers) {
    for (const auto& answer : answers) {
        auto accepted = co_await try_(listener.accept());
        std::string head;
        std::array<std::byte, 1> one{};
        while (!head.ends_with("\r\n\r\n")) {
            const auto count = co_await try_(accepted.stream.read(one));
            if (count == 0) break;
            head += static_cast<char>(one[0]);
        }
        co_await try_(accepted.stream.write_all(answer));
    }
    co_return eddy::ok();
}

/// Sends GET requests, one for each answer of the script, and returns the responses.
std::vector<std::string> answers_of(script answers, http::client_options options = http::client_options()) {
    eddy::core loop;
    return loop.run([](script& said, http::client_options chosen) -> task<std::vector<std::string>> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        const http::client web(std::move(chosen));
        const auto ask = [](const http::client& from, std::string where, std::size_t count) -> task<script> {
            script all;
            for (std::size_t i = 0; i < count; ++i) all.push_back(co_await status_and_text_of(from.get(where)));
            co_return all;
        };
        auto both = eddy::join(play(listener, said), ask(web, url, said.size()));
        auto [played, got] = co_await both;
        EXPECT_TRUE(played.has_value());
        for (auto& each : got)  // the address differs each time
            if (const auto at = each.find("127.0.0.1:"); at != std::string::npos)
                each.erase(at, each.find(": ", at) - at);
        co_return got;
    }(answers, std::move(options)));
}

std::string answer_of(std::string said, http::client_options options = http::client_options()) {
    return answers_of({std::move(said)}, std::move(options)).front();
}

/// Answers the first request with `redirect`, and later ones, each on a connection of its own, with their method. Keeps
/// all connections open.
task<result<void>> redirect_and_hold(net::tcp_listener& listener, std::string redirect) {
    std::vector<net::tcp_stream> open;
    for (bool is_first = true;; is_first = false) {
        open.push_back((co_await try_(listener.accept())).stream);
        std::string head;
        std::array<std::byte, 1000> some{};
        while (!head.contains("\r\n\r\n")) {
            const auto count = co_await try_(open.back().read(some));
            if (count == 0) break;
            head += support::text_of(std::span(some).first(count));
        }
        const auto method = head.substr(0, head.find(' '));
        const auto last = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(method.size()) + "\r\n\r\n" + method;
        co_await try_(open.back().write_all(is_first ? redirect : last));
    }
}

TEST(HttpClient, RedirectIsFollowedBeforeItsBodyHasArrived) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        for (const std::string status : {"301", "302", "303", "307", "308"}) {
            for (const std::string body : {"Content-Length: 5\r\n\r\n", "Content-Length: 5\r\n\r\nab",
                                           "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "\r\nab"}) {
                for (const bool is_post : {false, true}) {
                    const http::client web(http::client_options().timeout(20s));
                    auto asking = status_and_text_of(is_post ? web.post(url, "text/plain", "hi") : web.get(url));
                    const std::string redirect = "HTTP/1.1 " + status + " Moved\r\nLocation: /to\r\n" + body;
                    auto both = eddy::select_biased(std::move(asking), redirect_and_hold(listener, redirect));
                    const auto ended = co_await both;
                    EXPECT_EQ(std::get<0>(ended), is_post && status > "303" ? "200 POST" : "200 GET") << status << body;
                }
            }
        }
    }());
}

TEST(HttpClient, ConnectionOfRedirectIsUsedIfBodyHasArrived) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        const auto serve = [](net::tcp_listener& from) -> task<result<void>> {
            auto [stream, peer] = co_await try_(from.accept());  // one connection
            std::array<std::byte, 1000> some{};
            for (const char* const answer : {"HTTP/1.1 302 Found\r\nLocation: /to\r\nContent-Length: 5\r\n\r\nmoved",
                                             "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"}) {
                static_cast<void>(co_await try_(stream.read(some)));
                co_await try_(stream.write_all(answer));
            }
            co_return eddy::ok();
        };
        const http::client web(http::client_options().timeout(20s));
        auto both = eddy::join(serve(listener), status_and_text_of(web.get(url)));
        const auto [served, text] = co_await both;
        EXPECT_TRUE(served.has_value());
        EXPECT_EQ(text, "200 hi");
    }());
}

TEST(HttpClient, FoldedFieldsOfResponsesAreUnfolded) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        auto playing = play(listener, {"HTTP/1.1 103 Early Hints\r\nLink: a,\r\n\tb\r\n\r\n"
                                       "HTTP/1.1 200 OK\r\nSet-Cookie: a=b;\r\n Path=/\r\nContent-Length: 2\r\n\r\nok",
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"
                                       "2\r\nok\r\n0\r\nSum: a\r\n \t b\r\n\r\n"});
        const auto ask = [](std::string to) -> task<bool> {
            auto first = (co_await http::get(to)).value();
            EXPECT_EQ(first.headers.get("Set-Cookie"), "a=b; Path=/");
            EXPECT_EQ((co_await first.body.read_text()).value(), "ok");
            auto second = (co_await http::get(to)).value();
            EXPECT_EQ((co_await second.body.read_text()).value(), "ok");
            EXPECT_EQ(second.body.trailers().get("Sum"), "a b");
            co_return true;
        };
        auto both = eddy::join(std::move(playing), ask(url));
        const auto [played, asked] = co_await both;
        EXPECT_TRUE(played.has_value() && asked);
    }());
}

TEST(HttpClient, BodyWithoutLengthEndsWithConnection) {
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\r\n\r\nhello"), "200 hello");
    EXPECT_EQ(answer_of("HTTP/1.0 200 OK\r\n\r\nhello"), "200 hello");
    EXPECT_EQ(answer_of("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
              "200 hi");
}

TEST(HttpClient, InterimResponsesAreLimited) {
    std::string interim;
    for (int i = 0; i < 10; ++i) interim += "HTTP/1.1 102 Processing\r\nX: y\r\n\r\n";
    const std::string hi = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    EXPECT_EQ(answer_of(interim + hi), "200 hi");
    EXPECT_EQ(answer_of(interim + "HTTP/1.1 100 Continue\r\n\r\n" + hi),
              "no response from : " + http::error_category().message(static_cast<int>(http::errc::bad_message)));
}

TEST(HttpClient, ExtraBytesAfterResponseEndConnection) {
    const std::string hi = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    EXPECT_EQ(answers_of({hi + hi, hi + "x", hi}), (script{"200 hi", "200 hi", "200 hi"}));
}

TEST(HttpClient, InvalidResponsesAreErrors) {
    const std::string refused = "no response from : ";
    const std::string bad = http::error_category().message(static_cast<int>(http::errc::bad_message));
    const std::string large = http::error_category().message(static_cast<int>(http::errc::header_too_large));
    const std::string ended = make_error_code(eddy::errc::unexpected_eof).message();
    const std::string cut = http::error_category().message(static_cast<int>(http::errc::body_too_short));
    EXPECT_EQ(answer_of(""), refused + ended);
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\r\n"), refused + bad);
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\n\n"), refused + bad);
    EXPECT_EQ(answer_of("SSH-2.0-OpenSSH_9.2\r\n\r\n"), refused + bad);
    EXPECT_EQ(answer_of("HTTP/1.1 101 Switching Protocols\r\n\r\n"), refused + bad);
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"), refused + bad);
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\r\nX: " + std::string(200, 'y') + "\r\n\r\n",
                        http::client_options().header_limit(100)),
              refused + large);
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"), "200 (" + cut + ")");
    EXPECT_EQ(answer_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx"), "200 (" + bad + ")");
}

TEST(HttpClient, ChunkExtensionsOfResponsesAreIgnored) {
    const auto in_chunk = [](const std::string& extension) {
        return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2" + extension + "\r\nhi\r\n0" + extension +
               "\r\n\r\n";
    };
    const std::string bad = "200 (" + make_error_code(http::errc::bad_message).message() + ")";
    EXPECT_EQ(answer_of(in_chunk(";a=b; c=\"d\"")), "200 hi");
    EXPECT_EQ(answer_of(in_chunk("  ")), "200 hi");
    EXPECT_EQ(answer_of(in_chunk(";" + std::string(4095, 'x'))), "200 hi");
    EXPECT_EQ(answer_of(in_chunk(";" + std::string(5000, 'x'))), bad);
    EXPECT_EQ(answer_of(in_chunk("; a\n")), bad);
    EXPECT_EQ(answer_of(in_chunk("x")), bad);
}

TEST(HttpClient, ServerOfAnotherProtocolIsNoticedAtOnce) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        const auto greet = [](net::tcp_stream peer) -> task<result<void>> {
            co_await try_(peer.write_all("220 mail.example.org ESMTP\r\n"));
            co_await eddy::pending<void>();  // waits for the client
            co_return eddy::ok();
        };
        auto server = eddy::spawn(net::serve(std::move(listener), greet));
        const auto answer = co_await http::get(url);
        server.abort();
        EXPECT_EQ(answer.error().code(), http::errc::bad_message);
    }());
}

TEST(HttpClient, RepeatsRequestIfKeptConnectionWasClosed) {
    // The server says that it keeps the connection, but closes it.
    const std::string hi = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    EXPECT_EQ(answers_of({hi, hi, hi}), (script{"200 hi", "200 hi", "200 hi"}));
}

TEST(HttpClient, ErrorsHavePhaseAndAddress) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto closed = listener.local_addr().value().to_string();
        {
            const auto gone = std::move(listener);
        }
        const auto refused = co_await http::get("http://" + closed + "/");
        EXPECT_EQ(refused.error().phase(), http::phase::connect);
        EXPECT_EQ(refused.error().where(), closed);
        EXPECT_EQ(refused.error().message(), "cannot connect to " + closed + ": Connection refused");
        const auto bad = co_await http::get("nothing");
        EXPECT_EQ(bad.error().phase(), http::phase::url);
        EXPECT_EQ(bad.error().where(), "nothing");
        EXPECT_EQ(bad.error().code(), http::errc::bad_url);
        const std::string label(64, 'a');  // too long: no name server is asked
        const auto unknown = co_await http::get("http://" + label + "/");
        EXPECT_EQ(unknown.error().phase(), http::phase::resolve);
        EXPECT_EQ(unknown.error().where(), label);
    }());
}

TEST(HttpClient, ErrorMessagesArePrintableAscii) {
    const auto text = answer_of("HTTP/1.1 302 Found\r\nLocation: ftp://\xc3\xbc/\x9b[2J\tx\r\n\r\n");
    EXPECT_TRUE(text.starts_with("cannot request ftp://%C3%BC/%9B[2J%09x: ")) << text;
    const http::client_error error(http::phase::url, "http://a b\r\n\x1b", make_error_code(http::errc::bad_url));
    EXPECT_TRUE(error.message().starts_with("cannot request http://a b%0D%0A%1B: ")) << error.message();
    EXPECT_EQ(error.where(), "http://a b\r\n\x1b");
}

TEST(HttpClient, TimeoutErrorHasPhaseAndAddress) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();  // accepts nothing
        const auto silent = listener.local_addr().value().to_string();
        const auto late = co_await http::get("http://" + silent + "/", http::client_options().timeout(20ms));
        EXPECT_EQ(late.error().phase(), http::phase::receive);
        EXPECT_EQ(late.error().where(), silent);
        EXPECT_EQ(late.error().code(), eddy::errc::timed_out);
    }());
}

/// Runs a request that times out. Returns its error, if it has taken at least `limit`.
http::client_error late_error(std::string url, http::client_options options, std::chrono::nanoseconds limit,
                              http::request asked = http::request(http::method::get, "")) {
    eddy::core loop;
    const http::client web(std::move(options));
    const auto before = eddy::time::clock::now();
    const auto answer = loop.run(web.send(std::move(url), std::move(asked)));
    EXPECT_GE(eddy::time::clock::now() - before, limit);
    EXPECT_FALSE(answer.has_value());
    return answer.error();
}

TEST(HttpClient, ConnectHasTimeout) {
    const support::full_listener silent;
    const std::string url = "http://" + silent.addr().to_string() + "/";
    const auto own = late_error(url, http::client_options().connect_timeout(30ms).timeout(1h), 30ms);
    EXPECT_EQ(own.phase(), http::phase::connect);
    EXPECT_EQ(own.code(), eddy::errc::timed_out);
    const auto whole = late_error(url, http::client_options().connect_timeout(1h).timeout(30ms), 30ms);
    EXPECT_EQ(whole.phase(), http::phase::connect);
    EXPECT_EQ(whole.code(), eddy::errc::timed_out);
}

TEST(HttpClient, SendHasTimeout) {
    const auto silent = support::raw_socket::listening();  // its connections are never read
    const std::string url = "http://" + silent.addr().to_string() + "/";
    const auto options = http::client_options().connect_timeout(1h).timeout(1h).io_timeout(100ms);
    for (const bool is_streamed : {false, true}) {
        std::string large(30'000'000, 'x');
        http::request asked(http::method::post, "");
        asked.body = is_streamed ? http::body::from_reader(io::cursor<std::string>(std::move(large)))
                                 : http::body(std::move(large));
        const auto late = late_error(url, options, 100ms, std::move(asked));
        EXPECT_EQ(late.phase(), http::phase::send) << is_streamed;
        EXPECT_EQ(late.code(), eddy::errc::timed_out) << late.message();
    }
}

TEST(HttpClient, BodyOfResponseHasTimeout) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        for (const char* const part :
             {"Content-Length: 9\r\n\r\nhi", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"}) {
            const auto ask = [](std::string to) -> task<void> {
                const http::client web(http::client_options().timeout(1h).io_timeout(30ms));
                auto answer = (co_await web.get(to)).value();
                std::array<std::byte, 10> some{};
                EXPECT_EQ((co_await io::read(answer.body, some)).value(), 2U);
                const auto before = eddy::time::clock::now();
                EXPECT_EQ((co_await io::read(answer.body, some)).error(), eddy::errc::timed_out);
                EXPECT_GE(eddy::time::clock::now() - before, 20ms);  // since the last byte, which came before
                EXPECT_EQ((co_await io::read(answer.body, some)).error(), eddy::errc::timed_out);
            };
            const std::string begin = std::string("HTTP/1.1 200 OK\r\n") + part;
            auto both = eddy::select_biased(ask(url), redirect_and_hold(listener, begin));
            static_cast<void>(co_await both);
        }
    }());
}

#ifdef EDDY_TEST_HTTPS
TEST(HttpClient, TlsHandshakeHasTimeout) {
    const auto silent = support::raw_socket::listening();
    const std::string url = "https://" + silent.addr().to_string() + "/";
    const support::tls_world world;
    const auto tls = world.client().handshake_timeout(30ms).build().value();
    const auto own = late_error(url, http::client_options().tls(tls).timeout(1h), 30ms);
    EXPECT_EQ(own.phase(), http::phase::tls);
    EXPECT_EQ(own.code(), eddy::errc::timed_out);
    const auto whole = late_error(url, http::client_options().tls(world.client().build().value()).timeout(30ms), 30ms);
    EXPECT_EQ(whole.phase(), http::phase::tls);
    EXPECT_EQ(whole.code(), eddy::errc::timed_out);
}
#endif

TEST(HttpClient, FailedRequestBodyEndsRequest) {
    http::router app;
    app.post("/all", [](http::request asked) -> task<result<http::response>> {
        auto all = co_await try_(asked.body.read_all());
        co_return http::response(http::status::ok, std::move(all));
    });
    app.post("/echo", [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::move(asked.body));
    });
    serve_during(
        app,
        [](std::string url) -> task<void> {
            const http::client web(http::client_options().timeout(10s).io_timeout(10s));
            http::request fails(http::method::post, "");
            fails.body = http::body::from_reader(support::failing_reader());
            const auto failed = co_await web.send(url + "/all", std::move(fails));
            EXPECT_EQ(failed.error().code(), std::errc::io_error) << failed.error().message();
            EXPECT_EQ(failed.error().phase(), http::phase::body);
            http::request ends(http::method::post, "");
            ends.body = http::body::from_reader(io::cursor<std::string>("hi"), 3);
            const auto ended = co_await web.send(url + "/all", std::move(ends));
            EXPECT_EQ(ended.error().code(), http::errc::body_too_short) << ended.error().message();
            EXPECT_EQ(ended.error().phase(), http::phase::body);
            const auto why = ended.error().message();
            EXPECT_TRUE(why.starts_with("cannot read the body of the request to ")) << why;
            http::request echoed(http::method::post, "");  // the response begins before the body fails
            echoed.body = http::body::from_reader(support::failing_reader());
            auto answer = co_await web.send(url + "/echo", std::move(echoed));
            if (answer) {
                const auto text = co_await answer->body.read_text();
                EXPECT_TRUE(!text && text.error() == std::errc::io_error);
            } else {
                EXPECT_EQ(answer.error().code(), std::errc::io_error);
            }
        },
        http::serve_options().on_error([](const auto&) {}));
}

TEST(HttpClient, ExceptionOfRequestBodyEndsResponseBody) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
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
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
    });
}

TEST(HttpClient, BodyThatFailedStaysFailed) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        const auto ask = [](std::string where) -> task<bool> {
            auto answer = (co_await http::get(where)).value();
            for (int i = 0; i < 3; ++i) {
                const auto text = co_await answer.body.read_text();
                EXPECT_TRUE(!text && text.error() == http::errc::bad_message) << i;
            }
            co_return true;
        };
        const std::string chunks = "2\r\nhi\n1\r\nx\r\n0\r\n\r\n";  // the LF after "hi" has no CR
        auto both =
            eddy::join(play(listener, {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks}), ask(url));
        auto [played, asked] = co_await both;
        EXPECT_TRUE(played.has_value() && asked);
    }());
}

TEST(HttpClient, ReceivesErrorResponseWhileSendingBody) {
    site served;
    serve_during(served.app, [](std::string url) -> task<void> {
        const http::client web;
        const auto answer = co_await status_and_text_of(web.post(url + "/echo", "x", std::string(30'000'000, 'x')));
        EXPECT_EQ(answer, "413 Content Too Large\n");
    });
}

#ifdef EDDY_TEST_HTTPS
TEST(HttpClient, RequestsWorkOverTls) {
    const support::tls_world world;
    eddy::core loop;
    loop.run([](const support::tls_world& certificates) -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "https://localhost:" + std::to_string(listener.local_addr().value().port());
        site served;
        auto config = certificates.server().build().value();
        const http::service app(served.app);
        // docs: https server
        const auto handler = [app, config](net::tcp_stream tcp, net::serve_connection c) -> task<result<void>> {
            auto stream = co_await try_(eddy::tls::accept(std::move(tcp), config));
            co_return co_await http::serve_connection(std::move(stream), app, http::serve_options(), std::move(c));
        };
        // docs: end
        const auto options = net::serve_options().on_error([](const auto&) {});  // the refused handshake
        auto server = eddy::spawn(net::serve(std::move(listener), handler, options));
        const http::client web(http::client_options().tls(certificates.client().build().value()));
        EXPECT_EQ(co_await status_and_text_of(web.get(url + "/hello")), "200 hello");
        EXPECT_EQ((co_await status_and_text_of(web.get(url + "/large"))).size(), 500'004U);
        EXPECT_EQ(co_await status_and_text_of(web.post(url + "/echo", "x", "hi")), "200 hi");
        const auto unknown = co_await http::get(url + "/hello");  // the system does not trust this certificate
        EXPECT_EQ(unknown.error().phase(), http::phase::tls);
        server.abort();
    }(world));
}

TEST(HttpClient, RequestsWithCredentialsStayOnHttps) {
    const support::tls_world certificates;
    const struct {
        const char* field;
        bool is_followed;
    } rows[] = {{"Authorization", false}, {"cookie", false}, {"X-Other", true}};
    for (const bool is_https : {false, true}) {
        site other;
        serve_during(other.app, [&](std::string plain) -> task<void> {
            auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
            const auto port = std::to_string(listener.local_addr().value().port());
            const std::string target = is_https ? "https://localhost:" + port + "/to" : plain + "/hello";
            const http::service redirecting([target](http::request asked) -> task<http::response> {
                if (asked.path() == "/to") co_return http::response::text("hello");
                co_return http::response::redirect(target);
            });
            const auto handler = [redirecting, config = certificates.server().build().value()](
                                     net::tcp_stream tcp, net::serve_connection c) -> task<result<void>> {
                auto stream = co_await try_(eddy::tls::accept(std::move(tcp), config));
                co_return co_await http::serve_connection(std::move(stream), redirecting, http::serve_options(),
                                                          std::move(c));
            };
            auto server = eddy::spawn(net::serve(std::move(listener), handler));
            const http::client web(http::client_options().tls(certificates.client().build().value()));
            for (const auto& [field, is_followed] : rows) {
                http::request asked;
                asked.headers.add(field, "secret");
                auto answer = co_await web.send("https://localhost:" + port + "/", std::move(asked));
                EXPECT_TRUE(answer.has_value());
                const auto expected = is_https || is_followed ? http::status::ok : http::status::see_other;
                EXPECT_EQ(answer.value().status, expected) << field << " to " << target;
            }
            server.abort();
        });
    }
}
#endif

#ifdef EDDY_TEST_HTTP_EXAMPLES

using support::process;

TEST(HttpPeers, FetchWorksWithPythonsServer) {
    const support::temp_dir folder;
    const std::string content(200'000, 'x');
    std::ofstream(folder / "file.txt") << content;
    process server({EDDY_PYTHON, "-u", "-c", R"(
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = sys.argv[2]
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[1]))
print(server.server_port)
server.serve_forever()
)",
                    folder / "", "HTTP/1.1"});
    const std::string url = "http://127.0.0.1:" + server.line();
    const auto got = support::run({"fetch", url + "/file.txt", url + "/file.txt"});
    EXPECT_TRUE(got.out == content + content) << got.err;
    EXPECT_EQ(got.err, "200 OK, text/plain\n200 OK, text/plain\n");
    EXPECT_EQ(got.code, 0);
    const auto missing = support::run({"fetch", url + "/none"});
    EXPECT_TRUE(missing.err.starts_with("404 Not Found")) << missing.err;
    EXPECT_EQ(missing.code, 1);
}

TEST(HttpPeers, FetchHasCookiesAndRetriesWithPythonsServer) {
    process server({EDDY_PYTHON, "-u", "-c", R"(
import http.cookies, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    left = 2
    def log_message(self, *arguments): pass
    def do_GET(self):
        if self.path == "/busy" and Handler.left:
            Handler.left -= 1
            if Handler.left: return  # without a response
            self.send_response(503)
            self.send_header("Retry-After", "0")
            return self.end_headers()
        got = http.cookies.SimpleCookie(self.headers.get("Cookie", ""))
        text = " ".join(f"{name}={got[name].value}" for name in sorted(got))
        made = http.cookies.SimpleCookie()
        made["session"] = "7"
        made["session"]["httponly"] = True
        made["page"] = self.path
        made["page"]["max-age"] = 60
        self.send_response(200)
        for each in made.values(): self.send_header("Set-Cookie", each.OutputString())
        self.end_headers()
        self.wfile.write(f"[{text}]".encode())
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port)
server.serve_forever()
)"});
    const std::string url = "http://127.0.0.1:" + server.line();
    const auto got = support::run({"fetch", "--retry", url + "/a", url + "/busy", url + "/b"});
    EXPECT_EQ(got.out, "[][page=/a session=7][page=/busy session=7]");
    EXPECT_EQ(got.err, "200 OK\n200 OK\n200 OK\n");
    EXPECT_EQ(got.code, 0);
}

TEST(HttpPeers, EventLoopClientUsesLoopInThreeWays) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + support::addr_in(server.line()).to_string() + "/notes";
    const auto got = support::run({"event_loop_client", url});
    EXPECT_EQ(got.out,
              "one request: 200 OK, 3 bytes\na kept loop: 200 OK and 200 OK, over the same connection\n"
              "a loop on its own thread: 200 OK\n");
    EXPECT_EQ(got.code, 0) << got.err;
    server.signal(SIGINT);
    EXPECT_EQ(server.wait().out, "served 3 connections\n");
    const auto gone = support::run({"event_loop_client", url});
    EXPECT_TRUE(gone.err.starts_with("Error: cannot connect to ")) << gone.err;
    EXPECT_EQ(gone.code, 1);
}

TEST(HttpPeers, FetchReadsFromWebServer) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + support::addr_in(server.line()).to_string();
    const auto got = support::run({"fetch", url + "/count/3", url + "/notes"});
    EXPECT_EQ(got.out, "1\n2\n3\n{}\n") << got.err;
    server.signal(SIGINT);
    EXPECT_EQ(server.wait().out, "served 1 connections\n");
    const auto gone = support::run({"fetch", url + "/"});
    EXPECT_EQ(gone.err, "fetch: cannot connect to " + url.substr(7) + ": Connection refused\n");
    EXPECT_EQ(gone.code, 1);
}

#endif

}  // namespace
