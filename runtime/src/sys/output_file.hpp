// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/result.hpp>

namespace eddy::sys {

/// A file that is written as a whole. Until finish(), it is beside the file of its name, so that a reader never sees
/// half of it, and an error leaves the former file.
/// Calls only functions that signal-safety(7) allows. The object is too large for the stack of a signal handler.
/// Errors: see open(2), write(2) and rename(2), at finish(); invalid_argument for a name of a device or a pipe,
/// which rename(2) would replace by a file. A name may have 1,000 bytes.
class output_file {
public:
    explicit output_file(const char* path) noexcept {
        const std::size_t size = std::strlen(path);
        if (size >= path_.size()) {
            error_ = ENAMETOOLONG;
            return;
        }
        struct stat former{};
        if (::stat(path, &former) == 0 && (former.st_mode & S_IFMT) != S_IFREG) {
            error_ = EINVAL;
            return;
        }
        std::memcpy(path_.data(), path, size);
        std::memcpy(part_.data(), path, size);
        std::memcpy(part_.data() + size, ".part", 6);
#if defined(_WIN32)
        constexpr int flags = O_BINARY;
#else
        constexpr int flags = O_CLOEXEC;
#endif
        // What is there already is not written to. O_EXCL does not follow a symbolic link either.
        ::unlink(part_.data());
        fd_ = ::open(part_.data(), O_WRONLY | O_CREAT | O_EXCL | flags, 0600);
        if (fd_ < 0) error_ = errno;
    }
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;
    ~output_file() {
        if (fd_ >= 0) remove_part();
    }

    void write(std::span<const std::byte> bytes) noexcept {
        if (bytes.size() > buffer_.size() - size_) flush();
        if (error_ != 0) return;
        std::memcpy(buffer_.data() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }

    [[nodiscard]] result<void> finish() noexcept {
        flush();
        if (error_ != 0) return failed();
        if (::close(std::exchange(fd_, -1)) != 0) note_error();
#if defined(_WIN32)
        if (error_ == 0) static_cast<void>(std::remove(path_.data()));  // rename() would fail
#endif
        if (error_ == 0 && std::rename(part_.data(), path_.data()) != 0) note_error();
        if (error_ == 0) return {};
        ::unlink(part_.data());
        return failed();
    }

private:
    [[nodiscard]] result<void> failed() const noexcept {
        return std::unexpected(std::error_code(error_, std::generic_category()));
    }
    /// A part of a file, on a full disk, is of no use.
    void remove_part() noexcept {
        ::close(fd_);
        ::unlink(part_.data());
    }
    void note_error() noexcept {
        if (error_ == 0) error_ = errno;
    }
    void flush() noexcept {
        for (std::size_t done = 0; done < size_ && error_ == 0;) {
            const auto count = ::write(fd_, buffer_.data() + done, static_cast<unsigned>(size_ - done));
            if (count >= 0) {
                done += static_cast<std::size_t>(count);
            } else if (errno != EINTR) {
                note_error();
            }
        }
        size_ = 0;
    }

    std::array<char, 1024> path_{};
    std::array<char, 1032> part_{};
    std::array<std::byte, 16384> buffer_;
    std::size_t size_ = 0;
    int fd_ = -1;
    int error_ = 0;
};

}  // namespace eddy::sys
