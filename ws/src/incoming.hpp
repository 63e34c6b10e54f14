// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/ws/error.hpp>
#include <eddy/ws/message.hpp>

#include "deflate.hpp"
#include "frame.hpp"

namespace eddy::detail {

/// Checks a text that arrives in pieces for well-formed UTF-8, and finds an error with the byte that causes it.
///
///     complete ──lead byte──> incomplete: needed_ more bytes, of which the next one is from low_ to high_
///        ^                        │ last continuation byte
///        └────────────────────────┘
class utf8_checker {
public:
    /// Returns false if no continuation can make the text well-formed.
    [[nodiscard]] bool add(std::string_view text) noexcept {
        std::size_t i = 0;
        while (i != text.size()) {
            if (needed_ == 0) {
                i = skip_ascii(text, i);
                if (i == text.size()) break;
            }
            if (!add(static_cast<unsigned char>(text[i++]))) return false;
        }
        return true;
    }
    /// Returns whether the text so far is well-formed.
    [[nodiscard]] bool is_complete() const noexcept { return needed_ == 0; }

private:
    static std::size_t skip_ascii(std::string_view text, std::size_t i) noexcept {
        for (std::uint64_t word = 0; text.size() - i >= sizeof word; i += sizeof word) {
            std::memcpy(&word, text.data() + i, sizeof word);
            if ((word & 0x8080808080808080u) != 0) break;
        }
        while (i != text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
        return i;
    }

    bool add(unsigned char byte) noexcept {
        if (needed_ != 0) {
            if (byte < low_ || byte > high_) return false;
            --needed_;
            low_ = 0x80;
            high_ = 0xbf;
            return true;
        }
        // The second byte excludes overlong encodings, surrogates, and code points above U+10FFFF.
        if (byte < 0xc2 || byte > 0xf4) return false;
        needed_ = static_cast<unsigned char>(byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3);
        if (byte == 0xe0) low_ = 0xa0;
        if (byte == 0xed) high_ = 0x9f;
        if (byte == 0xf0) low_ = 0x90;
        if (byte == 0xf4) high_ = 0x8f;
        return true;
    }

    unsigned char needed_ = 0;
    unsigned char low_ = 0x80;
    unsigned char high_ = 0xbf;
};

/// The message that is received: its frames, its limits, UTF-8, and its decompression.
///
///     none ──begin()──> frames ──end_frame() of the last one──> ending ──end()──> complete ──take()──> none
///
/// In `frames` and `ending`, compressed bytes may wait for inflate(). In `frames`, they come first while the message is
/// short (must_inflate()). A longer one stays compressed until all of it has arrived (needs_share()).
/// Errors: functions that are not noexcept throw std::bad_alloc. Then nothing is lost, and the call can be repeated.
class ws_incoming : immovable {  // to_inflate_ refers to deflated_
public:
    /// How the peer violates the protocol, or nullopt.
    using violation = std::optional<ws::errc>;

    /// `compression` is nullopt if none was negotiated.
    ws_incoming(std::size_t limit, std::size_t overhead_limit,
                const std::optional<deflate_parameters>& compression) noexcept
        : limit_(limit),
          overhead_limit_(overhead_limit),
          may_be_compressed_(compression.has_value()),
          has_takeover_(compression && compression->has_peer_takeover) {}

    /// Begins a message, or continues one. Returns false if that violates the order of frames.
    [[nodiscard]] bool begin(ws_opcode what, bool is_compressed) noexcept;
    /// Begins the payload of a frame, which has `size` bytes, and whose head has `head` bytes.
    [[nodiscard]] violation begin_frame(std::uint64_t size, std::size_t head);
    /// Adds bytes of the payload, and removes them from the front of `from`.
    [[nodiscard]] violation add(std::string_view& from, ws_mask& mask);
    void end_frame(bool is_final);

    [[nodiscard]] bool must_inflate() const noexcept { return is_inflating_ && content_.size() < most_reserved; }
    [[nodiscard]] bool needs_share() const noexcept { return is_inflating_ && is_ending_; }
    /// Decompresses some bytes. Adds their number to `work`: before or after that, whichever is more.
    [[nodiscard]] violation inflate(std::size_t& work);
    [[nodiscard]] bool is_ending() const noexcept { return is_ending_; }
    [[nodiscard]] violation end() noexcept;
    [[nodiscard]] bool is_complete() const noexcept { return is_complete_; }
    /// Errors: throws std::bad_alloc. Then the message is lost.
    [[nodiscard]] ws::message take();

    /// Returns whether discard() has something to do.
    [[nodiscard]] bool has_work() const noexcept { return is_inflating_ || is_ending_; }
    /// Discards what was received of a message that is not delivered.
    void discard() noexcept;
    /// Same, after the last frame of the message.
    void discard_last() noexcept { is_begun_ = false; }
    /// Frees the memory of what was received.
    void drop() noexcept;

private:
    static constexpr std::size_t most_reserved = 64 * 1024;

    void add_compressed(std::string_view part, ws_mask& mask);
    [[nodiscard]] bool is_text_valid(std::size_t before) noexcept {
        return !is_text_ || utf8_.add(std::string_view(content_).substr(before));
    }

    const std::size_t limit_;
    const std::size_t overhead_limit_;
    const bool may_be_compressed_;
    const bool has_takeover_;
    bool is_begun_ = false;
    bool is_text_ = false;
    bool is_compressed_ = false;
    bool is_inflating_ = false;  // to_inflate_ is set, although it may be empty: see ws_inflater::add()
    bool is_ending_ = false;     // the last frame was received
    bool is_complete_ = false;
    std::uint64_t overhead_ = 0;   // size of the heads of its frames
    std::uint64_t wire_size_ = 0;  // size of the payloads of its frames
    std::string content_;
    utf8_checker utf8_;
    std::string deflated_;         // compressed bytes without their mask
    std::string_view to_inflate_;  // the part of deflated_ that was not decompressed
    std::unique_ptr<ws_inflater> inflater_;
};

}  // namespace eddy::detail
