// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

// What the threads of this process do, asked from another thread. Only Linux can tell; elsewhere, this_thread_number()
// is 0, and the other functions know nothing.

namespace eddy::sys {

/// Returns the number of the calling thread, or 0 on a system on which threads cannot be observed.
[[nodiscard]] int this_thread_number() noexcept;

/// The processor time that a thread has used, and what it does now.
struct thread_sample {
    std::chrono::nanoseconds used;
    bool is_blocked;  ///< in the kernel
    bool is_ready;    ///< runs, waits for a processor, or was stopped by a signal or a debugger
};

/// Returns nothing if the thread has ended.
[[nodiscard]] std::optional<thread_sample> sample_thread(int number) noexcept;

/// A thread that runs, or would if it had a processor and were not stopped.
struct ready_thread {
    int number = 0;
    std::chrono::nanoseconds used{0};
};

/// Stores the threads of this process that are ready, except the calling one, and returns their number. Of very many
/// threads, only some are looked at.
[[nodiscard]] std::size_t ready_threads(std::span<ready_thread> into) noexcept;

/// Returns how many threads the process had at one moment of the call; nothing if the system does not say it. A thread
/// that is being started or is about to end counts.
[[nodiscard]] std::optional<std::size_t> thread_count() noexcept;

/// Returns whether a debugger is attached to this process.
[[nodiscard]] bool is_debugged() noexcept;

/// The native stack of a thread at one moment.
struct thread_snapshot {
    std::array<std::uintptr_t, 64> callers{};    ///< return addresses, and first the interrupted instruction
    std::size_t caller_count = 0;                ///< 0 if the thread could not be interrupted
    std::uintptr_t stack_pointer = 0;            ///< 0 if it is unknown
    std::array<std::uintptr_t, 32> registers{};  ///< the general registers, in any order; unused ones are 0
};

/// Takes a snapshot of another thread, by a signal (SIGURG). Its handler stores addresses only. Takes none if the
/// program has a handler for this signal, or if the thread does not answer soon, for example because it blocks the
/// signal. A system call that does not restart, such as sleep(3) or poll(2), ends with EINTR in that thread.
/// Thread safety: one thread at a time.
[[nodiscard]] thread_snapshot interrupt_thread(int number) noexcept;

/// Returns whether this signal runs the handler of interrupt_thread().
[[nodiscard]] bool is_probe_signal(int number) noexcept;

}  // namespace eddy::sys
