// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <utility>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/checked_awaiter.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/buf_reader.hpp>
#include <eddy/io/detail/forwards_io.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Prints that a buf_writer that was made at `where` was destroyed with `count` bytes. Does nothing while an exception
/// is in flight.
EDDY_API void report_unflushed(std::size_t count, call_site where) noexcept;

}  // namespace eddy::detail

namespace eddy::io {

/// A writer with a buffer. Combines many small writes into few large ones. Forwards reads unchanged.
/// Errors: the constructor throws `misuse` if the capacity is 0. An error of the writer is returned by the write or
/// flush that needs the buffer emptied.
/// Cancel safety: same as the writer. Bytes in the buffer stay there.
/// Lifetime: the destructor cannot wait, so it discards bytes that were not flushed. Await io::flush() or
/// io::shutdown() first. With EDDY_CHECKS, the destructor prints a line if it discards bytes, except after an error of
/// the writer, and while an exception leaves the scope.
/// Cost: one allocation, at the first write. A write of at least the buffer's capacity bypasses the buffer if it is
/// empty.
template <class W>
class buf_writer : public detail::forwards_read<buf_writer<W>>, public detail::forwards_buf_read<buf_writer<W>> {
public:
    /// The type of the inner object.
    using inner_type = W;

    /// Takes ownership of `inner`. The buffer has `capacity` bytes.
    template <bool Checks = eddy::detail::has_checks>
    explicit buf_writer(detail::given_io<W> inner, std::size_t capacity = default_buffer,
                        std::source_location where = std::source_location::current())
        : inner_(std::move(inner).take()), capacity_(capacity) {
        detail::check_writer<W>();
        if (capacity == 0) throw misuse("a buf_writer needs a buffer of at least one byte", where);
        if constexpr (Checks) kept_.made_at = eddy::detail::call_site_of(where);
    }

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        if (from.size() > capacity_ - kept_.end) {
            const auto emptied = poll_empty(cx);
            if (!emptied) return not_ready;
            if (!*emptied) return result<std::size_t>(std::unexpect, emptied->error());
        }
        if (from.size() >= capacity_) return detail::poll_write_checked(inner_, cx, from);
        if (!kept_.buffer) kept_.buffer = std::make_unique_for_overwrite<std::byte[]>(capacity_);
        detail::copy_bytes(from, kept_.buffer.get() + kept_.end);
        kept_.end += from.size();
        return ok(from.size());
    }

    poll_result<result<void>> poll_flush(context& cx) {
        auto emptied = poll_empty(cx);
        if (!emptied || !*emptied) return emptied;
        return inner_.poll_flush(cx);
    }

    poll_result<result<void>> poll_shutdown(context& cx) {
        auto emptied = poll_empty(cx);
        if (!emptied || !*emptied) return emptied;
        return inner_.poll_shutdown(cx);
    }

    /// Implements async_seek. The buffer is written before the writer seeks.
    result<void> start_seek(seek_from to)
        requires async_seek<W>
    {
        seek_ = to;
        return {};
    }
    poll_result<result<std::uint64_t>> poll_seek_complete(context& cx)
        requires async_seek<W>
    {
        const auto emptied = poll_empty(cx);
        if (!emptied) return not_ready;
        if (!*emptied) return result<std::uint64_t>(std::unexpect, emptied->error());
        if (const auto to = std::exchange(seek_, std::nullopt)) {
            if (auto begun = inner_.start_seek(*to); !begun) return result<std::uint64_t>(std::unexpect, begun.error());
        }
        return inner_.poll_seek_complete(cx);
    }

    /// Returns the bytes that were not yet written.
    [[nodiscard]] std::span<const std::byte> buffered() const noexcept { return kept_.chunk(); }
    /// Returns the capacity of the buffer, in bytes.
    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    /// Returns the writer. Bytes that are written to it directly overtake the bytes in the buffer.
    [[nodiscard]] W& inner() noexcept { return inner_; }
    /// Moves the writer out. Bytes in the buffer are lost.
    [[nodiscard]] W into_inner() && {
        kept_.made_at = nullptr;
        return std::move(inner_);
    }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &buf_writer::inner_); }

private:
    /// The bytes that were taken and not yet written: [begin, end) of the buffer.
    struct kept_bytes {
        std::unique_ptr<std::byte[]> buffer;
        std::size_t begin = 0;
        std::size_t end = 0;
        eddy::detail::call_site made_at = nullptr;  // null: the destructor does not report bytes

        kept_bytes() noexcept = default;
        kept_bytes(kept_bytes&& other) noexcept
            : buffer(std::move(other.buffer)),
              begin(std::exchange(other.begin, 0)),
              end(std::exchange(other.end, 0)),
              made_at(other.made_at) {}
        kept_bytes& operator=(kept_bytes&& other) noexcept {
            std::swap(buffer, other.buffer);
            std::swap(begin, other.begin);
            std::swap(end, other.end);
            std::swap(made_at, other.made_at);
            return *this;
        }
        ~kept_bytes() {
            if (made_at != nullptr && end != begin) eddy::detail::report_unflushed(end - begin, made_at);
        }

        [[nodiscard]] std::span<const std::byte> chunk() const noexcept { return {buffer.get() + begin, end - begin}; }
        void advance(std::size_t count) noexcept {
            begin += count;
            if (begin == end) begin = end = 0;
        }
    };

    /// Writes the buffer. Returns ready when the buffer is empty.
    poll_result<result<void>> poll_empty(context& cx) {
        auto emptied = detail::poll_write_all_buf(inner_, cx, kept_);
        if (emptied && !*emptied) kept_.made_at = nullptr;
        return emptied;
    }

    W inner_;
    std::size_t capacity_;
    kept_bytes kept_;
    std::optional<seek_from> seek_;
};

/// Deduces the type of the writer. A std::ref is stored as a `borrowed`.
template <class W>
buf_writer(W, std::size_t = 0, std::source_location = {}) -> buf_writer<W>;
template <class W>
buf_writer(std::reference_wrapper<W>) -> buf_writer<borrowed<W>>;
template <class W>
buf_writer(std::reference_wrapper<W>, std::size_t) -> buf_writer<borrowed<W>>;

/// A stream with a read buffer and a write buffer. See buf_reader and buf_writer.
template <class S>
class buf_stream : public buf_reader<buf_writer<S>> {
public:
    /// Takes ownership of `inner`. The capacities are in bytes.
    explicit buf_stream(detail::given_io<S> inner, std::size_t read_capacity = default_buffer,
                        std::size_t write_capacity = default_buffer,
                        std::source_location where = std::source_location::current())
        : buf_reader<buf_writer<S>>(buf_writer<S>(std::move(inner).take(), write_capacity, where), read_capacity,
                                    where) {}
};

/// Deduces the type of the stream. A std::ref is stored as a `borrowed`.
template <class S>
buf_stream(S, std::size_t = 0, std::size_t = 0, std::source_location = {}) -> buf_stream<S>;
template <class S>
buf_stream(std::reference_wrapper<S>) -> buf_stream<borrowed<S>>;
template <class S>
buf_stream(std::reference_wrapper<S>, std::size_t) -> buf_stream<borrowed<S>>;
template <class S>
buf_stream(std::reference_wrapper<S>, std::size_t, std::size_t) -> buf_stream<borrowed<S>>;

}  // namespace eddy::io
