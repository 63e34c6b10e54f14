// SPDX-License-Identifier: MIT
// http::client_limit(): token buckets by client.
#include <eddy/http/client_limit.hpp>

#include <eddy/error.hpp>
#include <eddy/http/server_timing.hpp>
#include <eddy/http/service.hpp>
#include <eddy/net.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::task;
namespace http = eddy::http;
namespace net = eddy::net;

task<http::response> hello(http::request) { co_return http::response::text("hello"); }

http::request from(std::string_view address) {
    http::request asked;
    if (!address.empty()) asked.peer = net::socket_addr::parse(address).value();
    return asked;
}

/// Returns the value of Retry-After, or "" if the request was answered with 200.
task<std::string> wait_of(const auto& app, http::request asked) {
    auto answer = co_await app(std::move(asked));
    const auto& got = answer.value();
    if (got.status == http::status::ok) {
        EXPECT_FALSE(got.headers.contains("Retry-After"));
        co_return "";
    }
    EXPECT_EQ(got.status, http::status::too_many_requests);
    co_return std::string(got.headers.at("Retry-After"));
}

TEST(HttpClientLimit, RequestsAboveTheRateGet429) {
    eddy::test::run_paused([]() -> task<void> {
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(2, 10s));
        std::string waits;
        for (int i = 0; i < 2; ++i) waits += co_await wait_of(app, from("192.0.2.1:1"));
        EXPECT_EQ(waits, "");
        waits = co_await wait_of(app, from("192.0.2.1:2"));
        EXPECT_EQ(waits, "5");
        co_await eddy::time::sleep(4500ms);
        waits = co_await wait_of(app, from("192.0.2.1:1"));
        EXPECT_EQ(waits, "1") << "the time is rounded up";
        co_await eddy::time::sleep(500ms);
        waits = co_await wait_of(app, from("192.0.2.1:1"));
        EXPECT_EQ(waits, "");
        waits = co_await wait_of(app, from("192.0.2.1:1"));
        EXPECT_EQ(waits, "5");
        co_await eddy::time::sleep(1h);  // a bucket has no more tokens than `burst`
        waits.clear();
        for (int i = 0; i < 3; ++i) waits += co_await wait_of(app, from("192.0.2.1:1"));
        EXPECT_EQ(waits, "5");
    });
}

TEST(HttpClientLimit, ClientsAreToldApart) {
    eddy::test::run_paused([]() -> task<void> {
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(10, 10s).burst(1));
        for (const char* const address : {"192.0.2.1:1", "192.0.2.2:1", "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1"}) {
            auto waits = co_await wait_of(app, from(address));
            EXPECT_EQ(waits, "") << address;
            waits = co_await wait_of(app, from(address));
            EXPECT_EQ(waits, "1") << address;
        }
        auto waits = co_await wait_of(app, from("[2001:db8:0:1:ffff::2]:7"));
        EXPECT_EQ(waits, "1") << "the network of another client";
        waits = co_await wait_of(app, from("[::ffff:192.0.2.1]:7"));
        EXPECT_EQ(waits, "1") << "an IPv4 address that a socket for both protocols reports";
    });
}

TEST(HttpClientLimit, ProgramMayNameClients) {
    eddy::test::run_paused([]() -> task<void> {
        const auto user = [](const http::request& asked) { return std::string(asked.headers.at("User")); };
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(1, 1s).client(user));
        auto asked = [](std::string_view name) {
            http::request made;
            made.headers.add("User", name);
            return made;
        };
        std::string waits = co_await wait_of(app, asked("a"));
        waits += co_await wait_of(app, asked("b"));
        EXPECT_EQ(waits, "");
        waits = co_await wait_of(app, asked("a"));
        EXPECT_EQ(waits, "1");
    });
}

TEST(HttpClientLimit, AddressesOfDifferentKindsAreToldApart) {
    eddy::test::run_paused([]() -> task<void> {
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(1, 1s));
        std::string waits = co_await wait_of(app, from("10.0.0.1:1"));
        waits += co_await wait_of(app, from("[3130:2e30:2e30:2e31::1]:1"));  // the bytes of "10.0.0.1"
        waits += co_await wait_of(app, from("[a00:1::1]:1"));
        EXPECT_EQ(waits, "");
    });
}

TEST(HttpClientLimit, UnknownAddressNeedsFunctionThatNamesClients) {
    eddy::test::run_paused([]() -> task<void> {
        const auto where = std::source_location::current();
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(1, 1s));
        try {
            static_cast<void>(co_await app(from("")));
            ADD_FAILURE() << "the clients are told apart";
        } catch (const eddy::misuse& thrown) {
            EXPECT_TRUE(std::string_view(thrown.what()).contains("cannot tell clients apart")) << thrown.what();
            EXPECT_EQ(thrown.where().line(), where.line() + 1);
        }
        const auto one_name = [](const http::request&) { return std::string("all"); };
        const auto named =
            http::service(hello) | http::client_limit(http::client_limit_options(1, 1s).client(one_name));
        const auto waits = co_await wait_of(named, from(""));
        EXPECT_EQ(waits, "");
    });
}

std::vector<std::string> long_names() {
    const std::string abc = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    const std::string hash_of_abc =  // FIPS 180-4
        "\x24\x8d\x6a\x61\xd2\x06\x38\xb8\xe5\xc0\x26\x93\x0c\x3e\x60\x39"
        "\xa3\x3c\xe4\x59\x64\xff\x21\x67\xf6\xec\xed\xd4\x19\xdb\x06\xc1";
    return {std::string(31, 'a'), std::string(32, 'a'), std::string(33, 'a'), std::string(10'000, 'a'), abc,
            hash_of_abc};
}

TEST(HttpClientLimit, LongNamesAreToldApart) {
    const auto names = long_names();
    eddy::test::run_paused([&]() -> task<void> {
        const auto target = [](const http::request& asked) { return asked.target; };
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(1, 1s).client(target));
        for (const auto& name : names) {
            auto waits = co_await wait_of(app, http::request(http::method::get, name));
            EXPECT_EQ(waits, "") << name;
            waits = co_await wait_of(app, http::request(http::method::get, name));
            EXPECT_EQ(waits, "1") << name;
        }
    });
}

