// SPDX-License-Identifier: MIT
#include "sys/stack.hpp"

#include <pthread.h>

namespace eddy::sys {

stack_range stack_of_this_thread() noexcept {
    const pthread_t self = pthread_self();
    const std::size_t size = pthread_get_stacksize_np(self);
    return {reinterpret_cast<std::uintptr_t>(pthread_get_stackaddr_np(self)) - size, size};  // the upper end
}

}  // namespace eddy::sys
