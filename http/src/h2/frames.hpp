// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>

// The frames that a peer sends: their heads, how many useless ones it may send, and what nghttp2 does not check.

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

/// The error of HTTP/2 with which a connection must end, or nullopt.
using http2_refusal = std::optional<std::uint32_t>;

/// A token bucket that limits how often a peer may cause useless work, such as answers to PING.
class http2_allowance {
public:
    /// Takes a token. Returns false if there is none.
    [[nodiscard]] bool take() noexcept {
        if (left_ == 0) refill();
        if (left_ == 0) return false;
        --left_;
        return true;
    }
    /// Adds tokens. Call it when the peer has caused useful work.
    void earn(std::size_t tokens = 1) noexcept {
        left_ += static_cast<int>(std::min(tokens, static_cast<std::size_t>(most - left_)));
    }

private:
    void refill() noexcept {
        const auto now = time::clock::now();
        const auto tokens = (now - refilled_) / interval;
        left_ = static_cast<int>(std::min<std::chrono::nanoseconds::rep>(tokens, most));
        if (left_ != 0) refilled_ = now;
    }

    static constexpr int most = 1000;
    static constexpr auto interval = std::chrono::milliseconds(30);

    int left_ = most;
    time::time_point refilled_ = time::clock::now();
};

/// How much useless work a peer may cause: frames that lead to nothing, such as PING, and resets of streams by either
/// side. Useful work permits more of them.
/// Thread safety: one thread at a time.
class http2_allowances {
public:
    static constexpr std::size_t bytes_per_token = 256;  // of sent data

    /// Counts a frame that begins. `is_known` tells whether its stream has a request.
    http2_refusal begin_frame(const http2_frame_head& frame, bool is_known) noexcept {
        switch (frame.type) {
        case NGHTTP2_DATA:
            // nghttp2 ignores data on streams that were reset.
            return frame.length < bytes_per_token && !is_known ? take_frame() : http2_refusal();
        case NGHTTP2_HEADERS: return is_known ? http2_refusal() : take_frame();
        case NGHTTP2_SETTINGS:
        case NGHTTP2_RST_STREAM: return {};  // see received()
        default: return take_frame();
        }
    }
    /// Counts a complete frame that nghttp2 has processed.
    http2_refusal received(const nghttp2_frame& frame) noexcept {
        switch (frame.hd.type) {
        case NGHTTP2_DATA: {
            const bool is_empty = frame.hd.length == frame.data.padlen;
            return is_empty && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ? take_frame() : http2_refusal();
        }
        case NGHTTP2_SETTINGS: return take_frame();
        case NGHTTP2_RST_STREAM: return take_reset();
        default: return {};
        }
    }

    http2_refusal take_frame() noexcept { return take(frames_); }
    http2_refusal take_reset() noexcept { return take(resets_); }
    /// Counts requests, responses and data.
    void earn_frames() noexcept { frames_.earn(); }
    /// Counts a complete response.
    void earn_reset() noexcept { resets_.earn(); }
    /// Counts sent data. A peer that opens its windows by a few bytes each time gets small parts of a larger rest, so
    /// `is_rest` tells whether this is all data that there is.
    void earn_for(std::size_t bytes, bool is_rest) noexcept {
        frames_.earn(bytes / bytes_per_token + (is_rest ? tokens_of_rest : 0));
    }

private:
    static constexpr std::size_t tokens_of_rest = 2;  // for sending all data that there is: the peer may answer it

    static http2_refusal take(http2_allowance& from) noexcept {
        return from.take() ? http2_refusal() : http2_refusal(NGHTTP2_ENHANCE_YOUR_CALM);
    }

    http2_allowance frames_;
    http2_allowance resets_;
};

/// The frames of a client, and what nghttp2 does not check about them: their order, how long a block of fields takes,
/// how many frames lead to nothing, and how much work they are.
/// Thread safety: one thread at a time.
class http2_client_frames {
public:
    /// `first_until` is the deadline of the first request. Takes from `allowed`.
    http2_client_frames(std::size_t header_limit, time::time_point first_until, http2_allowances& allowed) noexcept
        : header_limit_(header_limit), allowed_(allowed), block_until_(first_until) {}

    /// Begins a frame, before nghttp2 gets it. `is_known` tells whether its stream has an exchange. A block of fields
    /// must be complete at `block_until`.
    http2_refusal begin(const http2_frame_head& frame, bool is_known, time::time_point block_until) noexcept;
    /// Ends a frame, which was received completely.
    void end(const http2_frame_head& frame) noexcept;

    /// Adds the size of a field to the size of its block. Returns whether that is too large.
    [[nodiscard]] bool add_field(std::size_t size) noexcept;
    /// Records that the client has ended a stream that was closed.
    void end_stream(std::int32_t stream) noexcept { ended_[ended_next_++ % ended_.size()] = stream; }

    /// Takes the cost of the received frames from the coop budget. Returns false if there is not enough. A read takes
    /// one unit, but its 16 KiB may contain a thousand frames.
    [[nodiscard]] bool pay(context& cx) noexcept;

    /// Returns the deadline of the first request, or of the current block of fields, or time_point::max().
    [[nodiscard]] time::time_point block_until() const noexcept { return block_until_; }
    /// Returns the error after that deadline, and removes it. In the middle of a block of fields, the connection cannot
    /// continue.
    [[nodiscard]] std::uint32_t end_late_block() noexcept;

private:
    [[nodiscard]] http2_refusal check_stream(std::int32_t stream) const noexcept;
    http2_refusal begin_block(const http2_frame_head& frame, bool is_known, time::time_point until) noexcept;
    http2_refusal continue_block(const http2_frame_head& frame) noexcept;

    const std::size_t header_limit_;
    http2_allowances& allowed_;
    time::time_point block_until_;
    std::size_t block_size_ = 0;   // bytes of the current block of fields
    std::size_t fields_size_ = 0;  // bytes of its fields, decoded
    std::size_t unpaid_ = 0;       // see pay()
    // The streams that the client has ended and that were closed last. nghttp2 could remember closed streams, too, but
    // that takes 240 bytes for each.
    std::array<std::int32_t, 8> ended_{};
    std::size_t ended_next_ = 0;
    std::int32_t last_stream_ = 0;  // the highest stream that the client has opened
    // The last ranges of streams that the client has skipped: from `first` to before `second`.
    std::array<std::pair<std::int32_t, std::int32_t>, 8> skipped_{};
    std::size_t skipped_next_ = 0;
};

}  // namespace eddy::detail
