// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <type_traits>

#include <eddy/detail/export.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

// Bytes that move between a pipe and a socket inside the kernel.

namespace eddy::net {
template <class Self>
class reading;
template <class Self>
class writing;
}  // namespace eddy::net

namespace eddy::detail {

class io_socket;

/// Whether poll_read() of an R, or poll_write() of a W, belongs to a stream or pipe of the library: nothing is buffered
/// in it, and no derived class has another one.
template <class R>
inline constexpr bool reads_socket = std::is_base_of_v<net::reading<R>, R>;
template <class W>
inline constexpr bool writes_socket = std::is_base_of_v<net::writing<W>, W>;

/// Returns whether one of the two is a pipe, and neither is a ring connection.
[[nodiscard]] EDDY_API bool can_splice(const context& cx, io_socket& from, io_socket& to);

/// Moves bytes: splice(2). Returns their number, 0 at the end of `from`. If it waits, `waits_for_writer` is whether for
/// `to`.
/// Errors: any error of a read and of a write; operation_not_supported if these two must be copied, from the byte on
/// that the next read returns.
/// Cancel safety: safe. Each byte is in `from` or in `to`.
[[nodiscard]] EDDY_API poll_result<result<std::size_t>> poll_splice(context& cx, io_socket& from, io_socket& to,
                                                                    bool& waits_for_writer);

}  // namespace eddy::detail
