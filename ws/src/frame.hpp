// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Frames (RFC 6455, section 5), and all that differs between the two roles: a client masks its frames, and a server
// requires that.

namespace eddy::detail {

enum class ws_role : unsigned char { server, client };

enum class ws_opcode : unsigned char { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// The mask of a payload, or no mask.
class ws_mask {
public:
    void set(const std::array<unsigned char, 4>& bytes) noexcept {
        bytes_ = bytes;
        at_ = 0;
        is_set_ = true;
    }
    /// Appends the next part of the payload, to which it applies the mask.
    /// Errors: throws std::bad_alloc. Then nothing has changed.
    void append(std::string& to, std::string_view part);

private:
    std::array<unsigned char, 4> bytes_{};
    std::uint8_t at_ = 0;  // the index of the next byte
    bool is_set_ = false;
};

/// The frame that is received.
///
///     head ──first two bytes: check()──> head ──has_head(): begin_payload()──> payload ──remaining() is 0: end()──>
///     head
class ws_frame_reader {
public:
    explicit ws_frame_reader(ws_role own) noexcept : role_(own) {}

    [[nodiscard]] ws_role role() const noexcept { return role_; }
    [[nodiscard]] bool is_in_payload() const noexcept { return is_in_payload_; }
    /// Returns whether the head is complete.
    [[nodiscard]] bool has_head() const noexcept { return filled_ == head_size(); }
    /// Adds a byte to the head. Returns whether it is the second one. Then the functions below are valid.
    [[nodiscard]] bool add(char byte) noexcept {
        head_[filled_++] = static_cast<unsigned char>(byte);
        return filled_ == 2;
    }
    /// Checks what RFC 6455 requires of the first two bytes of each frame, so that a violation is found before the
    /// payload arrives.
    [[nodiscard]] bool check() const noexcept;
    [[nodiscard]] ws_opcode opcode() const noexcept { return static_cast<ws_opcode>(head_[0] & 0x0fu); }
    [[nodiscard]] bool is_control() const noexcept { return (head_[0] & 8u) != 0; }
    [[nodiscard]] bool is_final() const noexcept { return (head_[0] & 0x80u) != 0; }
    [[nodiscard]] bool is_compressed() const noexcept { return (head_[0] & 0x40u) != 0; }

    /// Begins the payload. Returns false if its size is not valid.
    [[nodiscard]] bool begin_payload() noexcept;
    [[nodiscard]] std::size_t head_bytes() const noexcept { return filled_; }
    /// Returns how many bytes of the payload did not arrive yet.
    [[nodiscard]] std::uint64_t remaining() const noexcept { return remaining_; }
    void take(std::size_t count) noexcept { remaining_ -= count; }
    [[nodiscard]] ws_mask& mask() noexcept { return mask_; }
    void end() noexcept {
        is_in_payload_ = false;
        filled_ = 0;
    }

private:
    [[nodiscard]] std::size_t head_size() const noexcept;

    const ws_role role_;
    bool is_in_payload_ = false;
    std::uint8_t filled_ = 0;  // bytes of head_
    std::array<unsigned char, 14> head_{};
    std::uint64_t remaining_ = 0;
    ws_mask mask_;
};

/// The frames that are sent, as bytes.
class ws_frame_writer {
public:
    explicit ws_frame_writer(ws_role own) noexcept : is_masking_(own == ws_role::client) {}

    /// Errors: throws std::bad_alloc. Then no part of the frame was appended.
    void write(ws_opcode what, bool is_compressed, std::string_view payload);
    [[nodiscard]] std::string_view unsent() const noexcept { return std::string_view(out_).substr(sent_); }
    /// Removes bytes from the front of unsent(). Returns whether nothing is left.
    [[nodiscard]] bool sent(std::size_t count) noexcept;
    void drop() noexcept;

private:
    const bool is_masking_;
    std::string out_;
    std::size_t sent_ = 0;  // bytes of out_
};

}  // namespace eddy::detail
