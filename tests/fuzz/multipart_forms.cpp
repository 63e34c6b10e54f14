// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "fuzz/targets.hpp"
#include "services/multipart.hpp"

namespace fuzz {
namespace {

using eddy::detail::multipart_decoder;

constexpr std::size_t part_header_limit = 60;

/// Returns what the decoder finds in a text that it gets in pieces of `step` bytes.
std::string found_in(std::string_view text, std::size_t step) {
    using event = multipart_decoder::event;
    multipart_decoder decoder("b", part_header_limit);
    std::string all;
    for (std::size_t begin = 0, end = 0;;) {
        auto input = text.substr(begin, end - begin);
        const auto found = decoder.receive(input);
        begin = end - input.size();
        switch (found) {
        case event::incomplete:
            if (end == text.size()) return all + "(incomplete)";
            end += std::min(step, text.size() - end);
            break;
        case event::part:
            all += "(part";
            for (const auto& [name, value] : decoder.headers())
                all.append(1, ' ').append(name).append(":").append(value);
            all += ')';
            break;
        case event::data:
            require(!decoder.data().empty(), "an event without data");
            for (const std::string_view end : {"--", " ", "\t", "\r", "\n"})
                require(!decoder.data().contains(std::string("\r\n--b").append(end)), "data contains a delimiter");
            all += decoder.data();
            break;
        case event::end_of_part: all += "(end)"; break;
        case event::end: return all + "(over)";
        case event::failed: return all + "(failed)";
        }
    }
}

/// Returns how often a text contains another one.
std::size_t count_of(std::string_view text, std::string_view what) {
    std::size_t count = 0;
    for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
    return count;
}

}  // namespace

void multipart_forms(input bytes) {
    decisions from(bytes);
    const std::size_t step = 1 + from.up_to(30);
    const std::string text(from.rest());
    const auto got = found_in(text, step);
    require(got == found_in(text, text.size() + 1), "the pieces change what is parsed");
    if (text.find('(') != std::string::npos) return;  // the marks of this target
    require(count_of(got, "(end)") <= count_of("\r\n" + text, "\r\n--b"), "more parts than delimiters");
    require(count_of(got, "(end)") <= count_of(got, "(part"), "a part ends that has not begun");
    if (got.ends_with("(over)")) require(text.find("--b--") != std::string::npos, "an end without its delimiter");
}

}  // namespace fuzz
