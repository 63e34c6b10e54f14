// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

// What `./dev fuzz` feeds with bytes, one function a file. Each compares a codec with something simpler that must say
// the same, and throws if it does not. The bytes that were found so far lie in corpus/NAME, and fuzz_corpus_test.cpp
// feeds them in CI. A further one (a protocol's codec, say) is a file here, a line below and one in CMakeLists.txt, and
// some bytes to begin with.

namespace fuzz {

using input = std::span<const std::byte>;

void any_delimiter(input bytes);
void framed_lines(input bytes);
void length_delimited(input bytes);
void lines(input bytes);
void resp_replies(input bytes);
void resp_requests(input bytes);

struct target {
    std::string_view name;
    void (*run)(input);
};
inline constexpr std::array targets{
    target{"any_delimiter", any_delimiter},       target{"framed_lines", framed_lines},
    target{"length_delimited", length_delimited}, target{"lines", lines},
    target{"resp_replies", resp_replies},         target{"resp_requests", resp_requests},
};

// ---- For the targets ----

/// Takes decisions off the front of the input.
class decisions {
public:
    explicit decisions(input bytes) noexcept : left_(bytes) {}

    /// A number from 0 to `most`, at most 255. 0 if there is no more input.
    std::size_t up_to(std::size_t most) noexcept {
        if (left_.empty()) return 0;
        const auto byte = std::to_integer<std::size_t>(left_.front());
        left_ = left_.subspan(1);
        return byte % (most + 1);
    }
    /// What is left, as text.
    [[nodiscard]] std::string_view rest() const noexcept {
        return {reinterpret_cast<const char*>(left_.data()), left_.size()};
    }

private:
    input left_;
};

inline void require(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

}  // namespace fuzz
