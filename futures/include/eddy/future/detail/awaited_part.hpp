// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <type_traits>

#include <eddy/detail/export.hpp>
#include <eddy/detail/wait_shape.hpp>

namespace eddy::detail {

/// The direction of an I/O operation.
enum class direction : unsigned char { read, write };

class io_socket;
class socket_owner;

/// Gives the library access to the private or protected `socket()` of a class that has an io_socket.
struct socket_access {
    template <class S>
    static io_socket& get(S& self) noexcept {
        return self.socket();
    }
    /// The offset of the socket in a class that derives from socket_owner.
    template <class S>
    static constexpr std::uint32_t offset() noexcept {
        EDDY_BEGIN_OFFSETS
        return EDDY_OFFSET(S, socket_);
        EDDY_END_OFFSETS
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

// ---- For readers of the program's memory ----

/// What a future waits for that uses a reader or writer in the direction `Way`. Classes describe themselves by a static
/// function template wait_shape<Way>(), which is a constant expression.
template <class S, direction Way>
inline constexpr auto described_io = [] {
    if constexpr (std::is_base_of_v<socket_owner, S>) {
        constexpr auto kind = Way == direction::read ? wait_kind::readable : wait_kind::writable;
        return wait_shape<>{kind, socket_access::offset<S>(), {}, true};
    } else if constexpr (requires { S::template wait_shape<Way>(); }) {
        return S::template wait_shape<Way>();
    } else if constexpr (has_wait_shape<S>) {  // a sink without a direction
        return S::wait_shape();
    } else {
        return wait_shape<>{wait_kind::other};
    }
}();
template <class S, direction Way>
inline constexpr shape_record io_shape_of = record_of(type_text<S>.data(), described_io<S, Way>);

/// A reader or writer in another object, or one whose address is in it.
template <class S, direction Way>
constexpr child_record io_at(std::uint32_t offset) noexcept {
    return {&io_shape_of<S, Way>, nullptr, offset, child_record::always, 0, child_record::itself, 0, 0};
}
template <class S, direction Way>
constexpr child_record io_behind(std::uint32_t offset) noexcept {
    return {&io_shape_of<S, Way>, nullptr, offset, child_record::always, 0, child_record::pointer, 0, 0};
}

/// A reader or writer in a member of the type `M`: the member itself, or the one behind a pointer.
template <class M, direction Way>
constexpr child_record io_of(std::uint32_t offset) noexcept {
    if constexpr (std::is_pointer_v<M> || requires { typename M::element_type; }) {  // or a std::shared_ptr
        return io_behind<typename std::pointer_traits<M>::element_type, Way>(offset);
    } else if constexpr (is_optional<M>) {
        return child_if(io_at<typename M::value_type, Way>(offset), offset + sizeof(typename M::value_type), 1);
    } else {
        return io_at<M, Way>(offset);
    }
}

}  // namespace eddy::detail

// As EDDY_WAITS_AS, for a member that is a reader or writer, or a pointer to one.
#define EDDY_IO_CHILD(member, way) \
    ::eddy::detail::io_of<decltype(Its::member), ::eddy::detail::direction::way>(EDDY_OFFSET(Its, member))
#define EDDY_READS_FROM(Class, member) EDDY_WAIT_SHAPE(Class, ::eddy::detail::adaptor_of(EDDY_IO_CHILD(member, read)))
#define EDDY_WRITES_TO(Class, member) EDDY_WAIT_SHAPE(Class, ::eddy::detail::adaptor_of(EDDY_IO_CHILD(member, write)))
/// For a reader or writer whose member does the same: in both directions.
#define EDDY_USES_IO(Class, member) EDDY_USES_TWO(Class, member, member)
// NOLINTBEGIN(bugprone-macro-parentheses): a class in parentheses is no type.
/// The same, with one member for each direction.
#define EDDY_USES_TWO(Class, reader, writer)                                 \
    template <::eddy::detail::direction Way, class Its = Class>              \
    static constexpr auto wait_shape() noexcept {                            \
        EDDY_BEGIN_OFFSETS                                                   \
        if constexpr (Way == ::eddy::detail::direction::read) {              \
            return ::eddy::detail::adaptor_of(EDDY_IO_CHILD(reader, read));  \
        } else {                                                             \
            return ::eddy::detail::adaptor_of(EDDY_IO_CHILD(writer, write)); \
        }                                                                    \
        EDDY_END_OFFSETS                                                     \
    }                                                                        \
    static_assert(true)
// NOLINTEND(bugprone-macro-parentheses)
