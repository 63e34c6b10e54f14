// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <memory>
#include <system_error>

#include <eddy/detail/export.hpp>

namespace eddy::process {

/// What standard input, output or error of a process is.
/// Thread safety: a plain value.
/// Lifetime: copies share a descriptor, which is closed with the last one. A command has one.
class EDDY_API stdio {
public:
    /// What a stdio stands for.
    enum class kind : unsigned char {
        inherit,      ///< inherit()
        null,         ///< null()
        pipe,         ///< pipe()
        same_as_out,  ///< same_as_out()
        descriptor    ///< from_native() and copy_of()
    };

    /// Returns the stream of this process.
    [[nodiscard]] static stdio inherit() noexcept { return stdio(kind::inherit); }
    /// Returns /dev/null: input ends at once, output is discarded.
    [[nodiscard]] static stdio null() noexcept { return stdio(kind::null); }
    /// Returns a new pipe, whose other end the child object has.
    [[nodiscard]] static stdio pipe() noexcept { return stdio(kind::pipe); }
    /// Returns what standard output is, for command::error().
    [[nodiscard]] static stdio same_as_out() noexcept { return stdio(kind::same_as_out); }
    /// Takes ownership of a descriptor: of a file, a terminal, one end of a pipe or of a socket pair. It is closed with
    /// the last copy of the command: the reader of a pipe does not see its end before.
    ///
    /// If O_NONBLOCK is set for it, it is set for the process, too, which most programs do not expect.
    [[nodiscard]] static stdio from_native(int fd);
    /// Duplicates a descriptor, which may be closed afterwards. O_NONBLOCK is treated as in from_native().
    /// Errors: see fcntl(2), which command::spawn() reports.
    [[nodiscard]] static stdio copy_of(int fd);
    /// Same as above, of an object that has a descriptor, for example of an fs::file.
    template <class T>
        requires requires(const T& object) {
            { object.native_handle() } -> std::convertible_to<int>;
        }
    [[nodiscard]] static stdio copy_of(const T& object) {
        return copy_of(static_cast<int>(object.native_handle()));
    }

    /// For the library: what this is, the descriptor or -1, and the error of copy_of().
    [[nodiscard]] kind what() const noexcept { return kind_; }
    [[nodiscard]] int fd() const noexcept { return fd_ ? *fd_ : -1; }
    [[nodiscard]] const std::error_code& failed() const noexcept { return failed_; }

private:
    explicit stdio(kind what) noexcept : kind_(what) {}

    kind kind_;
    std::shared_ptr<const int> fd_;  // closes the descriptor
    std::error_code failed_;
};

}  // namespace eddy::process
