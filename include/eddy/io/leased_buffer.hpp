// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <eddy/detail/buffer_home.hpp>

namespace eddy::detail {
class io_socket;
}

namespace eddy::io {

/// Received bytes, in a buffer that belongs to the loop: it was taken when there was something to put into it, and goes
/// back when the lease ends. So a connection that waits holds no buffer. Empty at the end of the stream.
/// Thread safety: as a value; it may end on any thread, also after its loop.
class leased_buffer {
public:
    /// An empty lease.
    leased_buffer() noexcept = default;
    leased_buffer(leased_buffer&& other) noexcept
        : home_(std::exchange(other.home_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          begin_(other.begin_) {}
    leased_buffer& operator=(leased_buffer&& other) noexcept {
        std::swap(home_, other.home_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(begin_, other.begin_);
        return *this;
    }
    ~leased_buffer() {
        if (home_ != nullptr) home_->give_back(data_ - begin_);
    }

    [[nodiscard]] std::byte* data() noexcept { return data_; }
    [[nodiscard]] const std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    [[nodiscard]] std::byte* begin() noexcept { return data_; }
    [[nodiscard]] std::byte* end() noexcept { return data_ + size_; }
    [[nodiscard]] const std::byte* begin() const noexcept { return data_; }
    [[nodiscard]] const std::byte* end() const noexcept { return data_ + size_; }

private:
    friend class detail::io_socket;

    /// `bytes` lie in `buffer`, which goes back to `home`.
    leased_buffer(detail::buffer_home& home, std::byte* buffer, std::span<std::byte> bytes) noexcept
        : home_(&home),
          data_(bytes.data()),
          size_(static_cast<std::uint32_t>(bytes.size())),
          begin_(static_cast<std::uint32_t>(bytes.data() - buffer)) {}

    // Small, since it stays in the frame of whoever waits for one.
    detail::buffer_home* home_ = nullptr;  // kept alive by the lease; null if it is empty
    std::byte* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint32_t begin_ = 0;  // of the data in its buffer
};

}  // namespace eddy::io
