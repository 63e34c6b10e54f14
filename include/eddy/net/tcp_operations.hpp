// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/detail/io_socket.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/net/buffer_op.hpp>
#include <eddy/result.hpp>

// The operations that the futures of streams poll. reading.hpp and writing.hpp document the futures.

namespace eddy::net {

/// The operation of read().
using read_op =
    buffer_op<&detail::io_socket::poll_read, detail::direction::read, std::span<std::byte>, if_empty::nothing>;

/// The operation of read_vectored().
using read_vectored_op = buffer_op<&detail::io_socket::poll_read_vectored, detail::direction::read,
                                   std::span<const std::span<std::byte>>, if_empty::call>;

/// The operation of read_exact().
/// Thread safety: one thread at a time.
class read_exact_op {
public:
    /// The output of the operation, and the direction in which it waits. For use by its future.
    using value_type = void;
    static constexpr detail::direction way = detail::direction::read;

    /// For use by read_exact().
    explicit read_exact_op(std::span<std::byte> into) noexcept : left_(into) {}

    poll_result<result<void>> poll(detail::io_socket& socket, context& cx, const void* future) {
        while (!left_.empty()) {
            auto count = socket.poll_read(cx, future, left_);
            if (!count) return not_ready;
            if (!*count) return result<void>(std::unexpect, count->error());
            if (**count == 0) return result<void>(std::unexpect, make_error_code(errc::unexpected_eof));
            left_ = left_.subspan(**count);
        }
        return ok();
    }

private:
    std::span<std::byte> left_;
};

/// The operation of receive().
/// Thread safety: one thread at a time.
class receive_op {
public:
    /// The output of the operation, and the direction in which it waits. For use by its future.
    using value_type = io::leased_buffer;
    static constexpr detail::direction way = detail::direction::read;

    poll_result<result<io::leased_buffer>> poll(detail::io_socket& socket, context& cx, const void* future) {
        return socket.poll_receive(cx, future);
    }
};

/// The operation of peek().
using peek_op =
    buffer_op<&detail::io_socket::poll_peek, detail::direction::read, std::span<std::byte>, if_empty::nothing>;

/// The operation of write().
using write_op =
    buffer_op<&detail::io_socket::poll_write, detail::direction::write, std::span<const std::byte>, if_empty::nothing>;

/// The operation of write_vectored().
using write_vectored_op = buffer_op<&detail::io_socket::poll_write_vectored, detail::direction::write,
                                    std::span<const std::span<const std::byte>>, if_empty::call>;

/// Writes the bytes of `left` in parts, and removes each part after it was written.
template <class WriteSome>
poll_result<result<void>> poll_write_rest(std::span<const std::byte>& left, const WriteSome& write_some) {
    while (!left.empty()) {
        poll_result<result<std::size_t>> count = write_some(left);
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
        if (**count == 0) return result<void>(std::unexpect, make_error_code(errc::write_zero));
        left = left.subspan(**count);
    }
    return ok();
}

/// The operation of write_all().
/// Thread safety: one thread at a time.
class write_all_op {
public:
    /// The output of the operation, and the direction in which it waits. For use by its future.
    using value_type = void;
    static constexpr detail::direction way = detail::direction::write;

    /// For use by write_all().
    explicit write_all_op(std::span<const std::byte> from) noexcept : left_(from) {}

    poll_result<result<void>> poll(detail::io_socket& socket, context& cx, const void* future) {
        return poll_write_rest(left_, [&](auto some) { return socket.poll_write(cx, future, some); });
    }

private:
    std::span<const std::byte> left_;
};

/// The operation of write_all() for a container that it owns.
/// Thread safety: one thread at a time.
template <class T>
class write_all_moved_op {
public:
    /// The output of the operation, and the direction in which it waits. For use by its future.
    using value_type = void;
    static constexpr detail::direction way = detail::direction::write;

    /// For use by write_all().
    explicit write_all_moved_op(T&& from) noexcept(std::is_nothrow_move_constructible_v<T>) : from_(std::move(from)) {}

    poll_result<result<void>> poll(detail::io_socket& socket, context& cx, const void* future) {
        // Computed in each poll: the bytes of a short string move with the future, before its first poll.
        const std::span<const std::byte> all = detail::source_bytes(from_);
        auto left = all.subspan(sent_);
        auto done = poll_write_rest(left, [&](auto some) { return socket.poll_write(cx, future, some); });
        sent_ = all.size() - left.size();
        return done;
    }

private:
    T from_;
    std::size_t sent_ = 0;
};

/// The operation of write_owned().
/// Thread safety: one thread at a time.
class write_owned_op {
public:
    /// The output of the operation, and the direction in which it waits. For use by its future.
    using value_type = void;
    static constexpr detail::direction way = detail::direction::write;

    /// For use by write_owned().
    explicit write_owned_op(io::leased_buffer&& from) noexcept : lease_(std::move(from)) {}

    poll_result<result<void>> poll(detail::io_socket& socket, context& cx, const void* future) {
        std::span<const std::byte> left(lease_.data() + sent_, lease_.size() - sent_);
        auto done =
            poll_write_rest(left, [&](auto some) { return socket.poll_write_leased(cx, future, lease_, some); });
        if (left.empty()) {
            lease_ = io::leased_buffer();  // returns the buffer, unless the driver took ownership of it
            sent_ = 0;
        } else {
            sent_ = static_cast<std::uint32_t>(lease_.size() - left.size());
        }
        return done;
    }

private:
    io::leased_buffer lease_;
    std::uint32_t sent_ = 0;
};

}  // namespace eddy::net
