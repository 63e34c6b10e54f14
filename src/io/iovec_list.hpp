// SPDX-License-Identifier: MIT
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

namespace eddy::detail {

/// What a vectored call is given at once: more buffers are left for the next.
class iovec_list {
public:
    template <class Byte>
    explicit iovec_list(std::span<const std::span<Byte>> buffers) noexcept {
        for (const auto& buffer : buffers) {
            if (buffer.empty()) continue;
            if (count_ == list_.size()) break;
            // SAFETY: sendmsg(2) only reads through the pointer that loses its const here.
            list_[count_++] = {const_cast<std::byte*>(buffer.data()), buffer.size()};
            total_ += buffer.size();
        }
    }
    [[nodiscard]] std::span<const iovec> get() const noexcept { return std::span(list_).first(count_); }
    [[nodiscard]] std::size_t total() const noexcept { return total_; }

private:
    std::array<iovec, 64> list_;
    std::size_t count_ = 0;
    std::size_t total_ = 0;
};

}  // namespace eddy::detail
