// SPDX-License-Identifier: MIT
// The client of eddy::http with a cookie jar: redirects, other hosts, repetitions, upgrades. A SOCKS5 proxy connects
// all names of hosts to one server.
#include <eddy/http.hpp>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/proto.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/http/http_proxy.hpp"
#include "support/http/http_server.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace http = eddy::http;
namespace net = eddy::net;

/// A site that sets cookies, redirects, and shows the cookies of each request.
class site {
public:
    std::vector<std::string> seen;  // the host without the port, the path, and the cookies of each request
    unsigned busy = 0;              // the number of requests that get 503

    http::service service() {
        return [this](http::request asked) -> task<http::response> { co_return answer(asked); };
    }

private:
    http::response answer(const http::request& asked) {
        const std::string host(asked.headers.at("Host"));
        const auto port = host.substr(host.find(':'));
        EXPECT_LE(asked.headers.count("Cookie"), 1U);
        const std::string cookies(asked.headers.get("Cookie").value_or("-"));
        seen.push_back(host.substr(0, host.find(':')) + asked.target + " " + cookies);
        http::response made(http::status::ok);
        if (busy != 0) {
            --busy;
            made.status = http::status::service_unavailable;
            made.headers.add("Retry-After", "0");
            made.headers.add("Set-Cookie", "worker=" + std::to_string(busy));
        }
        const auto query = asked.target.find('?');
        if (asked.target.starts_with("/set?")) made.headers.add("Set-Cookie", asked.target.substr(query + 1));
        if (asked.target.starts_with("/to?")) {
            made.status = http::status::found;
            made.headers.add("Location", "http://" + asked.target.substr(query + 1) + port + "/end");
            made.headers.add("Set-Cookie", "redirect=1");
        }
        return made;
    }
};

/// Runs `script(web, port)` with a server and a client that has a jar and no way but the proxy.
template <class Script>
void play(site& served, std::shared_ptr<http::cookie_jar> jar, Script script) {
    eddy::core loop;
    const auto with_server = [&](net::socket_addr server, const auto&) -> task<void> {
        support::http_proxy proxy;
        proxy.socks.emplace();
        const auto run = [&](std::string address) {
            auto options = http::client_options().proxies(http::proxies::none().for_all("socks5://" + address));
            options.cookies(jar).timeout(20s).retry_after(10s);
            options.retries(eddy::proto::retry_policy(eddy::time::backoff(1ms)));
            return script(http::client(options), ":" + std::to_string(server.port()));
        };
        co_await proxy.during(run);
    };
    loop.run(support::serve_http_during(served.service(), http::serve_options(), with_server));
}

TEST(HttpCookieClient, CookiesOfResponsesAreSentWithLaterRequests) {
    site served;
    auto jar = std::make_shared<http::cookie_jar>();
    play(served, jar, [](http::client web, std::string port) -> task<void> {
        const http::client copy = web;
        for (const char* const path : {"/set?a=1", "/set?b=2;path=/x", "/x", "/set?a=3", "/", "/set?a=;max-age=0", "/"})
            EXPECT_TRUE((co_await copy.get("http://one.test" + port + path)).has_value());
    });
    const std::vector<std::string> expected = {
        "one.test/set?a=1 -", "one.test/set?b=2;path=/x a=1",  "one.test/x b=2; a=1", "one.test/set?a=3 a=1",
        "one.test/ a=3",      "one.test/set?a=;max-age=0 a=3", "one.test/ -"};
    EXPECT_EQ(served.seen, expected);
    ASSERT_EQ(jar->snapshot().size(), 1U);
    EXPECT_EQ(jar->snapshot()[0].name, "b");
}

