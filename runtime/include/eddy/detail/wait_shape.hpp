// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

// Describes the types of futures to readers of the program's memory: what a future waits for, where in it that is, and
// which futures are in it. Everything is constant. See inspect/docs/format.md.
//
// This header has no other includes, since readers of other programs use it, too.

namespace eddy::inspect {

/// What a future waits for: the meaning of the word at shape_record::offset.
enum class wait_kind : std::uint16_t {
    other,      ///< nothing is known but the name
    frames,     ///< the address of a root: a virtual stack of its own
    timer,      ///< 64 bits: the deadline in ns of CLOCK_MONOTONIC
    readable,   ///< the address of a socket
    writable,   ///< as above
    mutex,      ///< the address of its permits
    read_lock,  ///< as above, and so are these:
    write_lock,
    semaphore,
    channel_send,
    channel_receive,  ///< the address of the channel, and so are these:
    oneshot,
    notify,
    watch,
    join,        ///< the address of the task
    task_set,    ///< the address of the set
    scope,       ///< the address of the scope
    blocking,    ///< the address of the job
    local_set,   ///< the address of the set
    any_wakeup,  ///< no word: ready when the task is woken, for any reason
    any_of,      ///< no word: the first of its children decides (select)
    all_of,      ///< no word: all of its children (join)
};

/// The type of a future. Constant. `Pointer` is `const void*` in the program, which can be initialized at compile time,
/// and a number in a reader.
template <class Pointer>
struct basic_shape_record {
    Pointer name;  ///< the name of the type
    wait_kind kind;
    std::uint16_t child_count;
    std::uint32_t offset;  ///< in the future, of the word that `kind` needs
    Pointer children;      ///< child_records
};

/// A future in a future.
template <class Pointer>
struct basic_child_record {
    static constexpr std::uint32_t always = 0xffff'ffff;

    Pointer shape;
    Pointer label;  ///< a text, for example "timer"; may be null
    std::uint32_t offset;
    std::uint32_t alive;     ///< the offset of a byte in the outer future, or in the array's element; or `always`
    std::uint32_t alive_is;  ///< the child exists if that byte has this value
    std::uint32_t is_at;     ///< how the child is found, see below
    std::uint32_t stride;    ///< of an array
    std::uint32_t reserved;

    // Values of is_at: what is at `offset`.
    static constexpr std::uint32_t itself = 0;
    static constexpr std::uint32_t pointer = 1;  ///< the child's address, which may be null
    static constexpr std::uint32_t array = 2;    ///< the address of the first child, and the one behind the last child
};

}  // namespace eddy::inspect

// The compilers that eddy supports know the offsets of members of all classes without virtual bases, and warn
// nevertheless.
#define EDDY_BEGIN_OFFSETS _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Winvalid-offsetof\"")
#define EDDY_END_OFFSETS _Pragma("GCC diagnostic pop")
#define EDDY_OFFSET(Class, member) static_cast<std::uint32_t>(__builtin_offsetof(Class, member))

namespace eddy::detail {

using wait_kind = inspect::wait_kind;
using shape_record = inspect::basic_shape_record<const void*>;
using child_record = inspect::basic_child_record<const void*>;

/// What the function wait_shape() of a future's class returns. `N` is the number of futures in it.
template <std::size_t N = 0>
struct wait_shape {
    wait_kind kind;
    std::uint32_t offset = 0;
    std::array<child_record, N> children{};
};

/// A future that describes itself: a static function wait_shape(), which is a constant expression.
template <class F>
concept has_wait_shape = requires { F::wait_shape(); };

/// Returns the name of a type without its template arguments, as compilers print it in the name of a function: between
/// "F = " and the end. With arguments, the names of futures of futures would be larger than the code.
template <class F>
constexpr std::string_view name_in_signature() {
    const std::string_view text = __PRETTY_FUNCTION__;
    const auto begin = text.find("F = ") + 4;
    const auto end = text.find_first_of("<(;]", begin);
    return text.substr(begin, end - begin);
}

/// The name of a type, with a zero at the end.
template <class F>
inline constexpr auto type_text = [] {
    constexpr std::string_view name = name_in_signature<F>();
    std::array<char, name.size() + 1> text{};
    for (std::size_t i = 0; i < name.size(); ++i) text[i] = name[i];
    return text;
}();

template <class F>
inline constexpr auto described = [] {
    if constexpr (has_wait_shape<F>) {
        return F::wait_shape();
    } else {
        return wait_shape<>{wait_kind::other};
    }
}();

/// The shape of a type of futures.
template <class F>
inline constexpr shape_record shape_of{type_text<F>.data(), described<F>.kind,
                                       static_cast<std::uint16_t>(described<F>.children.size()), described<F>.offset,
                                       described<F>.children.data()};

/// A future of the type `F`, at an offset of another one, for as long as that one exists.
template <class F>
constexpr child_record child_at(std::uint32_t offset, const char* label = nullptr) noexcept {
    return {&shape_of<F>, label, offset, child_record::always, 0, child_record::itself, 0, 0};
}

}  // namespace eddy::detail
