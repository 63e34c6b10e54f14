// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::sys {

#if defined(_WIN32)

/// A mutex that is initialized before the program starts. With MinGW, std::mutex is not.
class windows_mutex {
public:
    constexpr windows_mutex() noexcept = default;
    windows_mutex(const windows_mutex&) = delete;
    windows_mutex& operator=(const windows_mutex&) = delete;

    void lock() noexcept;
    void unlock() noexcept;

private:
    void* word_ = nullptr;  // an SRWLOCK
};

/// The type of a mutex that is declared constinit: Mutex, or a replacement on systems where its constructor is not
/// constexpr.
template <class Mutex>
using static_mutex = windows_mutex;

#else

template <class Mutex>
using static_mutex = Mutex;

#endif

}  // namespace eddy::sys
