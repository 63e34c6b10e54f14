// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>

// What the emulation of kqueue(2) has in common: memory and descriptors that are the kernel's.

namespace support {

/// An allocator for the objects that are memory of the kernel in a system with kqueue(2). Tests do not count its
/// allocations, and do not let them fail.
template <class T>
struct kernel_memory {
    using value_type = T;

    kernel_memory() = default;
    template <class U>
    kernel_memory(const kernel_memory<U>&) noexcept {}  // NOLINT(google-explicit-constructor): as all allocators

    T* allocate(std::size_t count) {
        void* const block = std::malloc(count * sizeof(T));
        if (block == nullptr) std::abort();
        return static_cast<T*>(block);
    }
    void deallocate(T* block, std::size_t) noexcept { std::free(block); }
    bool operator==(const kernel_memory&) const = default;
};

/// A descriptor above those of standard input, output and error.
inline int high(int fd) {
    if (fd < 0 || fd > 2) return fd;
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    ::syscall(SYS_close, fd);
    return copy;
}

inline void really_close(int fd) {
    if (fd >= 0) ::syscall(SYS_close, fd);
}

}  // namespace support
