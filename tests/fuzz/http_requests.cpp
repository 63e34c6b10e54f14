// SPDX-License-Identifier: MIT
#include <cstddef>
#include <string_view>

#include "fuzz/targets.hpp"
#include "support/http/http_transcript.hpp"

namespace fuzz {
namespace {

/// Returns the size of the first head in `text`, as a simple scanner for heads finds it: up to the first empty line.
std::size_t head_size(std::string_view text) {
    const std::size_t begin = text.starts_with("\r\n") ? 2 : 0;
    const auto end = text.find("\r\n\r\n", begin);
    return end == std::string_view::npos ? text.size() : end + 4;
}

}  // namespace

void http_requests(input bytes) {
    decisions from(bytes);
    const std::size_t step = 1 + from.up_to(30);
    eddy::http::h1::limits limits;
    limits.head_bytes = 40 + from.up_to(255);
    limits.headers = 1 + from.up_to(9);
    limits.body_bytes = from.up_to(255);
    const auto text = from.rest();
    const auto got = support::requests_in(text, step, limits);
    require(got == support::requests_in(text, text.size() + 1, limits), "the pieces change what is parsed");

    // A head that is accepted has no line with a bare LF or CR, no NUL and no folded line.
    const auto head = text.substr(0, head_size(text));
    const bool is_accepted =
        got.find(" 1.1 \"") != std::string_view::npos || got.find(" 1.0 \"") != std::string_view::npos;
    if (!is_accepted) return;
    require(head.size() <= limits.head_bytes, "the head exceeds its limit");
    for (std::size_t i = 0; i < head.size(); ++i) {
        require(head[i] != '\0', "a NUL is accepted");
        require(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'), "a bare LF is accepted");
        require(head[i] != '\r' || (i + 1 < head.size() && head[i + 1] == '\n'), "a bare CR is accepted");
        require(head[i] != '\n' || i + 1 == head.size() || (head[i + 1] != ' ' && head[i + 1] != '\t'),
                "a folded line is accepted");
    }
}

}  // namespace fuzz
