// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
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
          buffer_(std::exchange(other.buffer_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)) {}
    leased_buffer& operator=(leased_buffer&& other) noexcept {
        std::swap(home_, other.home_);
        std::swap(buffer_, other.buffer_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~leased_buffer() {
        if (buffer_ != nullptr) home_->give_back(buffer_);
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
        : home_(&home), buffer_(buffer), data_(bytes.data()), size_(bytes.size()) {}

    detail::buffer_home* home_ = nullptr;  // kept alive by the lease
    std::byte* buffer_ = nullptr;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace eddy::io
