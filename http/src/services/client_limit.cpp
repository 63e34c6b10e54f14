// SPDX-License-Identifier: MIT
#include <eddy/http/client_limit.hpp>

#include <algorithm>
#include <chrono>
#include <list>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/socket_addr.hpp>

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

/// Returns the bytes by which requests of the same client are recognized: 4 of an IPv4 address, and 8 of an IPv6
/// address.
std::string address_key(const std::optional<net::socket_addr>& peer) {
    if (!peer) return {};
    const auto address = peer->ip();
    const auto v4 = address.as_v4() ? address.as_v4() : address.as_v6()->to_ipv4_mapped();
    if (v4) return {v4->octets().begin(), v4->octets().end()};
    const auto octets = address.as_v6()->octets();
    return {octets.begin(), octets.begin() + 8};
}

/// Returns a name that the program has given, or its hash, which is longer than any name that is stored itself.
std::string short_name(std::string name) {
    if (name.size() < sha256_bytes().size()) return name;
    const auto hash = sha256(name);
    return {hash.begin(), hash.end()};
}

}  // namespace

/// A token bucket for each client. It is stored as the time at which the bucket will be full again (the generic cell
/// rate algorithm, ITU-T I.371): a request moves that time on by one interval.
/// Thread safety: any thread.
class client_buckets {
public:
    explicit client_buckets(http::client_limit_options&& options)
        : options_(std::move(options)), interval_(std::min(options_.interval(), longest / options_.burst())) {}

    /// Takes a token of the client. Returns the time until there is one if the bucket is empty.
    std::optional<time::duration> take(const http::request& asked) {
        auto name = options_.client() ? short_name(options_.client()(asked)) : address_key(asked.peer);
        const auto now = time::clock::now();
        const std::lock_guard guard(lock_);
        auto& full_at = bucket_of(std::move(name), now);
        const auto wait = std::max(full_at, now) - now - interval_ * (options_.burst() - 1);
        if (wait > time::duration::zero()) return wait;
        full_at = std::max(full_at, now) + interval_;
        return std::nullopt;
    }

private:
    // The maximum time until a bucket is full again, 73 years: a sum of two and of the current time does not overflow.
    static constexpr auto longest = time::duration::max() / 4;

    struct client {
        std::string name;
        time::time_point full_at;

        client(std::string of, time::time_point at) : name(std::move(of)), full_at(at) {}
    };

    /// Returns the bucket of a client, which becomes the first one in the list.
    time::time_point& bucket_of(std::string name, time::time_point now) {
        if (const auto found = by_name_.find(name); found != by_name_.end()) {
            clients_.splice(clients_.begin(), clients_, found->second);
            return clients_.front().full_at;
        }
        if (clients_.size() == options_.max_clients()) {
            by_name_.erase(clients_.back().name);
            clients_.pop_back();
        }
        clients_.emplace_front(std::move(name), now);
        by_name_.emplace(clients_.front().name, clients_.begin());
        return clients_.front().full_at;
    }

    const http::client_limit_options options_;
    const time::duration interval_;
    mutex lock_;
    // Guarded by lock_: the clients, in the order of their last requests, and where they are. The names refer to the
    // list.
    std::list<client> clients_;
    std::unordered_map<std::string_view, std::list<client>::iterator> by_name_;
};

client_limit_filter::client_limit_filter(http::client_limit_options&& options)
    : buckets_(std::make_shared<client_buckets>(std::move(options))) {}

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
