// SPDX-License-Identifier: MIT
#include <pthread.h>

#include "sys/thread.hpp"

namespace eddy::sys {

void name_this_thread(const std::string& name) noexcept {
    // The C library declares the argument of the format as not const.
    pthread_setname_np(pthread_self(), "%s", const_cast<char*>(name.c_str()));
}

}  // namespace eddy::sys
