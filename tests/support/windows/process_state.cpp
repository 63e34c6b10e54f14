// SPDX-License-Identifier: MIT
#include <support/process_state.hpp>

#include <cstdint>
#include <stdexcept>

namespace support {
namespace {

std::uint64_t cpu_time_of(HANDLE thread) {
    FILETIME created;
    FILETIME ended;
    FILETIME in_kernel;
    FILETIME in_user;
    ::GetThreadTimes(thread, &created, &ended, &in_kernel, &in_user);
    const auto ticks = [](FILETIME time) {
        return (static_cast<std::uint64_t>(time.dwHighDateTime) << 32U) + time.dwLowDateTime;
    };
    return ticks(in_kernel) + ticks(in_user);
}

}  // namespace

std::size_t count_fds(std::string_view what) {
    if (!what.empty()) throw std::logic_error("count_fds: sockets have no names on Windows");
    return open_sockets().size();
}

bool is_asleep(pid_t thread) {
    const HANDLE handle = ::OpenThread(THREAD_QUERY_INFORMATION, FALSE, static_cast<DWORD>(thread));
    if (handle == nullptr) return false;
    const auto before = cpu_time_of(handle);
    ::Sleep(30);
    const bool is_same = cpu_time_of(handle) == before;
    ::CloseHandle(handle);
    return is_same;
}

}  // namespace support
