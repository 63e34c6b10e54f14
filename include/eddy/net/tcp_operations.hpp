// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <eddy/detail/io_socket.hpp>
#include <eddy/future.hpp>
#include <eddy/io/leased_buffer.hpp>
#include <eddy/result.hpp>

// The futures of streams: what each polls. They are described where they are made, in reading.hpp and writing.hpp.

namespace eddy::net {

class read_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::read;

    explicit read_op(std::span<std::byte> into) noexcept : into_(into) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        if (into_.empty()) return ok(std::size_t{0});
        return socket.poll_read(cx, future, into_);
    }

private:
    std::span<std::byte> into_;
};

class read_vectored_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::read;

    explicit read_vectored_op(std::span<const std::span<std::byte>> into) noexcept : into_(into) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        return socket.poll_read_vectored(cx, future, into_);
    }

private:
    std::span<const std::span<std::byte>> into_;
};

class read_exact_op {
public:
    using value_type = void;
    static constexpr detail::direction way = detail::direction::read;

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

class receive_op {
public:
    using value_type = io::leased_buffer;
    static constexpr detail::direction way = detail::direction::read;

    poll_result<result<io::leased_buffer>> poll(detail::io_socket& socket, context& cx, const void* future) {
        return socket.poll_receive(cx, future);
    }
};

class peek_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::read;

    explicit peek_op(std::span<std::byte> into) noexcept : into_(into) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        if (into_.empty()) return ok(std::size_t{0});
        return socket.poll_peek(cx, future, into_);
    }

private:
    std::span<std::byte> into_;
};

class write_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::write;

    explicit write_op(std::span<const std::byte> from) noexcept : from_(from) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        if (from_.empty()) return ok(std::size_t{0});
        return socket.poll_write(cx, future, from_);
    }

private:
    std::span<const std::byte> from_;
};

class write_vectored_op {
public:
    using value_type = std::size_t;
    static constexpr detail::direction way = detail::direction::write;

    explicit write_vectored_op(std::span<const std::span<const std::byte>> from) noexcept : from_(from) {}

    poll_result<result<std::size_t>> poll(detail::io_socket& socket, context& cx, const void* future) {
        return socket.poll_write_vectored(cx, future, from_);
    }

private:
    std::span<const std::span<const std::byte>> from_;
};

/// Writes what is `left`, some at a time, and takes off what was written.
template <class WriteSome>
poll_result<result<void>> poll_write_rest(std::span<const std::byte>& left, WriteSome write_some) {
    while (!left.empty()) {
        poll_result<result<std::size_t>> count = write_some(left);
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
        if (**count == 0) return result<void>(std::unexpect, make_error_code(errc::write_zero));
        left = left.subspan(**count);
    }
    return ok();
}

class write_all_op {
public:
    using value_type = void;
    static constexpr detail::direction way = detail::direction::write;

    explicit write_all_op(std::span<const std::byte> from) noexcept : left_(from) {}

    poll_result<result<void>> poll(detail::io_socket& socket, context& cx, const void* future) {
        return poll_write_rest(left_, [&](auto some) { return socket.poll_write(cx, future, some); });
    }

private:
    std::span<const std::byte> left_;
};

class write_owned_op {
public:
    using value_type = void;
    static constexpr detail::direction way = detail::direction::write;

    explicit write_owned_op(io::leased_buffer from) noexcept
        : lease_(std::move(from)), left_(lease_.data(), lease_.size()) {}

    poll_result<result<void>> poll(detail::io_socket& socket, context& cx, const void* future) {
        auto done =
            poll_write_rest(left_, [&](auto some) { return socket.poll_write_leased(cx, future, lease_, some); });
        if (left_.empty()) lease_ = io::leased_buffer();
        return done;
    }

private:
    io::leased_buffer lease_;
    std::span<const std::byte> left_;
};

}  // namespace eddy::net
