// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include <eddy/http/cookie_jar.hpp>
#include <eddy/http/url.hpp>

#include "client/cookie_store.hpp"
#include "fuzz/targets.hpp"
#include "message/fields.hpp"
#include "message/set_cookie.hpp"

namespace fuzz {
namespace {

using eddy::detail::cookie_store;
using std::chrono::sys_seconds;
namespace http = eddy::http;

constexpr sys_seconds now(std::chrono::seconds(1'800'000'000));

/// The name of a cookie as a simple parser finds it. Without "=", all is its value.
std::string_view name_in(std::string_view field) {
    const auto pair = field.substr(0, field.find(';'));
    return eddy::detail::trim(pair.substr(0, pair.contains('=') ? pair.find('=') : 0));
}

http::url url_of(std::string_view text) { return http::url::parse(text).value(); }

}  // namespace

/// Each line is a field Set-Cookie of one server. Whatever it sends, only its hosts get its cookies, and the jar stays
/// small.
void set_cookies(input bytes) {
    decisions from(bytes);
    const bool is_secure = from.up_to(1) != 0;
    const auto options = http::cookie_jar_options().max_cookies(8).max_per_domain(4).max_size(64);
    cookie_store store{http::cookie_jar_options(options)};
    const auto site = url_of(is_secure ? "https://www.a.test/x/y" : "http://www.a.test/x/y");
    for (auto rest = from.rest(); !rest.empty();) {
        const auto field = eddy::detail::take_part(rest, '\n');
        const auto parsed = eddy::detail::parse_set_cookie(field, now);
        if (parsed) require(parsed->name == name_in(field), "another name than that of the field");
        store.receive(site, field, now);
    }
    const auto all = store.snapshot(now);
    require(all.size() <= options.max_cookies(), "too many cookies");
    for (const auto& each : all) {
        require(each.domain == "www.a.test" || (each.domain == "a.test" && !each.host_only),
                "a cookie of another host");
        require(!each.expires || *each.expires > now, "a cookie that has expired");
        require(each.path.starts_with('/'), "a path without a slash");
        require(is_secure || !each.secure, "a secure cookie of a server without HTTPS");
        require(each.name.size() + each.value.size() <= options.max_size(), "a large cookie");
    }
    const auto sent = store.cookies_for(site, now);
    require(eddy::detail::is_value(sent), "not the value of a field");
    require(static_cast<std::size_t>(std::ranges::count(sent, ';')) + 1 <= std::max<std::size_t>(all.size(), 1),
            "more cookies than there are");
    require(store.cookies_for(url_of("https://b.test/x/y"), now).empty(), "another host gets a cookie");
    cookie_store copy{http::cookie_jar_options(options)};
    copy.load(store.snapshot(now), now);
    require(copy.snapshot(now) == all, "a snapshot cannot be loaded");
}

}  // namespace fuzz
