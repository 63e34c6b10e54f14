// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <eddy/result.hpp>

// Signals of this process. A handler counts them and then rings the bells of their kind: descriptors that become
// readable.

namespace eddy::sys {

/// Returns the number of a signal that programs may use for themselves, by its name without "SIG": "QUIT".
[[nodiscard]] std::optional<int> signal_named(std::string_view name) noexcept;

/// Returns the number of a real-time signal: the first has the index 0. 0 if there is none.
[[nodiscard]] int real_time_signal(int index) noexcept;

/// Installs the handler for this signal, if it is not installed.
/// Errors: errc::forbidden_signal; what sigaction(2) reports.
/// Thread safety: any thread.
result<void> count_signal(int number);

/// Returns how many of these signals have arrived since count_signal() installed the handler. A signal that is not in
/// the result of a call after open_bell() rings that bell.
/// Preconditions: count_signal() has succeeded.
[[nodiscard]] std::uint64_t signals_counted(int number) noexcept;

/// Returns whether a signal could run a function of the program. Handlers that only count signals, and handlers of
/// faults, do not count.
/// Thread safety: any thread.
[[nodiscard]] bool program_handles_signals() noexcept;

struct signal_bell;

enum class bell_use : bool {
    ring,       // the descriptor tells that there were signals
    keep_info,  // the descriptor is a queue of what the system has said about each signal
};

/// Opens a bell for the signals of this number.
/// Errors: what eventfd(2) and pipe(2) report; not_enough_memory; not_supported for keep_info on Windows.
/// Thread safety: any thread.
[[nodiscard]] result<signal_bell*> open_bell(int number, bell_use use = bell_use::ring) noexcept;

/// What the system has said about a signal.
struct received_signal {
    int code = 0;
    std::int32_t pid = 0;
    std::uint32_t uid = 0;
    bool has_sender = false;  // pid and uid belong to a process
    bool has_value = false;
    int value = 0;            // of sigqueue(3)
    void* pointer = nullptr;  // the same, as a pointer
};

/// Takes the next signal from the queue of a bell; nullopt if it is empty, or if this is a forked child, which shares
/// the queue with its parent.
/// Preconditions: the bell was opened with keep_info; one thread at a time.
[[nodiscard]] std::optional<received_signal> next_signal(const signal_bell& bell) noexcept;

/// Returns how many signals had no room in the queue of this bell.
[[nodiscard]] std::uint64_t signals_lost(const signal_bell& bell) noexcept;

/// Returns the descriptor that is readable after a signal.
[[nodiscard]] int descriptor_of(const signal_bell& bell) noexcept;

/// Makes the descriptor not readable, until the next signal.
void silence(const signal_bell& bell) noexcept;

/// Blocks the thread until the next signal, or until one that has arrived since open_bell() or the last call. Signals
/// that arrive together count once. Returns false if there will be none: the program has closed the descriptor.
[[nodiscard]] bool wait_for_ring(const signal_bell& bell) noexcept;

/// Lets the calling thread receive this signal, which may be blocked in all other threads.
void unblock_signal(int number) noexcept;

/// Closes the bell.
/// Thread safety: any thread, but not a signal handler.
void close_bell(signal_bell& bell) noexcept;

}  // namespace eddy::sys
