// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

// The library uses atomics, mutexes, condition variables and yields through these names, except in src/sys. A test
// build replaces them with types that explore thread interleavings (tests/explore). There is no atomic_thread_fence,
// because TSan does not model it.
namespace eddy::detail {

#ifdef EDDY_EXPLORE
template <class T>
using atomic = explore::atomic<T>;
using explore::condition_variable;
using explore::mutex;
/// Lets other threads run, in a spin loop.
inline void yield_thread() noexcept { explore::yield(); }
#else
template <class T>
using atomic = std::atomic<T>;
using std::condition_variable;
using std::mutex;
inline void yield_thread() noexcept { std::this_thread::yield(); }
#endif

}  // namespace eddy::detail
