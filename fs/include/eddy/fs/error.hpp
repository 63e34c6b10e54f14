// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>

#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>

EDDY_HEADERS_OF(fs)

namespace eddy::fs {

/// The errors of eddy::fs, in addition to the system's. `error.message()` explains each of them.
enum class errc {
    fifo = 1,         ///< the path names a FIFO; equals std::errc::invalid_argument, as the next three do
    socket,           ///< the path names a socket
    terminal,         ///< the path names a terminal
    device,           ///< the path names another device
    closed,           ///< the file was closed; equals std::errc::bad_file_descriptor
    append_only,      ///< a write at a position of a file that was opened with append(true)
    file_too_large,   ///< the file is larger than the limit of the call; equals std::errc::file_too_large
    same_file,        ///< a file cannot be copied to itself; equals std::errc::invalid_argument
    unwatchable,      ///< watch() is not available on this system; equals std::errc::not_supported
    directory,        ///< the path names a directory; equals std::errc::is_a_directory
    outside,          ///< the path leads out of an fs::dir; equals std::errc::cross_device_link
    no_name,          ///< the path ends with "." or ".."; equals std::errc::invalid_argument, as the next three do
    no_access,        ///< open_options without read, write and append
    needs_write,      ///< open_options that change the file, without write and append
    append_truncate,  ///< open_options with append and truncate
    target_exists,    ///< copy_tree() without copy_options::overwrite(); equals std::errc::file_exists
    no_attribute,     ///< the file has no extended attribute with this name; equals std::errc::no_message_available
};

/// Which path of an operation with two an error is about.
enum class side : unsigned char {
    unknown,  ///< it was not found out
    first,    ///< the first one: the source
    second    ///< the second one: the target
};

/// Returns the error category of fs::errc. Its name is "eddy.fs".
[[nodiscard]] EDDY_API const std::error_category& error_category() noexcept;

/// Makes an error code of the category error_category(). Thus fs::errc converts to std::error_code.
[[nodiscard]] EDDY_API std::error_code make_error_code(errc code) noexcept;

/// The error of an operation on files: an error code, the name of the operation, and the paths that it was given.
/// It converts to its error code, so `try_` also works in coroutines whose output is an eddy::result.
/// Thread safety: a plain value.
/// Cost: an object without paths allocates nothing. A copy shares the paths.
class EDDY_API error {
public:
    /// Constructs an error. `operation` is a verb: "open". Its text must have static storage duration.
    error(std::error_code code, const char* operation) noexcept;
    /// Same as above, of an operation on `path`.
    error(std::error_code code, const char* operation, std::filesystem::path path);
    /// Same as above, of an operation with two paths: "rename", and which of them failed.
    error(std::error_code code, const char* operation, std::filesystem::path path, std::filesystem::path other,
          side failed = side::unknown);

    /// Returns the error code.
    [[nodiscard]] const std::error_code& code() const noexcept { return code_; }
    operator std::error_code() const noexcept { return code_; }  // NOLINT(google-explicit-constructor): for try_

    /// Returns the name of the operation.
    [[nodiscard]] const char* operation() const noexcept { return operation_; }
    /// Returns the path of the operation; an empty path if it has none.
    [[nodiscard]] const std::filesystem::path& path() const noexcept;
    /// Returns the second path of an operation that has two: the new name of "rename".
    [[nodiscard]] const std::filesystem::path& other_path() const noexcept;

    /// Returns which of the two paths the error is about, if that is known.
    [[nodiscard]] side failed() const noexcept;

    /// Returns the whole text: "open /etc/x: Permission denied", "rename /a to /b: /a: No such file or directory".
    [[nodiscard]] std::string message() const;
    /// Returns message(). With this name, the reports of eddy about errors that no code has taken have the text.
    [[nodiscard]] std::string what() const { return message(); }

    /// Compares the error code.
    friend bool operator==(const error& a, const std::error_code& b) noexcept { return a.code_ == b; }
    friend bool operator==(const error& a, const std::error_condition& b) noexcept { return a.code_ == b; }
    friend bool operator==(const error& a, std::errc b) noexcept { return a.code_ == b; }

private:
    struct paths;

    std::error_code code_;
    const char* operation_;
    std::shared_ptr<const paths> paths_;
};

/// The output of an operation on files: a value, or an error that names the operation and its paths.
template <class T>
using result = std::expected<T, error>;

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::fs

/// Makes fs::errc convertible to std::error_code.
template <>
struct std::is_error_code_enum<eddy::fs::errc> : std::true_type {};

/// value() of a result throws an exception with the text of the error.
template <>
struct eddy::detail::explains_access<eddy::fs::error> : std::true_type {};
