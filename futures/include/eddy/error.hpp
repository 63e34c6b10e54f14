// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/export.hpp>

namespace eddy {

/// The errors that eddy reports in addition to system errors. `error.message()` explains each of them.
enum class errc {
    runtime_shutdown = 1,  ///< the event loop or runtime has shut down or is shutting down
    io_disabled,           ///< the event loop was built with `enable_io(false)`
    timed_out,             ///< a timeout elapsed; equals std::errc::timed_out
    task_cancelled,        ///< the task was aborted before it had an output; equals std::errc::operation_canceled
    no_address,            ///< an empty list of addresses; equals std::errc::invalid_argument
    bad_address,           ///< the text is not a socket address; equals std::errc::invalid_argument
    blocking_descriptor,   ///< a descriptor without O_NONBLOCK was passed; equals std::errc::invalid_argument
    unexpected_eof,        ///< the stream ended before the requested number of bytes arrived
    write_zero,            ///< a writer accepted no byte of a non-empty buffer
    channel_closed,        ///< the other end of the channel is gone
    semaphore_closed,      ///< the semaphore is closed
    unknown_driver,        ///< EDDY_DRIVER names an unknown driver; equals std::errc::invalid_argument
    bad_worker_count,      ///< EDDY_WORKER_THREADS is not a valid count; equals std::errc::invalid_argument
    fallback_is_set,       ///< the process has another fallback reactor already
    driver_unavailable,    ///< the driver is not in this build, or the kernel lacks it; equals std::errc::not_supported
    receiver_lagged,       ///< a broadcast receiver was too slow, and values were overwritten before it read them
    count_too_large,       ///< a user-provided reader or writer reported more bytes than it was given
    invalid_utf8,          ///< the bytes are not UTF-8; equals std::errc::illegal_byte_sequence
    line_too_long,         ///< no delimiter within the limit; equals std::errc::message_size
    bad_path,              ///< a path is empty or contains a NUL; equals std::errc::invalid_argument
    unix_name_too_long,    ///< the path or name of a Unix socket is too long; equals std::errc::filename_too_long
    not_a_pipe,            ///< the file to open as a pipe is not a pipe; equals std::errc::invalid_argument
    bytes_remaining,       ///< the stream ended in the middle of a frame
    frame_too_large,       ///< a frame exceeds the limit or its length field; equals std::errc::message_size
    bad_frame_length,      ///< a length field has an invalid value; equals std::errc::bad_message
    forbidden_signal,      ///< the signal cannot be awaited; equals std::errc::invalid_argument
    tls_truncated,         ///< a TLS connection ended without close_notify: data may be missing
    overloaded,            ///< a service rejected a call because a limit is reached
    circuit_open,          ///< a circuit breaker rejected a call because recent calls have failed
    connection_closed,     ///< the connection has ended before the call was answered
    unexpected_answer,     ///< the peer answered a call that was not made; equals std::errc::bad_message
    regular_file,          ///< a wait for a file, which is always ready; equals std::errc::operation_not_permitted
    already_registered,    ///< the descriptor is registered with this event loop; equals std::errc::file_exists
    affinity_unsupported,  ///< threads cannot be bound to processors here; equals std::errc::not_supported
    other,                 ///< the error has no code, only a text: see any_error
};

/// Returns the error category of `errc`. Its name is "eddy".
[[nodiscard]] EDDY_API const std::error_category& error_category() noexcept;

/// Makes an error code of the category error_category(). Thus `errc` converts to std::error_code.
[[nodiscard]] EDDY_API std::error_code make_error_code(errc code) noexcept;

/// Returns whether the error is `errc::runtime_shutdown`.
[[nodiscard]] EDDY_API bool is_runtime_shutdown(const std::error_code& error) noexcept;

/// The exception for incorrect use of the library. Its text says what to do instead, and ends with the file and line of
/// the caller.
/// Thread safety: a plain value.
class EDDY_API misuse : public std::logic_error {
public:
    /// Constructs the exception from its text and the source location of the caller.
    explicit misuse(std::string_view text, std::source_location where = std::source_location::current());

    /// Returns the source location of the caller, or an empty location if it is unknown.
    [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

private:
    std::source_location where_;
};

/// Thrown if a blocking function is called on a thread that currently runs the tasks of a runtime or an event loop,
/// because those tasks could not run meanwhile. The functions are: `eddy::run`, `eddy::wait`, `block_on`,
/// `block_on_all`, `wait_until_idle`, `shutdown_timeout` and `runtime_ended::wait`; also `run`, `run_until_idle` and
/// `turn` of a `core`, including the core that runs.
/// Thread safety: a plain value.
class EDDY_API nested_runtime : public misuse {
public:
    /// Has the constructors of misuse.
    using misuse::misuse;
};

/// Thrown if an object that belongs to the thread of one event loop is used on another thread.
/// Thread safety: a plain value.
class EDDY_API wrong_thread : public misuse {
public:
    /// Has the constructors of misuse.
    using misuse::misuse;
};

namespace detail {

/// Throws `misuse` because an object is empty. `what` is the operation ("spawn()"), `kind` the type of the object
/// ("runtime"), and `how` the reason ("moved from").
[[noreturn]] EDDY_API void throw_empty(const char* what, const char* kind, const char* how, std::source_location where);

/// Throws `misuse` because a future was polled after its end. `what` is its name ("join").
[[noreturn, gnu::cold]] EDDY_API void throw_has_ended(const char* what, std::source_location where);

/// Throws `misuse` because two operations use an object at the same time. `text` says which object, and what to do. The
/// locations are where they are awaited.
[[noreturn, gnu::cold]] EDDY_API void throw_two_operations(const char* text, const std::source_location& first,
                                                           const std::source_location& second);

/// Throws `misuse` because a join handle is empty. `what` is the operation ("a join handle was awaited").
[[noreturn]] EDDY_API void throw_empty_handle(const char* what, std::source_location where);

/// Prints `text` on standard error and aborts: for misuse that is detected where nothing can be thrown (destructors).
[[noreturn]] EDDY_API void fatal_misuse(std::string_view text) noexcept;
/// Same as above, with the source location of the caller after the text, if it is known.
[[noreturn]] EDDY_API void fatal_misuse(std::string_view text, const std::source_location& where) noexcept;

/// Prints `text` on standard error and aborts: for a system error on an internal thread, which has no caller to report
/// it to.
[[noreturn]] EDDY_API void fatal_error(std::string_view text) noexcept;

/// Prints a message and aborts: an internal invariant is broken.
[[noreturn]] EDDY_API void assertion_failed(const char* expression, const char* text,
                                            std::source_location where) noexcept;

}  // namespace detail
}  // namespace eddy

/// Makes errc convertible to std::error_code.
template <>
struct std::is_error_code_enum<eddy::errc> : std::true_type {};

/// For the library: checks an internal invariant in every build. The checks are few, and cheap compared to the code
/// that they guard.
#define EDDY_ASSERT(expression, text)    \
    ((expression) ? static_cast<void>(0) \
                  : ::eddy::detail::assertion_failed(#expression, text, ::std::source_location::current()))
