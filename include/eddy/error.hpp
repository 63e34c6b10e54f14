// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/export.hpp>

namespace eddy {

/// What eddy itself reports beside the system's own codes. Each has a text: `error.message()`.
enum class errc {
    runtime_shutdown = 1,  ///< the loop or runtime behind a handle, remote or socket is gone or going
    io_disabled,           ///< the loop was built with `enable_io(false)`
    timed_out,             ///< a `timeout` elapsed; equals std::errc::timed_out
    task_cancelled,        ///< the task was aborted before it had a value; equals std::errc::operation_canceled
    no_address,            ///< an empty list of addresses; equals std::errc::invalid_argument
    bad_address,           ///< text that is no socket address; equals std::errc::invalid_argument
    blocking_descriptor,   ///< a descriptor without O_NONBLOCK was handed in; equals std::errc::invalid_argument
    unexpected_eof,        ///< the stream ended before as many bytes came as were asked for
    write_zero,            ///< the sink took no byte of a buffer that was not empty
    channel_closed,        ///< the other end of a channel is gone
    semaphore_closed,      ///< the semaphore that was waited for is closed
    unknown_driver,        ///< EDDY_DRIVER names no driver that there is; equals std::errc::invalid_argument
    bad_worker_count,      ///< EDDY_WORKER_THREADS is no number of workers; equals std::errc::invalid_argument
    fallback_is_set,       ///< another reactor is the fall-back of this process already
    driver_unavailable,    ///< the driver asked for is not in this build, or this kernel too old for it; equals
                           ///< std::errc::not_supported
    receiver_lagged,       ///< a broadcast receiver was too slow, and values that it had not read were overwritten
    count_too_large,       ///< a reader or writer of somebody's said that it moved more bytes than it was given
    invalid_utf8,          ///< bytes that were to be text are not UTF-8; equals std::errc::illegal_byte_sequence
    line_too_long,         ///< no delimiter within the limit; equals std::errc::message_size
    bad_path,              ///< an empty path, or one with a NUL in it; equals std::errc::invalid_argument
    unix_name_too_long,    ///< a path or abstract name of a Unix socket; equals std::errc::filename_too_long
    not_a_pipe,            ///< a file that was to be opened as a pipe is none; equals std::errc::invalid_argument
    bytes_remaining,       ///< the bytes ended in the middle of a frame
    frame_too_large,       ///< a frame of more bytes than the limit, or its length field, allows; equals
                           ///< std::errc::message_size
    bad_frame_length,      ///< a length field that no frame can have; equals std::errc::bad_message
    forbidden_signal,      ///< a signal that cannot be waited for; equals std::errc::invalid_argument
};

/// The category of `errc`; its name is "eddy".
[[nodiscard]] EDDY_API const std::error_category& error_category() noexcept;

[[nodiscard]] EDDY_API std::error_code make_error_code(errc code) noexcept;

/// True only for `errc::runtime_shutdown`.
[[nodiscard]] EDDY_API bool is_runtime_shutdown(const std::error_code& error) noexcept;

/// A wrong use of the library. The text says what to do instead and ends with the caller's file and line.
class EDDY_API misuse : public std::logic_error {
public:
    explicit misuse(std::string_view text, std::source_location where = std::source_location::current());

    [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

private:
    std::source_location where_;
};

/// What blocks its thread was called on one that runs the tasks of a runtime or a loop, which would stand still:
/// `eddy::run`, `eddy::wait`, `block_on`, `block_on_all`, `wait_until_idle`, `shutdown_timeout` and
/// `runtime_ended::wait`; and `run`, `run_until_idle` and `turn` of a `core`, also of the one that runs.
class EDDY_API nested_runtime : public misuse {
public:
    using misuse::misuse;
};

/// Something that belongs to one loop's thread was used on another.
class EDDY_API wrong_thread : public misuse {
public:
    using misuse::misuse;
};

namespace detail {

/// Throws `misuse`: `what` ("spawn()") was done to a `kind` of object ("runtime") that is empty; `how` says what
/// happened to it ("moved from").
[[noreturn]] EDDY_API void throw_empty(const char* what, const char* kind, const char* how, std::source_location where);

/// Throws `misuse`: a future, `what` ("join"), was polled after its end.
[[noreturn, gnu::cold]] EDDY_API void throw_has_ended(const char* what, std::source_location where);

/// Throws `misuse`: `what` ("a join handle was awaited") with an empty join handle.
[[noreturn]] EDDY_API void throw_empty_handle(const char* what, std::source_location where);

/// Ends the program with `text` on standard error: for misuse found where nothing can be thrown (destructors).
[[noreturn]] EDDY_API void fatal_misuse(std::string_view text) noexcept;

/// Ends the program with `text` on standard error: the system fails a thread of eddy's own, which has nobody to tell.
[[noreturn]] EDDY_API void fatal_error(std::string_view text) noexcept;

/// Ends the program: an invariant of eddy itself is broken.
[[noreturn]] EDDY_API void assertion_failed(const char* expression, const char* text,
                                            std::source_location where) noexcept;

}  // namespace detail
}  // namespace eddy

template <>
struct std::is_error_code_enum<eddy::errc> : std::true_type {};

/// Checks an invariant of eddy's own, in every build: they are few, and cheap beside what they guard.
#define EDDY_ASSERT(expression, text)    \
    ((expression) ? static_cast<void>(0) \
                  : ::eddy::detail::assertion_failed(#expression, text, ::std::source_location::current()))
