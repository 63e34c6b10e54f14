// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

// Makes system calls of eddy::fs fail, end the process, or wait. The linker redirects the calls to file_faults.cpp.
// Calls on descriptors that are neither regular files nor directories are left alone: the runtime makes such calls,
// too. The functions have the names of the system calls; a lock (fcntl(2), F_OFD_SETLK) is "lock" or "unlock".
// Thread safety: the calls may be made on any thread. The functions here are for one thread.

namespace support {

/// Returns the number of calls since the last function here that plans a fault.
[[nodiscard]] std::size_t file_calls() noexcept;

/// Makes call number `n`, from 0, fail with `error`. A close(2) that fails closes the descriptor.
void fail_file_call(std::size_t n, int error) noexcept;
/// Returns the name of the function whose call has failed; an empty text if fewer calls were made.
[[nodiscard]] std::string_view failed_file_call() noexcept;
[[nodiscard]] inline bool has_file_call_failed() noexcept { return !failed_file_call().empty(); }
/// Makes call number `n` end the process by SIGKILL, before it is made.
void kill_at_file_call(std::size_t n) noexcept;
/// Makes all calls work.
void pass_file_calls() noexcept;

/// Makes all calls of a function fail, or each `every`th one, until it is destroyed.
class refused_file_call {
public:
    refused_file_call(std::string_view function, int error, std::size_t every = 1) noexcept;
    refused_file_call(const refused_file_call&) = delete;
    refused_file_call& operator=(const refused_file_call&) = delete;
    ~refused_file_call();
};

using file_call_observer = std::function<void(std::string_view function)>;

/// Calls a function before each call, on the thread that makes it, until it is destroyed. Calls that the function makes
/// itself are made, and not observed.
/// Preconditions: no job runs when it is destroyed.
class observed_file_calls {
public:
    explicit observed_file_calls(file_call_observer before);
    observed_file_calls(const observed_file_calls&) = delete;
    observed_file_calls& operator=(const observed_file_calls&) = delete;
    ~observed_file_calls();

private:
    file_call_observer before_;
};

/// The arguments of the last call of posix_fadvise(2).
struct file_advice {
    long offset = -1;
    long size = -1;
    int advice = -1;
};
[[nodiscard]] file_advice last_file_advice() noexcept;

/// Makes readdir(3) return no types, as some file systems do, until it is destroyed.
class untyped_entries {
public:
    untyped_entries() noexcept;
    untyped_entries(const untyped_entries&) = delete;
    untyped_entries& operator=(const untyped_entries&) = delete;
    ~untyped_entries();
};

/// Makes writes to files short, and then fail with ENOSPC, after `room` bytes, until it is destroyed.
class almost_full_disk {
public:
    explicit almost_full_disk(std::size_t room) noexcept;
    almost_full_disk(const almost_full_disk&) = delete;
    almost_full_disk& operator=(const almost_full_disk&) = delete;
    ~almost_full_disk();
};

/// Makes the calls of a function wait, until it is destroyed.
class held_file_call {
public:
    explicit held_file_call(std::string_view function, int error = 0) noexcept;
    held_file_call(const held_file_call&) = delete;
    held_file_call& operator=(const held_file_call&) = delete;
    ~held_file_call() { release(); }

    /// Waits until a call waits.
    void wait_until_held() noexcept;
    /// Lets the calls go on: they are made, or fail with `error`.
    void release() noexcept;
};

}  // namespace support
