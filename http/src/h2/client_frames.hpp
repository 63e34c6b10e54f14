// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/time/clock.hpp>

#include "h2/frames.hpp"

namespace eddy::detail {

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
