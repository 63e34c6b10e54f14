// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/result.hpp>

// Readers and writers without data. Each read and each write takes one unit of the coop budget, so that a loop over
// them yields to other tasks.

namespace eddy::io {

/// A writer that discards all bytes.
/// Thread safety: any thread; it has no state.
class sink {
public:
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        if (!cx.consume_budget()) return not_ready;
        return ok(from.size());
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx,
                                                         std::span<const std::span<const std::byte>> from) {
        if (!cx.consume_budget()) return not_ready;
        std::size_t sum = 0;
        for (const auto& part : from) sum += part.size();
        return ok(sum);
    }
    poll_result<result<void>> poll_flush(context&) { return ok(); }
    poll_result<result<void>> poll_shutdown(context&) { return ok(); }
};

/// A reader that is at its end. As a writer, it discards all bytes.
/// Thread safety: any thread; it has no state.
class empty : public sink {
public:
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte>) {
        if (!cx.consume_budget()) return not_ready;
        return ok(std::size_t{0});
    }
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        return ok(std::span<const std::byte>());
    }
    void consume(std::size_t) noexcept {}
    /// Implements async_seek. The position is always 0.
    result<void> start_seek(seek_from) { return {}; }
    poll_result<result<std::uint64_t>> poll_seek_complete(context&) { return ok(std::uint64_t{0}); }
};

/// A reader that returns the same byte endlessly.
/// Thread safety: any thread; its state does not change.
class repeat {
public:
    /// Returns `value` from each read.
    explicit repeat(std::byte value) noexcept : value_(value) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return not_ready;
        for (std::byte& each : into) each = value_;
        return ok(into.size());
    }

private:
    std::byte value_;
};

}  // namespace eddy::io
