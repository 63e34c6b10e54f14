// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/http/request.hpp>
#include <eddy/sync/cancellation_token.hpp>

namespace eddy::detail {

/// Whether the client of one request is still connected. The connection and the http::request share it.
/// Thread safety: any thread.
class client_presence {
public:
    /// Returns the token that leave() cancels. From the first call on, the service decides itself how it ends.
    [[nodiscard]] sync::cancellation_token token() {
        const std::lock_guard guard(lock_);
        if (!token_) {
            token_.emplace();
            if (has_left_) token_->cancel();  // it has no waiters yet
        }
        return *token_;
    }
    /// Returns whether the service has asked for the token.
    [[nodiscard]] bool is_watched() const noexcept {
        const std::lock_guard guard(lock_);
        return token_.has_value();
    }
    /// Cancels the token: the client will not receive the response.
    void leave() noexcept {
        std::optional<sync::cancellation_token> told;
        {
            const std::lock_guard guard(lock_);
            if (std::exchange(has_left_, true)) return;
            told = token_;
        }
        if (told) told->cancel();  // without the lock, because this wakes tasks
    }

private:
    mutable mutex lock_;
    std::optional<sync::cancellation_token> token_;  // null until token() is called: most services do not need it
    bool has_left_ = false;
};

/// Allocates from the frame pool.
template <class T>
struct pool_allocator {
    using value_type = T;

    pool_allocator() noexcept = default;
    template <class U>
    pool_allocator(const pool_allocator<U>&) noexcept {}
    [[nodiscard]] T* allocate(std::size_t count) { return static_cast<T*>(allocate_block(count * sizeof(T))); }
    void deallocate(T* memory, std::size_t count) noexcept { free_block_of(memory, count * sizeof(T)); }
    friend bool operator==(const pool_allocator&, const pool_allocator&) noexcept { return true; }
};

/// Gives the library access to the private members of http::request.
struct request_access {
    /// Makes the presence of the client of `asked`, and returns it.
    static std::shared_ptr<client_presence> add_client(http::request& asked) {
        asked.client_ = std::allocate_shared<client_presence>(pool_allocator<client_presence>());
        return asked.client_;
    }
};

}  // namespace eddy::detail
