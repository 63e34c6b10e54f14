// SPDX-License-Identifier: MIT
#include "contents_copy.hpp"

#include <algorithm>
#include <span>
#include <system_error>

#include "sys/content_calls.hpp"
#include "sys/copy_calls.hpp"
#include "sys/storage_calls.hpp"

namespace eddy::fs::detail {

eddy::result<bool> contents_copy::step(std::size_t most) {
    for (std::size_t left = most; left > 0;) {
        const auto data = eddy::sys::next_data(from_, offset_);
        if (!data) return std::unexpected(data.error());
        offset_ = data->begin;
        const auto count = copy_some(static_cast<std::size_t>(std::min<std::uint64_t>(left, data->end - data->begin)));
        if (!count) return std::unexpected(count.error());
        if (*count == 0) {
            // A hole at the end has no bytes that were written.
            const auto sized = eddy::sys::truncate(to_, offset_);
            if (!sized) return std::unexpected(sized.error());
            return true;
        }
        left -= *count;
    }
    return false;
}

/// Copies at the current offset. Returns the number of bytes; 0 at the end of the file.
eddy::result<std::size_t> contents_copy::copy_some(std::size_t most) {
    auto target_offset = offset_;
    const auto copied = eddy::sys::copy_range(from_, offset_, to_, target_offset, most);
    // 0 is not necessarily the end: the files of /proc are copied so.
    const bool is_done = copied ? *copied > 0 : copied.error() != std::errc::operation_not_supported;
    if (is_done) return copied;
    constexpr std::size_t piece_size = 256 * 1024;
    piece_.resize(piece_size);
    const auto piece = std::span(piece_).first(std::min(most, piece_size));
    const auto count = eddy::sys::read_some(from_, piece, offset_);
    if (!count || *count == 0) return count;
    const auto written = eddy::sys::write_all(to_, piece.first(*count), offset_);
    if (!written) return std::unexpected(written.error());
    offset_ += *count;
    return count;
}

}  // namespace eddy::fs::detail
