// SPDX-License-Identifier: MIT
#include "fuzz/targets.hpp"
#include "support/http/http_transcript.hpp"

namespace fuzz {

void http_responses(input bytes) {
    decisions from(bytes);
    const std::size_t step = 1 + from.up_to(30);
    const auto asked = from.up_to(1) == 0 ? eddy::http::method::get : eddy::http::method::head;
    const auto text = from.rest();
    require(support::response_in(text, step, asked) == support::response_in(text, text.size() + 1, asked),
            "the pieces change what is parsed");
}

}  // namespace fuzz
