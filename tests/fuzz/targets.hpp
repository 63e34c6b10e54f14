// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

// The targets of `./dev fuzz`, one function per file. Each compares a codec with a simpler model that must have the
// same results, and throws if they differ. The inputs found so far are in corpus/NAME; fuzz_corpus_test.cpp runs them
// in CI. To add a target (a protocol's codec, for example), add a file here, a line below, a line in CMakeLists.txt,
// and some initial inputs.

namespace fuzz {

using input = std::span<const std::byte>;

void any_delimiter(input bytes);
void framed_lines(input bytes);
void http2_frames(input bytes);
void http_requests(input bytes);
void http_responses(input bytes);
void length_delimited(input bytes);
void lines(input bytes);
void multipart_forms(input bytes);
void resp_replies(input bytes);
void resp_requests(input bytes);
void set_cookies(input bytes);
void ws_frames(input bytes);

struct target {
    std::string_view name;
    void (*run)(input);
};
inline constexpr std::array targets{
    target{"any_delimiter", any_delimiter},
    target{"framed_lines", framed_lines},
#ifdef EDDY_FUZZ_HTTP2
    target{"http2_frames", http2_frames},
#endif
#ifdef EDDY_FUZZ_HTTP
    target{"http_requests", http_requests},
    target{"http_responses", http_responses},
    target{"multipart_forms", multipart_forms},
    target{"set_cookies", set_cookies},
#endif
    target{"length_delimited", length_delimited},
    target{"lines", lines},
    target{"resp_replies", resp_replies},
    target{"resp_requests", resp_requests},
#ifdef EDDY_FUZZ_WS
    target{"ws_frames", ws_frames},
#endif
};

// ---- For the targets ----

/// Takes decisions from the front of the input.
class decisions {
public:
    explicit decisions(input bytes) noexcept : left_(bytes) {}

    /// Returns a number from 0 to `most`, which is at most 255. Returns 0 at the end of the input.
    std::size_t up_to(std::size_t most) noexcept {
        if (left_.empty()) return 0;
        const auto byte = std::to_integer<std::size_t>(left_.front());
        left_ = left_.subspan(1);
        return byte % (most + 1);
    }
    /// Returns the remaining input as text.
    [[nodiscard]] std::string_view rest() const noexcept {
        return {reinterpret_cast<const char*>(left_.data()), left_.size()};
    }

private:
    input left_;
};

/// Throws if `holds` is false.
inline void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

}  // namespace fuzz
