// SPDX-License-Identifier: MIT
#include "frame.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include <eddy/detail/free_memory.hpp>

namespace eddy::detail {
namespace {

constexpr unsigned most_control = 125;  // bytes of a control frame (RFC 6455, section 5.5)

/// Returns a new mask. RFC 6455 requires one that the sender of the payload cannot predict (section 10.3).
std::array<unsigned char, 4> new_mask() {
    static thread_local std::random_device source;
    const auto number = source();
    std::array<unsigned char, 4> mask{};
    std::memcpy(mask.data(), &number, mask.size());
    return mask;
}

/// Applies a mask, beginning with its byte `at`.
void apply_mask(char* data, std::size_t size, const std::array<unsigned char, 4>& mask, std::size_t at) noexcept {
    std::array<unsigned char, 8> pattern{};
    for (std::size_t i = 0; i < pattern.size(); ++i) pattern[i] = mask[(at + i) % 4];
    std::uint64_t wide = 0;
    std::memcpy(&wide, pattern.data(), sizeof wide);
    std::size_t i = 0;
    for (; size - i >= sizeof wide; i += sizeof wide) {
        std::uint64_t word = 0;
        std::memcpy(&word, data + i, sizeof word);
        word ^= wide;
        std::memcpy(data + i, &word, sizeof word);
    }
    for (; i < size; ++i) data[i] = static_cast<char>(static_cast<unsigned char>(data[i]) ^ pattern[i % 4]);
}

}  // namespace

void ws_mask::append(std::string& to, std::string_view part) {
    const auto before = to.size();
    to.append(part);
    if (!is_set_) return;
    apply_mask(to.data() + before, part.size(), bytes_, at_);
    at_ = static_cast<std::uint8_t>((at_ + part.size()) % 4);
}

// ---- Input ----

std::size_t ws_frame_reader::head_size() const noexcept {
    if (filled_ < 2) return 2;
    const unsigned length = head_[1] & 0x7fu;
    const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    return 2 + extended + ((head_[1] & 0x80u) != 0 ? 4 : 0);
}

bool ws_frame_reader::check() const noexcept {
    if ((head_[0] & 0x30u) != 0) return false;  // reserved bits
    const bool is_masked = (head_[1] & 0x80u) != 0;
    if (is_masked != (role_ == ws_role::server)) return false;
    switch (opcode()) {
    case ws_opcode::close:
    case ws_opcode::ping:
    case ws_opcode::pong: return is_final() && !is_compressed() && (head_[1] & 0x7fu) <= most_control;
    case ws_opcode::continuation:
    case ws_opcode::text:
    case ws_opcode::binary: return true;
    }
    return false;
}

bool ws_frame_reader::begin_payload() noexcept {
    const unsigned length = head_[1] & 0x7fu;
    std::size_t at = 2;
    std::uint64_t size = length;
    if (length >= 126) {
        const std::size_t count = length == 126 ? 2 : 8;
        size = 0;
        for (std::size_t i = 0; i < count; ++i) size = size << 8u | head_[at++];
        const bool is_minimal = length == 126 ? size >= 126 : size > 0xffff;
        if (!is_minimal || size >> 63u != 0) return false;
    }
    if (role_ == ws_role::server) {
        std::array<unsigned char, 4> mask{};
        std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(at), mask.size(), mask.begin());
        mask_.set(mask);
    }
    remaining_ = size;
    is_in_payload_ = true;
    return true;
}

// ---- Output ----

void ws_frame_writer::write(ws_opcode what, bool is_compressed, std::string_view payload) {
    std::array<unsigned char, 14> head{};
    std::size_t size = 0;
    head[size++] = static_cast<unsigned char>(0x80u | (is_compressed ? 0x40u : 0u) | static_cast<unsigned>(what));
    const unsigned mask_bit = is_masking_ ? 0x80u : 0u;
    const std::uint64_t length = payload.size();
    const unsigned extended = length < 126 ? 0 : length <= 0xffff ? 2 : 8;
    const unsigned field = extended == 0 ? static_cast<unsigned>(length) : extended == 2 ? 126u : 127u;
    head[size++] = static_cast<unsigned char>(mask_bit | field);
    for (unsigned i = extended; i > 0; --i) head[size++] = static_cast<unsigned char>(length >> 8 * (i - 1));
    ws_mask mask;
    if (is_masking_) {
        const auto made = new_mask();
        for (const auto byte : made) head[size++] = byte;
        mask.set(made);
    }
    // Reserves memory first, because of the errors.
    if (sent_ != 0) out_.erase(0, std::exchange(sent_, 0));
    const auto needed = out_.size() + size + payload.size();
    if (needed > out_.capacity()) out_.reserve(std::max(needed, 2 * out_.capacity()));
    // SAFETY: bytes may be read as char.
    out_.append(reinterpret_cast<const char*>(head.data()), size);
    mask.append(out_, payload);
}

bool ws_frame_writer::sent(std::size_t count) noexcept {
    sent_ += count;
    if (sent_ != out_.size()) return false;
    sent_ = 0;
    if (out_.capacity() > 1024) {
        free_memory(out_);
    } else {
        out_.clear();
    }
    return true;
}

void ws_frame_writer::drop() noexcept {
    free_memory(out_);
    sent_ = 0;
}

}  // namespace eddy::detail
