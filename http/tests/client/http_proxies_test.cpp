// SPDX-License-Identifier: MIT
// The settings of proxies: their URLs, the hosts that are excluded, and the variables of the environment.
// runs: once
#include <eddy/http.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "client/proxy.hpp"

namespace {

namespace http = eddy::http;
using eddy::detail::excluded_hosts;

bool excludes(std::string_view list, std::string_view host, std::uint16_t port = 80) {
    return excluded_hosts(list).contains(host, port);
}

TEST(HttpProxies, ExcludedDomainsHaveTheirHosts) {
    for (const char* const list : {"example.org", ".example.org", "Example.ORG", "a, example.org ,b", "x example.org",
                                   "example.org.", "example.org:80", ".example.org:80", ",,example.org,"}) {
        EXPECT_TRUE(excludes(list, "example.org")) << list;
        EXPECT_TRUE(excludes(list, "example.org.")) << list;
        EXPECT_TRUE(excludes(list, "www.example.org")) << list;
        EXPECT_FALSE(excludes(list, "notexample.org")) << list;
        EXPECT_FALSE(excludes(list, "example.org.net")) << list;
        EXPECT_FALSE(excludes(list, "org")) << list;
    }
    EXPECT_TRUE(excludes("*.example.org", "www.example.org"));
    EXPECT_FALSE(excludes("*.example.org", "example.org"));
}

TEST(HttpProxies, StarExcludesAllHosts) {
    EXPECT_TRUE(excludes("*", "example.org"));
    EXPECT_TRUE(excludes("a, * ", "10.0.0.1"));
    EXPECT_TRUE(excludes("*", "::1", 443));
    EXPECT_FALSE(excludes("*x", "10.0.0.1"));
}

TEST(HttpProxies, ExcludedPortMustBeEqual) {
    EXPECT_TRUE(excludes("example.org:8080", "example.org", 8080));
    EXPECT_FALSE(excludes("example.org:8080", "example.org", 80));
    EXPECT_TRUE(excludes("10.0.0.1:81", "10.0.0.1", 81));
    EXPECT_FALSE(excludes("10.0.0.1:81", "10.0.0.1", 80));
    EXPECT_TRUE(excludes("[::1]:81", "::1", 81));
    EXPECT_FALSE(excludes("[::1]:81", "::1", 80));
}

TEST(HttpProxies, ExcludedAddressesAndBlocks) {
    struct expectation {
        const char* list;
        const char* host;
        bool is_excluded;
    };
    constexpr expectation all[] = {
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.30", false},
        {"10.1.2.3", "x.10.1.2.3", false},
        {"2.3", "10.1.2.3", false},
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.9.9.9/8", "10.255.0.1", true},
        {"192.168.16.0/20", "192.168.31.255", true},
        {"192.168.16.0/20", "192.168.32.0", false},
        {"0.0.0.0/0", "1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"1.2.3.4/32", "1.2.3.4", true},
        {"1.2.3.4/32", "1.2.3.5", false},
        {"10.0.0.0/8", "example.org", false},
        {"10.0.0.0/8", "::ffff:10.0.0.1", true},
        {"10.0.0.1", "::ffff:10.0.0.1", true},
        {"::1", "::1", true},
        {"[::1]", "::1", true},
        {"::1", "0:0:0:0:0:0:0:1", true},
        {"fe80::/10", "fe80::1", true},
        {"fe80::/10", "febf::1", true},
        {"fe80::/10", "fec0::1", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/128", "2001:db8::", true},
        {"2001:db8::/128", "2001:db8::1", false},
        {"[::1]/128", "::1", true},
        {"[::1]/128", "::2", false},
        {"[::]/64", "::1", true},
        {"[::]/64", "0:0:0:1::1", false},
        {"::ffff:127.0.0.0/104", "127.9.9.9", true},
        {"::ffff:127.0.0.0/104", "::ffff:127.9.9.9", true},
        {"::ffff:127.0.0.0/104", "128.0.0.1", false},
        {"[::ffff:127.0.0.1]/128", "127.0.0.1", true},
        {"[::ffff:127.0.0.1]/128", "127.0.0.2", false},
        {"::ffff:0:0/96", "10.0.0.1", true},
        {"::ffff:0:0/96", "::1", false},
        {"::ffff:127.0.0.1", "127.0.0.1", true},
        {"[::ffff:127.0.0.1]:80", "127.0.0.1", true},
        {"127.0.0.0/8", "::ffff:127.9.9.9", true},
    };
    for (const auto& [list, host, is_excluded] : all)
        EXPECT_EQ(excludes(list, host), is_excluded) << list << " and " << host;
}

TEST(HttpProxies, InvalidElementsAreNotHosts) {
    for (const char* const list :
         {".",           "*.",           ":80",          "10.0.0.0/33",  "10.0.0.0/",
          "10.0.0.0/8x", "::/129",       "/8",           "x/8",          "10.0.0.0/-1",
          "[::1",        "a:b",          "a:99999",      "http://a",     "[::1/128",
          "::1]/128",    "[::1]:80/128", "[10.0.0.0]/8", "10.0.0.0/8/8", "::ffff:127.0.0.0/129",
          "*x",          "a*.org",       "**",           "..a",          "a..b",
          "<local>",     "a%zz",         "[:::1]",       "1.2.3.4/8:80"}) {
        EXPECT_EQ(excluded_hosts(list).invalid(), list);
        EXPECT_EQ(excluded_hosts(std::string("A.org, ") + list + " ,b/x").invalid(), list);
        EXPECT_FALSE(excludes(list, "10.0.0.1")) << list;
        EXPECT_FALSE(excludes(list, "a")) << list;
        EXPECT_FALSE(excludes(list, "::1")) << list;
        EXPECT_TRUE(excludes(std::string(list) + ",a", "a")) << list;
    }
}

TEST(HttpProxies, EmptyElementsAreValid) {
    for (const char* const list : {"", ",", " ", " , ,", ",a,", "A.Org., *.b ,.c,*", "[::1],::1,1.2.3.4:5"})
        EXPECT_EQ(excluded_hosts(list).invalid(), "") << list;
    EXPECT_EQ(excluded_hosts("a,B/C,d/e").invalid(), "B/C");  // as it was written
}

TEST(HttpProxies, InvalidElementIsAnErrorOfRequestsThroughProxy) {
    const auto both = http::proxies::none().for_http("u:p@proxy:3128").except("x.org,10.0.0.0/33");
    const eddy::detail::proxy_choice choice(both);
    const auto select = [&](const char* url) { return choice.select(http::url::parse(url).value()); };
    EXPECT_EQ(select("http://x.org/"), nullptr);   // excluded
    EXPECT_EQ(select("https://y.org/"), nullptr);  // no proxy
    const auto* const found = select("http://y.org/");
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->shown, "proxy:3128 (except \"10.0.0.0/33\")");
    EXPECT_EQ(found->server.error(), http::errc::bad_exclusion);
    EXPECT_EQ(found->server.error(), std::errc::invalid_argument);
}

/// Returns the parts of a proxy's URL as text, or the error.
std::string parsed(std::string_view url) {
    const auto proxy = eddy::detail::parse_proxy(url);
    if (!proxy) return proxy.error() == http::errc::bad_proxy ? "bad" : "not supported";
    using protocol = eddy::detail::proxy_server::protocol;
    const bool is_socks = proxy->scheme == protocol::socks5;
    std::string text = proxy->scheme == protocol::https ? "https " : "http ";
    if (is_socks) text = "socks5 ";
    text += eddy::detail::host_with_port(proxy->host, proxy->port);
    const auto known =
        is_socks ? proxy->user + (proxy->user.empty() ? "" : "/") + proxy->password : proxy->authorization();
    if (!known.empty()) text.append(" ").append(known);
    return text;
}

TEST(HttpProxies, UrlHasDefaults) {
    EXPECT_EQ(parsed("http://proxy:3128"), "http proxy:3128");
    EXPECT_EQ(parsed("HTTP://proxy:3128/"), "http proxy:3128");
    EXPECT_EQ(parsed("proxy:3128"), "http proxy:3128");
    EXPECT_EQ(parsed("proxy"), "http proxy:80");
    EXPECT_EQ(parsed("https://proxy"), "https proxy:443");
    EXPECT_EQ(parsed(" http://10.0.0.1:3128 "), "http 10.0.0.1:3128");
    EXPECT_EQ(parsed("http://[::1]:3128"), "http [::1]:3128");
    EXPECT_EQ(parsed("http://[::1]/x?y"), "http [::1]:80");
}

TEST(HttpProxies, UrlMayHaveUserAndPassword) {
    // The values are those of RFC 7617, section 2, and of base64(1).
    EXPECT_EQ(parsed("http://Aladdin:open%20sesame@proxy"), "http proxy:80 Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    EXPECT_EQ(parsed("a:b@proxy:81"), "http proxy:81 Basic YTpi");
    EXPECT_EQ(parsed("http://a@proxy"), "http proxy:80 Basic YTo=");
    EXPECT_EQ(parsed("http://a:b:c@proxy"), "http proxy:80 Basic YTpiOmM=");
    EXPECT_EQ(parsed("http://a:b@c@proxy"), "http proxy:80 Basic YTpiQGM=");
    EXPECT_EQ(parsed("http://a:%40%2F%c3%a9@proxy"), "http proxy:80 Basic YTpAL8Op");
    EXPECT_EQ(parsed("http://a%3Ab:c@proxy"), "bad");
    EXPECT_EQ(parsed("http://a:%4@proxy"), "bad");
}

TEST(HttpProxies, UrlOfSocks5) {
    EXPECT_EQ(parsed("socks5://proxy"), "socks5 proxy:1080");
    EXPECT_EQ(parsed("SOCKS5h://[::1]:9050/"), "socks5 [::1]:9050");
    EXPECT_EQ(parsed("socks5://a:b@proxy:81"), "socks5 proxy:81 a/b");
    EXPECT_EQ(parsed("socks5://a%3A%40:%c3%a9@proxy"), "socks5 proxy:1080 a:@/\xc3\xa9");
    EXPECT_EQ(parsed("socks5://a@proxy"), "socks5 proxy:1080 a/");
    const std::string longest(255, 'x');  // RFC 1929 has one byte for the length
    EXPECT_EQ(parsed("socks5://" + longest + ":" + longest + "@proxy"), "socks5 proxy:1080 " + longest + "/" + longest);
    for (const std::string& user : {longest + "x:y", "y:" + longest + "x", std::string(":y"), std::string("%4:y")})
        EXPECT_EQ(parsed("socks5://" + user + "@proxy"), "bad") << user;
}

TEST(HttpProxies, OtherUrlsAreErrors) {
    for (const char* const url : {"http://", "://proxy", "http://:80", "http://a b", "http://proxy:0", "proxy:x",
                                  "http://proxy:99999", "http://[::1", "http://user@", "a b://proxy", "http://a\r\nb"})
        EXPECT_EQ(parsed(url), "bad") << url;
    for (const char* const url : {"socks://proxy:1080", "socks4a://proxy", "socks4://a:b@proxy", "ftp://proxy"})
        EXPECT_EQ(parsed(url), "not supported") << url;
}

TEST(HttpProxies, ErrorsShowUrlWithoutPassword) {
    using eddy::detail::proxy_without_password;
    EXPECT_EQ(proxy_without_password("socks5://user:secret@proxy:1080"), "socks5://proxy:1080");
    EXPECT_EQ(proxy_without_password("user:sec@ret@proxy"), "proxy");
    EXPECT_EQ(proxy_without_password("http//user:secret@proxy"), "proxy");
    EXPECT_EQ(proxy_without_password("user:://secret@proxy"), "user:://proxy");
    EXPECT_EQ(proxy_without_password("http://proxy"), "http://proxy");
}

// ---- The environment ----

using variables = std::map<std::string, const char*, std::less<>>;

http::proxies proxies_of(const variables& all) {
    return eddy::detail::proxies_from([&](const char* name) -> const char* {
        const auto found = all.find(name);
        return found == all.end() ? nullptr : found->second;
    });
}

TEST(HttpProxies, EnvironmentHasProxyForEachScheme) {
    const auto both = proxies_of({{"http_proxy", "a"}, {"https_proxy", "b"}, {"all_proxy", "c"}, {"no_proxy", "d"}});
    EXPECT_EQ(both.for_http(), "a");
    EXPECT_EQ(both.for_https(), "b");
    EXPECT_EQ(both.except(), "d");
    const auto rest = proxies_of({{"https_proxy", "b"}, {"all_proxy", "c"}});
    EXPECT_EQ(rest.for_http(), "c");
    EXPECT_EQ(rest.for_https(), "b");
    const auto none = proxies_of({});
    EXPECT_EQ(none.for_http() + none.for_https() + none.except(), "");
}

TEST(HttpProxies, LowerCaseComesBeforeUpperCase) {
    const auto upper = proxies_of(
        {{"HTTP_PROXY", "a"}, {"HTTPS_PROXY", "b"}, {"ALL_PROXY", "c"}, {"NO_PROXY", "d"}, {"https_proxy", ""}});
    EXPECT_EQ(upper.for_http(), "a");
    EXPECT_EQ(upper.for_https(), "b");
    EXPECT_EQ(upper.except(), "d");
    const auto lower = proxies_of({{"HTTP_PROXY", "A"}, {"http_proxy", "a"}, {"NO_PROXY", "D"}, {"no_proxy", "d"}});
    EXPECT_EQ(lower.for_http(), "a");
    EXPECT_EQ(lower.except(), "d");
}

TEST(HttpProxies, CgiProgramIgnoresHttpProxyInUpperCase) {
    EXPECT_EQ(proxies_of({{"REQUEST_METHOD", "GET"}, {"HTTP_PROXY", "evil"}}).for_http(), "");
    EXPECT_EQ(proxies_of({{"REQUEST_METHOD", "GET"}, {"HTTP_PROXY", "evil"}, {"http_proxy", "a"}}).for_http(), "a");
    EXPECT_EQ(proxies_of({{"REQUEST_METHOD", ""}, {"HTTP_PROXY", "evil"}, {"all_proxy", "a"}}).for_http(), "a");
    // Windows: one variable with both names.
    const char* const evil = "evil";
    EXPECT_EQ(proxies_of({{"REQUEST_METHOD", "GET"}, {"HTTP_PROXY", evil}, {"http_proxy", evil}}).for_http(), "");
}

// ---- The choice ----

/// Returns the proxy for a URL: its URL without password, or "direct".
std::string chosen(const http::proxies& from, const char* url) {
    const eddy::detail::proxy_choice choice(from);
    const auto* const found = choice.select(http::url::parse(url).value());
    return found == nullptr ? "direct" : found->shown;
}

TEST(HttpProxies, ChoiceDependsOnSchemeAndHost) {
    const auto both = http::proxies::none().for_http("a").for_https("u:p@b").except("x.org").except("y.org:81");
    EXPECT_EQ(chosen(both, "http://example.org/"), "a");
    EXPECT_EQ(chosen(both, "https://example.org/"), "b");
    EXPECT_EQ(chosen(both, "http://www.X.org/"), "direct");
    EXPECT_EQ(chosen(both, "https://y.org/"), "b");
    EXPECT_EQ(chosen(both, "https://y.org:81/"), "direct");
    EXPECT_EQ(chosen(http::proxies::none().for_https("b"), "http://example.org/"), "direct");
    EXPECT_EQ(chosen(http::proxies::none().for_all("b"), "http://example.org/"), "b");
    EXPECT_EQ(chosen(http::proxies::none(), "http://example.org/"), "direct");
}

TEST(HttpProxies, OnlyEnvironmentExcludesLoopback) {
    const auto environment = proxies_of({{"all_proxy", "a"}});
    for (const char* const url :
         {"http://localhost/", "https://LOCALHOST:81/", "http://localhost./", "http://127.0.0.1/", "http://127.9.9.9/",
          "https://[::1]:1/", "http://[::ffff:127.0.0.1]/", "http://x.localhost/"}) {
        EXPECT_EQ(chosen(environment, url), "direct") << url;
        EXPECT_EQ(chosen(http::proxies::none().for_all("a"), url), "a") << url;
    }
    for (const char* const url :
         {"http://notlocalhost/", "http://localhost.org/", "http://128.0.0.1/", "http://[::2]/"})
        EXPECT_EQ(chosen(environment, url), "a") << url;
}

}  // namespace
