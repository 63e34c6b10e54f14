// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

// Texts for logs and for people.

namespace eddy::detail {

/// Returns at most 200 bytes of `text`, in which '?' stands for each byte that is not ASCII from `least` to '~'.
[[nodiscard]] inline std::string printable(std::string_view text, char least) {
    std::string all(text.substr(0, 200));
    for (char& c : all)
        if (c < least || c > '~') c = '?';
    return all;
}

}  // namespace eddy::detail
