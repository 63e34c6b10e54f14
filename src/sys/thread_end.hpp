// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::sys {

/// Calls F(argument) when this thread ends. Call it once per thread for each F.
template <void (*F)(void*) noexcept>
void at_thread_end(void* argument) {
    struct call {
        void* argument;
        ~call() { F(argument); }
    };
    thread_local const call made{argument};
}

}  // namespace eddy::sys
