// SPDX-License-Identifier: MIT
#include <eddy/http/client_limit.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/socket_addr.hpp>

#include "message/address_key.hpp"
#include "message/hmac.hpp"

namespace eddy::http {

client_limit_options::client_limit_options(std::uint32_t requests, time::duration per, std::source_location where)
    : interval_(requests == 0 ? per : per / requests), burst_(requests) {
    if (requests == 0 || interval_ <= time::duration::zero())
        throw misuse("client_limit() needs a number of requests and a time above 0", where);
}

}  // namespace eddy::http

namespace eddy::detail {
namespace {

constexpr std::size_t site_prefix = 6;  // bytes of an IPv6 address: a site has a /48
constexpr std::uint32_t clients_of_site = 64;

/// Returns the bytes by which requests of the same site are recognized. Returns an empty text without an IPv6 address.
std::string site_key(const std::optional<net::socket_addr>& peer) {
    auto key = address_key(peer, site_prefix);
    return key.size() == site_prefix ? key : std::string();
}

/// Returns a name that the program has given, or its hash, which is longer than any name that is stored itself.
std::string short_name(std::string name) {
    if (name.size() < sha256_bytes().size()) return name;
    const auto hash = sha256(name);
    return {hash.begin(), hash.end()};
}

/// A token bucket for each name. It is stored as the time at which the bucket will be full again (the generic cell rate
/// algorithm, ITU-T I.371): taking a token moves that time on by one interval.
/// Thread safety: one thread at a time.
class token_buckets {
public:
    /// Remembers `most` buckets.
    token_buckets(time::duration interval, std::uint64_t burst, std::size_t most)
        : burst_(static_cast<time::duration::rep>(burst)),
          interval_(std::clamp<time::duration>(interval, time::duration(1), longest / burst_)),
          most_(most) {}

    /// Returns the time until the bucket has a token; not above 0 if it has one now.
    [[nodiscard]] time::duration wait_of(std::string_view name, time::time_point now) const {
        const auto found = by_name_.find(name);
        const auto full_at = found != by_name_.end() ? std::max(found->second->first, now) : now;
        return full_at - now - interval_ * (burst_ - 1);
    }
    void take(std::string&& name, time::time_point now) {
        if (const auto found = by_name_.find(name); found != by_name_.end()) {
            auto bucket = by_time_.extract(found->second);
            bucket.key() = std::max(bucket.key(), now) + interval_;
            found->second = by_time_.insert(std::move(bucket));
            return;
        }
        if (by_name_.size() == most_) {
            by_name_.erase(by_time_.begin()->second);
            by_time_.erase(by_time_.begin());
        }
        const auto made = by_time_.emplace(now + interval_, std::move(name));
        try {
            by_name_.emplace(made->second, made);
        } catch (...) {
            by_time_.erase(made);
            throw;
        }
    }

private:
    // The maximum time until a bucket is full again, 73 years: a sum of two and of the current time does not overflow.
    static constexpr auto longest = time::duration::max() / 4;

    using buckets = std::multimap<time::time_point, std::string>;

    const time::duration::rep burst_;
    const time::duration interval_;
    const std::size_t most_;
    // The names, by the time at which their buckets will be full. The first one is forgotten first: this permits the
    // fewest requests.
    buckets by_time_;
    std::unordered_map<std::string_view, buckets::iterator> by_name_;  // the texts are in by_time_
};

}  // namespace

/// The buckets of clients, and the buckets of the sites that have many clients.
/// Thread safety: any thread.
class client_buckets {
public:
    client_buckets(http::client_limit_options&& options, const std::source_location& where)
        : name_of_(options.client()),
          where_(where),
          clients_(options.interval(), options.burst(), options.max_clients()),
          sites_(options.interval() / clients_of_site, std::uint64_t{options.burst()} * clients_of_site,
                 options.max_clients()) {}

    /// Takes a token of the client. Returns the time until there is one if a bucket is empty.
    std::optional<time::duration> take(const http::request& asked) {
        if (!name_of_ && !asked.peer)
            throw misuse(
                "client_limit() cannot tell clients apart whose address is unknown: pass the peer to "
                "serve_connection(), or, for a Unix socket, set client_limit_options::client()",
                where_);
        auto name = name_of_ ? short_name(name_of_(asked)) : address_key(asked.peer);
        auto site = name_of_ ? std::string() : site_key(asked.peer);
        const auto now = time::clock::now();
        const std::lock_guard guard(lock_);
        auto wait = clients_.wait_of(name, now);
        if (!site.empty()) wait = std::max(wait, sites_.wait_of(site, now));
        if (wait > time::duration::zero()) return wait;
        clients_.take(std::move(name), now);
        if (!site.empty()) sites_.take(std::move(site), now);
        return std::nullopt;
    }

private:
    const std::function<std::string(const http::request&)> name_of_;
    const std::source_location where_;
    mutex lock_;
    // Guarded by lock_:
    token_buckets clients_;
    token_buckets sites_;
};

client_limit_filter::client_limit_filter(http::client_limit_options&& options, const std::source_location& where)
    : buckets_(std::make_shared<client_buckets>(std::move(options), where)) {}

client_limit_filter::pass client_limit_filter::begin(const http::request& asked) const {
    const auto wait = buckets_->take(asked);
    if (!wait) return pass(std::nullopt);
    const auto seconds = std::to_string(std::chrono::ceil<std::chrono::seconds>(*wait).count());
    auto answer =
        http::response::text("too many requests: try again in " + seconds + " s\n", http::status::too_many_requests);
    answer.headers.add("Retry-After", seconds);
    return pass(std::move(answer));
}

}  // namespace eddy::detail
