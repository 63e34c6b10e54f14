// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace eddy::detail {

/// The head of a frame.
struct http2_frame_head {
    std::uint32_t length = 0;
    std::uint8_t type = 0;
    std::uint8_t flags = 0;
    std::int32_t stream = 0;

    http2_frame_head() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Splits the bytes of a peer into frames, so that a connection can act between two frames. nghttp2 has no callback for
/// frames that it ignores.
class http2_frames {
public:
    /// The frames begin after a preface of this many bytes.
    explicit http2_frames(std::size_t preface = 0) noexcept : preface_left_(preface) {}

    /// Returns how many of the bytes belong to the preface, or to the current frame.
    [[nodiscard]] std::size_t next(std::span<const std::byte> bytes) noexcept {
        if (preface_left_ != 0) return take(preface_left_, bytes.size());
        std::size_t count = 0;
        if (payload_left_ == 0 && head_size_ == head_.size()) head_size_ = 0;
        while (head_size_ != head_.size()) {
            if (count == bytes.size()) return count;
            head_[head_size_++] = std::to_integer<std::uint32_t>(bytes[count++]);
            if (head_size_ == head_.size()) begin();
        }
        return count + take(payload_left_, bytes.size() - count);
    }
    /// Returns whether the last call of next() has completed the head of a frame.
    [[nodiscard]] bool take_begin() noexcept { return std::exchange(has_begun_, false); }
    /// Returns whether the last call of next() has completed a frame.
    [[nodiscard]] bool is_complete() const noexcept { return head_size_ == head_.size() && payload_left_ == 0; }
    [[nodiscard]] const http2_frame_head& current() const noexcept { return current_; }

private:
    static std::size_t take(std::size_t& left, std::size_t most) noexcept {
        const auto count = std::min(left, most);
        left -= count;
        return count;
    }
    void begin() noexcept {
        current_.length = head_[0] << 16 | head_[1] << 8 | head_[2];
        current_.type = static_cast<std::uint8_t>(head_[3]);
        current_.flags = static_cast<std::uint8_t>(head_[4]);
        current_.stream =
            static_cast<std::int32_t>((head_[5] & 0x7f) << 24 | head_[6] << 16 | head_[7] << 8 | head_[8]);
        payload_left_ = current_.length;
        has_begun_ = true;
    }

    std::size_t preface_left_;
    std::size_t payload_left_ = 0;
    std::size_t head_size_ = 0;
    bool has_begun_ = false;
    std::array<std::uint32_t, 9> head_{};
    http2_frame_head current_;
};

}  // namespace eddy::detail
