// SPDX-License-Identifier: MIT
#include "engine.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <utility>

#include <eddy/detail/free_memory.hpp>
#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {
namespace {

using ws::close_code;

/// Shorter messages are not compressed.
constexpr std::size_t least_compressed = 64;

/// The number of bytes that are unmasked and decompressed at a time.
constexpr std::size_t piece_size = 4 * 1024;

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

bool is_valid_close_code(std::uint16_t code) noexcept {
    if (code >= 3000) return code <= 4999;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

ws_engine::ws_engine(const ws_parameters& with) : with_(with) {}

// ---- Input ----

ws_engine::event ws_engine::receive(std::string_view& input) {
    while (!is_over()) {
        if (has_message_) return event::message;
        if (work_ >= deflate_step) return event::paused;
        if (has_closed_ && (is_inflating_ || is_ending_)) {
            discard_message();
        } else if (must_inflate()) {
            if (!inflate_step()) break;
        } else if (is_inflating_ && is_ending_) {
            if (!std::exchange(has_share_, false)) return event::needs_share;
            if (!inflate_step()) break;
        } else if (is_ending_) {
            if (!end_message()) break;
        } else if (!read_frame(input)) {
            break;
        }
    }
    if (is_over()) input = {};
    return event::none;
}

ws::message ws_engine::take_message() {
    has_message_ = is_in_message_ = false;
    try {
        auto content = std::exchange(content_, std::string());
        if (is_text_) return ws::message(std::move(content));
        return ws::message(bytes(std::move(content)));
    } catch (const std::bad_alloc&) {
        fail(std::make_error_code(std::errc::not_enough_memory));  // the message is lost
        throw;
    }
}

void ws_engine::end_of_input() noexcept {
    if (!is_over()) fail(make_error_code(errc::unexpected_eof));
}

std::size_t ws_engine::head_size() const noexcept {
    if (head_filled_ < 2) return 2;
    const unsigned length = head_[1] & 0x7fu;
    const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
    return 2 + extended + ((head_[1] & 0x80u) != 0 ? 4 : 0);
}

/// Reads the next part of a frame: up to the end of the frame, or up to the next bytes to decompress.
bool ws_engine::read_frame(std::string_view& input) {
    if (!is_in_payload_ && (!read_head(input) || !begin_frame())) return false;
    if (!read_payload(input)) return false;
    if (must_inflate()) return true;
    if (is_control()) {
        end_control();
    } else if (is_final() && has_closed_) {
        is_in_message_ = false;
    } else if (is_final()) {
        if (is_compressed_) add_compressed(ws_inflater::message_end);
        is_ending_ = true;
    }
    is_in_payload_ = false;
    head_filled_ = 0;
    return true;
}

bool ws_engine::read_head(std::string_view& input) {
    while (head_filled_ < head_size()) {
        if (input.empty()) return false;
        head_[head_filled_++] = static_cast<unsigned char>(input.front());
        input.remove_prefix(1);
        if (head_filled_ == 2 && !check_first_bytes()) return false;
    }
    return true;
}

/// Checks what RFC 6455 requires of the first two bytes of a frame, so that a violation is found before the payload
/// arrives.
bool ws_engine::check_first_bytes() {
    const auto refuse = [this] { return violate(ws::errc::protocol_violation, close_code::protocol_error); };
    const auto what = static_cast<opcode>(head_[0] & 0x0fu);
    const bool is_compressed = (head_[0] & 0x40u) != 0;
    if ((head_[0] & 0x30u) != 0) return refuse();  // reserved bits
    const bool is_masked = (head_[1] & 0x80u) != 0;
    if (is_masked != (with_.role == ws_role::server)) return refuse();
    switch (what) {
    case opcode::close:
    case opcode::ping:
    case opcode::pong:
        if (!is_final() || is_compressed || (head_[1] & 0x7fu) > most_control) return refuse();
        return true;
    case opcode::continuation:
        if (!is_in_message_ || is_compressed) return refuse();
        break;
    case opcode::text:
    case opcode::binary:
        if (is_in_message_ || (is_compressed && !with_.compression)) return refuse();
        is_in_message_ = true;
        is_text_ = what == opcode::text;
        is_compressed_ = is_compressed;
        overhead_ = 0;
        wire_size_ = 0;
        utf8_ = utf8_checker();
        break;
    default: return refuse();
    }
    return true;
}

bool ws_engine::begin_frame() {
    const unsigned length = head_[1] & 0x7fu;
    std::size_t at = 2;
    std::uint64_t size = length;
    if (length >= 126) {
        const std::size_t count = length == 126 ? 2 : 8;
        size = 0;
        for (std::size_t i = 0; i < count; ++i) size = size << 8u | head_[at++];
        const bool is_minimal = length == 126 ? size >= 126 : size > 0xffff;
        if (!is_minimal || size >> 63u != 0) return violate(ws::errc::protocol_violation, close_code::protocol_error);
    }
    if (with_.role == ws_role::server) std::copy_n(head_.begin() + static_cast<std::ptrdiff_t>(at), 4, mask_.begin());
    mask_at_ = 0;
    remaining_ = size;
    is_in_payload_ = true;
    if (is_control() || has_closed_) return true;
    // Compression may enlarge a message, but by less than a 64th and 1 KiB. The limit for the compressed size prevents
    // endless messages that decompress to nothing.
    const std::uint64_t limit = with_.message_limit;
    const std::uint64_t added = is_compressed_ ? limit / 64 + 1024 : 0;
    const std::uint64_t most = limit > std::numeric_limits<std::uint64_t>::max() - added ? limit : limit + added;
    if (size > most - wire_size_) return violate(ws::errc::message_too_large, close_code::message_too_large);
    wire_size_ += size;
    overhead_ += head_filled_;
    if (overhead_ > with_.overhead_limit && overhead_ - with_.overhead_limit > wire_size_)
        return violate(ws::errc::too_many_frames, close_code::policy_violation);
    if (!is_compressed_ && content_.empty())
        content_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, most_reserved)));
    return true;
}

