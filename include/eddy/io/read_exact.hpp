// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <eddy/detail/io_checks.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/operation.hpp>

namespace eddy::detail {

/// Fills `into`, starting at offset `filled`.
template <class R>
poll_result<result<void>> poll_read_exact(R& from, context& cx, std::span<std::byte> into, std::size_t& filled) {
    while (filled < into.size()) {
        const auto count = poll_read_checked(from, cx, into.subspan(filled));
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
        if (**count == 0) return result<void>(std::unexpect, make_error_code(errc::unexpected_eof));
        filled += **count;
    }
    return ok();
}

}  // namespace eddy::detail

namespace eddy::io {

/// The algorithm of read_exact().
template <class R>
class read_exact_op {
public:
    using output_type = result<void>;

    /// For use by read_exact().
    read_exact_op(R& from, std::span<std::byte> into) noexcept : from_(&from), into_(into) {}

    poll_result<output_type> poll(context& cx) { return detail::poll_read_exact(*from_, cx, into_, filled_); }
    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return filled_; }

private:
    R* from_;
    std::span<std::byte> into_;
    std::size_t filled_ = 0;
};

/// Fills all of `into`, which is what read() accepts. The count() of the operation is the number of bytes that were
/// read, also after an error:
///     auto header = io::read_exact(peer, bytes);
///     if (auto done = co_await header; !done) log(header.count(), "of", bytes.size());
/// Errors: errc::unexpected_eof if the reader ends first; those of the reader; errc::count_too_large.
/// Cancel safety: not safe. The bytes that were read are in `into`, and no longer in the reader. count() is their
/// number.
/// Lifetime: the future borrows the reader and `into`.
template <class R>
[[nodiscard]] auto read_exact(R&& from, mutable_buffer into) {
    return detail::make_operation<detail::check_borrowed_reader<R>(), read_exact_op<std::remove_reference_t<R>>>(
        from, into.bytes());
}

}  // namespace eddy::io
