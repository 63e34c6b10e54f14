// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

class buffer_owner;
class direct_transport;
class ring_transport;

/// Returns a leased buffer to its owner. `buffer` is the first byte of the buffer, not of its data. Callable on any
/// thread.
EDDY_API void give_back(buffer_owner& owner, std::byte* buffer) noexcept;

}  // namespace eddy::detail

namespace eddy::io {

/// Received bytes, in a buffer that is leased from a pool of the event loop. The pool hands the buffer out when bytes
/// have arrived, so a connection that waits holds no buffer. The destructor returns the buffer. Empty at end of stream.
/// Thread safety: one thread at a time. It may be destroyed on any thread, also after its event loop has ended.
class leased_buffer {
public:
    /// Constructs an empty lease.
    leased_buffer() noexcept = default;
    leased_buffer(leased_buffer&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          begin_(other.begin_) {}
    leased_buffer& operator=(leased_buffer&& other) noexcept {
        std::swap(owner_, other.owner_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(begin_, other.begin_);
        return *this;
    }
    ~leased_buffer() {
        if (owner_ != nullptr) detail::give_back(*owner_, data_ - begin_);
    }

    /// Returns the received bytes and their number.
    [[nodiscard]] std::byte* data() noexcept { return data_; }
    [[nodiscard]] const std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    /// Iterates over the received bytes.
    [[nodiscard]] std::byte* begin() noexcept { return data_; }
    [[nodiscard]] std::byte* end() noexcept { return data_ + size_; }
    [[nodiscard]] const std::byte* begin() const noexcept { return data_; }
    [[nodiscard]] const std::byte* end() const noexcept { return data_ + size_; }

private:
    friend class detail::direct_transport;
    friend class detail::ring_transport;

    /// Leases `buffer` from the buffer owner `owner`. `bytes` is the filled part of the buffer.
    leased_buffer(detail::buffer_owner& owner, std::byte* buffer, std::span<std::byte> bytes) noexcept
        : owner_(&owner),
          data_(bytes.data()),
          size_(static_cast<std::uint32_t>(bytes.size())),
          begin_(static_cast<std::uint32_t>(bytes.data() - buffer)) {}

    // Small, because it is stored in the coroutine frame of a task that waits for bytes.
    detail::buffer_owner* owner_ = nullptr;  // the buffer owner, which the lease keeps alive; null if empty
    std::byte* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t begin_ = 0;  // the offset of the data in the buffer
};

}  // namespace eddy::io
