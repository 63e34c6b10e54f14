// SPDX-License-Identifier: MIT
// The cookies of a client: RFC 6265bis, sections 5.1 and 5.6 to 5.8, on a clock that the tests set.
// runs: once
#include <eddy/http/cookie_jar.hpp>

#include <eddy/http/headers.hpp>
#include <eddy/http/url.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/cookie_store.hpp"
#include "message/set_cookie.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::cookie_store;
using std::chrono::sys_seconds;
namespace http = eddy::http;

constexpr sys_seconds now = std::chrono::sys_days(std::chrono::year(2026) / 11 / 30);

http::url url_of(std::string_view text) { return http::url::parse(text).value(); }

// ---- Dates: section 5.1.1 ----

std::string date_of(std::string_view text) {
    const auto date = eddy::detail::parse_cookie_date(text);
    if (!date) return "(none)";
    const auto day = std::chrono::floor<std::chrono::days>(*date);
    const std::chrono::year_month_day on(day);
    std::string all;
    for (const auto part :
         {static_cast<long>(static_cast<int>(on.year())), static_cast<long>(static_cast<unsigned>(on.month())),
          static_cast<long>(static_cast<unsigned>(on.day())), static_cast<long>((*date - day).count())})
        all += (all.empty() ? "" : " ") + std::to_string(part);
    return all;
}

TEST(HttpCookieJar, DatesInAnyOrder) {
    for (const char* const text :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994",
          "6 nov 1994 8:49:37", "08:49:37 6 November 94", "1994 nov 06 08:49:37", "Nov 1994 6 8:49:37 PST",
          "06-NOV-1994\t08:49:37", "6x novxyz 1994x 08:49:37x", "Sun, 06 Nov 1994 08:49:37 GMT 2000 99:99:99 Dec",
          ";Sun;06;Nov;1994;08:49:37", "6/Nov/94/08:49:37+0100"})
        EXPECT_EQ(date_of(text), "1994 11 6 31777") << text;
}

TEST(HttpCookieJar, YearsOfTwoDigits) {
    EXPECT_EQ(date_of("1 Jan 70 00:00:00"), "1970 1 1 0");
    EXPECT_EQ(date_of("1 Jan 99 00:00:00"), "1999 1 1 0");
    EXPECT_EQ(date_of("1 Jan 00 00:00:00"), "2000 1 1 0");
    EXPECT_EQ(date_of("1 Jan 69 00:00:00"), "2069 1 1 0");
    EXPECT_EQ(date_of("1 Jan 1601 00:00:00"), "1601 1 1 0");
    EXPECT_EQ(date_of("31 Dec 9999 23:59:59"), "9999 12 31 86399");
    EXPECT_EQ(date_of("29 Feb 2024 00:00:00"), "2024 2 29 0");
}

TEST(HttpCookieJar, InvalidDates) {
    for (const char* const text : {"",
                                   "x",
                                   "6 Nov 1994",
                                   "Nov 1994 08:49:37",
                                   "6 1994 08:49:37",
                                   "6 Nov 08:49:37",
                                   "0 Nov 1994 08:49:37",
                                   "31 Nov 1994 08:49:37",
                                   "32 Nov 1994 08:49:37",
                                   "29 Feb 2023 00:00:00",
                                   "6 Nov 1600 08:49:37",
                                   "6 Nov 100 08:49:37",
                                   "6 Nov 19941 08:49:37",
                                   "6 Nov 1994 24:49:37",
                                   "6 Nov 1994 08:60:37",
                                   "6 Nov 1994 08:49:60",
                                   "6 Nov 1994 08:49",
                                   "6 Nov 1994 008:49:37",
                                   "6 Nov 1994 08:49:371",
                                   "6 No 1994 08:49:37",
                                   "006 Nov 1994 08:49:37"})
        EXPECT_EQ(date_of(text), "(none)") << text;
}

// ---- The field: section 5.6 ----

std::string parsed(std::string_view text) {
    const auto found = eddy::detail::parse_set_cookie(text, now);
    if (!found) return "(none)";
    auto all = std::string(found->name) + "=" + std::string(found->value);
    if (!found->domain.empty()) all += " domain:" + found->domain;
    if (!found->path.empty()) all += " path:" + std::string(found->path);
    if (found->expires == sys_seconds::min())
        all += " removed";
    else if (found->expires)
        all += " in:" + std::to_string((*found->expires - now).count());
    if (found->secure) all += " secure";
    if (found->http_only) all += " http_only";
    if (found->same_site) all += " site:" + std::to_string(static_cast<int>(*found->same_site));
    return all;
}

