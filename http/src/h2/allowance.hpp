// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <eddy/time/clock.hpp>

#include "h2/frame_heads.hpp"

namespace eddy::detail {

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

}  // namespace eddy::detail
