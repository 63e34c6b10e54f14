// SPDX-License-Identifier: MIT
#include <pthread.h>

#include "sys/thread.hpp"

namespace eddy::sys {

void name_this_thread(const std::string& name) noexcept { pthread_setname_np(name.c_str()); }

}  // namespace eddy::sys
