// SPDX-License-Identifier: MIT
#include "client/pool.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/runtime/core_handle.hpp>

#include "h2/http2.hpp"

namespace eddy::detail {

std::string pool_key_of_loop() {
    const auto loop = core_handle::try_current();
    return loop ? "/" + std::to_string(loop->id()) : std::string();
}

namespace {

/// Returns the end of a key: see pool_key_of_loop().
std::string_view loop_of(std::string_view key) noexcept { return key.substr(std::min(key.find('/'), key.size())); }

}  // namespace

http_client::http_client(http::client_options&& chosen)
    : options_(std::move(chosen)),
      proxies_(options_.proxies() ? *options_.proxies() : http::proxies::from_environment()) {}

http_client::~http_client() {
    try {
        expired old;
        for (auto& [key, each] : all_) expire(old, key, each.idle, each.idle.end());
    } catch (...) {  // NOLINT(bugprone-empty-catch): without memory, connections end without close_notify
    }
    for (const auto& [loop, keeper] : keepers_) keeper->finish();
}

std::unique_ptr<client_connection> http_client::take(const std::string& origin) {
    expired old;  // declared before the lock, so destroyed after it is released
    const std::lock_guard guard(lock_);
    remove_expired(old);
    const auto found = all_.find(origin);
    if (found == all_.end() || found->second.idle.empty()) return nullptr;
    found->second.last_use = time::clock::now();
    auto taken = std::move(found->second.idle.back());
    found->second.idle.pop_back();
    return taken;
}

void http_client::put(const std::string& origin, std::unique_ptr<client_connection> connection) {
    expired old;
    if (options_.max_idle() == 0) return connection->end();
    connection->stream.release_buffers();
    const auto keeper = keeper_here();
    if (!connection->begin_idle(keeper ? keeper->news() : nullptr)) return connection->end();
    dropped_bodies_.store(0, std::memory_order_relaxed);
    bool must_wake = false;
    {
        const std::lock_guard guard(lock_);
        remove_expired(old);
        if (keeper && keeper->has_ended) {  // since keeper_here(): its runtime is not necessarily this one
            old.here.push_back(std::move(connection));
            return;
        }
        auto& list = entry(origin).idle;
        connection->set_idle_since(time::clock::now());
        list.push_back(std::move(connection));
        if (list.size() > options_.max_idle()) {
            old.here.push_back(std::move(list.front()));
            list.erase(list.begin());
        }
        must_wake = keeper && !std::exchange(keeper->has_limit, true);
    }
    if (must_wake) keeper->news()->notify_one();
}

void http_client::note_dropped_body(const std::source_location& asked_at) noexcept {
    if (!has_await_records.load(std::memory_order_relaxed)) return;  // a program without EDDY_CHECKS
    if (options_.max_idle() == 0) return;                            // each request has a connection of its own
    if (dropped_bodies_.fetch_add(1, std::memory_order_relaxed) + 1 != most_dropped) return;
    std::fprintf(
        stderr,
        "eddy: the bodies of the last %u responses were destroyed unread, so each of these requests has made a "
        "connection and closed it: read each body to its end, for example by read_all(). The last request is "
        "at %s:%u\n",
        most_dropped, asked_at.file_name(), asked_at.line());
}

bool http_client::is_http1(const std::string& origin) {
    const std::lock_guard guard(lock_);
    const auto found = all_.find(origin);
    return found != all_.end() && found->second.is_http1;
}

void http_client::set_http1(const std::string& origin) {
    std::shared_ptr<http2_handle> old;
    const std::lock_guard guard(lock_);
    auto& here = entry(origin);
    here.is_http1 = true;
    old = std::move(here.shared);
}

std::shared_ptr<http2_handle> http_client::shared(const std::string& origin) {
    std::shared_ptr<http2_handle> old;
    const std::lock_guard guard(lock_);
    const auto found = all_.find(origin);
    if (found == all_.end() || !found->second.shared) return nullptr;
    if (is_open(*found->second.shared)) {
        found->second.last_use = time::clock::now();
        return found->second.shared;
    }
    old = std::move(found->second.shared);
    return nullptr;
}

void http_client::set_shared(const std::string& origin, std::shared_ptr<http2_handle> connection) {
    expired old;
    const std::lock_guard guard(lock_);
    remove_expired(old);
    entry(origin).shared.swap(connection);
    old.shared.push_back(std::move(connection));
}

std::shared_ptr<sync::semaphore> http_client::connecting(const std::string& origin) {
    const std::lock_guard guard(lock_);
    auto& permit = entry(origin).connecting;
    if (!permit) permit = std::make_shared<sync::semaphore>(1);
    return permit;
}

std::optional<http_client::failed_attempt> http_client::last_failure(const std::string& origin) {
    const std::lock_guard guard(lock_);
    const auto found = all_.find(origin);
    return found != all_.end() ? found->second.failure : std::nullopt;
}

void http_client::set_failure(const std::string& origin, http::client_error why) {
    const std::lock_guard guard(lock_);
    auto& last = entry(origin).failure;
    last.emplace(last ? last->number + 1 : 1, std::move(why));
}

std::size_t http_client::origins() {
    const std::lock_guard guard(lock_);
    return all_.size();
}

http_client::origin_state& http_client::entry(const std::string& origin) {
    auto& found = all_[origin];
    found.last_use = time::clock::now();
    return found;
}

http_client::expired::~expired() {
    for (const auto& each : here) each->end();
    for (auto& [keeper, connection] : elsewhere)
        if (keeper) keeper->hand_over(std::move(connection));
}

void http_client::expire(expired& old, std::string_view key, idle_list& from, idle_list::iterator end) {
    if (end == from.begin()) return;
    const auto count = static_cast<std::size_t>(end - from.begin());
    const std::string loop(loop_of(key));
    const auto found = keepers_.find(loop);
    const auto keeper = found == keepers_.end() ? nullptr : found->second;
    const bool is_here = loop == pool_key_of_loop() && (!keeper || this_thread.executor.runs != nullptr);
    old.here.reserve(old.here.size() + count);
    old.elsewhere.reserve(old.elsewhere.size() + count);
    for (auto at = from.begin(); at != end; ++at) {
        if (is_here)
            old.here.push_back(std::move(*at));
        else
            old.elsewhere.emplace_back(keeper, std::move(*at));
    }
    from.erase(from.begin(), end);
}

std::shared_ptr<idle_keeper> http_client::keeper_here() {
    auto loop = pool_key_of_loop();
    std::shared_ptr<idle_keeper> made;
    {
        const std::lock_guard guard(lock_);
        const auto found = keepers_.find(loop);
        if (found != keepers_.end()) return found->second;
        if (this_thread.executor.runs == nullptr) return nullptr;
        made = std::make_shared<idle_keeper>();
        keepers_.emplace(loop, made);
    }
    start_keeping(weak_from_this(), made, std::move(loop));
    return made;
}

time::time_point http_client::close_idle(std::string_view loop, idle_keeper& of) {
    expired old;
    const std::lock_guard guard(lock_);
    const auto now = time::clock::now();
    auto next = time::time_point::max();
    for (auto& [key, each] : all_) {
        if (loop_of(key) != loop) continue;
        old.here.reserve(old.here.size() + each.idle.size());
        for (auto& one : each.idle) {
            const auto limit = time::saturating_add(one->idle_since(), time::round_up(options_.idle_timeout()));
            if (limit <= now || one->has_news())
                old.here.push_back(std::move(one));
            else
                next = std::min(next, limit);
        }
        std::erase(each.idle, nullptr);
    }
    of.has_limit = next != time::time_point::max();
    return next;
}

void http_client::end_keeper(const std::string& loop, idle_keeper& of) noexcept {
    const std::lock_guard guard(lock_);
    of.has_ended = true;
    const auto found = keepers_.find(loop);
    if (found == keepers_.end() || found->second.get() != &of) return;
    for (auto& [key, each] : all_) {
        if (loop_of(key) != loop) continue;
        for (auto& one : each.idle) of.hand_over(std::move(one));
        each.idle.clear();
    }
    keepers_.erase(found);
}

void http_client::remove_expired(expired& old) {
    const auto now = time::clock::now();
    const auto is_fresh = [&](const auto& each) { return now - each->idle_since() < options_.idle_timeout(); };
    for (auto& [key, each] : all_) {
        expire(old, key, each.idle, std::ranges::find_if(each.idle, is_fresh));
        if (each.shared && !is_open(*each.shared)) old.shared.push_back(std::move(each.shared));
    }
    if (all_.size() > most_origins) remove_origins(old);
}

void http_client::remove_origins(expired& old) {
    std::erase_if(all_, [](const auto& each) { return !each.second.has_connection() && !each.second.is_awaited(); });
    while (all_.size() > most_origins) {
        const auto oldest = std::ranges::min_element(all_, {}, [](const auto& each) {
            return std::pair(each.second.is_awaited(), each.second.last_use);  // those that are awaited last
        });
        if (oldest->second.is_awaited()) return;
        expire(old, oldest->first, oldest->second.idle, oldest->second.idle.end());
        if (oldest->second.shared) old.shared.push_back(std::move(oldest->second.shared));
        all_.erase(oldest);
    }
}

}  // namespace eddy::detail
