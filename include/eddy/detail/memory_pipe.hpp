// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <span>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// An in-memory byte channel from one writer to one reader: a ring buffer of fixed size, and the wakers of both ends.
///
///     open ──shut_down() or writer destroyed──> ended: the reader gets the remaining bytes, and then end of file
///       └────reader destroyed─────────────────> refused: a write fails with broken_pipe
///
/// Thread safety: the two ends may be used at the same time, each by one thread at a time.
class EDDY_API memory_pipe {
public:
    /// Errors: throws misuse if `capacity` is 0.
    memory_pipe(std::size_t capacity, std::source_location where);

    /// Reads at least one byte. Returns 0 at end of file, or if `into` is empty.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    /// Writes at least one byte.
    /// Errors: broken_pipe after end_reading().
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    /// Ends the writer's side, and wakes the reader.
    void end_writing() noexcept;
    /// Ends the reader's side, and wakes the writer.
    void end_reading() noexcept;

private:
    std::size_t take(std::span<std::byte> into) noexcept;
    std::size_t put(std::span<const std::byte> from) noexcept;
    template <class Move>
    poll_result<result<std::size_t>> poll_moved(context& cx, waker& mine, waker& others, Move move);
    void end(bool& is_over, waker& mine, waker& others) noexcept;

    mutex access_;  // guards all members below
    std::unique_ptr<std::byte[]> ring_;
    std::size_t capacity_;
    std::size_t begin_ = 0;
    std::size_t size_ = 0;
    bool no_more_written_ = false;
    bool no_more_read_ = false;
    waker reader_;
    waker writer_;
};

}  // namespace eddy::detail
