// SPDX-License-Identifier: MIT
#pragma once

#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

namespace support {

/// Mounts a tmpfs with `options` on a directory, and runs a function on a thread that sees it, as do the threads and
/// processes that this one starts. Returns why that is impossible; an empty text after the function has run.
template <class F>
std::string on_small_disk(const std::string& dir, const std::string& options, F f) {
    std::string why;
    std::thread([&] {
        const bool is_mounted = ::unshare(CLONE_NEWNS) == 0 &&
                                ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                                ::mount("none", dir.c_str(), "tmpfs", 0, options.c_str()) == 0;
        if (!is_mounted) {
            why = std::strerror(errno);
            return;
        }
        f();
    }).join();
    return why;
}

}  // namespace support
