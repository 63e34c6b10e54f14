// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

#include <eddy/detail/export.hpp>
#include <eddy/fs/detail/reading.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/result.hpp>

namespace eddy::fs {
class file;
}  // namespace eddy::fs

namespace eddy::fs::detail {

/// The state of sending a part of a file: see fs::send_file(). The functions poll_* send or read at least one byte, and
/// return the count. They return 0 at the end of the part or of the file.
///
/// Bytes take one of two ways:
///
///     sendfile(2)   what the page cache has, to a TCP or Unix socket
///     copies        all others: into a chunk, from the cache or by a job; and from there to the stream
///
/// Cancel safety: safe. Bytes that were read and not sent are kept.
/// Lifetime: keeps the file open.
class EDDY_API file_sender {
public:
    file_sender(const file& from, std::uint64_t offset, std::uint64_t size);
    file_sender(file_sender&& other) noexcept;
    file_sender& operator=(file_sender&&) = delete;
    ~file_sender();

    poll_result<result<std::size_t>> poll_send(context& cx, eddy::detail::io_socket& to);
    /// Same as above, for any writer.
    template <class W>
    poll_result<result<std::size_t>> poll_copy(context& cx, W& to) {
        const auto there = poll_fill(cx);
        if (!there || !*there || **there == 0) return there;
        return take_sent(eddy::detail::poll_write_checked(to, cx, chunk()));
    }
    /// Copies bytes to `into`, which is not empty.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);

    /// Returns how many bytes were sent or read.
    [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
    /// Returns how many bytes of the part were not sent. More than 0 at the end if the file has ended before.
    [[nodiscard]] std::uint64_t left() const noexcept { return left_ + chunk().size(); }
    /// Returns whether the last poll waits for the file. Otherwise it waits for the stream.
    [[nodiscard]] bool is_reading() const noexcept { return reading_.has_job(); }
    /// Returns whether the last error is one of reading the file. Otherwise it is one of the stream.
    [[nodiscard]] bool has_failed_to_read() const noexcept { return has_failed_to_read_; }
    /// Makes an error of sending.
    [[nodiscard]] error fail(std::error_code code) const;

    static constexpr auto wait_shape() { return inspect::waits_as(&file_sender::reading_); }

private:
    /// Returns the bytes that were read and not sent.
    [[nodiscard]] std::span<const std::byte> chunk() const noexcept { return {chunk_.get() + begin_, end_ - begin_}; }
    poll_result<result<std::size_t>> poll_fill(context& cx);
    result<std::size_t> take(std::size_t count) noexcept;
    poll_result<result<std::size_t>> take_sent(const poll_result<eddy::result<std::size_t>>& count);
    [[nodiscard]] eddy::result<std::size_t> send_cached(eddy::detail::io_socket& to) const;
    [[nodiscard]] bool may_send_to(const eddy::detail::io_socket& to) const noexcept;

    std::shared_ptr<open_file> from_;
    std::uint64_t offset_;  // of the next byte that is sent or read
    std::uint64_t left_;    // bytes of the part behind it
    std::uint64_t sent_ = 0;
    reading reading_;
    std::unique_ptr<std::byte[]> chunk_;  // null before the first copy
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool can_send_ = true;     // sendfile(2) has not refused
    bool is_blocked_ = false;  // the socket could take no byte
    bool has_failed_to_read_ = false;
};

}  // namespace eddy::fs::detail