TEST(HttpCookieJar, FieldsSetCookie) {
    struct row {
        std::string_view text;
        std::string_view expected;
    };
    const std::vector<row> rows = {
        {"SID=31d4d96e407aad42", "SID=31d4d96e407aad42"},
        {"SID=31d4d96e407aad42; Path=/; Domain=example.com", "SID=31d4d96e407aad42 domain:example.com path:/"},
        {"SID=1; Path=/; Secure; HttpOnly", "SID=1 path:/ secure http_only"},
        {"lang=; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "lang= in:-1011885023"},
        {"", "(none)"},
        {"a", "=a"},
        {"=b", "=b"},
        {" = b ", "=b"},
        {"==b", "==b"},
        {"=", "(none)"},
        {" = ; Path=/", "(none)"},
        {"; Path=/", "(none)"},
        {"a;b=c", "=a"},
        {"a=", "a="},
        {"a==b", "a==b"},
        {"a=b=c", "a=b=c"},
        {" \t a \t = \t b c \t ; path = /x ", "a=b c path:/x"},
        {"a=\"b;c\"", "a=\"b"},
        {"a=b,c=d", "a=b,c=d"},
        {"a=\xc3\xa9", "a=\xc3\xa9"},
        {"a=\x01", "(none)"},
        {"a=b; x=\x7f", "(none)"},
        {"a=b;;;", "a=b"},
        {"a=b; secure; SECURE=x; httponly=", "a=b secure http_only"},
        {"a=b; unknown; Version=1; =; =x", "a=b"},
        {"a=b; path=x", "a=b"},
        {"a=b; path=", "a=b"},
        {"a=b; path", "a=b"},
        {"a=b; path=/x; path=/y", "a=b path:/y"},
        {"a=b; path=/x; path=y", "a=b"},
        {"a=b; path=\"/x\"", "a=b"},
        {"a=b; domain=.EXAMPLE.com", "a=b domain:example.com"},
        {"a=b; domain=..x", "a=b domain:.x"},
        {"a=b; domain=x; domain=", "a=b"},
        {"a=b; domain=x; domain", "a=b"},
        {"a=b; domain=[2001:DB8:0::1]", "a=b domain:2001:db8::1"},
        {"a=b; domain=[2001:DB8::1", "a=b domain:[2001:db8::1"},
        {"a=b; domain=", "a=b"},
        {"a=b; domain=x; domain=.y", "a=b domain:y"},
        {"a=b; max-age=10", "a=b in:10"},
        {"a=b; max-age=0", "a=b removed"},
        {"a=b; max-age=-1", "a=b removed"},
        {"a=b; max-age=-", "a=b"},
        {"a=b; max-age=-x", "a=b"},
        {"a=b; max-age=--1", "a=b"},
        {"a=b; max-age=-0", "a=b removed"},
        {"a=b; max-age=34560000", "a=b in:34560000"},
        {"a=b; max-age=34560001", "a=b in:34560000"},
        {"a=b; expires=Tue, 04 Jan 2028 00:00:00 GMT", "a=b in:34560000"},
        {"a=b; expires=Mon, 03 Jan 2028 23:59:59 GMT", "a=b in:34559999"},
        {"a=b; expires=Fri, 31 Dec 9999 23:59:59 GMT", "a=b in:34560000"},
        {"a=b; max-age=", "a=b"},
        {"a=b; max-age=1x", "a=b"},
        {"a=b; max-age=+1", "a=b"},
        {"a=b; max-age=1.5", "a=b"},
        {"a=b; max-age=00000000000000000000000007", "a=b in:7"},
        {"a=b; max-age=99999999999999999999999999", "a=b in:34560000"},
        {"a=b; max-age=10; expires=Sun, 06 Nov 1994 08:49:37 GMT", "a=b in:10"},
        {"a=b; max-age=x; expires=Tue, 01 Dec 2026 00:00:00 GMT", "a=b in:86400"},
        {"a=b; max-age=10; max-age=20", "a=b in:20"},
        {"a=b; expires=x", "a=b"},
        {"a=b; expires=Tue, 01 Dec 2026 00:00:00 GMT; expires=x", "a=b in:86400"},
        {"a=b; samesite=Strict", "a=b site:0"},
        {"a=b; SameSite=lax", "a=b site:1"},
        {"a=b; SameSite=None; Secure", "a=b secure site:2"},
        {"a=b; SameSite=Lax; SameSite=x", "a=b"},
    };
    for (const auto& each : rows) EXPECT_EQ(parsed(each.text), each.expected) << each.text;
    EXPECT_EQ(parsed("a=b; path=/" + std::string(1023, 'x')).size(), std::string("a=b path:").size() + 1024);
    EXPECT_EQ(parsed("a=b; path=/" + std::string(1024, 'x')), "a=b");
    EXPECT_EQ(parsed("a=b; path=/y; path=/" + std::string(1024, 'x')), "a=b path:/y");
    EXPECT_EQ(parsed("a=b; domain=y; domain=" + std::string(1025, 'x')), "a=b domain:y");
}

TEST(HttpCookieJar, ControlCharactersMakeTheFieldInvalid) {
    const std::string valid = "a=b; Path=/x; Max-Age=10; Domain=y; Secure";
    for (std::size_t at = 1; at <= valid.size(); ++at) {
        for (int c = 0; c < 256; ++c) {
            auto text = valid;
            text.insert(at, 1, static_cast<char>(c));
            const bool is_control = (c < 0x20 && c != '\t') || c == 0x7f;
            EXPECT_EQ(parsed(text) == "(none)", is_control) << at << ": " << c;
        }
    }
}

// ---- Domains and paths: sections 5.1.3 and 5.1.4 ----

TEST(HttpCookieJar, HostsOfDomains) {
    using eddy::detail::is_in_domain;
    EXPECT_TRUE(is_in_domain("example.com", "example.com"));
    EXPECT_TRUE(is_in_domain("www.example.com", "example.com"));
    EXPECT_TRUE(is_in_domain("a.b.example.com", "example.com"));
    EXPECT_TRUE(is_in_domain("10.1.2.3", "10.1.2.3"));
    EXPECT_TRUE(is_in_domain("::1", "::1"));
    EXPECT_FALSE(is_in_domain("example.com", "www.example.com"));
    EXPECT_FALSE(is_in_domain("notexample.com", "example.com"));
    EXPECT_FALSE(is_in_domain("example.com", "com.example"));
    EXPECT_FALSE(is_in_domain("example.com.", "example.com"));
    EXPECT_FALSE(is_in_domain("10.1.2.3", "2.3"));
    EXPECT_FALSE(is_in_domain("x.10.1.2.3", "10.1.2.3"));
    EXPECT_FALSE(is_in_domain("example.com", ""));
}

TEST(HttpCookieJar, PathsOfCookies) {
    using eddy::detail::default_cookie_path;
    EXPECT_EQ(default_cookie_path("/"), "/");
    EXPECT_EQ(default_cookie_path("/a"), "/");
    EXPECT_EQ(default_cookie_path("/a/"), "/a");
    EXPECT_EQ(default_cookie_path("/a/b"), "/a");
    EXPECT_EQ(default_cookie_path("/a/b/c?d/e"), "/a/b");
    EXPECT_EQ(default_cookie_path("/?a/b"), "/");
    EXPECT_EQ(default_cookie_path("*"), "/");
    using eddy::detail::is_below_path;
    EXPECT_TRUE(is_below_path("/", "/"));
    EXPECT_TRUE(is_below_path("/a", "/"));
    EXPECT_TRUE(is_below_path("/a", "/a"));
    EXPECT_TRUE(is_below_path("/a?b", "/a"));
    EXPECT_TRUE(is_below_path("/a/b", "/a"));
    EXPECT_TRUE(is_below_path("/a/b", "/a/"));
    EXPECT_FALSE(is_below_path("/ab", "/a"));
    EXPECT_FALSE(is_below_path("/a", "/a/"));
    EXPECT_FALSE(is_below_path("/", "/a"));
    EXPECT_FALSE(is_below_path("/a?/b", "/a?"));
    EXPECT_FALSE(is_below_path("/A", "/a"));
}

// ---- The store: sections 5.7 and 5.8 ----

/// Returns the cookies for a request to `to` after responses to requests for `from` have set some.
std::string sent(std::string_view from, const std::vector<std::string>& fields, std::string_view to,
                 http::cookie_jar_options options = http::cookie_jar_options()) {
    cookie_store store(std::move(options));
    for (const auto& each : fields) store.receive(url_of(from), each, now);
    return store.cookies_for(url_of(to), now);
}

TEST(HttpCookieJar, CookiesOfRequests) {
    struct row {
        std::string_view from;
        std::vector<std::string> fields;
        std::string_view to;
        std::string_view expected;
    };
    const std::string_view site = "http://www.example.com/";
    const std::vector<row> rows = {
        // Only the host that has set a cookie gets it, with any scheme and port, unless it has a domain.
        {site, {"a=1"}, site, "a=1"},
        {site, {"a=1"}, "https://www.example.com:8443/x", "a=1"},
        {site, {"a=1"}, "http://example.com/", ""},
        {site, {"a=1"}, "http://x.www.example.com/", ""},
        {site, {"a=1; domain=www.example.com"}, "http://x.www.example.com/", "a=1"},
        {site, {"a=1; domain=.example.com"}, "http://example.com/", "a=1"},
        {site, {"a=1; domain=EXAMPLE.COM"}, "http://a.b.example.com/", "a=1"},
        {site, {"a=1; domain=example.com"}, "http://badexample.com/", ""},
        {site, {"a=1; domain=example.com"}, "http://example.com.evil.test/", ""},
        {site, {"a=1; domain=x.www.example.com"}, site, ""},
        {site, {"a=1; domain=other.com"}, site, ""},
        {site, {"a=1; domain=ample.com"}, site, ""},
        {site, {"a=1; domain=example.com."}, site, ""},
        {site, {"a=1; domain="}, site, "a=1"},
        {site, {"a=1; domain=example.com; domain="}, "http://example.com/", ""},
        {site, {"a=1; domain=ex\xc3\xa4mple.com"}, site, ""},
        // Domains without a period.
        {site, {"a=1; domain=com"}, site, ""},
        {site, {"a=1; domain=.com"}, site, ""},
        {"http://evil.com./", {"a=1; domain=com."}, "http://other.com./", ""},
        {"http://evil.com./", {"a=1; domain=com."}, "http://evil.com./", ""},
        {"http://www.a.com./", {"a=1; domain=a.com."}, "http://b.a.com./", "a=1"},
        {"http://intranet/", {"a=1; domain=intranet"}, "http://intranet/", "a=1"},
        {"http://intranet./", {"a=1; domain=intranet."}, "http://x.intranet./", ""},
        {"http://intranet/", {"a=1; domain=intranet"}, "http://x.intranet/", ""},
        // Addresses.
        {"http://10.1.2.3/", {"a=1; domain=10.1.2.3"}, "http://10.1.2.3/", "a=1"},
        {"http://10.1.2.3/", {"a=1; domain=2.3"}, "http://10.1.2.3/", ""},
        {"http://10.1.2.3/", {"a=1; domain=10.1.2.3"}, "http://x.10.1.2.3/", ""},
        {"http://x.10.1.2.3/", {"a=1; domain=10.1.2.3"}, "http://x.10.1.2.3/", ""},
        {"http://x.10.1.2.3/", {"a=1; domain=10.1.2.3"}, "http://10.1.2.3/", ""},
        {"http://x.10.1.2.3./", {"a=1; domain=10.1.2.3."}, "http://x.10.1.2.3./", ""},
        {"http://[2001:db8::1]/", {"a=1"}, "http://[2001:DB8:0:0::0001]/", "a=1"},
        {"http://[2001:db8::1]/", {"a=1", "a=2; domain=[2001:DB8:0::1]"}, "http://[2001:db8::1]/", "a=2"},
        {"http://[2001:db8::1]/", {"a=1; domain=[2001:db8::2]"}, "http://[2001:db8::1]/", ""},
        {"http://[::ffff:10.1.2.3]/", {"a=1"}, "http://[::FFFF:0a01:203]/", "a=1"},
        {"http://[2001:db8::1]/", {"a=1"}, "http://[2001:db8::1]/", "a=1"},
        // Paths.
        {"http://a.test/x/y", {"a=1"}, "http://a.test/x/z", "a=1"},
        {"http://a.test/x/y", {"a=1"}, "http://a.test/x", "a=1"},
        {"http://a.test/x/y", {"a=1"}, "http://a.test/", ""},
        {"http://a.test/x/y", {"a=1; path=/other"}, "http://a.test/other/?q", "a=1"},
        {"http://a.test/x/y", {"a=1; path=/other"}, "http://a.test/others", ""},
        {"http://a.test/x/y", {"a=1; path=relative"}, "http://a.test/x/", "a=1"},
        // The longest path is first, and then the oldest cookie; a new value keeps the place of the former.
        {site, {"a=1", "b=2; path=/x", "c=3", "d=4; path=/x/y"}, "http://www.example.com/x/y", "d=4; b=2; a=1; c=3"},
        {site, {"a=1", "b=2", "a=3"}, site, "a=3; b=2"},
        {site, {"a=1", "a=2; path=/x", "a=3; domain=example.com"}, "http://www.example.com/x", "a=2; a=1; a=3"},
        {site, {"a=1", "A=2"}, site, "a=1; A=2"},
        {"https://a.test/", {"a=1", "a=2; domain=a.test", "a=3"}, "https://a.test/", "a=3; a=2"},  // two cookies
        {"https://a.test/", {"a=1; domain=a.test", "a=; max-age=0"}, "https://a.test/", "a=1"},
        // Cookies without a name.
        {site, {"a", "b=2", "=c"}, site, "c; b=2"},
        {site, {"=a=1"}, site, "a=1"},
        {site, {"=a", "=; max-age=0", "=x; max-age=0"}, site, ""},
        {"https://a.test/",
         {"__Host-a", "=__host-a=1; secure; path=/", "=__SECURE-a=1; secure"},
         "https://a.test/",
         ""},
        // Cookies that have expired.
        {site, {"a=1; max-age=0"}, site, ""},
        {site, {"a=1", "b=2", "a=; max-age=0"}, site, "b=2"},
        {site, {"a=1", "a=; expires=Thu, 01 Jan 1970 00:00:00 GMT"}, site, ""},
        {site, {"a=1", "a=; max-age=0; path=/x"}, site, "a=1"},
        {site, {"a=1; expires=Thu, 01 Jan 1970 00:00:00 GMT; max-age=5"}, site, "a=1"},
        // Secure cookies.
        {"https://a.test/", {"a=1; secure"}, "https://a.test/", "a=1"},
        {"https://a.test/", {"a=1; secure"}, "http://a.test/", ""},
        {"http://a.test/", {"a=1; secure"}, "https://a.test/", ""},
        {"http://localhost:1/", {"a=1; secure"}, "http://localhost:1/", "a=1"},
        {"http://127.0.0.1/", {"a=1; secure"}, "http://127.0.0.1/", "a=1"},
        // Prefixes.
        {"https://a.test/", {"__Secure-a=1; secure"}, "https://a.test/", "__Secure-a=1"},
        {"https://a.test/", {"__Secure-a=1"}, "https://a.test/", ""},
        {"https://a.test/", {"__secure-a=1"}, "https://a.test/", ""},
        {"https://a.test/", {"__Host-a=1; secure; path=/"}, "https://a.test/", "__Host-a=1"},
        {"https://a.test/", {"__Host-a=1; path=/"}, "https://a.test/", ""},
        {"https://a.test/x/y", {"__Host-a=1; secure"}, "https://a.test/x/y", ""},
        {"https://a.test/", {"__Host-a=1; secure; path=/; domain=a.test"}, "https://a.test/", ""},
        {"https://a.test/", {"__HOST-a=1; path=/"}, "https://a.test/", ""},
        {"https://a.test/", {"__Host-a=1; secure"}, "https://a.test/", ""},  // the path is needed, not its value
        {"https://a.test/", {"__Host-a=1; secure; path"}, "https://a.test/", "__Host-a=1"},
        {"https://a.test/", {"__Host-a=1; secure; path=/; path=/x"}, "https://a.test/x", ""},
        {"https://a.test/", {"__Host-a=1; secure; path=/; domain="}, "https://a.test/", "__Host-a=1"},
        {"https://a.test/", {"__Secure=1", "__Host=2"}, "https://a.test/", "__Secure=1; __Host=2"},
        // SameSite.
        {"https://a.test/", {"a=1; samesite=none"}, "https://a.test/", ""},
        {"https://a.test/", {"a=1; samesite=none; secure"}, "https://a.test/", "a=1"},
        {site, {"a=1; samesite=none; samesite=lax", "b=2; samesite=x", "c=3; samesite=strict"}, site, "a=1; b=2; c=3"},
        // Fields that are ignored.
        {site, {"", "=", "a=1\x02"}, site, ""},
    };
    for (const auto& each : rows)
        EXPECT_EQ(sent(each.from, each.fields, each.to), each.expected) << each.from << " " << each.fields.back();
}

TEST(HttpCookieJar, InsecureServerCannotHideSecureCookies) {
    cookie_store store{http::cookie_jar_options()};
    store.receive(url_of("https://www.a.test/"), "id=1; secure; path=/x", now);
    for (const char* const field : {"id=2; path=/x", "id=2; path=/x/y", "id=2; path=/x; domain=a.test"})
        store.receive(url_of("http://www.a.test/"), field, now);
    store.receive(url_of("http://a.test/"), "id=2; domain=a.test; path=/x", now);
    EXPECT_EQ(store.cookies_for(url_of("https://www.a.test/x/y"), now), "id=1");
    store.receive(url_of("http://www.a.test/"), "id=3", now);  // of another path
    store.receive(url_of("http://www.a.test/"), "other=4; path=/x", now);
    EXPECT_EQ(store.cookies_for(url_of("https://www.a.test/x/y"), now), "id=1; other=4; id=3");
    store.receive(url_of("https://www.a.test/"), "id=5; path=/x", now);
    EXPECT_EQ(store.cookies_for(url_of("http://www.a.test/x"), now), "id=5; other=4; id=3");
}

TEST(HttpCookieJar, ExpiredSecureCookieDoesNotBlockOthers) {
    cookie_store store{http::cookie_jar_options()};
    store.receive(url_of("https://a.test/"), "id=1; secure; max-age=10", now);
    store.receive(url_of("http://a.test/"), "id=2", now + std::chrono::seconds(9));
    EXPECT_EQ(store.cookies_for(url_of("https://a.test/"), now + std::chrono::seconds(9)), "id=1");
    store.receive(url_of("http://a.test/"), "id=2", now + std::chrono::seconds(11));
    EXPECT_EQ(store.cookies_for(url_of("http://a.test/"), now + std::chrono::seconds(11)), "id=2");
}

TEST(HttpCookieJar, PublicSuffixesGetNoCookies) {
    const auto decide = [](std::string_view domain) { return domain == "co.uk" || domain == "pages.test"; };
    const auto options = http::cookie_jar_options().is_public_suffix(decide);
    EXPECT_EQ(sent("http://a.co.uk/", {"a=1; domain=co.uk"}, "http://a.co.uk/", options), "");
    EXPECT_EQ(sent("http://a.co.uk/", {"a=1; domain=.CO.UK"}, "http://a.co.uk/", options), "");
    EXPECT_EQ(sent("http://a.co.uk/", {"a=1; domain=a.co.uk"}, "http://x.a.co.uk/", options), "a=1");
    EXPECT_EQ(sent("http://pages.test/", {"a=1; domain=pages.test"}, "http://pages.test/", options), "a=1");
    EXPECT_EQ(sent("http://pages.test/", {"a=1; domain=pages.test"}, "http://x.pages.test/", options), "");
    EXPECT_EQ(sent("http://a.co.uk./", {"a=1; domain=co.uk."}, "http://b.co.uk./", options), "");
    EXPECT_EQ(sent("http://a.co.uk/", {"a=1; domain=co.uk"}, "http://b.co.uk/"), "a=1");
}

TEST(HttpCookieJar, CookiesExpire) {
    cookie_store store{http::cookie_jar_options()};
    const auto site = url_of("http://a.test/");
    store.receive(site, "a=1; max-age=10", now);
    store.receive(site, "b=2; expires=Tue, 01 Dec 2026 00:00:00 GMT", now);
    store.receive(site, "c=3", now);
    EXPECT_EQ(store.cookies_for(site, now + 9s), "a=1; b=2; c=3");
    EXPECT_EQ(store.cookies_for(site, now + 10s), "b=2; c=3");
    EXPECT_EQ(store.cookies_for(site, now + 24h - 1s), "b=2; c=3");
    EXPECT_EQ(store.cookies_for(site, now + 24h), "c=3");
    EXPECT_EQ(store.snapshot(now + 10s).size(), 2U);
}

/// Returns the names in the value of a field Cookie.
std::string names_in(const std::string& cookies) {
    std::string names;
    for (std::size_t i = 0; i < cookies.size();
         i = cookies.find(' ', i) == std::string::npos ? cookies.size() : cookies.find(' ', i) + 1)
        names += cookies[i];
    return names;
}

TEST(HttpCookieJar, DomainWithTooManyCookiesLosesSome) {
    const auto site = url_of("https://a.test/");
    const auto with = [&](const std::vector<std::string>& fields) {
        cookie_store store{http::cookie_jar_options().max_per_domain(3)};
        store.receive(url_of("https://b.test/"), "z=1", now);
        for (const auto& each : fields) {
            store.receive(site, each, now);
            // The cookies below /used were used last.
            static_cast<void>(store.cookies_for(url_of("https://a.test/used"), now));
        }
        EXPECT_EQ(store.cookies_for(url_of("https://b.test/"), now), "z=1");
        return names_in(store.cookies_for(url_of("https://a.test/used"), now + 5s));
    };
    EXPECT_EQ(with({"a=1", "b=1", "c=1"}), "abc");
    EXPECT_EQ(with({"a=1; secure", "b=1", "c=1; secure", "d=1"}), "acd");                  // not secure
    EXPECT_EQ(with({"a=1; secure", "b=1; secure", "c=1; secure", "d=1; secure"}), "bcd");  // the oldest one
    EXPECT_EQ(with({"a=1", "b=1; path=/x", "c=1", "d=1"}), "acd");                         // not used
    EXPECT_EQ(with({"a=1", "b=1", "c=1", "a=2", "d=1"}).size(), 3U);
}

TEST(HttpCookieJar, ExpiredCookiesAreRemovedFirst) {
    cookie_store store{http::cookie_jar_options().max_per_domain(2)};
    const auto site = url_of("https://a.test/");
    store.receive(site, "a=1", now);
    store.receive(site, "b=1; max-age=10; secure", now);
    store.receive(site, "c=1", now + 20s);
    EXPECT_EQ(store.cookies_for(site, now + 20s), "a=1; c=1");
}

TEST(HttpCookieJar, OldestCookieMakesRoomForOthers) {
    cookie_store store{http::cookie_jar_options().max_cookies(2)};
    store.receive(url_of("http://a.test/"), "a=1", now);
    store.receive(url_of("http://b.test/"), "b=1", now);
    EXPECT_EQ(store.cookies_for(url_of("http://a.test/"), now), "a=1");  // is used
    store.receive(url_of("http://c.test/"), "c=1", now);
    EXPECT_EQ(store.cookies_for(url_of("http://a.test/"), now), "a=1");
    EXPECT_EQ(store.cookies_for(url_of("http://b.test/"), now), "");
    EXPECT_EQ(store.cookies_for(url_of("http://c.test/"), now), "c=1");
    for (int i = 0; i < 100; ++i)
        store.receive(url_of("http://host" + std::to_string(i) + ".test/"), "x=" + std::to_string(i), now);
    EXPECT_EQ(store.snapshot(now).size(), 2U);
}

TEST(HttpCookieJar, LargeCookiesAreIgnored) {
    const std::string most(4095, 'x');
    EXPECT_EQ(sent("http://a.test/", {"a=" + most}, "http://a.test/"), "a=" + most);
    EXPECT_EQ(sent("http://a.test/", {"a=" + most + "x"}, "http://a.test/"), "");
    EXPECT_EQ(sent("http://a.test/", {"ab=1", "c=123"}, "http://a.test/", http::cookie_jar_options().max_size(3)),
              "ab=1");
}

// ---- The jar ----

TEST(HttpCookieJar, SnapshotCanBeLoaded) {
    http::cookie_jar jar;
    http::headers fields;
    fields.add("Set-Cookie", "a=1; Max-Age=1000; SameSite=Strict; HttpOnly");
    fields.add("X", "x=1");
    fields.add("set-cookie", "b=2; Secure; Domain=example.com; Path=/x");
    const auto site = url_of("https://www.example.com/x");
    jar.receive(site, fields);
    const auto all = jar.snapshot();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].name, "a");
    EXPECT_EQ(all[0].domain, "www.example.com");
    EXPECT_EQ(all[0].path, "/");
    EXPECT_TRUE(all[0].host_only && all[0].http_only && !all[0].secure && all[0].expires);
    EXPECT_EQ(all[0].same_site, http::same_site::strict);
    EXPECT_EQ(all[1].domain, "example.com");
    EXPECT_EQ(all[1].path, "/x");
    EXPECT_TRUE(!all[1].host_only && !all[1].http_only && all[1].secure && !all[1].expires && !all[1].same_site);
    http::cookie_jar other;
    other.load(all);
    EXPECT_EQ(other.snapshot(), all);
    EXPECT_EQ(other.cookies_for(site), "b=2; a=1");
    other.clear();
    EXPECT_EQ(other.cookies_for(site), "");
    EXPECT_EQ(jar.cookies_for(site), "b=2; a=1");
}