/// Reads bytes of the payload. They are removed from `input` after they were stored, in case there is no memory.
bool ws_engine::read_payload(std::string_view& input) {
    while (remaining_ != 0) {
        if (input.empty()) return false;
        auto part = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size())));
        const bool is_part = !is_control() && !has_closed_;  // of a message
        if (is_part && is_compressed_) part = part.substr(0, piece_size);
        if (is_control()) {
            add_control(part);
        } else if (is_part && is_compressed_) {
            add_compressed(part);
            unmask(deflated_.data() + deflated_.size() - part.size(), part.size());
        } else if (is_part && !add_plain(part)) {
            return false;
        }
        input.remove_prefix(part.size());
        remaining_ -= part.size();
        if (must_inflate()) return true;
    }
    return true;
}

void ws_engine::add_control(std::string_view part) {
    control_.append(part);
    unmask(control_.data() + control_.size() - part.size(), part.size());
}

bool ws_engine::add_plain(std::string_view part) {
    const auto before = content_.size();
    content_.append(part);
    unmask(content_.data() + before, part.size());
    if (is_text_ && !utf8_.add(std::string_view(content_).substr(before)))
        return violate(ws::errc::invalid_text, close_code::invalid_data);
    return true;
}

void ws_engine::add_compressed(std::string_view part) {
    const auto left = to_inflate_.size();
    if (left == 0) deflated_.clear();
    deflated_.append(part);
    to_inflate_ = std::string_view(deflated_).substr(deflated_.size() - part.size() - left);
    is_inflating_ = true;
}

/// The most bytes that a compressed byte can stand for (zlib's documentation, "Maximum Compression Factor").
constexpr std::size_t most_inflated = 1032;

