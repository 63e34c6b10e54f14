// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/net/detail/text_formatter.hpp>
#include <eddy/process/error.hpp>

namespace eddy::process {

/// How a process has ended, and what it has used.
/// Thread safety: a plain value.
class [[nodiscard("the process may have failed: call check(), or look at the status")]] EDDY_API exit_status {
public:
    /// What a process, and the children that it has waited for, have used. On Windows, without its children.
    struct usage {
        std::chrono::microseconds user_time{};    ///< processor time outside of the kernel
        std::chrono::microseconds system_time{};  ///< processor time in the kernel
        /// The largest number of bytes that were in memory at the same time, or that number of this program, if it is
        /// larger: between its start and execve(2), the process has the memory of this program.
        std::uint64_t max_memory = 0;
    };

    /// For the library: a process that ended by itself.
    static exit_status of_code(int code, const usage& used) noexcept { return {code, false, false, used}; }
    /// For the library: a process that a signal has ended.
    static exit_status of_signal(int number, bool dumped_core, const usage& used) noexcept {
        return {number, true, dumped_core, used};
    }
    /// For the library: sets the program that errors name.
    void set_program(std::shared_ptr<const std::string> name) noexcept { program_ = std::move(name); }

    /// Returns whether the process ended by itself, with the code 0.
    [[nodiscard]] bool is_success() const noexcept { return !is_signal_ && number_ == 0; }
    /// Returns an error unless is_success(), for programs to which each other end is one:
    ///
    ///     co_await try_((co_await try_(child.wait())).check());
    ///
    /// Errors: errc::failed, with the program and to_string(): "sh: the process has failed (exit code 3)".
    [[nodiscard]] result<void> check() const;
    /// Returns the code that the process ended with, from 0 to 255, on Windows any int; nullopt if a signal has ended
    /// it.
    [[nodiscard]] std::optional<int> code() const noexcept {
        return is_signal_ ? std::nullopt : std::optional(number_);
    }
    /// Returns the signal that has ended the process; nullopt if it ended by itself.
    [[nodiscard]] std::optional<int> signal() const noexcept {
        return is_signal_ ? std::optional(number_) : std::nullopt;
    }
    /// Returns whether the system has written a core file, or has passed the core to a program.
    [[nodiscard]] bool dumped_core() const noexcept { return dumped_core_; }
    /// Returns what the process has used.
    [[nodiscard]] const usage& used() const noexcept { return used_; }

    /// Returns a text: "exit code 3", "signal 9 (SIGKILL)", "signal 11 (SIGSEGV), core dumped"; on Windows
    /// also "exit code 0xc0000005", as the system writes its codes.
    [[nodiscard]] std::string to_string() const;

    /// Compares the code or the signal.
    friend bool operator==(const exit_status& a, const exit_status& b) noexcept {
        return a.is_signal_ == b.is_signal_ && a.number_ == b.number_;
    }

private:
    exit_status(int number, bool is_signal, bool dumped_core, const usage& used) noexcept
        : number_(number), is_signal_(is_signal), dumped_core_(dumped_core), used_(used) {}

    int number_;
    bool is_signal_;
    bool dumped_core_;
    usage used_;
    std::shared_ptr<const std::string> program_;
};

}  // namespace eddy::process

#ifdef __cpp_lib_format
/// Formats a status as to_string() does.
template <>
struct std::formatter<eddy::process::exit_status> : eddy::detail::text_formatter<eddy::process::exit_status> {};
#endif
