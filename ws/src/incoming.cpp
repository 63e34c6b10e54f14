// SPDX-License-Identifier: MIT
#include "incoming.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <eddy/detail/free_memory.hpp>

namespace eddy::detail {
namespace {

/// The number of bytes that are unmasked and decompressed at a time.
constexpr std::size_t piece_size = 4 * 1024;

/// The most bytes that a compressed byte can stand for (zlib's documentation, "Maximum Compression Factor").
constexpr std::size_t most_inflated = 1032;

}  // namespace

bool ws_incoming::begin(ws_opcode what, bool is_compressed) noexcept {
    if (what == ws_opcode::continuation) return is_begun_ && !is_compressed;
    if (is_begun_ || (is_compressed && !may_be_compressed_)) return false;
    is_begun_ = true;
    is_text_ = what == ws_opcode::text;
    is_compressed_ = is_compressed;
    overhead_ = 0;
    wire_size_ = 0;
    utf8_ = utf8_checker();
    return true;
}

ws_incoming::violation ws_incoming::begin_frame(std::uint64_t size, std::size_t head) {
    // Compression may enlarge a message, but by less than a 64th and 1 KiB. The limit for the compressed size prevents
    // endless messages that decompress to nothing.
    const std::uint64_t limit = limit_;
    const std::uint64_t added = is_compressed_ ? limit / 64 + 1024 : 0;
    const std::uint64_t most = limit > std::numeric_limits<std::uint64_t>::max() - added ? limit : limit + added;
    if (size > most - wire_size_) return ws::errc::message_too_large;
    wire_size_ += size;
    overhead_ += head;
    if (overhead_ > overhead_limit_ && overhead_ - overhead_limit_ > wire_size_) return ws::errc::too_many_frames;
    if (!is_compressed_ && content_.empty())
        content_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, most_reserved)));
    return {};
}

ws_incoming::violation ws_incoming::add(std::string_view& from, ws_mask& mask) {
    if (is_compressed_) {
        const auto part = from.substr(0, piece_size);
        add_compressed(part, mask);
        from.remove_prefix(part.size());
        return {};
    }
    const auto before = content_.size();
    mask.append(content_, from);
    if (!is_text_valid(before)) return ws::errc::invalid_text;
    from = {};
    return {};
}

void ws_incoming::add_compressed(std::string_view part, ws_mask& mask) {
    const auto left = to_inflate_.size();
    if (left == 0) deflated_.clear();
    mask.append(deflated_, part);
    to_inflate_ = std::string_view(deflated_).substr(deflated_.size() - part.size() - left);
    is_inflating_ = true;
}

void ws_incoming::end_frame(bool is_final) {
    if (!is_final) return;
    ws_mask none;
    if (is_compressed_) add_compressed(ws_inflater::message_end, none);
    is_ending_ = true;
}

ws_incoming::violation ws_incoming::inflate(std::size_t& work) {
    if (!inflater_) inflater_ = std::make_unique<ws_inflater>(has_takeover_);
    const auto before = content_.size();
    const auto left = to_inflate_.size();
    // Text that grows by doubling would copy megabytes in one step. Pages that are not written take no memory.
    if (before >= deflate_step) content_.reserve(std::min(limit_, before + most_inflated * left) + 1);
    const auto outcome = inflater_->add(to_inflate_, content_, limit_);
    work += std::max(content_.size() - before, left - to_inflate_.size());
    is_inflating_ = outcome == ws_inflater::outcome::more;
    // Checks the text first, so that the error does not depend on the pieces in which the frame arrives.
    if (!is_text_valid(before)) return ws::errc::invalid_text;
    if (outcome == ws_inflater::outcome::invalid) return ws::errc::invalid_compression;
    if (outcome == ws_inflater::outcome::too_large) return ws::errc::message_too_large;
    return {};
}

ws_incoming::violation ws_incoming::end() noexcept {
    is_ending_ = false;
    if (is_compressed_) {
        inflater_->end_message();
        free_memory(deflated_);
        to_inflate_ = {};
    }
    if (is_text_ && !utf8_.is_complete()) return ws::errc::invalid_text;
    is_complete_ = true;
    return {};
}

ws::message ws_incoming::take() {
    is_complete_ = is_begun_ = false;
    auto content = std::exchange(content_, std::string());
    if (is_text_) return ws::message(std::move(content));
    return ws::message(bytes(std::move(content)));
}

void ws_incoming::discard() noexcept {
    drop();
    if (std::exchange(is_ending_, false)) is_begun_ = false;
}

void ws_incoming::drop() noexcept {
    free_memory(content_);
    free_memory(deflated_);
    to_inflate_ = {};
    is_inflating_ = false;
}

}  // namespace eddy::detail
