// SPDX-License-Identifier: MIT
#include "sys/print_report.hpp"

#include <cstdio>

namespace eddy::sys {

void print_report(std::string_view text, std::chrono::milliseconds) noexcept {
    std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace eddy::sys
