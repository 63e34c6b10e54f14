// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/join_handle.hpp>
#include <eddy/result.hpp>

// Descriptors that cannot be waited for (a terminal, a file), read and written on a thread for blocking work, a buffer
// at a time. The job owns its buffer: so it is no matter when the object goes. (The model is Tokio's `Blocking`.)

namespace eddy::detail {

/// A buffer, and what was done with it.
struct blocking_done {
    std::vector<std::byte> buffer;
    result<std::size_t> count;

    blocking_done(std::vector<std::byte>&& used, result<std::size_t> moved) noexcept
        : buffer(std::move(used)), count(std::move(moved)) {}
};

/// The most that is read, or kept to be written, at a time.
inline constexpr std::size_t blocking_buffer = 64 * 1024;

class EDDY_API blocking_input {
public:
    explicit blocking_input(int fd) noexcept : fd_(fd) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx);
    /// Errors: throws std::out_of_range for more than there is.
    void consume(std::size_t count);

private:
    [[nodiscard]] std::span<const std::byte> left() const noexcept {
        return std::span(buffer_).subspan(begin_, end_ - begin_);
    }

    int fd_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;  // of what was read and not yet taken
    std::size_t end_ = 0;
    std::optional<join_handle<blocking_done>> job_;
};

class EDDY_API blocking_output {
public:
    explicit blocking_output(int fd) noexcept : fd_(fd) {}

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    poll_result<result<void>> poll_flush(context& cx);
    poll_result<result<void>> poll_shutdown(context& cx) { return poll_flush(cx); }

private:
    int fd_;
    std::vector<std::byte> buffer_;
    std::optional<join_handle<blocking_done>> job_;
};

}  // namespace eddy::detail
