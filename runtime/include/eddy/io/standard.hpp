// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/task/join_handle.hpp>

// The standard input and output of the process, as readers and writers. (`stdin` is a macro.)
//
// A terminal or a file cannot be polled for readiness. Therefore spawn_blocking() reads and writes on another thread,
// at most 64 KiB at a time. This is slow for large amounts of data. A program that only serves a terminal can also use
// the functions of the standard library, on a thread of the program.

// Reads and writes descriptors without readiness events (terminals, files) on a blocking thread, one buffer at a time.
// The job owns its buffer, so the object may be destroyed while a job runs. After Tokio's `Blocking`.

namespace eddy::detail {

/// The result of a job: its buffer, and the number of bytes read or written.
struct blocking_done {
    std::vector<std::byte> buffer;
    result<std::size_t> count;

    blocking_done(std::vector<std::byte>&& used, result<std::size_t> moved) noexcept
        : buffer(std::move(used)), count(std::move(moved)) {}
};

/// The maximum size of one read or one buffered write, in bytes.
inline constexpr std::size_t blocking_buffer = 64 * 1024;

/// Reads from a descriptor on a blocking thread.
/// Errors: see read(2); runtime_shutdown if a job was cancelled.
/// Cancel safety: safe. Bytes that a job has read stay in the buffer for the next read.
/// Lifetime: does not own the descriptor, which must stay open until the last job has ended.
class EDDY_API blocking_input {
public:
    explicit blocking_input(int fd) noexcept : fd_(fd) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx);
    /// Discards the first `count` bytes of the buffer.
    /// Errors: throws std::out_of_range if `count` exceeds the number of buffered bytes.
    void consume(std::size_t count);

private:
    [[nodiscard]] std::span<const std::byte> left() const noexcept {
        return std::span(buffer_).subspan(begin_, end_ - begin_);
    }

    int fd_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;  // the bytes in [begin_, end_) were read and not yet consumed
    std::size_t end_ = 0;
    std::optional<join_handle<blocking_done>> job_;  // the read in progress; it owns the buffer meanwhile
};

/// Writes to a descriptor on a blocking thread.
/// Cancel safety: safe. poll_write() takes its bytes only when it returns ready.
/// Lifetime: does not own the descriptor, which must stay open until the last job has ended.
class EDDY_API blocking_output {
public:
    explicit blocking_output(int fd) noexcept : fd_(fd) {}

    /// Waits for the job of the previous write, then copies up to `blocking_buffer` bytes and starts a job for them.
    /// Errors: any error of the previous write; runtime_shutdown if its job was cancelled.
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    /// Waits until the job of the previous write has ended.
    /// Errors: any error of the previous write; runtime_shutdown if its job was cancelled.
    poll_result<result<void>> poll_flush(context& cx);
    poll_result<result<void>> poll_shutdown(context& cx) { return poll_flush(cx); }

private:
    int fd_;
    std::vector<std::byte> buffer_;
    std::optional<join_handle<blocking_done>> job_;  // the write in progress; it owns the buffer meanwhile
};

}  // namespace eddy::detail

namespace eddy::io {

/// Standard input, as a reader with a buffer: `auto lines = io::lines(io::standard_input());`
/// A read from a terminal occupies a thread until a line arrives, even if the read was cancelled. eddy::run() waits for
/// that thread. runtime::block_on(), core::run(), and the destructors of runtime and core do not.
/// Errors: see read(2); errc::runtime_shutdown.
/// Cancel safety: safe while the object is kept. The next read returns the bytes of a cancelled read.
/// Lifetime: the bytes in the buffer and the bytes of a cancelled read are lost when the object is destroyed. Use one
/// object in a program.
/// Preconditions: the thread has a runtime or an event loop, as for spawn_blocking(). Otherwise throws `misuse`.
/// Cost: one allocation for the buffer; one hand-over to another thread for each buffer.
class standard_input : public detail::blocking_input {
public:
    /// Reads from descriptor 0.
    standard_input() noexcept : blocking_input(0) {}
};

/// Standard output, as a writer. A write is ready when its bytes were handed to another thread. Await io::flush()
/// before the program ends, or the last bytes may be lost.
/// Errors: see write(2), which the next write or flush returns; errc::runtime_shutdown. Does not change how the
/// process handles SIGPIPE.
/// Cancel safety: safe. Bytes that were taken are written, even if the object is destroyed.
/// Preconditions: same as standard_input.
class standard_output : public detail::blocking_output {
public:
    /// Writes to descriptor 1.
    standard_output() noexcept : blocking_output(1) {}
};

/// Standard error, as a writer. Otherwise same as standard_output.
/// Cancel safety: safe. Bytes that were taken are written, even if the object is destroyed.
class standard_error : public detail::blocking_output {
public:
    /// Writes to descriptor 2.
    standard_error() noexcept : blocking_output(2) {}
};

}  // namespace eddy::io