/// Returns the values of Retry-After for some requests of a client.
task<std::string> waits_of(http::client_limit_options options, int requests) {
    const auto app = http::service(hello) | http::client_limit(std::move(options));
    std::string waits;
    for (int i = 0; i < requests; ++i) waits += co_await wait_of(app, from("192.0.2.1:1"));
    co_return waits;
}

TEST(HttpClientLimit, VeryLongTimesAreCut) {
    eddy::test::run_paused([]() -> task<void> {
        const auto year = 24h * 365;
        auto waits = co_await waits_of(http::client_limit_options(1, year * 200).burst(3), 4);
        EXPECT_EQ(waits.size(), 9U) << waits;  // 24 years, for the fourth request
        waits = co_await waits_of(http::client_limit_options(1, year).burst(4'294'967'295), 3);
        EXPECT_EQ(waits, "");
    });
}

/// Returns a list of texts. GCC 12 cannot compile one in braces in a coroutine.
std::vector<std::string> list(const auto&... texts) { return {std::string(texts)...}; }

/// Sends requests of several clients, and returns for each '1' if it was limited, otherwise '0'.
template <class Addresses>
task<std::string> limited(const auto& app, Addresses addresses) {
    std::string all;
    for (const auto& address : addresses) {
        const auto wait = co_await wait_of(app, from(address));
        all += wait.empty() ? '0' : '1';
    }
    co_return all;
}

TEST(HttpClientLimit, ClientThatIsLimitedIsForgottenLast) {
    eddy::test::run_paused([]() -> task<void> {
        const auto options = http::client_limit_options(2, 20s).max_clients(2);
        const auto app = http::service(hello) | http::client_limit(options);
        const std::string one = "192.0.2.1:1";
        auto seen = co_await limited(app, list(one, one, one));
        EXPECT_EQ(seen, "001");
        std::vector<std::string> others;
        for (int i = 2; i < 250; ++i) others.push_back("192.0.2." + std::to_string(i) + ":1");
        seen = co_await limited(app, others);
        EXPECT_EQ(seen, std::string(others.size(), '0'));
        seen = co_await limited(app, list(one));
        EXPECT_EQ(seen, "1");
        co_await eddy::time::sleep(11s);  // then it is as far from its limit as a client of one request
        seen = co_await limited(app, list("192.0.2.2:1", "192.0.2.3:1"));
        EXPECT_EQ(seen, "00");
        seen = co_await limited(app, list(one, one, one));
        EXPECT_EQ(seen, "001") << "it was forgotten";
    });
}

TEST(HttpClientLimit, NetworksOfOneSiteHaveAnotherLimitTogether) {
    eddy::test::run_paused([]() -> task<void> {
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(1, 64s));
        std::vector<std::string> site;
        for (int i = 0; i < 65; ++i) site.push_back("[2001:db8:1:" + std::to_string(i) + "::1]:1");
        auto seen = co_await limited(app, site);
        EXPECT_EQ(seen, std::string(64, '0') + "1");
        auto wait = co_await wait_of(app, from(site.back()));
        EXPECT_EQ(wait, "1") << "a request of the site in each second";
        wait = co_await wait_of(app, from(site.front()));
        EXPECT_EQ(wait, "64") << "its own limit";
        seen = co_await limited(app, list("[2001:db8:2::1]:1", "192.0.2.1:1"));
        EXPECT_EQ(seen, "00") << "of other sites";
        co_await eddy::time::sleep(1s);
        seen = co_await limited(app, list(site.front(), site.back(), site.back()));
        EXPECT_EQ(seen, "101") << "a request that is refused takes nothing from the site";
    });
}

TEST(HttpClientLimit, NamedClientsHaveNoSite) {
    eddy::test::run_paused([]() -> task<void> {
        const auto target = [](const http::request& asked) { return asked.target; };
        const auto app = http::service(hello) | http::client_limit(http::client_limit_options(1, 1h).client(target));
        for (int i = 0; i < 70; ++i) {
            auto asked = from("[2001:db8::1]:1");
            asked.target = std::to_string(i);
            const auto wait = co_await wait_of(app, std::move(asked));
            EXPECT_EQ(wait, "");
        }
    });
}

TEST(HttpClientLimit, LimitWithoutRequestsThrows) {
    EXPECT_THROW(http::client_limit_options(0, 1s), eddy::misuse);
    EXPECT_THROW(http::client_limit_options(1, 0s), eddy::misuse);
}

TEST(HttpServerTiming, NamesTheTimeOfTheService) {
    eddy::test::run_paused([]() -> task<void> {
        const auto slow = [](http::request) -> task<http::response> {
            co_await eddy::time::sleep(1'002'003us);
            auto answer = http::response::text("hello");
            answer.headers.add("Server-Timing", "db;dur=1");
            co_return answer;
        };
        const auto app = http::service(slow) | http::server_timing();
        auto answer = co_await app(http::request());
        std::string all;
        for (const auto& [name, value] : answer.value().headers)
            if (name == "Server-Timing") all.append(value).append("|");
        EXPECT_EQ(all, "db;dur=1|app;dur=1002.003|");
    });
    EXPECT_THROW(static_cast<void>(http::server_timing("a b")), eddy::misuse);
}

}  // namespace
