// SPDX-License-Identifier: MIT
#include "client/pool.hpp"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/await_record.hpp>
#include <eddy/runtime/core_handle.hpp>

#include "h2/http2.hpp"

namespace eddy::detail {

std::string pool_key_of_loop() {
    const auto loop = core_handle::try_current();
    return loop ? "/" + std::to_string(loop->id()) : std::string();
}

http_client::http_client(http::client_options&& chosen)
    : options_(std::move(chosen)),
      proxies_(options_.proxies() ? *options_.proxies() : http::proxies::from_environment()) {}

std::unique_ptr<client_connection> http_client::take(const std::string& origin) {
    expired old;  // declared before the lock, so destroyed after it is released
    const std::lock_guard guard(lock_);
    remove_expired(old);
    const auto found = all_.find(origin);
    if (found == all_.end() || found->second.idle.empty()) return nullptr;
    found->second.last_use = time::clock::now();
    auto taken = std::move(found->second.idle.back().connection);
    found->second.idle.pop_back();
    return taken;
}

void http_client::put(const std::string& origin, std::unique_ptr<client_connection> connection) {
    expired old;
    if (options_.max_idle() == 0) return connection->end();
    connection->stream.release_buffers();
    connection->begin_idle();
    dropped_bodies_.store(0, std::memory_order_relaxed);
    const std::lock_guard guard(lock_);
    remove_expired(old);
    auto& list = entry(origin).idle;
    list.push_back({std::move(connection), time::clock::now()});
    if (list.size() <= options_.max_idle()) return;
    old.here.push_back(std::move(list.front()));
    list.erase(list.begin());
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

void http_client::expired::take(std::string_view key, idle_list& from, idle_list::iterator end) {
    if (end == from.begin()) return;
    const bool is_here = key.substr(std::min(key.find('/'), key.size())) == pool_key_of_loop();
    auto& into = is_here ? here : elsewhere;
    // Either moves all of them or throws before it moves one.
    into.insert(into.end(), std::move_iterator(from.begin()), std::move_iterator(end));
    from.erase(from.begin(), end);
}

void http_client::remove_expired(expired& old) {
    const auto now = time::clock::now();
    const auto is_fresh = [&](const idle& each) { return now - each.since < options_.idle_timeout(); };
    for (auto& [key, each] : all_) {
        old.take(key, each.idle, std::ranges::find_if(each.idle, is_fresh));
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
        old.take(oldest->first, oldest->second.idle, oldest->second.idle.end());
        if (oldest->second.shared) old.shared.push_back(std::move(oldest->second.shared));
        all_.erase(oldest);
    }
}

}  // namespace eddy::detail
