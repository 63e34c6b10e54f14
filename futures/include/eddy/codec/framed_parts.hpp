// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/io/borrowed.hpp>

namespace eddy::codec {

/// The default number of bytes per read, and the default number of unwritten bytes from which a sink waits.
inline constexpr std::size_t default_buffer = 8 * 1024;

/// The parts of a `framed`, for switching to another protocol on the same connection without losing bytes that were
/// read.
template <class S, class C>
struct framed_parts {
    S io;                    ///< the connection
    C codec;                 ///< the codec
    bytes_mut read_buffer;   ///< bytes that were read and not decoded yet
    bytes_mut write_buffer;  ///< bytes that were encoded and not written yet

    /// Creates the parts of a connection with empty buffers.
    framed_parts(S stream, C with) : io(std::move(stream)), codec(std::move(with)) {}
};

template <class S, class C>
framed_parts(std::reference_wrapper<S>, C) -> framed_parts<io::borrowed<S>, C>;

}  // namespace eddy::codec
