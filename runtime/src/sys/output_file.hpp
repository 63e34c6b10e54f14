// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>
#include <system_error>

#include <eddy/result.hpp>

namespace eddy::sys {

/// A file that is written as a whole. Until finish(), it is beside the file of its name, so that a reader never sees
/// half of it, and an error leaves the former file.
/// Calls only functions that signal-safety(7) allows.
/// Errors: those of open(2), write(2) and rename(2), at finish(). A name may have 1,000 bytes.
class output_file {
public:
    explicit output_file(const char* path) noexcept {
        const std::size_t size = std::strlen(path);
        if (size >= path_.size()) {
            error_ = ENAMETOOLONG;
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
        fd_ = ::open(part_.data(), O_WRONLY | O_CREAT | O_TRUNC | flags, 0600);
        if (fd_ < 0) error_ = errno;
    }
    output_file(const output_file&) = delete;
    output_file& operator=(const output_file&) = delete;
    ~output_file() {
        if (fd_ >= 0) ::close(fd_);
    }

    void write(std::span<const std::byte> bytes) noexcept {
        if (bytes.size() > buffer_.size() - size_) flush();
        if (error_ != 0) return;
        std::memcpy(buffer_.data() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }

    [[nodiscard]] result<void> finish() noexcept {
        flush();
        if (fd_ >= 0 && ::close(fd_) != 0) note_error();
        fd_ = -1;
#if defined(_WIN32)
        if (error_ == 0) static_cast<void>(std::remove(path_.data()));  // rename() would fail
#endif
        if (error_ == 0 && std::rename(part_.data(), path_.data()) != 0) note_error();
        if (error_ != 0) return std::unexpected(std::error_code(error_, std::generic_category()));
        return {};
    }

private:
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