/// Decompresses some bytes. Returns false if the connection has failed.
bool ws_engine::inflate_step() {
    if (!inflater_) inflater_ = std::make_unique<ws_inflater>(with_.compression->has_peer_takeover);
    const auto before = content_.size();
    const auto left = to_inflate_.size();
    // Text that grows by doubling would copy megabytes in one step. Pages that are not written take no memory.
    if (before >= deflate_step) content_.reserve(std::min(with_.message_limit, before + most_inflated * left) + 1);
    const auto outcome = inflater_->add(to_inflate_, content_, with_.message_limit);
    work_ += std::max(content_.size() - before, left - to_inflate_.size());
    is_inflating_ = outcome == ws_inflater::outcome::more;
    // Checks the text first, so that the error does not depend on the pieces in which the frame arrives.
    if (is_text_ && !utf8_.add(std::string_view(content_).substr(before)))
        return violate(ws::errc::invalid_text, close_code::invalid_data);
    switch (outcome) {
    case ws_inflater::outcome::invalid: return violate(ws::errc::invalid_compression, close_code::invalid_data);
    case ws_inflater::outcome::too_large: return violate(ws::errc::message_too_large, close_code::message_too_large);
    case ws_inflater::outcome::ok:
    case ws_inflater::outcome::more: break;
    }
    return true;
}

/// Discards what was received of a message, because a Close frame was sent.
void ws_engine::discard_message() noexcept {
    drop_received();
    if (std::exchange(is_ending_, false)) is_in_message_ = false;
}

bool ws_engine::end_message() {
    is_ending_ = false;
    if (is_compressed_) {
        inflater_->end_message();
        free_memory(deflated_);
        to_inflate_ = {};
    }
    if (is_text_ && !utf8_.is_complete()) return violate(ws::errc::invalid_text, close_code::invalid_data);
    has_message_ = true;
    return true;
}

void ws_engine::end_control() {
    auto payload = std::exchange(control_, std::string());
    switch (static_cast<opcode>(head_[0] & 0x0fu)) {
    case opcode::close:
        control_ = std::move(payload);
        receive_close();
        return;
    case opcode::ping:
        if (has_closed_) return;
        ping_ = std::move(payload);
        if (unsent().size() < most_answers) answer_ping();
        return;
    default: return;  // a pong
    }
}

void ws_engine::receive_close() {
    const auto payload = std::exchange(control_, std::string());
    if (payload.size() == 1) {
        violate(ws::errc::protocol_violation, close_code::protocol_error);
        return;
    }
    if (!payload.empty()) {
        const auto code = static_cast<std::uint16_t>(static_cast<unsigned char>(payload[0]) << 8u |
                                                     static_cast<unsigned char>(payload[1]));
        if (!is_valid_close_code(code)) {
            violate(ws::errc::protocol_violation, close_code::protocol_error);
            return;
        }
        const auto reason = std::string_view(payload).substr(2);
        if (!is_utf8(reason)) {
            violate(ws::errc::invalid_text, close_code::invalid_data);
            return;
        }
        peer_code_ = static_cast<close_code>(code);
        peer_reason_ = reason;
    }
    has_peer_closed_ = true;  // first, because close() may throw
    drop_received();
    close(peer_code_, "");
}

bool ws_engine::violate(ws::errc why, close_code code) {
    failure_ = make_error_code(why);  // first, because close() may throw
    drop_received();
    drop_sending();
    close(code, "");
    return false;
}

void ws_engine::fail(std::error_code why) noexcept {
    if (is_over()) return;
    failure_ = why;
    has_closed_ = true;
    drop_received();
    drop_sending();
    free_memory(out_);
    sent_ = 0;
}

/// Frees what was received of a message that is not delivered.
void ws_engine::drop_received() noexcept {
    free_memory(content_);
    free_memory(deflated_);
    to_inflate_ = {};
    is_inflating_ = false;
}

void ws_engine::unmask(char* data, std::size_t size) noexcept {
    if (with_.role == ws_role::client) return;  // frames of servers have no mask
    apply_mask(data, size, mask_, mask_at_);
    mask_at_ = (mask_at_ + size) % 4;
}

// ---- Output ----

