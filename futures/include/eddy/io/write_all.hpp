// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The future of write_all().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited")]] write_all_future
    : public detail::writing_future<write_all_future<W>, result<void>, W> {
public:
    using output_type = result<void>;

    write_all_future(W& to, std::span<const std::byte> from) noexcept
        : write_all_future::writing_future(to), left_(from), size_(from.size()) {}

    /// Returns the number of bytes that were written.
    [[nodiscard]] std::size_t count() const noexcept { return size_ - left_.size(); }

private:
    friend typename write_all_future::io_future;
    poll_result<output_type> advance(context& cx) { return detail::poll_write_all(this->to(), cx, left_); }

    std::span<const std::byte> left_;
    std::size_t size_;
};

/// The future of write_all() for a container that it owns.
template <class W, class T>
class [[nodiscard("an operation does nothing until it is awaited")]] write_all_moved_future
    : public detail::writing_future<write_all_moved_future<W, T>, result<void>, W> {
public:
    using output_type = result<void>;

    write_all_moved_future(W& to, T&& from) : write_all_moved_future::writing_future(to), from_(std::move(from)) {}

    /// Returns the number of bytes that were written.
    [[nodiscard]] std::size_t count() const noexcept { return written_; }

private:
    friend typename write_all_moved_future::io_future;
    poll_result<output_type> advance(context& cx) {
        return detail::poll_all(
            errc::write_zero, [&] { return detail::source_bytes(from_).subspan(written_); },
            [&](std::span<const std::byte> some) { return detail::poll_write_checked(this->to(), cx, some); },
            [&](std::size_t count) { written_ += count; });
    }

    T from_;  // the bytes of a short string move with the future, so there is no span of them
    std::size_t written_ = 0;
};

/// The future of write_all_vectored().
template <class W>
class [[nodiscard("an operation does nothing until it is awaited")]] write_all_vectored_future
    : public detail::writing_future<write_all_vectored_future<W>, result<void>, W> {
public:
    using output_type = result<void>;

    write_all_vectored_future(W& to, std::span<std::span<const std::byte>> from) noexcept
        : write_all_vectored_future::writing_future(to), left_(from) {}

    /// Returns the number of bytes that were written.
    [[nodiscard]] std::size_t count() const noexcept { return written_; }

private:
    friend typename write_all_vectored_future::io_future;
    poll_result<output_type> advance(context& cx) {
        const auto rest = [&] {
            skip_empty();
            return std::span<const std::span<const std::byte>>(left_);
        };
        return detail::poll_all(
            errc::write_zero, rest, [&](auto parts) { return detail::poll_write_parts(this->to(), cx, parts); },
            [&](std::size_t count) { take_off(count); });
    }

    void skip_empty() noexcept {
        while (!left_.empty() && left_.front().empty()) left_ = left_.subspan(1);
    }
    void take_off(std::size_t count) noexcept {
        written_ += count;
        while (count != 0) {
            auto& first = left_.front();
            const std::size_t taken = detail::lesser(count, first.size());
            first = first.subspan(taken);
            count -= taken;
            if (first.empty()) left_ = left_.subspan(1);
        }
    }

    std::span<std::span<const std::byte>> left_;
    std::size_t written_ = 0;
};

/// Writes all of `from`: text, or a container or span of char, unsigned char or std::byte; see const_buffer. Does not
/// flush. The count() of the operation is the number of bytes that were written, also after an error.
/// Errors: errc::write_zero if the writer takes no more bytes; the errors of the writer; errc::count_too_large.
/// Cancel safety: not safe. Only count() has the number of bytes that were written. write_all_buf() is safe: its buffer
/// has the rest.
/// Lifetime: a temporary container (an rvalue std::string, for example) is moved into the future. The writer, and
/// everything else, is borrowed.
template <class W>
[[nodiscard]] auto write_all(W&& to, const_buffer from) {
    return detail::make_if<detail::check_borrowed_writer<W>(), write_all_future<std::remove_reference_t<W>>>(
        to, from.bytes());
}
template <class W, eddy::detail::owned_bytes T>
[[nodiscard]] auto write_all(W&& to, T&& from) {
    return detail::make_if<detail::check_borrowed_writer<W>(), write_all_moved_future<std::remove_reference_t<W>, T>>(
        to, std::forward<T>(from));
}
template <class S, class T>
eddy::detail::broken_future write_all(S&&, T&&, std::size_t) EDDY_DELETED(EDDY_ONE_BUFFER);

/// Writes all of several buffers in order, several in one call if the writer can do that. Changes `from`: each span
/// becomes the part of it that is not written yet, so it is empty once it is written completely.
///     std::array parts{std::as_bytes(std::span(head)), std::as_bytes(std::span(body))};  // of two std::strings
///     co_await try_(io::write_all_vectored(peer, parts));
/// Errors: same as write_all().
/// Cancel safety: safe if `from` is kept. It lists the bytes that are left, so another call with the same `from`
/// continues.
/// Lifetime: the future borrows the writer, `from` and the buffers.
template <class W>
[[nodiscard]] auto write_all_vectored(W&& to, std::span<std::span<const std::byte>> from) {
    return detail::make_if<detail::check_borrowed_writer<W>(), write_all_vectored_future<std::remove_reference_t<W>>>(
        to, from);
}

}  // namespace eddy::io
