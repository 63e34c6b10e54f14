// SPDX-License-Identifier: MIT
#include "sys/stack.hpp"

#include <pthread.h>
#include <pthread_np.h>
#include <signal.h>

namespace eddy::sys {

stack_range stack_of_this_thread() noexcept {
    stack_t used{};
    if (pthread_stackseg_np(pthread_self(), &used) != 0) return {};
    return {reinterpret_cast<std::uintptr_t>(used.ss_sp) - used.ss_size, used.ss_size};  // ss_sp is the upper end
}

}  // namespace eddy::sys
