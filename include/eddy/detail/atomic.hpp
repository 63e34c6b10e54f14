// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

// Every atomic, lock and parking place of the library goes through these names, so that a test build can put others in
// their place and explore the interleavings. There is no atomic_thread_fence: TSan does not model it.
namespace eddy::detail {

template <class T>
using atomic = std::atomic<T>;
using std::condition_variable;
using std::mutex;

}  // namespace eddy::detail
