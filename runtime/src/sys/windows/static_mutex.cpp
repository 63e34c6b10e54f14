// SPDX-License-Identifier: MIT
#include "sys/static_mutex.hpp"

#include "sys/socket_api.hpp"

namespace eddy::sys {
namespace {

static_assert(sizeof(SRWLOCK) == sizeof(void*) && alignof(SRWLOCK) == alignof(void*));

// SAFETY: an SRWLOCK contains only one pointer, which is null if the lock is free (SRWLOCK_INIT).
SRWLOCK* as_lock(void*& word) noexcept { return reinterpret_cast<SRWLOCK*>(&word); }

}  // namespace

void windows_mutex::lock() noexcept { ::AcquireSRWLockExclusive(as_lock(word_)); }

void windows_mutex::unlock() noexcept { ::ReleaseSRWLockExclusive(as_lock(word_)); }

}  // namespace eddy::sys
