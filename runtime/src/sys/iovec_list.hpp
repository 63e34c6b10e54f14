// SPDX-License-Identifier: MIT
#pragma once

#include <limits.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "sys/socket_api.hpp"

namespace eddy::detail {

/// The buffers of one vectored call, at most 64. Further buffers are left for the next call.
class iovec_list {
public:
    template <class Byte>
    explicit iovec_list(std::span<const std::span<Byte>> buffers) noexcept {
        for (const auto& buffer : buffers) add(buffer);
    }
    iovec_list(std::span<const std::byte> first, std::span<const std::span<const std::byte>> others) noexcept {
        add(first);
        for (const auto& buffer : others) add(buffer);
    }
    [[nodiscard]] std::span<const iovec> get() const noexcept { return std::span(list_).first(count_); }
    /// Returns the buffer of an element of get().
    [[nodiscard]] static std::span<std::byte> bytes_of(const iovec& buffer) noexcept {
        // SAFETY: add() has stored a std::byte* there. The caller keeps the buffer alive.
        return {static_cast<std::byte*>(buffer.iov_base), buffer.iov_len};
    }
    [[nodiscard]] std::size_t total() const noexcept { return total_; }

private:
    template <class Byte>
    void add(std::span<Byte> buffer) noexcept {
        if (buffer.empty() || count_ == list_.size()) return;
        // SAFETY: sendmsg(2) only reads through the pointer that loses its const here. The caller keeps the buffer
        // alive.
        list_[count_++] = {const_cast<std::byte*>(buffer.data()), buffer.size()};
        total_ += buffer.size();
    }

    std::array<iovec, 64> list_;
    std::size_t count_ = 0;
    std::size_t total_ = 0;
};

}  // namespace eddy::detail

namespace eddy::sys {

#if defined(IOV_MAX)
inline constexpr std::size_t most_iovecs = IOV_MAX;
#else  // Windows
inline constexpr std::size_t most_iovecs = 64;
#endif

/// Returns the number of buffers for one call, at most IOV_MAX: the call would fail with more. If buffers are left, the
/// caller sees that the call has transferred fewer bytes than requested.
[[nodiscard]] inline int iovec_count(std::span<const iovec> buffers) noexcept {
    return static_cast<int>(std::min(buffers.size(), most_iovecs));
}

}  // namespace eddy::sys
