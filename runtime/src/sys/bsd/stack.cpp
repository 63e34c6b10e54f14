// SPDX-License-Identifier: MIT
#include "sys/stack.hpp"

#include <pthread.h>
#if __has_include(<pthread_np.h>)
#include <pthread_np.h>
#endif

// FreeBSD and NetBSD.

namespace eddy::sys {

stack_range stack_of_this_thread() noexcept {
    pthread_attr_t used;
    if (pthread_attr_init(&used) != 0) return {};
    void* low = nullptr;
    std::size_t size = 0;
    const bool is_known =
        pthread_attr_get_np(pthread_self(), &used) == 0 && pthread_attr_getstack(&used, &low, &size) == 0;
    pthread_attr_destroy(&used);
    if (!is_known) return {};
    return {reinterpret_cast<std::uintptr_t>(low), size};
}

}  // namespace eddy::sys
