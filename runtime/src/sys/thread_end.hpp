// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::sys {

/// Calls F(argument) when this thread ends. Call it once per thread for each F.
/// Errors: throws std::bad_alloc, on Windows only.
#if defined(_WIN32)
// MinGW frees the thread_local variables of a thread before it calls their destructors. So F must not depend on the
// values of thread_local variables: it may find them as in a new thread.
void call_at_thread_end(void (*f)(void*) noexcept, void* argument);

template <void (*F)(void*) noexcept>
void at_thread_end(void* argument) {
    call_at_thread_end(F, argument);
}
#else
template <void (*F)(void*) noexcept>
void at_thread_end(void* argument) {
    struct call {
        void* argument;
        ~call() { F(argument); }
    };
    thread_local const call made{argument};
}
#endif

}  // namespace eddy::sys
