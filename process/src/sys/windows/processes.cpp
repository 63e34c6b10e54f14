// SPDX-License-Identifier: MIT
#include "sys/processes.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <eddy/process/error.hpp>

#include "sys/syscall.hpp"
#include "sys/thread.hpp"
#include "sys/windows/handle.hpp"
#include "sys/windows/utf16.hpp"

#include <psapi.h>

namespace eddy::sys {

const int sigterm = 15;
const int sigkill = 9;
const int no_child_process = ECHILD;

result<unique_fd> duplicate_from(int fd, int) noexcept { return duplicate_handle(fd, false); }

bool variable_precedes(std::string_view a, std::string_view b) {
    const auto first = wide_of(a);
    const auto second = wide_of(b);
    return ::CompareStringOrdinal(first.data(), static_cast<int>(first.size()), second.data(),
                                  static_cast<int>(second.size()), TRUE) == CSTR_LESS_THAN;
}

std::vector<std::string> environment_of_this_process() {
    std::vector<std::string> all;
    wchar_t* const block = ::GetEnvironmentStringsW();
    if (block == nullptr) return all;
    for (const wchar_t* each = block; *each != L'\0'; each += std::wstring_view(each).size() + 1) {
        all.push_back(narrow_of(each));
    }
    ::FreeEnvironmentStringsW(block);
    return all;
}

void take_affinity_of_main_thread() noexcept {}

void name_own_thread() noexcept { name_this_thread("eddy-process"); }

// ---- The end of a process ----

namespace {

/// The exit code of a process that this library has terminated, without the number of the signal. It is a code of no
/// system and of no other program: of the class of errors, and with the bit for codes that are not Microsoft's.
constexpr DWORD ended_by_signal = 0xEEDD'0000;
constexpr DWORD number_mask = 0xFF;

bool has_ended(const started_process& process) noexcept {
    return ::WaitForSingleObject(handle_of(process.watched.get()), 0) == WAIT_OBJECT_0;
}

std::chrono::microseconds time_of(const FILETIME& from) noexcept {
    using ticks = std::chrono::duration<std::int64_t, std::ratio<1, 10'000'000>>;
    const auto count = static_cast<std::uint64_t>(from.dwHighDateTime) << 32U | from.dwLowDateTime;
    return std::chrono::duration_cast<std::chrono::microseconds>(ticks(static_cast<std::int64_t>(count)));
}

process::exit_status::usage usage_of(HANDLE process) noexcept {
    process::exit_status::usage used;
    FILETIME begin{};
    FILETIME end{};
    FILETIME system{};
    FILETIME user{};
    if (::GetProcessTimes(process, &begin, &end, &system, &user) != 0) {
        used.user_time = time_of(user);
        used.system_time = time_of(system);
    }
    PROCESS_MEMORY_COUNTERS memory{};
    if (::GetProcessMemoryInfo(process, &memory, sizeof memory) != 0) used.max_memory = memory.PeakWorkingSetSize;
    return used;
}

}  // namespace

std::string signal_name(int number) {
    if (number == sigkill) return "SIGKILL";
    return number == sigterm ? "SIGTERM" : "";
}

result<std::optional<process::exit_status>> take_exit_status(const started_process& of, bool) noexcept {
    if (!has_ended(of)) return std::nullopt;
    const HANDLE process = handle_of(of.watched.get());
    DWORD code = 0;
    if (::GetExitCodeProcess(process, &code) == 0) return std::unexpected(last_windows_error());
    const auto used = usage_of(process);
    if ((code & ~number_mask) == ended_by_signal)
        return process::exit_status::of_signal(static_cast<int>(code & number_mask), false, used);
    return process::exit_status::of_code(static_cast<int>(code), used);
}

int stream_waited_for(const started_process&) noexcept { return -1; }

void wait_for_end(const started_process& process) noexcept {
    ::WaitForSingleObject(handle_of(process.watched.get()), INFINITE);
}

// ---- Signals ----

namespace {

bool ends_processes(int number) noexcept { return number == sigterm || number == sigkill; }

DWORD code_of(int number) noexcept { return ended_by_signal | static_cast<DWORD>(number); }

std::unexpected<std::error_code> no_signal() noexcept {
    return std::unexpected(make_error_code(process::errc::no_signal));
}

}  // namespace

// The number 0 asks whether the process could be signaled. This program has all rights for its own process.
result<void> send_signal(const started_process& to, int number) noexcept {
    if (number == 0) return {};
    if (!ends_processes(number)) return no_signal();
    if (::TerminateProcess(handle_of(to.watched.get()), code_of(number)) != 0) return {};
    const auto error = last_windows_error();
    if (has_ended(to)) return {};  // which is how a signal for a zombie ends
    return std::unexpected(error);
}

// SIGTERM asks the processes to end, if they have the console of this program.
result<void> send_signal_to_group(const started_process& to, int number) noexcept {
    if (number == 0) return {};
    if (!ends_processes(number)) return no_signal();
    if (number == sigterm && ::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, static_cast<DWORD>(to.id)) != 0) return {};
    if (::TerminateJobObject(handle_of(to.job.get()), code_of(number)) == 0)
        return std::unexpected(last_windows_error());
    return {};
}

bool is_in_own_group(const started_process&) noexcept { return true; }

void let_group_go(const started_process& process) noexcept {
    if (!process.job) return;
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION none{};
    ::SetInformationJobObject(handle_of(process.job.get()), JobObjectExtendedLimitInformation, &none, sizeof none);
}

}  // namespace eddy::sys
