// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/codec/framed_read.hpp>
#include <eddy/error.hpp>

#include "support/choppy_io.hpp"

// Codec frames as lists of strings.

namespace support {

inline std::string as_text(const std::string& text) { return text; }

/// Returns an item of a stream of frames as text. An error is returned as "<message>".
template <class Item>
std::string shown(const Item& item) {
    if (!item) return "<" + item.error().message() + ">";
    return as_text(*item);
}

/// Returns all items of a stream until its end.
template <class S>
std::vector<std::string> shown_items(S& frames) {
    std::vector<std::string> all;
    while (auto item = finish(frames.next())) all.push_back(shown(*item));
    return all;
}

/// Returns the frames that a decoder finds if it is fed `step` bytes at a time. Stops at the first unrecoverable error.
template <class D>
std::vector<std::string> decode_all(D decoder, std::string_view text, std::size_t step) {
    std::vector<std::string> all;
    eddy::bytes_mut buffer;
    const auto drain = [&](auto&& decode) {
        for (;;) {
            auto frame = decode();
            if (frame && !*frame) return true;
            all.push_back(frame ? as_text(**frame) : "<" + frame.error().message() + ">");
            if (!frame && !eddy::detail::can_continue_after(decoder, frame.error())) return false;
        }
    };
    for (std::size_t at = 0; at < text.size(); at += step) {
        buffer.put(text.substr(at, step));
        if (!drain([&] { return decoder.decode(buffer); })) return all;
    }
    static_cast<void>(drain([&] { return eddy::detail::decode_eof(decoder, buffer); }));
    return all;
}

/// Returns an error in the form of shown_items() and decode_all().
inline std::string shown_error(std::error_code error) { return "<" + error.message() + ">"; }
inline std::string shown_error(eddy::errc error) { return shown_error(make_error_code(error)); }

/// Expects the same frames from `text` in pieces of every size, from the decoder alone and through a framed_read. `of`
/// describes `text` in failures.
template <class D>
void expect_frames(const D& decoder, const std::string& text, const std::vector<std::string>& expected,
                   const std::string& of) {
    for (std::size_t step = 1; step <= text.size() + 1; ++step) {
        ASSERT_EQ(decode_all(decoder, text, step), expected) << of << " in pieces of " << step;
    }
    for (const auto& chop : all_chops()) {
        eddy::codec::framed_read frames(choppy_reader(text, chop), decoder, 1 + text.size() / 3);
        ASSERT_EQ(shown_items(frames), expected) << of << ", " << chop.most << " at a time";
    }
}

}  // namespace support
