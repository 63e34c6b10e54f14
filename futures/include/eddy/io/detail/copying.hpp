// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/io/detail/splicing.hpp>

// The state of a copy: see eddy/io/copy.hpp.

namespace eddy::detail {

/// Returns the object of an await of a copy: what it reads from, and usually waits for. Other tasks may await it while
/// the copy waits for its writer.
template <class R>
auto object_of_copy(R& from) noexcept {
    return std::array{awaited_ref(awaited_part_of<direction::read>(from))};
}

/// The state of a copy, with the bytes that were read and not yet written: [begin_, end_) of the buffer.
class copying {
public:
    copying(std::size_t buffer_size, std::source_location where) : size_(buffer_size) {
        if (buffer_size == 0) throw misuse("copying needs a buffer of at least one byte", where);
    }

    /// Copies. Returns the number of bytes when the reader has ended, and all bytes were written and flushed.
    template <class R, class W>
    poll_result<result<std::uint64_t>> poll(context& cx, R& from, W& to) {
        auto copied = poll_copy(cx, from, to);
        if (copied) end();
        return copied;
    }
    /// Ends the operations that are in flight. The copy is polled no further.
    void end() noexcept { holds_.leave(); }
    [[nodiscard]] std::uint64_t written() const noexcept { return written_; }

    /// A child, the writer, while the copy in a member waits for it.
    template <class Class>
    static constexpr child_record while_writing(copying Class::* member, child_record writer) noexcept {
        return child_if(writer, offset_of(member) + offset_of(&copying::waits_for_writer_), 1);
    }

private:
    enum class way : unsigned char { undecided, spliced, copied };

    template <class R, class W>
    poll_result<result<std::uint64_t>> poll_copy(context& cx, R& from, W& to) {
        if constexpr (reads_socket<R> && writes_socket<W>) {
            io_socket& reader = socket_access::get(from);
            io_socket& writer = socket_access::get(to);
            if (way_ == way::undecided) way_ = can_splice(cx, reader, writer) ? way::spliced : way::copied;
            if (way_ == way::spliced) {
                const auto spliced = poll_spliced(cx, reader, writer);
                if (!spliced) return not_ready;
                if (*spliced) return poll_end(cx, to);
                if (spliced->error() != std::errc::operation_not_supported) return failure(spliced->error());
                way_ = way::copied;
            }
        }
        for (;;) {
            budget_guard cost(cx);
            if (begin_ == end_) {
                begin_ = end_ = 0;
                if (!has_ended_ && !poll_fill(cx, from)) return poll_flush_meanwhile(cx, to);
                if (has_ended_ && begin_ == end_) return poll_end(cx, to);
            }
            const auto count = holds_.during<direction::write>(
                to, cx, [&] { return poll_write_checked(to, cx, std::span(buffer_.get() + begin_, end_ - begin_)); });
            waits_for_writer_ = !count;
            if (!count) return poll_read_meanwhile(cx, from);
            if (!*count) return failure(count->error());
            if (**count == 0) return failure(make_error_code(errc::write_zero));
            begin_ += **count;
            written_ += **count;
            is_unflushed_ = true;
            if (!cost.is_paid()) return not_ready;
        }
    }

    static result<std::uint64_t> failure(std::error_code error) { return result<std::uint64_t>(std::unexpect, error); }

    /// Moves bytes until the reader ends.
    poll_result<result<void>> poll_spliced(context& cx, io_socket& from, io_socket& to) {
        while (!has_ended_) {
            const auto count = poll_splice(cx, from, to, waits_for_writer_);
            if (!count) return not_ready;
            if (!*count) return result<void>(std::unexpect, count->error());
            written_ += **count;
            has_ended_ = **count == 0;
        }
        return ok();
    }

    /// Reads into the free end of the buffer. Returns false if the reader is not ready. Keeps an error until all bytes
    /// before it are written.
    template <class R>
    [[nodiscard]] bool poll_fill(context& cx, R& from) {
        // Allocated on first use: a future that is never polled costs nothing.
        if (!buffer_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(size_);
        const auto count = holds_.during<direction::read>(
            from, cx, [&] { return poll_read_checked(from, cx, std::span(buffer_.get() + end_, size_ - end_)); });
        if (!count) return false;
        has_ended_ = !*count || **count == 0;
        if (!*count) {
            error_ = count->error();
        } else {
            end_ += **count;
        }
        return true;
    }

    /// Fills the buffer while the writer waits. The writer's progress may depend on these reads.
    template <class R>
    not_ready_t poll_read_meanwhile(context& cx, R& from) {
        while (!has_ended_ && end_ != size_ && poll_fill(cx, from)) {
        }
        return not_ready;
    }

    /// Flushes while the reader waits. The peer may send more only after it has received the written bytes.
    template <class W>
    poll_result<result<std::uint64_t>> poll_flush_meanwhile(context& cx, W& to) {
        if (!is_unflushed_) return not_ready;
        const auto flushed = holds_.during<direction::write>(to, cx, [&] { return to.poll_flush(cx); });
        if (flushed && !*flushed) return failure(flushed->error());
        if (flushed) is_unflushed_ = false;
        return not_ready;
    }

    template <class W>
    poll_result<result<std::uint64_t>> poll_end(context& cx, W& to) {
        const auto flushed = holds_.during<direction::write>(to, cx, [&] { return to.poll_flush(cx); });
        waits_for_writer_ = !flushed;
        if (!flushed) return not_ready;
        if (error_) return failure(error_);
        if (!*flushed) return failure(flushed->error());
        return ok(written_);
    }

    copy_holds holds_;
    std::unique_ptr<std::byte[]> buffer_;
    std::size_t size_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::uint64_t written_ = 0;
    std::error_code error_;  // of the reader
    way way_ = way::undecided;
    bool has_ended_ = false;
    bool is_unflushed_ = false;
    bool waits_for_writer_ = false;  // for readers of the program's memory
};

}  // namespace eddy::detail
