// SPDX-License-Identifier: MIT
#include "http/client_pool.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>

namespace eddy::inline v0_1::detail {

std::unique_ptr<client_connection> http_client::take(const std::string& origin) {
    idle_list expired;  // declared before the lock, so destroyed after it is released
    const std::lock_guard guard(lock_);
    expired = remove_expired();
    const auto found = idle_.find(origin);
    if (found == idle_.end()) return nullptr;
    auto taken = std::move(found->second.back().connection);
    found->second.pop_back();
    if (found->second.empty()) idle_.erase(found);
    return taken;
}

void http_client::put(const std::string& origin, std::unique_ptr<client_connection> connection) {
    idle_list expired;
    if (options_.max_idle() == 0) return;
    connection->stream.release_buffers();
    const std::lock_guard guard(lock_);
    expired = remove_expired();
    auto& list = idle_[origin];
    list.push_back({std::move(connection), time::clock::now()});
    if (list.size() <= options_.max_idle()) return;
    expired.push_back(std::move(list.front()));
    list.erase(list.begin());
}

http_client::idle_list http_client::remove_expired() {
    idle_list expired;
    const auto now = time::clock::now();
    const auto is_fresh = [&](const idle& each) { return now - each.since < options_.idle_timeout(); };
    for (auto at = idle_.begin(); at != idle_.end();) {
        auto& list = at->second;  // sorted by `since`
        const auto first = std::ranges::find_if(list, is_fresh);
        std::move(list.begin(), first, std::back_inserter(expired));
        list.erase(list.begin(), first);
        at = list.empty() ? idle_.erase(at) : std::next(at);
    }
    return expired;
}

}  // namespace eddy::detail
