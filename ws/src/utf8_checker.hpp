// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

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

}  // namespace eddy::detail
