// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <pthread_np.h>

#include "sys/thread.hpp"

namespace eddy::sys {

void name_this_thread(const std::string& name) noexcept { pthread_set_name_np(pthread_self(), name.c_str()); }

}  // namespace eddy::sys