TEST(HttpCookieJar, ImpossibleCookiesAreNotLoaded) {
    http::stored_cookie valid;
    valid.name = "a";
    valid.value = "1";
    valid.domain = "a.test";
    valid.path = "/";
    std::vector<http::stored_cookie> wrong(20, valid);
    wrong[0].name = wrong[0].value = "";
    wrong[1].name = "a=b";
    wrong[2].name = "a;b";
    wrong[3].value = "1\r\nX: y";
    wrong[4].value = "1; b=2";
    wrong[5].domain = "";
    wrong[6].path = "x";
    wrong[7].name = "__Host-a";
    wrong[8].expires = sys_seconds();
    wrong[9].domain = "A.test";
    wrong[10].domain = ".a.test:80";
    wrong[11].domain = "a.test/x";
    wrong[12].domain = "user@a.test";
    for (int i = 13; i < 17; ++i) wrong[i].host_only = false;
    wrong[13].domain = "test";
    wrong[14].domain = "test.";
    wrong[15].domain = "co.uk";
    wrong[16].domain = "10.1.2.3";
    wrong[17].same_site = http::same_site::none;
    wrong[18].name = "";
    wrong[18].value = "__Host-a=1";
    wrong[19].domain = "2001:DB8::1";
    http::cookie_jar jar(
        http::cookie_jar_options().is_public_suffix([](std::string_view domain) { return domain == "co.uk"; }));
    jar.load(wrong);
    EXPECT_TRUE(jar.snapshot().empty());
    jar.load({valid});
    EXPECT_EQ(jar.cookies_for(url_of("http://a.test/")), "a=1");
}

