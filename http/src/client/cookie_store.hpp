// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/http/cookie_jar.hpp>
#include <eddy/http/url.hpp>

namespace eddy::detail {

/// Returns whether a host belongs to a domain: RFC 6265, section 5.1.3. Both are in lower case.
[[nodiscard]] bool is_in_domain(std::string_view host, std::string_view domain) noexcept;
/// Returns the path of a cookie that has none: section 5.1.4.
[[nodiscard]] std::string_view default_cookie_path(std::string_view target) noexcept;
/// Returns whether a path, which may be followed by a query, is the path of a cookie or below it: section 5.1.4.
[[nodiscard]] bool is_below_path(std::string_view target, std::string_view cookie_path) noexcept;

/// The cookies of an http::cookie_jar: RFC 6265bis, sections 5.7 and 5.8. Nothing in it reads a clock.
/// Thread safety: any thread.
class cookie_store {
public:
    using instant = std::chrono::sys_seconds;

    explicit cookie_store(http::cookie_jar_options options) : options_(std::move(options)) {}

    /// Stores the cookie of a field Set-Cookie in a response to a request for `from`.
    void receive(const http::url& from, std::string_view set_cookie, instant now);
    [[nodiscard]] std::string cookies_for(const http::url& to, instant now);
    [[nodiscard]] std::vector<http::stored_cookie> snapshot(instant now) const;
    void load(std::vector<http::stored_cookie>&& cookies, instant now);
    void clear() noexcept;

private:
    struct entry {
        http::stored_cookie cookie;
        std::uint64_t made = 0;  // numbers of events, in their order
        std::uint64_t used = 0;

        entry(http::stored_cookie&& from, std::uint64_t number) : cookie(std::move(from)), made(number), used(number) {}
    };
    using entries = std::vector<entry>;

    [[nodiscard]] bool is_public(std::string_view domain) const;
    [[nodiscard]] bool is_possible(const http::stored_cookie& cookie) const;
    [[nodiscard]] std::optional<http::stored_cookie> accept(const http::url& from, std::string_view text,
                                                            instant now) const;
    [[nodiscard]] bool hides_secure(const http::stored_cookie& cookie, instant now) const;
    void store(http::stored_cookie&& cookie, instant now);
    void remove_expired(instant now);
    void remove_one_of(entries& all);
    void remove_oldest();

    const http::cookie_jar_options options_;
    mutable mutex lock_;
    // Guarded by lock_:
    std::unordered_map<std::string, entries> by_domain_;  // a list is empty only after std::bad_alloc
    std::size_t count_ = 0;
    std::uint64_t events_ = 0;
};

}  // namespace eddy::detail
