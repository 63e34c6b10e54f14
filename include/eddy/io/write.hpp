// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/detail/io_checks.hpp>
#include <eddy/io/operation.hpp>

namespace eddy::io {

template <class W>
class write_op {
public:
    using output_type = result<std::size_t>;

    write_op(W& to, std::span<const std::byte> from) noexcept : to_(&to), from_(from) {}

    poll_result<output_type> poll(context& cx) { return detail::poll_write_checked(*to_, cx, from_); }

private:
    W* to_;
    std::span<const std::byte> from_;
};

template <class W>
class write_vectored_op {
public:
    using output_type = result<std::size_t>;

    write_vectored_op(W& to, std::span<const std::span<const std::byte>> from) noexcept : to_(&to), from_(from) {}

    poll_result<output_type> poll(context& cx) { return detail::poll_write_parts(*to_, cx, from_); }

private:
    W* to_;
    std::span<const std::span<const std::byte>> from_;
};

template <class W>
class flush_op {
public:
    using output_type = result<void>;

    explicit flush_op(W& to) noexcept : to_(&to) {}

    poll_result<output_type> poll(context& cx) { return to_->poll_flush(cx); }

private:
    W* to_;
};

template <class W>
class shutdown_op {
public:
    using output_type = result<void>;

    explicit shutdown_op(W& to) noexcept : to_(&to) {}

    poll_result<output_type> poll(context& cx) { return to_->poll_shutdown(cx); }

private:
    W* to_;
};

/// Writes at least one byte of `from`, and gives how many. 0 if `from` is empty, or if the writer will take no more.
/// Errors: those of the writer; errc::count_too_large for one that says that it has taken more than it was given.
/// Cancel safety: safe. If the future is dropped before it is ready, no byte was written.
template <class W>
[[nodiscard]] auto write(W&& to, std::span<const std::byte> from) {
    if constexpr (detail::check_borrowed<W>() && detail::check_writer<W>()) {
        return operation<write_op<std::remove_reference_t<W>>>(std::in_place, to, from);
    } else {
        return detail::broken_future();
    }
}

/// Writes from several buffers, one after the other: at once if the writer can do that, else from the first that is not
/// empty. Otherwise as write().
template <class W>
[[nodiscard]] auto write_vectored(W&& to, std::span<const std::span<const std::byte>> from) {
    if constexpr (detail::check_borrowed<W>() && detail::check_writer<W>()) {
        return operation<write_vectored_op<std::remove_reference_t<W>>>(std::in_place, to, from);
    } else {
        return detail::broken_future();
    }
}

/// Waits until all that was written has reached its destination. Cancel safety: safe.
template <class W>
[[nodiscard]] auto flush(W&& to) {
    if constexpr (detail::check_borrowed<W>() && detail::check_writer<W>()) {
        return operation<flush_op<std::remove_reference_t<W>>>(std::in_place, to);
    } else {
        return detail::broken_future();
    }
}

/// Flushes, and says that nothing more will be written. Cancel safety: safe; call it again to go on.
template <class W>
[[nodiscard]] auto shutdown(W&& to) {
    if constexpr (detail::check_borrowed<W>() && detail::check_writer<W>()) {
        return operation<shutdown_op<std::remove_reference_t<W>>>(std::in_place, to);
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy::io
