// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::sys {

/// A file to which lines are appended.
/// Thread safety: any thread. Each append() is one write(2) to a file that was opened with O_APPEND.
class append_file {
public:
    /// Opens the file, or creates one that only its owner can access.
    /// Errors: what open(2) reports.
    [[nodiscard]] static result<append_file> open(const char* path) noexcept {
        unique_fd file(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        if (!file) return std::unexpected(std::error_code(errno, std::generic_category()));
        return append_file(std::move(file));
    }

    /// Appends the text. Ignores errors.
    void append(std::string_view text) const noexcept {
        static_cast<void>(::write(file_.get(), text.data(), text.size()));
    }

private:
    explicit append_file(unique_fd&& file) noexcept : file_(std::move(file)) {}

    unique_fd file_;
};

}  // namespace eddy::sys
