// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>

namespace fuzz {

inline std::string shown(eddy::errc error) { return "<" + make_error_code(error).message() + ">"; }

/// Returns the lines that a lines_codec must find in a text. Splits the text without the codec.
inline std::vector<std::string> model_lines(std::string_view text, std::size_t limit) {
    std::vector<std::string> all;
    while (!text.empty() && text != "\r") {  // half a line ending is not a line
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() > limit) {
            all.push_back(shown(eddy::errc::line_too_long));
        } else if (!eddy::detail::is_utf8(line)) {
            all.push_back(shown(eddy::errc::invalid_utf8));
        } else {
            all.emplace_back(line);
        }
    }
    return all;
}

}  // namespace fuzz
