// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <span>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/future.hpp>
#include <eddy/result.hpp>
#include <eddy/waker.hpp>

namespace eddy::detail {

/// Bytes on their way from a writer to a reader, in memory: a ring of fixed size, and who waits at either end.
///
///     open ──shut_down() or writer gone──> ended: what is in it can still be read, and then there is the end
///       └────reader gone─────────────────> refused: a write is broken_pipe
///
/// Thread safety: the two ends may be used at the same time.
class EDDY_API pipe {
public:
    pipe(std::size_t capacity, std::source_location where);

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    void end_writing() noexcept;
    void end_reading() noexcept;

private:
    std::size_t take(std::span<std::byte> into) noexcept;
    std::size_t put(std::span<const std::byte> from) noexcept;
    template <class Move>
    poll_result<result<std::size_t>> poll_moved(context& cx, waker& mine, waker& others, Move move);
    void end(bool& is_over, waker& mine, waker& others) noexcept;

    mutex access_;  // guards all below
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
