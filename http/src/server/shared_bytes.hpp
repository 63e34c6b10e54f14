// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>

#include <eddy/detail/atomic.hpp>

// The memory that the connections of a server use together.

namespace eddy::detail {

/// A number of bytes that several connections have together.
///
/// All accesses are relaxed: the number publishes no other data.
/// Thread safety: any thread.
class shared_bytes {
public:
    /// Adds `bytes` for a connection that has `own` bytes already. Returns false, and adds nothing, if the sum would
    /// exceed `limit`, or if less than `own` would be left for all others. So the first bytes of a connection may take
    /// all that is left. A connection that takes many small parts gets at most half of what is left when it begins.
    [[nodiscard]] bool take(std::size_t bytes, std::size_t own, std::size_t limit) noexcept {
        auto used = used_.load(std::memory_order_relaxed);
        do {
            const auto left = limit > used ? limit - used : 0;
            if (bytes > left || own > left - bytes) return false;
        } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
        return true;
    }
    void give_back(std::size_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

private:
    atomic<std::size_t> used_{0};
};

/// The memory that the connections of a server use together, and that serve_options limits.
struct server_memory {
    shared_bytes responses;
    shared_bytes windows;  // of HTTP/2: by how much they were enlarged
};

/// The bytes of shared_bytes that one object has. The destructor gives them back.
/// Lifetime: refers to the shared_bytes.
class held_share {
public:
    held_share() noexcept = default;
    held_share(const held_share&) = delete;
    held_share& operator=(const held_share&) = delete;
    ~held_share() {
        if (of_ != nullptr) of_->give_back(count_);
    }

    /// Same as shared_bytes::take(). Without `of`, there is no limit.
    [[nodiscard]] bool take(shared_bytes* of, std::size_t bytes, std::size_t own, std::size_t limit) noexcept {
        if (of != nullptr && !of->take(bytes, own, limit)) return false;
        of_ = of;
        count_ += bytes;
        return true;
    }
    /// Gives back some of the bytes.
    void give_back(std::size_t bytes) noexcept {
        if (of_ != nullptr) of_->give_back(bytes);
        count_ -= bytes;
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    shared_bytes* of_ = nullptr;
    std::size_t count_ = 0;
};

}  // namespace eddy::detail
