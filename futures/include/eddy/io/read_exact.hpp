// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::detail {

/// Fills `into`, starting at offset `filled`.
template <class R>
poll_result<result<void>> poll_read_exact(R& from, context& cx, std::span<std::byte> into, std::size_t& filled) {
    return poll_all(
        errc::unexpected_eof, [&] { return into.subspan(filled); },
        [&](std::span<std::byte> some) { return poll_read_checked(from, cx, some); },
        [&](std::size_t count) { filled += count; });
}

}  // namespace eddy::detail

namespace eddy::io {

/// The future of read_exact().
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] read_exact_future
    : public detail::reading_future<read_exact_future<R>, result<void>, R> {
public:
    using output_type = result<void>;

    read_exact_future(R& from, std::span<std::byte> into) noexcept
        : read_exact_future::reading_future(from), into_(into) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return filled_; }

private:
    friend typename read_exact_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_read_exact(this->from(), cx, into_, filled_); }

    std::span<std::byte> into_;
    std::size_t filled_ = 0;
};

/// Fills all of `into`, which is what read() accepts. The count() of the operation is the number of bytes that were
/// read, also after an error:
///     auto header = io::read_exact(peer, bytes);
///     if (auto done = co_await header; !done) log(header.count(), "of", bytes.size());
/// Errors: errc::unexpected_eof if the reader ends first; the errors of the reader; errc::count_too_large.
/// Cancel safety: not safe. The bytes that were read are in `into`, and no longer in the reader. count() is their
/// number.
/// Lifetime: the future borrows the reader and `into`.
template <class R>
[[nodiscard]] auto read_exact(R&& from, mutable_buffer into) {
    return detail::make_if<detail::check_borrowed_reader<R>(), read_exact_future<std::remove_reference_t<R>>>(
        from, into.bytes());
}
template <class S, class T>
eddy::detail::broken_future read_exact(S&&, T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);

}  // namespace eddy::io
