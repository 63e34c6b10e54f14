// SPDX-License-Identifier: MIT
#include "sys/stack.hpp"

#include <pthread.h>

namespace eddy::sys {

stack_range stack_of_this_thread() noexcept {
    pthread_attr_t used;
    if (pthread_getattr_np(pthread_self(), &used) != 0) return {};
    void* low = nullptr;
    std::size_t size = 0;
    std::size_t guard = 0;
    const bool is_known =
        pthread_attr_getstack(&used, &low, &size) == 0 && pthread_attr_getguardsize(&used, &guard) == 0;
    pthread_attr_destroy(&used);
    // Without a limit (`ulimit -s unlimited`), the range of the main thread extends to the next mapping.
    constexpr std::size_t most = std::size_t{1} << 30U;
    if (!is_known || size > most || size <= guard) return {};
    // Some versions of glibc include the guard pages in the range.
    return {reinterpret_cast<std::uintptr_t>(low) + guard, size - guard};
}

}  // namespace eddy::sys
