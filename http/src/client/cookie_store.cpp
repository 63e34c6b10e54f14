// SPDX-License-Identifier: MIT
#include "client/cookie_store.hpp"

#include <algorithm>
#include <functional>
#include <mutex>

#include <eddy/net/socket_addr.hpp>

#include "message/fields.hpp"
#include "message/set_cookie.hpp"

namespace eddy::detail {
namespace {

bool is_address(std::string_view host) noexcept { return net::ip_addr::parse(host).has_value(); }

/// Returns whether cookies that are `secure` may be sent to a server: it has HTTPS, or is this machine.
bool is_secure(const http::url& to) noexcept { return to.is_https() || is_loopback(to.host()); }

bool has_expired(const http::stored_cookie& cookie, cookie_store::instant now) noexcept {
    return cookie.expires && *cookie.expires <= now;
}

/// Returns whether the attributes of a cookie permit its name and each other: section 5.7, steps 19 to 22.
bool is_consistent(const http::stored_cookie& cookie) noexcept {
    if (cookie.same_site == http::same_site::none && !cookie.secure) return false;
    // Servers would take the prefix for the prefix of a name.
    if (cookie.name.empty())
        return !has_cookie_prefix(cookie.value, "__Host-") && !has_cookie_prefix(cookie.value, "__Secure-");
    if (has_cookie_prefix(cookie.name, "__Host-")) return cookie.secure && cookie.host_only && cookie.path == "/";
    return cookie.secure || !has_cookie_prefix(cookie.name, "__Secure-");
}

/// Returns whether two cookies of a domain replace each other.
bool is_same(const http::stored_cookie& a, const http::stored_cookie& b) noexcept {
    return a.name == b.name && a.path == b.path && a.host_only == b.host_only;
}

/// Returns whether a text can be a part of the field Cookie.
bool is_part(std::string_view text) noexcept { return is_value(text) && !text.contains(';'); }

/// Returns whether a URL can have this host: in lower case, and without a port.
bool is_host(const std::string& text) {
    const auto site = http::url::parse("http://" + host_with_port(text, 80) + "/");
    return site && site->host() == text;
}

}  // namespace

bool is_in_domain(std::string_view host, std::string_view domain) noexcept {
    if (host == domain) return true;
    if (domain.empty() || !host.ends_with(domain)) return false;
    if (is_address(host) || is_address(domain)) return false;
    host.remove_suffix(domain.size());
    return host.ends_with('.');
}

std::string_view default_cookie_path(std::string_view target) noexcept {
    const auto path = target.substr(0, target.find('?'));
    const auto end = path.rfind('/');
    return !path.starts_with('/') || end == 0 ? "/" : path.substr(0, end);
}

bool is_below_path(std::string_view target, std::string_view cookie_path) noexcept {
    const auto path = target.substr(0, target.find('?'));
    if (!path.starts_with(cookie_path)) return false;
    return path.size() == cookie_path.size() || cookie_path.ends_with('/') || path[cookie_path.size()] == '/';
}

/// Returns whether a cookie must not be for all hosts of a domain: they belong to different owners, or the domain is an
/// address. "com." is the domain "com".
bool cookie_store::is_public(std::string_view domain) const {
    domain = without_last_period(domain);
    const auto& decide = options_.is_public_suffix();
    return !domain.contains('.') || is_address(domain) || (decide && decide(domain));
}

/// Returns whether a response could have set a cookie that the caller of load() has made.
bool cookie_store::is_possible(const http::stored_cookie& cookie) const {
    return !(cookie.name.empty() && cookie.value.empty()) && is_part(cookie.name) && !cookie.name.contains('=') &&
           is_part(cookie.value) && cookie.name.size() + cookie.value.size() <= options_.max_size() &&
           is_host(cookie.domain) && (cookie.host_only || !is_public(cookie.domain)) && cookie.path.starts_with('/') &&
           is_consistent(cookie);
}

/// Returns the cookie of a field, or nullopt if it is ignored.
std::optional<http::stored_cookie> cookie_store::accept(const http::url& from, std::string_view text,
                                                        instant now) const {
    auto parsed = parse_set_cookie(text, now);
    if (!parsed || parsed->name.size() + parsed->value.size() > options_.max_size()) return std::nullopt;
    if (parsed->secure && !is_secure(from)) return std::nullopt;
    auto& domain = parsed->domain;
    if (!domain.empty()) {
        const bool is_shared = !is_public(domain);
        if (is_shared ? !is_in_domain(from.host(), domain) : domain != from.host()) return std::nullopt;
        if (!is_shared) domain.clear();
    }
    http::stored_cookie made;
    made.name = parsed->name;
    made.value = parsed->value;
    made.host_only = domain.empty();
    made.domain = made.host_only ? from.host() : domain;
    made.path = parsed->path.empty() ? default_cookie_path(from.target()) : parsed->path;
    made.expires = parsed->expires;
    made.same_site = parsed->same_site;
    made.secure = parsed->secure;
    made.http_only = parsed->http_only;
    if (has_cookie_prefix(made.name, "__Host-") && !parsed->has_path) return std::nullopt;
    if (!is_consistent(made)) return std::nullopt;
    return made;
}

void cookie_store::receive(const http::url& from, std::string_view set_cookie, instant now) {
    auto cookie = accept(from, set_cookie, now);  // without the lock: it calls a function of the user
    if (!cookie) return;
    const std::lock_guard guard(lock_);
    if (is_secure(from) || !hides_secure(*cookie, now)) store(*std::move(cookie), now);
}

/// Returns whether a server could get this cookie in place of one that is `secure`.
bool cookie_store::hides_secure(const http::stored_cookie& cookie, instant now) const {
    const auto is_hidden = [&](const entry& each) {
        const auto& other = each.cookie;
        return other.secure && !has_expired(other, now) && other.name == cookie.name &&
               is_below_path(cookie.path, other.path) &&
               (is_in_domain(other.domain, cookie.domain) || is_in_domain(cookie.domain, other.domain));
    };
    return std::ranges::any_of(by_domain_,
                               [&](const auto& each) { return std::ranges::any_of(each.second, is_hidden); });
}

void cookie_store::store(http::stored_cookie&& cookie, instant now) {
    const auto number = ++events_;
    const auto key = cookie.domain;
    auto& all = by_domain_[key];
    const auto former = std::ranges::find_if(all, [&](const entry& each) { return is_same(each.cookie, cookie); });
    const bool is_removal = has_expired(cookie, now);
    if (former != all.end() && !is_removal) {
        former->cookie = std::move(cookie);  // which stays at its place among the others
        former->used = number;
        return;
    }
    if (former != all.end()) {
        all.erase(former);
        --count_;
    } else if (!is_removal) {
        all.emplace_back(std::move(cookie), number);
        ++count_;
        if (all.size() > options_.max_per_domain() || count_ > options_.max_cookies()) remove_expired(now);
    }
    const auto domain = by_domain_.find(key);  // remove_expired() may have removed the list of another domain only
    if (domain->second.size() > options_.max_per_domain()) remove_one_of(domain->second);
    if (domain->second.empty()) by_domain_.erase(domain);
    if (count_ > options_.max_cookies()) remove_oldest();
}

void cookie_store::remove_expired(instant now) {
    for (auto& each : by_domain_)
        count_ -= std::erase_if(each.second, [&](const entry& one) { return has_expired(one.cookie, now); });
    std::erase_if(by_domain_, [](const auto& each) { return each.second.empty(); });
}

/// Removes the cookie of a domain that is least worth keeping.
void cookie_store::remove_one_of(entries& all) {
    all.erase(
        std::ranges::min_element(all, {}, [](const entry& each) { return std::pair(each.cookie.secure, each.used); }));
    --count_;
}

/// Removes the cookie that was not used for the longest time.
void cookie_store::remove_oldest() {
    const auto used = [](const entry& each) { return each.used; };
    const auto oldest_of = [&](const auto& domain) { return std::ranges::min_element(domain.second, {}, used)->used; };
    const auto domain = std::ranges::min_element(by_domain_, {}, oldest_of);
    domain->second.erase(std::ranges::min_element(domain->second, {}, used));
    --count_;
    if (domain->second.empty()) by_domain_.erase(domain);
}

std::string cookie_store::cookies_for(const http::url& to, instant now) {
    const std::lock_guard guard(lock_);
    std::vector<entry*> found;
    const auto add = [&](std::string_view domain) {
        const auto of_domain = by_domain_.find(std::string(domain));
        if (of_domain == by_domain_.end()) return;
        for (auto& each : of_domain->second) {
            const auto& cookie = each.cookie;
            const bool may_see = !cookie.host_only || domain == to.host();
            if (may_see && (!cookie.secure || is_secure(to)) && !has_expired(cookie, now) &&
                is_below_path(to.target(), cookie.path))
                found.push_back(&each);
        }
    };
    std::string_view domain = to.host();
    add(domain);
    if (!is_address(domain)) {
        while (domain.contains('.')) {
            domain.remove_prefix(domain.find('.') + 1);
            add(domain);
        }
    }
    std::ranges::sort(found, {}, [](const entry* each) {
        return std::pair(std::string::npos - each->cookie.path.size(), each->made);  // longer paths first
    });
    std::string text;
    for (auto* const each : found) {
        const auto& cookie = each->cookie;
        const std::size_t size = cookie.name.size() + !cookie.name.empty() + cookie.value.size();
        if (text.size() + 2 * !text.empty() + size > options_.max_sent()) continue;
        each->used = ++events_;
        if (!text.empty()) text += "; ";
        if (!cookie.name.empty()) text.append(cookie.name).append("=");
        text += cookie.value;
    }
    return text;
}

std::vector<http::stored_cookie> cookie_store::snapshot(instant now) const {
    std::vector<const entry*> found;
    std::vector<http::stored_cookie> made;
    const std::lock_guard guard(lock_);
    for (const auto& each : by_domain_)
        for (const auto& one : each.second)
            if (!has_expired(one.cookie, now)) found.push_back(&one);
    std::ranges::sort(found, {}, [](const entry* each) { return each->made; });
    made.reserve(found.size());
    for (const auto* const each : found) made.push_back(each->cookie);
    return made;
}

void cookie_store::load(std::vector<http::stored_cookie>&& cookies, instant now) {
    std::erase_if(cookies, [&](const auto& each) { return has_expired(each, now) || !is_possible(each); });
    const std::lock_guard guard(lock_);  // not before: is_possible() calls a function of the user
    for (auto& each : cookies) store(std::move(each), now);
}

void cookie_store::clear() noexcept {
    const std::lock_guard guard(lock_);
    by_domain_.clear();
    count_ = 0;
}

}  // namespace eddy::detail

namespace eddy::http {
namespace {

std::chrono::sys_seconds current_time() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

cookie_jar::cookie_jar(cookie_jar_options options)
    : store_(std::make_unique<detail::cookie_store>(std::move(options))) {}
cookie_jar::~cookie_jar() = default;

void cookie_jar::receive(const url& from, const headers& of) {
    for (const auto& [name, value] : of)
        if (equal_names(name, "Set-Cookie")) store_->receive(from, value, current_time());
}

std::string cookie_jar::cookies_for(const url& to) { return store_->cookies_for(to, current_time()); }

std::vector<stored_cookie> cookie_jar::snapshot() const { return store_->snapshot(current_time()); }

void cookie_jar::load(std::vector<stored_cookie> cookies) { store_->load(std::move(cookies), current_time()); }

void cookie_jar::clear() noexcept { store_->clear(); }

}  // namespace eddy::http
