// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <source_location>
#include <span>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/result.hpp>

// Connections in memory, for tests and for tasks that exchange bytes.

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

namespace eddy::io {

/// The reading end of a simplex. After it is destroyed, writes fail with broken_pipe.
/// Errors: polling an end that was moved from throws `misuse`.
/// Thread safety: one thread at a time. The other end may be on another thread.
class [[nodiscard]] simplex_reader {
public:
    /// Reads from `from`.
    explicit simplex_reader(std::shared_ptr<detail::memory_pipe> from) noexcept : pipe_(std::move(from)) {}
    simplex_reader(simplex_reader&&) noexcept = default;
    simplex_reader& operator=(simplex_reader&& other) noexcept {
        simplex_reader(std::move(other)).pipe_.swap(pipe_);
        return *this;
    }
    ~simplex_reader() {
        detail::check_not_awaited(this, "the reader of an io::simplex");
        if (pipe_) pipe_->end_reading();
    }

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (!pipe_) throw misuse("this reader was moved from", cx.where());
        return pipe_->poll_read(cx, into);
    }

private:
    friend detail::guard_access;
    [[nodiscard]] detail::operation_guard* read_guard() noexcept { return &guard_; }

    std::shared_ptr<detail::memory_pipe> pipe_;
    detail::operation_guard guard_{
        "two tasks read from one end of an io::simplex or io::duplex at the same time: let one task read for all",
        detail::same_task::permitted};
};

/// The writing end of a simplex. After it is shut down or destroyed, the reader receives the remaining bytes, then
/// end of file.
/// Errors: poll_write() and poll_shutdown() throw `misuse` if this end was moved from.
/// Thread safety: one thread at a time. The other end may be on another thread.
class [[nodiscard]] simplex_writer {
public:
    /// Writes to `to`.
    explicit simplex_writer(std::shared_ptr<detail::memory_pipe> to) noexcept : pipe_(std::move(to)) {}
    simplex_writer(simplex_writer&&) noexcept = default;
    simplex_writer& operator=(simplex_writer&& other) noexcept {
        simplex_writer(std::move(other)).pipe_.swap(pipe_);
        return *this;
    }
    ~simplex_writer() {
        detail::check_not_awaited(this, "the writer of an io::simplex");
        if (pipe_) pipe_->end_writing();
    }

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        return pipe(cx).poll_write(cx, from);
    }
    poll_result<result<void>> poll_flush(context&) { return ok(); }
    poll_result<result<void>> poll_shutdown(context& cx) {
        pipe(cx).end_writing();
        return ok();
    }

private:
    [[nodiscard]] detail::memory_pipe& pipe(const context& cx) const {
        if (!pipe_) throw misuse("this writer was moved from", cx.where());
        return *pipe_;
    }
    friend detail::guard_access;
    [[nodiscard]] detail::operation_guard* write_guard() noexcept { return &guard_; }

    std::shared_ptr<detail::memory_pipe> pipe_;
    detail::operation_guard guard_{
        "two tasks write to one end of an io::simplex or io::duplex at the same time: use a sync::mutex, or a channel "
        "and one task that writes",
        detail::same_task::permitted};
};

/// One end of a duplex: bytes that are written here are read at the other end.
/// Thread safety: one thread at a time. The other end may be on another thread.
class [[nodiscard]] duplex_stream : public simplex_reader, public simplex_writer {
public:
    /// Combines one end of each direction.
    duplex_stream(simplex_reader&& reader, simplex_writer&& writer) noexcept
        : simplex_reader(std::move(reader)), simplex_writer(std::move(writer)) {}
    duplex_stream(duplex_stream&&) noexcept = default;
    duplex_stream& operator=(duplex_stream&&) noexcept = default;
    ~duplex_stream() { detail::check_not_awaited(this, "an end of an io::duplex"); }
};

/// The two ends that simplex() returns.
/// Thread safety: same as its parts.
struct simplex_ends {
    /// The two ends: what the writer writes is read by the reader.
    simplex_reader reader;
    simplex_writer writer;

    /// Makes both ends. Throws `misuse` if `capacity` is 0.
    EDDY_API explicit simplex_ends(std::size_t capacity, std::source_location where = std::source_location::current());

private:
    explicit simplex_ends(std::shared_ptr<detail::memory_pipe> shared) noexcept
        : reader(shared), writer(std::move(shared)) {}
};

/// The two ends that duplex() returns.
/// Thread safety: same as its parts.
struct duplex_ends {
    /// The two ends. They are equivalent.
    duplex_stream first;
    duplex_stream second;

    /// Makes both ends. Throws `misuse` if `capacity` is 0.
    explicit duplex_ends(std::size_t capacity, std::source_location where = std::source_location::current())
        : duplex_ends(simplex_ends(capacity, where), simplex_ends(capacity, where)) {}

private:
    duplex_ends(simplex_ends&& there, simplex_ends&& back) noexcept
        : first(std::move(back.reader), std::move(there.writer)),
          second(std::move(there.reader), std::move(back.writer)) {}
};

/// Makes an in-memory channel for bytes: `auto [reader, writer] = io::simplex(4096);`
/// It holds up to `capacity` bytes. A writer waits while the channel is full, and a reader waits while it is empty.
/// Errors: broken_pipe for a write after a shutdown, or after the reader was destroyed. Throws `misuse` if `capacity`
/// is 0.
/// Thread safety: each end on one thread at a time.
/// Cost: two allocations.
[[nodiscard]] inline simplex_ends simplex(std::size_t capacity,
                                          std::source_location where = std::source_location::current()) {
    return simplex_ends(capacity, where);
}

/// Makes an in-memory connection: `auto [client, server] = io::duplex(4096);`
/// Each direction holds up to `capacity` bytes. To use one end in two tasks, see split().
/// Errors, cancel safety, thread safety: same as simplex().
/// Cost: four allocations.
[[nodiscard]] inline duplex_ends duplex(std::size_t capacity,
                                        std::source_location where = std::source_location::current()) {
    return duplex_ends(capacity, where);
}

}  // namespace eddy::io
