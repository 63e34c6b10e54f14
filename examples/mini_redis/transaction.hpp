// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "database.hpp"

namespace mini_redis {

/// The transaction of one connection: the keys that WATCH has named, and the requests between MULTI and EXEC. There are
/// no locks: EXEC runs all requests without waiting, so no other client runs a command in between.
class transaction {
public:
    using request = std::vector<std::string>;

    [[nodiscard]] bool is_open() const noexcept { return is_open_; }
    void open() noexcept { is_open_ = true; }

    /// Queues a request. Returns false if the queue would exceed `limit` bytes.
    bool queue(std::span<const std::string_view> words, std::size_t limit) {
        std::size_t size = 0;
        for (const auto word : words) size += word.size() + sizeof(std::string);
        if (size > limit - size_) return false;
        size_ += size;
        queued_.emplace_back(words.begin(), words.end());
        return true;
    }
    /// Makes EXEC fail, because a request was rejected. Does nothing before MULTI.
    void fail() noexcept { has_failed_ = is_open_; }
    [[nodiscard]] bool has_failed() const noexcept { return has_failed_; }

    /// Remembers the present state of a key.
    void watch(std::string_view key, database& keys) { watched_.emplace_back(key, keys.revision_of(key)); }
    void unwatch() noexcept { watched_.clear(); }
    /// Returns whether a watched key has changed.
    [[nodiscard]] bool is_outdated(database& keys) const {
        for (const auto& [key, revision] : watched_) {
            if (keys.revision_of(key) != revision) return true;
        }
        return false;
    }

    /// Ends the transaction. Returns its requests.
    std::vector<request> end() noexcept {
        auto requests = std::move(queued_);
        *this = transaction();
        return requests;
    }

private:
    std::vector<request> queued_;
    std::vector<std::pair<std::string, std::uint64_t>> watched_;
    std::size_t size_ = 0;  // of the queue, in bytes
    bool is_open_ = false;
    bool has_failed_ = false;
};

}  // namespace mini_redis
