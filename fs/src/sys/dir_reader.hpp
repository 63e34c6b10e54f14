// SPDX-License-Identifier: MIT
#pragma once

#if !defined(_WIN32)
#include <dirent.h>
#endif

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

namespace eddy::sys {

/// A name in a directory. The type describes the entry itself: a symbolic link is not followed.
struct named_entry {
    std::string name;
    std::filesystem::file_type type;

    named_entry(std::string its_name, std::filesystem::file_type its_type) noexcept
        : name(std::move(its_name)), type(its_type) {}
};

/// Reads the entries of a directory, in the order of the file system. Blocks.
/// Thread safety: one thread at a time.
class dir_reader {
public:
    /// Begins to read the directory `dir`, which the reader does not keep: it opens it once more.
    /// Errors: permission_denied if the directory may not be read; what openat(2) reports.
    [[nodiscard]] static result<dir_reader> open(int dir);

    /// Appends up to `limit` entries, without "." and "..". Returns whether entries may be left. Omits an entry that
    /// was removed before its type was known.
    /// Errors: what readdir(3) reports; if entries were read before it, the next call reports it.
    [[nodiscard]] result<bool> read(std::vector<named_entry>& into, std::size_t limit);

private:
#if defined(_WIN32)
    using stream = unique_fd;
#else
    struct closes {
        void operator()(DIR* opened) const noexcept { ::closedir(opened); }
    };
    using stream = std::unique_ptr<DIR, closes>;
#endif
    explicit dir_reader(stream opened) noexcept : stream_(std::move(opened)) {}

    [[nodiscard]] result<bool> read_until(std::vector<named_entry>& into, std::size_t end);

    stream stream_;
    std::error_code failure_;  // to be reported
};

/// Converts the type bits of a mode (S_IFMT).
[[nodiscard]] std::filesystem::file_type type_of_mode(unsigned mode) noexcept;

}  // namespace eddy::sys
