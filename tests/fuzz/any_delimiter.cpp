// SPDX-License-Identifier: MIT
#include <eddy/codec/any_delimiter_codec.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "fuzz/model_lines.hpp"
#include "fuzz/targets.hpp"
#include "support/futures/frames.hpp"

namespace fuzz {
namespace {

std::vector<std::string> cut_by_hand(std::string_view text, std::string_view delimiters, std::size_t limit) {
    std::vector<std::string> all;
    while (!text.empty()) {
        const auto end = text.find_first_of(delimiters);
        const auto frame = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        all.push_back(frame.size() > limit ? shown(eddy::errc::line_too_long) : std::string(frame));
    }
    return all;
}

}  // namespace

void any_delimiter(input bytes) {
    decisions from(bytes);
    const std::size_t limit = from.up_to(40);
    const std::size_t step = 1 + from.up_to(30);
    const std::size_t count = from.up_to(3);
    const auto delimiters = from.rest().substr(0, count);
    const auto text = from.rest().substr(delimiters.size());
    const auto got = support::decode_all(eddy::codec::any_delimiter_codec(delimiters, ",", limit), text, step);
    require(got == cut_by_hand(text, delimiters, limit),
            "any_delimiter_codec: the frames are not the parts of the text");
}

}  // namespace fuzz