void ws_engine::write_frame(opcode what, bool is_compressed, std::string_view payload) {
    const bool is_masked = with_.role == ws_role::client;
    std::array<unsigned char, 14> head{};
    std::size_t size = 0;
    head[size++] = static_cast<unsigned char>(0x80u | (is_compressed ? 0x40u : 0u) | static_cast<unsigned>(what));
    const unsigned mask_bit = is_masked ? 0x80u : 0u;
    const std::uint64_t length = payload.size();
    const unsigned extended = length < 126 ? 0 : length <= 0xffff ? 2 : 8;
    const unsigned field = extended == 0 ? static_cast<unsigned>(length) : extended == 2 ? 126u : 127u;
    head[size++] = static_cast<unsigned char>(mask_bit | field);
    for (unsigned i = extended; i > 0; --i) head[size++] = static_cast<unsigned char>(length >> 8 * (i - 1));
    std::array<unsigned char, 4> mask{};
    if (is_masked) {
        mask = new_mask();
        for (const auto byte : mask) head[size++] = byte;
    }
    // Reserves memory first: if the allocation fails, out_ contains no part of the frame.
    if (sent_ != 0) out_.erase(0, std::exchange(sent_, 0));
    const auto needed = out_.size() + size + payload.size();
    if (needed > out_.capacity()) out_.reserve(std::max(needed, 2 * out_.capacity()));
    // SAFETY: bytes may be read as char.
    out_.append(reinterpret_cast<const char*>(head.data()), size).append(payload);
    if (is_masked) apply_mask(out_.data() + out_.size() - payload.size(), payload.size(), mask, 0);
}

std::error_code ws_engine::send(const ws::message& message) {
    if (has_closed_ || is_over()) return is_over() ? reason() : make_error_code(ws::errc::closed);
    if (message.is_text() && !is_utf8(message.text())) return make_error_code(ws::errc::invalid_text);
    complete_sending();
    if (!with_.compression || message.text().size() < least_compressed) {
        write_frame(message.is_text() ? opcode::text : opcode::binary, false, message.text());
        return {};
    }
    sending_ = message;
    to_compress_ = sending_->text();
    compress_step();
    return {};
}

void ws_engine::compress_step() {
    try {
        const auto& parameters = *with_.compression;
        if (!deflater_)
            deflater_ = std::make_unique<ws_deflater>(parameters.has_own_takeover, parameters.own_window_bits);
        const auto before = to_compress_.size();
        deflater_->compress(to_compress_, compressed_);
        work_ += before - to_compress_.size();
        if (!to_compress_.empty()) return;
        write_frame(sending_->is_text() ? opcode::text : opcode::binary, true, compressed_);
    } catch (...) {
        // Later messages must not refer to this one, which the peer does not get.
        deflater_.reset();
        drop_sending();
        throw;
    }
    drop_sending();
}

void ws_engine::drop_sending() noexcept {
    sending_.reset();
    to_compress_ = {};
    free_memory(compressed_);
}

/// Compresses the rest of a message at once, because another message or a Close frame follows.
void ws_engine::complete_sending() {
    while (is_compressing()) compress_step();
}

std::error_code ws_engine::ping(std::string_view payload) {
    if (has_closed_ || is_over()) return is_over() ? reason() : make_error_code(ws::errc::closed);
    write_frame(opcode::ping, false, payload);
    return {};
}

void ws_engine::answer_ping() {
    if (!ping_ || has_closed_) return;
    write_frame(opcode::pong, false, *ping_);
    ping_.reset();
}

void ws_engine::close(close_code code, std::string_view reason) {
    if (has_closed_) return;
    std::string payload;
    if (code != close_code::none) {
        const auto number = static_cast<std::uint16_t>(code);
        payload += static_cast<char>(number >> 8u);
        payload += static_cast<char>(number & 0xffu);
        payload += reason;
    }
    complete_sending();
    answer_ping();  // a ping that waits comes first
    write_frame(opcode::close, false, payload);
    has_closed_ = true;
}

void ws_engine::sent(std::size_t count) {
    sent_ += count;
    if (sent_ != out_.size()) return;
    sent_ = 0;
    if (out_.capacity() > 1024) {
        free_memory(out_);
    } else {
        out_.clear();
    }
    answer_ping();
}

}  // namespace eddy::detail
