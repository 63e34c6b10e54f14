// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>

#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>

EDDY_HEADERS_OF(process)

namespace eddy::process {

/// The errors of eddy::process, in addition to the system's. `error.message()` explains each of them.
enum class errc {
    nul_character = 1,   ///< an argument, a name or a path contains a NUL; equals std::errc::invalid_argument
    no_program,          ///< the name of the program is empty; equals std::errc::invalid_argument
    bad_variable,        ///< a name of an environment variable is empty or contains '='; equals invalid_argument
    bad_stream,          ///< same_as_out() for another stream than error; equals invalid_argument
    bad_descriptor,      ///< for command::descriptor(): a number below 3, or no descriptor; equals invalid_argument
    bad_name,            ///< a name of hand_over_options is empty or has a colon; equals invalid_argument
    second_successor,    ///< for hand_over(): a service has one successor; equals std::errc::device_or_resource_busy
    failed,              ///< exit_status::check(): the process has not ended with the code 0
    ended_before_ready,  ///< the successor of hand_over() has ended; equals std::errc::no_such_process
    no_group,            ///< the process has no group of its own; equals std::errc::operation_not_permitted
    has_ended,           ///< a signal for a process that has ended; equals std::errc::no_such_process
    status_lost,         ///< the system has no exit status for this program; equals std::errc::no_child_process
    no_signal,           ///< Windows has SIGKILL and SIGTERM only; equals std::errc::not_supported
    unsafe_argument,     ///< cmd.exe would change an argument of a batch file; equals invalid_argument
    no_user,             ///< for command::user(): the system has no user with this name; equals invalid_argument
};

/// Returns the error category of process::errc. Its name is "eddy.process".
[[nodiscard]] EDDY_API const std::error_category& error_category() noexcept;

/// Makes an error code of the category error_category(). Thus process::errc converts to std::error_code.
[[nodiscard]] EDDY_API std::error_code make_error_code(errc code) noexcept;

/// The error of an operation on a process: an error code, the program, and a note about what has failed.
/// It converts to its error code, so `try_` also works in coroutines whose output is an eddy::result.
/// Thread safety: a plain value.
/// Cost: a copy shares the texts.
class EDDY_API error {
public:
    /// Constructs an error. `note` may be empty.
    error(std::error_code code, std::string program, std::string note = {});
    /// Constructs an error with the texts of another one. Does not allocate.
    error(std::error_code code, const error& with_texts) noexcept : code_(code), texts_(with_texts.texts_) {}

    /// Returns the error code.
    [[nodiscard]] const std::error_code& code() const noexcept { return code_; }
    operator std::error_code() const noexcept { return code_; }  // NOLINT(google-explicit-constructor): for try_

    /// Returns the program, as command was given it.
    [[nodiscard]] const std::string& program() const noexcept;
    /// Returns what the error is about, for example "directory /x" or "standard output"; "" if that is the program.
    [[nodiscard]] const std::string& note() const noexcept;

    /// Returns the whole text: "prog: No such file or directory (directory /x)".
    [[nodiscard]] std::string message() const;
    /// Returns message(). With this name, the reports of eddy about errors that no code has taken have the text.
    [[nodiscard]] std::string what() const { return message(); }

    /// Compares the error code.
    friend bool operator==(const error& a, const std::error_code& b) noexcept { return a.code_ == b; }
    friend bool operator==(const error& a, const std::error_condition& b) noexcept { return a.code_ == b; }
    friend bool operator==(const error& a, std::errc b) noexcept { return a.code_ == b; }

private:
    struct texts;

    std::error_code code_;
    std::shared_ptr<const texts> texts_;
};

/// The output of an operation on a process: a value, or an error that names the program.
template <class T>
using result = std::expected<T, error>;

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::process

/// Makes process::errc convertible to std::error_code.
template <>
struct std::is_error_code_enum<eddy::process::errc> : std::true_type {};

/// value() of a result throws an exception with the text of the error.
template <>
struct eddy::detail::explains_access<eddy::process::error> : std::true_type {};
