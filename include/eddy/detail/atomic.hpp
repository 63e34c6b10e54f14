// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

// Every atomic, lock and parking place of the library goes through these names, so that a test build can put others in
// their place and explore the interleavings (tests/explore). There is no atomic_thread_fence: TSan does not model it.
namespace eddy::detail {

#ifdef EDDY_EXPLORE
template <class T>
using atomic = explore::atomic<T>;
using explore::condition_variable;
using explore::mutex;
#else
template <class T>
using atomic = std::atomic<T>;
using std::condition_variable;
using std::mutex;
#endif

}  // namespace eddy::detail