TEST(HttpCookieJar, CookiesWithoutNameOrValueAreLoaded) {
    http::cookie_jar jar;
    http::headers fields;
    fields.add("Set-Cookie", "value");
    fields.add("Set-Cookie", "name=");
    jar.receive(url_of("http://a.test/"), fields);
    http::cookie_jar other;
    other.load(jar.snapshot());
    EXPECT_EQ(other.cookies_for(url_of("http://a.test/")), "value; name=");
}

TEST(HttpCookieJar, CookiesAboveTheLimitAreNotSent) {
    const auto sent_within = [](std::size_t most) {
        return sent("http://a.test/", {"bb=22", "x", "a=1; path=/x", "c=3"}, "http://a.test/x",
                    http::cookie_jar_options().max_sent(most));
    };
    EXPECT_EQ(sent_within(100), "a=1; bb=22; x; c=3");
    EXPECT_EQ(sent_within(18), "a=1; bb=22; x; c=3");
    EXPECT_EQ(sent_within(17), "a=1; bb=22; x");
    EXPECT_EQ(sent_within(12), "a=1; bb=22");
    EXPECT_EQ(sent_within(9), "a=1; x");
    EXPECT_EQ(sent_within(3), "a=1");
    EXPECT_EQ(sent_within(2), "x");
    EXPECT_EQ(sent_within(0), "");
    std::vector<std::string> many;
    for (int i = 0; i < 50; ++i) many.push_back(std::to_string(i) + "=" + std::string(4000, 'x'));
    EXPECT_EQ(sent("http://a.test/", many, "http://a.test/").size(), 2 * 4002 + 2U);
    EXPECT_EQ(http::cookie_jar_options().max_sent(), 8190U);
}

TEST(HttpCookieJar, CookiesThatAreNotSentAreNotUsed) {
    cookie_store store(http::cookie_jar_options().max_sent(3).max_per_domain(2));
    for (const char* const field : {"a=1", "b=2"}) store.receive(url_of("http://a.test/"), field, now);
    EXPECT_EQ(store.cookies_for(url_of("http://a.test/"), now), "a=1");
    store.receive(url_of("http://a.test/"), "c=3", now);
    EXPECT_EQ(store.snapshot(now).size(), 2U);
    EXPECT_EQ(store.snapshot(now).back().name, "c");
    EXPECT_EQ(store.snapshot(now).front().name, "a");  // b was used less recently
}

}  // namespace
