// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/read_buf.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::io {

/// A stream of the bytes of a reader, as `bytes` of at most `capacity` bytes each. Yields bytes as soon as they arrive.
/// Ends with the reader, or after its first error.
///     io::reader_stream pieces(std::move(file));
///     while (auto piece = co_await pieces.next()) co_await try_(send(co_await try_(std::move(*piece))));
/// Errors: any error of the reader, as items. The constructor throws `misuse` if the capacity is 0.
/// Cancel safety: same as the reader.
/// Cost: one allocation of `capacity` bytes. The items share that block until it is full. It is reused after the items
/// were destroyed.
template <class R>
class [[nodiscard]] reader_stream : public stream_ops<reader_stream<R>> {
public:
    using item_type = result<bytes>;

    /// Takes ownership of the reader.
    explicit reader_stream(R inner, std::size_t capacity = 4096,
                           std::source_location where = std::source_location::current())
        : inner_(std::move(inner)), capacity_(capacity) {
        detail::check_reader<R>();
        if (capacity == 0) throw misuse("a reader_stream needs a capacity of at least one byte", where);
    }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        if (has_ended_) return std::nullopt;
        if (buffer_.capacity() == 0) buffer_.reserve(capacity_);
        const auto count = detail::poll_read_buf(inner_, cx, buffer_);
        if (!count) return not_ready;
        has_ended_ = !*count || **count == 0;
        if (!*count) return std::optional(item_type(std::unexpect, count->error()));
        if (**count == 0) return std::nullopt;
        return std::optional(item_type(buffer_.split().freeze()));
    }

    /// Returns the reader.
    [[nodiscard]] R& inner() noexcept { return inner_; }
    /// Moves the reader out.
    [[nodiscard]] R into_inner() && { return std::move(inner_); }

    static constexpr auto wait_shape() { return inspect::reads_from(&reader_stream::inner_); }

private:
    R inner_;
    bytes_mut buffer_;
    std::size_t capacity_;
    bool has_ended_ = false;
};

/// Deduces the type of the reader. A std::ref is stored as a `borrowed`.
template <class R>
reader_stream(std::reference_wrapper<R>) -> reader_stream<borrowed<R>>;
template <class R>
reader_stream(std::reference_wrapper<R>, std::size_t) -> reader_stream<borrowed<R>>;

}  // namespace eddy::io
