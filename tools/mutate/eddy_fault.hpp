// SPDX-License-Identifier: MIT
// Included by the files with planted faults. EDDY_FAULT is the number of the fault that is on; without it, all are off.
// With EDDY_FAULT_REACHED, a file of zeros that all processes of a test share, the byte N becomes 1 when the program comes to
// the place of the fault N.
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace eddy_fault {

struct state {
    std::atomic<int> chosen{-1};
    std::atomic<unsigned char*> reached{nullptr};
    std::size_t places = 0;
};
inline constinit state the;

// Uses system calls, because tests replace functions of the C library.
inline void map_reached(const char* path) {
    const int fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
    if (fd < 0) return;
    the.places = static_cast<std::size_t>(::syscall(SYS_lseek, fd, 0, SEEK_END));
    void* const bytes = ::mmap(nullptr, the.places, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::syscall(SYS_close, fd);
    if (bytes != MAP_FAILED) the.reached.store(static_cast<unsigned char*>(bytes));
}

inline void prepare() {
    if (const char* const path = std::getenv("EDDY_FAULT_REACHED")) map_reached(path);
    const char* const number = std::getenv("EDDY_FAULT");
    the.chosen.store(number != nullptr ? std::atoi(number) : 0);
}

// Before main(), unless a fault is in what runs before it.
inline const bool prepared = (the.chosen.load() < 0 ? prepare() : void(), true);

// The explorer of interleavings would see a race of two threads that come to the same place.
[[gnu::no_sanitize("thread")]] inline bool is_on(int number) noexcept {
    if (the.chosen.load(std::memory_order_relaxed) < 0) prepare();
    if (unsigned char* const bytes = the.reached.load(std::memory_order_relaxed)) bytes[number] = 1;
    return the.chosen.load(std::memory_order_relaxed) == number;
}

constexpr bool on(int number) noexcept {
    if consteval {
        return false;
    } else {
        return is_on(number);
    }
}

}  // namespace eddy_fault
