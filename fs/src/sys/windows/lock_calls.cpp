// SPDX-License-Identifier: MIT
#include "sys/lock_calls.hpp"

#include <limits>

#include "sys/windows/nt_file.hpp"

namespace eddy::sys {
namespace {

/// Locks of Windows forbid reads and writes of others. So a byte is locked that no file has.
OVERLAPPED locked_byte() noexcept {
    OVERLAPPED made{};
    made.Offset = std::numeric_limits<DWORD>::max() - 1;
    made.OffsetHigh = std::numeric_limits<std::int32_t>::max();
    return made;
}

}  // namespace

result<bool> try_lock(int fd, bool is_exclusive) noexcept {
    unlock(fd);  // a lock of another kind
    auto byte = locked_byte();
    const DWORD how = LOCKFILE_FAIL_IMMEDIATELY | (is_exclusive ? LOCKFILE_EXCLUSIVE_LOCK : 0);
    if (::LockFileEx(handle_of(fd), how, 0, 1, 0, &byte) != 0) return true;
    const DWORD why = ::GetLastError();
    if (why == ERROR_LOCK_VIOLATION || why == ERROR_IO_PENDING) return false;
    return std::unexpected(last_windows_error());
}

void unlock(int fd) noexcept {
    auto byte = locked_byte();
    ::UnlockFileEx(handle_of(fd), 0, 1, 0, &byte);
}

}  // namespace eddy::sys
