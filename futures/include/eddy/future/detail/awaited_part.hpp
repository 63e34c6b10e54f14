// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>

#include <eddy/detail/export.hpp>
#include <eddy/detail/wait_shape.hpp>

namespace eddy::detail {

class io_socket;

/// Gives the library access to the private or protected `socket()` of a class that has an io_socket.
struct socket_access {
    template <class S>
    static io_socket& get(S& self) noexcept {
        return self.socket();
    }
    template <class S>
    static constexpr bool has_socket = requires(S& self) {
        { self.socket() } -> std::same_as<io_socket&>;
    };
};

/// Stands for the part of an io_socket that stores the waker of a direction; see await_record.hpp. It has no objects.
/// Two tasks that wait for it are detected by its waker slot, see scheduled_io::wait().
template <direction Way>
struct EDDY_API socket_part{};

/// Returns a pointer that is only for comparisons: no object of type socket_part exists.
template <direction Way>
const socket_part<Way>* socket_part_of(const io_socket& socket) noexcept {
    // SAFETY: for its address only; see socket_part.
    return reinterpret_cast<const socket_part<Way>*>(std::addressof(socket));
}

/// Returns the object whose destructor reports that a task awaits `stream`: the innermost one. For a buf_reader or a
/// `framed` of a socket, this is the part of the socket for the direction `Way`.
template <direction Way, class S>
auto awaited_part_of(S& stream) noexcept {
    if constexpr (socket_access::has_socket<S>) {
        return socket_part_of<Way>(socket_access::get(stream));
    } else if constexpr (requires { requires std::is_lvalue_reference_v<decltype(stream.inner())>; }) {
        return awaited_part_of<Way>(stream.inner());
    } else if constexpr (requires { awaited_reader(stream); }) {
        return awaited_part_of<Way>(awaited_reader(stream));
    } else {
        return static_cast<const S*>(std::addressof(stream));
    }
}

}  // namespace eddy::detail
