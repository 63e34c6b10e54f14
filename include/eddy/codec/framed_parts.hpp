// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include <eddy/bytes_mut.hpp>
#include <eddy/io/lent.hpp>

namespace eddy::codec {

/// How many bytes are read at once, and how many may wait to be written before a sink waits, unless something else is
/// said.
inline constexpr std::size_t default_buffer = 8 * 1024;

/// What a `framed` is made of, for who goes on with another protocol on the same connection: nothing that was read is
/// lost.
template <class S, class C>
struct framed_parts {
    S io;
    C codec;
    bytes_mut read_buffer;   ///< read, and not yet decoded
    bytes_mut write_buffer;  ///< encoded, and not yet written

    framed_parts(S stream, C with) : io(std::move(stream)), codec(std::move(with)) {}
};

template <class S, class C>
framed_parts(std::reference_wrapper<S>, C) -> framed_parts<io::lent<S>, C>;

}  // namespace eddy::codec
