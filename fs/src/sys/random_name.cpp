// SPDX-License-Identifier: MIT
#include <random>
#include <string>
#include <string_view>

#include "sys/dir_entry_calls.hpp"

namespace eddy::sys {

std::string random_name() {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::random_device source;
    std::string name(16, ' ');
    for (char& letter : name) letter = letters[source() % letters.size()];
    return name;
}

}  // namespace eddy::sys
