// SPDX-License-Identifier: MIT
#include <eddy/io/duplex.hpp>

#include <algorithm>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::detail {

memory_pipe::memory_pipe(std::size_t capacity, std::source_location where) : capacity_(capacity) {
    if (capacity == 0) throw misuse("a duplex or simplex needs a capacity of at least one byte", where);
    ring_ = std::make_unique_for_overwrite<std::byte[]>(capacity);
}

std::size_t memory_pipe::take(std::span<std::byte> into) noexcept {
    std::size_t taken = 0;
    while (taken < into.size() && size_ != 0) {
        const std::size_t piece = std::min({into.size() - taken, size_, capacity_ - begin_});
        std::copy_n(ring_.get() + begin_, piece, into.begin() + static_cast<std::ptrdiff_t>(taken));
        begin_ = (begin_ + piece) % capacity_;
        size_ -= piece;
        taken += piece;
    }
    return taken;
}

std::size_t memory_pipe::put(std::span<const std::byte> from) noexcept {
    std::size_t put = 0;
    while (put < from.size() && size_ != capacity_) {
        const std::size_t end = (begin_ + size_) % capacity_;
        const std::size_t piece = std::min({from.size() - put, capacity_ - size_, capacity_ - end});
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(put), piece, ring_.get() + end);
        size_ += piece;
        put += piece;
    }
    return put;
}

/// Moves bytes and wakes the other end, or stores the waker of this end. `move` returns nullopt if this end has to
/// wait.
template <class Move>
poll_result<result<std::size_t>> memory_pipe::poll_moved(context& cx, waker& mine, waker& others, Move move) {
    if (!cx.consume_budget()) return not_ready;
    // Wakers are cloned, woken, and dropped outside of the lock. The other end may run meanwhile, so the second
    // iteration calls `move` again.
    waker clone;
    for (bool has_clone = false;; has_clone = true) {
        waker wakes;
        std::optional<result<std::size_t>> moved;
        {
            const std::lock_guard guard(access_);
            moved = move();
            if (moved) {
                wakes.swap(others);
            } else if (has_clone) {
                mine.swap(clone);
            }
        }
        std::move(wakes).wake();
        if (moved) return *moved;
        if (has_clone) break;
        clone = cx.waker();
    }
    cx.refund_budget();
    return not_ready;
}

poll_result<result<std::size_t>> memory_pipe::poll_read(context& cx, std::span<std::byte> into) {
    if (into.empty()) return ok(std::size_t{0});
    return poll_moved(cx, reader_, writer_, [&]() -> std::optional<result<std::size_t>> {
        if (size_ == 0 && !no_more_written_) return std::nullopt;
        return take(into);
    });
}

poll_result<result<std::size_t>> memory_pipe::poll_write(context& cx, std::span<const std::byte> from) {
    if (from.empty()) return ok(std::size_t{0});
    return poll_moved(cx, writer_, reader_, [&]() -> std::optional<result<std::size_t>> {
        if (no_more_read_ || no_more_written_)
            return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::broken_pipe));
        if (size_ == capacity_) return std::nullopt;
        return put(from);
    });
}

void memory_pipe::end_writing() noexcept { end(no_more_written_, writer_, reader_); }
void memory_pipe::end_reading() noexcept { end(no_more_read_, reader_, writer_); }

void memory_pipe::end(bool& is_over, waker& mine, waker& others) noexcept {
    waker dropped;
    waker woken;
    {
        const std::lock_guard guard(access_);
        is_over = true;
        dropped.swap(mine);
        woken.swap(others);
    }
    std::move(woken).wake();
}

}  // namespace eddy::detail

namespace eddy::io {

simplex_ends::simplex_ends(std::size_t capacity, std::source_location where)
    : simplex_ends(std::make_shared<detail::memory_pipe>(capacity, where)) {}

}  // namespace eddy::io
