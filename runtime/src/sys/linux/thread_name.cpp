// SPDX-License-Identifier: MIT
#include <pthread.h>

#include <algorithm>
#include <array>

#include "sys/thread.hpp"

namespace eddy::sys {

void name_this_thread(const std::string& name) noexcept {
    // pthread_setname_np(3) refuses longer names.
    std::array<char, 16> cut{};
    std::ranges::copy(name.substr(0, cut.size() - 1), cut.begin());
    pthread_setname_np(pthread_self(), cut.data());
}

}  // namespace eddy::sys