TEST(HttpCookieClient, RedirectsGetTheCookiesOfTheirHost) {
    site served;
    play(served, std::make_shared<http::cookie_jar>(), [](http::client web, std::string port) -> task<void> {
        EXPECT_TRUE((co_await web.get("http://two.test" + port + "/set?two=2")).has_value());
        http::request asked(http::method::get);
        asked.headers.add("Cookie", "own=1");
        EXPECT_TRUE((co_await web.send("http://one.test" + port + "/to?one.test", std::move(asked))).has_value());
        http::request other(http::method::get);
        other.headers.add("Cookie", "own=1");
        EXPECT_TRUE((co_await web.send("http://one.test" + port + "/to?two.test", std::move(other))).has_value());
    });
    const std::vector<std::string> expected = {"two.test/set?two=2 -", "one.test/to?one.test own=1",
                                               "one.test/end own=1; redirect=1",
                                               "one.test/to?two.test own=1; redirect=1", "two.test/end two=2"};
    EXPECT_EQ(served.seen, expected);
}

TEST(HttpCookieClient, DomainsShareCookiesAndOtherHostsDoNot) {
    site served;
    play(served, std::make_shared<http::cookie_jar>(), [](http::client web, std::string port) -> task<void> {
        for (const char* const url : {"www.one.test/set?all=1;domain=one.test", "www.one.test/set?www=2", "one.test/",
                                      "api.one.test/", "notone.test/", "test/", "one.test.evil/"}) {
            const std::string text = url;
            const auto path = text.find('/');
            const auto answer = co_await web.get("http://" + text.substr(0, path) + port + text.substr(path));
            EXPECT_TRUE(answer.has_value());
        }
    });
    const std::vector<std::string> expected = {"www.one.test/set?all=1;domain=one.test -",
                                               "www.one.test/set?www=2 all=1",
                                               "one.test/ all=1",
                                               "api.one.test/ all=1",
                                               "notone.test/ -",
                                               "test/ -",
                                               "one.test.evil/ -"};
    EXPECT_EQ(served.seen, expected);
}

TEST(HttpCookieClient, RepetitionsHaveTheNewestCookies) {
    site served;
    served.busy = 2;
    play(served, std::make_shared<http::cookie_jar>(), [](http::client web, std::string port) -> task<void> {
        http::request asked(http::method::post);
        asked.headers.add("Cookie", "own=1");
        asked.headers.add("Cookie", "own=2");
        const auto answer = co_await web.send("http://one.test" + port + "/", std::move(asked));
        EXPECT_EQ(answer.value().status, http::status::ok);
    });
    const std::vector<std::string> expected = {"one.test/ own=1; own=2", "one.test/ own=1; own=2; worker=1",
                                               "one.test/ own=1; own=2; worker=0"};
    EXPECT_EQ(served.seen, expected);
}

TEST(HttpCookieClient, ClientWithoutJarIgnoresCookies) {
    site served;
    play(served, nullptr, [](http::client web, std::string port) -> task<void> {
        EXPECT_TRUE((co_await web.get("http://one.test" + port + "/set?a=1")).has_value());
        EXPECT_TRUE((co_await web.get("http://one.test" + port + "/")).has_value());
    });
    const std::vector<std::string> expected = {"one.test/set?a=1 -", "one.test/ -"};
    EXPECT_EQ(served.seen, expected);
}

TEST(HttpCookieClient, UpgradesHaveCookies) {
    site served;
    auto jar = std::make_shared<http::cookie_jar>();
    eddy::core loop;
    const auto with_server = [&](net::socket_addr server, const auto&) -> task<void> {
        const auto options = http::client_options().proxies(http::proxies::none()).cookies(jar).timeout(20s);
        for (const char* const path : {"/set?a=1", "/"}) {
            http::request asked(http::method::get);
            asked.headers.add("Upgrade", "x");
            const auto outcome =
                co_await http::upgrade("http://" + server.to_string() + path, std::move(asked), options);
            EXPECT_TRUE(outcome.has_value());
        }
    };
    loop.run(support::serve_http_during(served.service(), http::serve_options(), with_server));
    const std::vector<std::string> expected = {"127.0.0.1/set?a=1 -", "127.0.0.1/ a=1"};
    EXPECT_EQ(served.seen, expected);
}

}  // namespace
