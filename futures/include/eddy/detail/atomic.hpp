// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <mutex>
#ifndef EDDY_NO_THREADS
#include <condition_variable>
#include <thread>
#endif

#include <eddy/detail/export.hpp>

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

// The library uses atomics, mutexes, condition variables and yields through these names, except in runtime/src/sys. A
// test build replaces them with types that explore thread interleavings (runtime/tests/explore). There is no
// atomic_thread_fence, because TSan does not model it.
namespace eddy::detail {

#ifdef EDDY_NO_THREADS
/// Reports a wait that cannot end, and ends the process.
[[noreturn]] EDDY_API void wait_without_threads() noexcept;
#endif

#ifdef EDDY_EXPLORE
template <class T>
using atomic = explore::atomic<T>;
using explore::condition_variable;
using explore::mutex;
/// Lets other threads run, in a spin loop.
inline void yield_thread() noexcept { explore::yield(); }
#elif defined(EDDY_NO_THREADS)
template <class T>
using atomic = std::atomic<T>;
/// A lock that the only thread always gets.
class mutex {
public:
    constexpr mutex() noexcept = default;
    mutex(const mutex&) = delete;
    mutex& operator=(const mutex&) = delete;

    void lock() noexcept {}
    [[nodiscard]] bool try_lock() noexcept { return true; }
    void unlock() noexcept {}
};
/// A condition that only another thread could make true. So a wait without a limit would never end.
class condition_variable {
public:
    void notify_one() noexcept {}
    void notify_all() noexcept {}
    void wait(auto&) noexcept { wait_without_threads(); }
    void wait(auto&, auto is_true) {
        if (!is_true()) wait_without_threads();
    }
};
inline void yield_thread() noexcept {}
#else
template <class T>
using atomic = std::atomic<T>;
using std::condition_variable;
using std::mutex;
inline void yield_thread() noexcept { std::this_thread::yield(); }
#endif

}  // namespace eddy::detail
