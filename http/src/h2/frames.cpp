// SPDX-License-Identifier: MIT
#include "h2/frames.hpp"

#include <algorithm>

namespace eddy::detail {
namespace {

constexpr std::size_t bytes_per_unit = 2 * 1024;  // of blocks of fields, for one unit of the coop budget
constexpr std::size_t frame_cost = 64;            // a frame takes as long as this many bytes of a block of fields
constexpr std::size_t fields_factor = 4;          // fields of this many times `header_limit` reset their stream
constexpr std::size_t least_fields = 16 * 1024;   // a smaller `header_limit` counts as this one
constexpr auto never = time::time_point::max();

}  // namespace

bool http2_client_frames::pay(context& cx) noexcept {
    for (; unpaid_ >= bytes_per_unit; unpaid_ -= bytes_per_unit)
        if (!cx.consume_budget()) return false;
    return true;
}

http2_refusal http2_client_frames::begin(const http2_frame_head& frame, bool is_known,
                                         time::time_point block_until) noexcept {
    unpaid_ += frame_cost;
    switch (frame.type) {
    case NGHTTP2_DATA:
        if (const auto refused = check_stream(frame.stream)) return refused;
        return allowed_.begin_frame(frame, is_known);
    case NGHTTP2_HEADERS:
        if (const auto refused = check_stream(frame.stream)) return refused;
        return begin_block(frame, is_known, block_until);
    case NGHTTP2_CONTINUATION: return continue_block(frame);
    default: return allowed_.begin_frame(frame, is_known);
    }
}

http2_refusal http2_client_frames::check_stream(std::int32_t stream) const noexcept {
    if (stream == 0) return {};  // nghttp2 checks that
    // RFC 9113, section 5.1: a frame on a stream that the client has ended is an error. Frames on a stream that the
    // server has reset are valid, because the client may not know that yet.
    if (std::ranges::find(ended_, stream) != ended_.end()) return NGHTTP2_STREAM_CLOSED;
    // Section 5.1.1: a new stream has a higher identifier than all earlier ones.
    const auto contains = [&](const auto& range) { return range.first <= stream && stream < range.second; };
    return std::ranges::any_of(skipped_, contains) ? http2_refusal(NGHTTP2_PROTOCOL_ERROR) : http2_refusal();
}

/// Begins a block of fields: of a request, or of its trailers.
http2_refusal http2_client_frames::begin_block(const http2_frame_head& frame, bool is_known,
                                               time::time_point until) noexcept {
    unpaid_ += frame.length;
    block_size_ = frame.length;
    fields_size_ = 0;
    block_until_ = std::min(block_until_, until);  // the time for the first block begins with the connection
    if (frame.stream <= last_stream_) return is_known ? http2_refusal() : allowed_.take_frame();
    // The identifiers of a client are odd.
    if (frame.stream - last_stream_ > 2) skipped_[skipped_next_++ % skipped_.size()] = {last_stream_ + 1, frame.stream};
    last_stream_ = frame.stream;
    return {};
}

http2_refusal http2_client_frames::continue_block(const http2_frame_head& frame) noexcept {
    unpaid_ += frame.length;
    block_size_ += frame.length;
    if (const auto refused = allowed_.take_frame()) return refused;
    // A block of fields is smaller than the decoded fields (HPACK), unless the client pads it.
    if (block_size_ > least_fields && (block_size_ - least_fields) / 2 > header_limit_)
        return NGHTTP2_ENHANCE_YOUR_CALM;
    return {};
}

void http2_client_frames::end(const http2_frame_head& frame) noexcept {
    const bool is_of_block = frame.type == NGHTTP2_HEADERS || frame.type == NGHTTP2_CONTINUATION;
    if (is_of_block && (frame.flags & NGHTTP2_FLAG_END_HEADERS) != 0) block_until_ = never;
}

bool http2_client_frames::add_field(std::size_t size) noexcept {
    fields_size_ += size;
    return fields_size_ / fields_factor > std::max(header_limit_, least_fields);
}

std::uint32_t http2_client_frames::end_late_block() noexcept {
    block_until_ = never;
    return last_stream_ == 0 ? NGHTTP2_NO_ERROR : NGHTTP2_ENHANCE_YOUR_CALM;
}

}  // namespace eddy::detail
