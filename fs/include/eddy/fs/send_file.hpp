// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <eddy/fs/detail/file_sender.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::fs {

/// A part of a file: `size` bytes from `offset`.
/// Thread safety: a plain value.
struct file_range {
    std::uint64_t offset = 0;                                        ///< where it begins
    std::uint64_t size = std::numeric_limits<std::uint64_t>::max();  ///< may be after the end of the file

    /// Constructs the range of a whole file.
    file_range() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    /// Constructs a range to the end of the file, or of a size.
    explicit file_range(std::uint64_t from) noexcept : offset(from) {}
    file_range(std::uint64_t from, std::uint64_t count) noexcept : offset(from), size(count) {}
};

/// The future of send_file().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited"), gnu::warn_unused]] send_file_future
    : public eddy::detail::writing_future<send_file_future<W>, result<std::uint64_t>, W> {
public:
    send_file_future(W& to, const file& from, file_range part)
        : send_file_future::writing_future(to), sender_(from, part.offset, part.size) {}

    /// Returns the number of bytes that were sent until now.
    [[nodiscard]] std::uint64_t sent() const noexcept { return sender_.sent(); }

private:
    using output = result<std::uint64_t>;
    friend typename send_file_future::io_future;

    poll_result<output> advance(context& cx) {
        while (!has_ended_) {
            eddy::detail::budget_guard cost(cx);
            const auto count = poll_some(cx);
            if (!count) return not_ready;
            if (!*count) return output(std::unexpect, count->error());
            has_ended_ = **count == 0;
            if (!cost.is_paid()) return not_ready;
        }
        const auto flushed = this->to().poll_flush(cx);
        if (!flushed) return not_ready;
        if (!*flushed) return output(std::unexpect, sender_.fail(flushed->error()));
        return output(sender_.sent());
    }

    poll_result<result<std::size_t>> poll_some(context& cx) {
        if constexpr (eddy::detail::socket_access::has_socket<W>) {
            return sender_.poll_send(cx, eddy::detail::socket_access::get(this->to()));
        } else {
            return sender_.poll_copy(cx, this->to());
        }
    }

    detail::file_sender sender_;
    bool has_ended_ = false;
};

/// Sends a part of a file to a writer, flushes that, and returns the number of bytes:
///
///     const auto sent = co_await fs::send_file(stream, file);
///     const auto part = co_await fs::send_file(stream, file, fs::file_range(1000, 500));
///
/// Sends what there is: fewer bytes if the file ends before, also if it is truncated meanwhile. Does not use the
/// position of the file.
///
/// On Linux, sendfile(2) passes bytes in the page cache to a net::tcp_stream, a net::unix_stream or a half of one, at
/// most 1 MiB in a call, on this thread. It is asked for each 128 KiB whether the cache has the last byte: the kernel
/// reads ahead in order, and by default in pieces of that size. Bytes that are not there are read by a job on a thread
/// for blocking work, and copied. The same applies to files that were opened for O_DIRECT, to file systems that cannot
/// tell what is in the cache, to all other writers, and to other systems. See fs::metrics(). A write to the part that
/// was sent, or its truncation, may change bytes that the peer has not received yet.
///
/// Errors: any error of the writer and of reading the file, with the path of the file. sent() tells how many bytes were
/// sent before.
/// Cancel safety: not safe. If the future is destroyed, the writer has got the first bytes of the part. To continue
/// from there, await the future by reference, and then read sent():
///
///     auto sending = fs::send_file(stream, file, part);
///     auto done = co_await eddy::time::timeout(1s, std::ref(sending));
///     if (!done) part = fs::file_range(part.offset + sending.sent(), part.size - sending.sent());
///
/// Lifetime: the writer must outlive the future. The future keeps the file open, except after file::close().
/// Cost: for each MiB one call of sendfile(2), nine reads of one byte from the cache, and four calls for the signal
/// mask. With copies 64 KiB of memory; for each 64 KiB a read from the cache, or a job. Without a size, a job finds the
/// end.
template <class W>
[[nodiscard]] auto send_file(W&& to, const file& from, file_range part = {}) {
    return eddy::detail::make_if<eddy::detail::check_borrowed_writer<W>(),
                                 send_file_future<std::remove_reference_t<W>>>(to, from, part);
}

}  // namespace eddy::fs
