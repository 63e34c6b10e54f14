// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <source_location>
#include <span>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/split_stream.hpp>

namespace eddy::io {

template <class S>
class write_half;

/// The reading half of a split object. Returned by split(). It stays usable after the other half was destroyed.
/// Errors: any error of the object. Throws `misuse` if it was moved from.
/// Cancel safety: same as the object.
/// Thread safety: one thread at a time. The other half may be on another thread.
template <class S>
class [[nodiscard]] read_half {
    using shared = detail::split_object<S>;

public:
    /// Takes ownership of one reference to `of`.
    explicit read_half(shared* of) noexcept : shared_(of) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_read(cx, into); });
    }
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into)
        requires vectored_read<S>
    {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_read_vectored(cx, into); });
    }

    /// Returns whether this half and `writer` are halves of the same object, as unsplit() requires.
    [[nodiscard]] bool is_pair_of(const write_half<S>& writer) const noexcept {
        return shared_ && shared_.get() == writer.shared_.get();
    }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &read_half::shared_); }

private:
    template <class U>
    friend U unsplit(read_half<U> reader, write_half<U> writer, std::source_location where);

    typename shared::share shared_;
};

/// The writing half of a split object. Returned by split(). Its destructor does not shut the object down.
/// Errors: any error of the object. Throws `misuse` if it was moved from.
/// Cancel safety: same as the object.
/// Thread safety: one thread at a time. The other half may be on another thread.
template <class S>
class [[nodiscard]] write_half {
    using shared = detail::split_object<S>;

public:
    /// Takes ownership of one reference to `of`.
    explicit write_half(shared* of) noexcept : shared_(of) {}

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_write(cx, from); });
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, std::span<const std::span<const std::byte>> from)
        requires vectored_write<S>
    {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_write_vectored(cx, from); });
    }
    poll_result<result<void>> poll_flush(context& cx) {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_flush(cx); });
    }
    poll_result<result<void>> poll_shutdown(context& cx) {
        return detail::with_split(shared_, cx, [&](S& object) { return object.poll_shutdown(cx); });
    }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &write_half::shared_); }

private:
    friend class read_half<S>;
    template <class U>
    friend U unsplit(read_half<U> reader, write_half<U> writer, std::source_location where);

    typename shared::share shared_;
};

/// The two halves that split() returns.
/// Thread safety: same as its parts.
template <class S>
struct halves {
    /// The half that reads, and the half that writes.
    read_half<S> reader;
    write_half<S> writer;

    /// Takes ownership of the object.
    explicit halves(S&& whole) : halves(new detail::split_object<S>(std::move(whole))) {}

private:
    explicit halves(detail::split_object<S>* shared) noexcept : reader(shared), writer(shared) {}
};

/// Splits a stream into a reading half and a writing half for two tasks, which may run on two threads. Only one half is
/// polled at a time. The other half waits without blocking its thread. The object lives until both halves are
/// destroyed.
///     auto [reader, writer] = io::split(std::move(tcp));
/// Errors, cancel safety: same as the object.
/// Thread safety: each half on one thread at a time.
/// Lifetime: takes ownership of the object. Pass std::ref(object) to borrow it.
/// Cost: one allocation; one uncontended lock per poll.
template <class S>
[[nodiscard]] auto split(S&& whole) {
    constexpr bool fits = detail::check_given_io<S>() && detail::check_reader<S>() && detail::check_writer<S>();
    return detail::make_if<fits, halves<detail::kept_io_t<S>>, detail::broken_halves>(std::forward<S>(whole));
}

/// Returns the object of two halves.
/// Errors: throws `misuse` if they are halves of different objects. Both halves are destroyed then. Call
/// read_half::is_pair_of() to check first.
template <class S>
[[nodiscard]] S unsplit(read_half<S> reader, write_half<S> writer,
                        std::source_location where = std::source_location::current()) {
    if (!reader.is_pair_of(writer))
        throw misuse("unsplit takes the two halves of one split object, and these belong to different objects", where);
    return std::move(reader.shared_->object);
}

}  // namespace eddy::io
