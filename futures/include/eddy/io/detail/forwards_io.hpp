// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/io/async_buf_read.hpp>
#include <eddy/io/async_read.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/async_write.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

// Base classes for I/O adapters that change only one direction. The adapter derives from `forwards_...<itself>` and
// declares `inner_type` and `inner()`. The base class forwards each operation that the inner object supports.
//
// SAFETY of the casts: the adapter passes itself as `Self`, so *this is the base of a Self.

namespace eddy::detail {

/// Forwards the operations of async_read and vectored_read.
template <class Self>
class forwards_read {
public:
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into)
        requires io::async_read<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_read(cx, into);
    }
    poll_result<result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into)
        requires io::vectored_read<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_read_vectored(cx, into);
    }
};

/// Forwards the operations of async_buf_read.
template <class Self>
class forwards_buf_read {
public:
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx)
        requires io::async_buf_read<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_fill_buf(cx);
    }
    void consume(std::size_t count)
        requires io::async_buf_read<typename Self::inner_type>
    {
        static_cast<Self&>(*this).inner().consume(count);
    }
};

/// Forwards the operations of async_write and vectored_write.
template <class Self>
class forwards_write {
public:
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from)
        requires io::async_write<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_write(cx, from);
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, std::span<const std::span<const std::byte>> from)
        requires io::vectored_write<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_write_vectored(cx, from);
    }
    poll_result<result<void>> poll_flush(context& cx)
        requires io::async_write<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_flush(cx);
    }
    poll_result<result<void>> poll_shutdown(context& cx)
        requires io::async_write<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_shutdown(cx);
    }
};

/// Forwards the operations of async_seek.
template <class Self>
class forwards_seek {
public:
    result<void> start_seek(io::seek_from to)
        requires io::async_seek<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().start_seek(to);
    }
    poll_result<result<std::uint64_t>> poll_seek_complete(context& cx)
        requires io::async_seek<typename Self::inner_type>
    {
        return static_cast<Self&>(*this).inner().poll_seek_complete(cx);
    }
};

}  // namespace eddy::detail
