// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace eddy {
template <class... T>
class selected;
}  // namespace eddy

namespace eddy::detail {

/// Calls `f(std::integral_constant<std::size_t, which>)` for a number that is known only at run time. The result is
/// constructed in place, not moved.
/// Preconditions: `which` is less than `Count`.
template <std::size_t Count, std::size_t I = 0, class Fn>
decltype(auto) with_index(std::size_t which, Fn&& f) {
    if constexpr (I + 1 < Count) {
        if (which != I) return with_index<Count, I + 1>(which, f);
    }
    return f(std::integral_constant<std::size_t, I>());
}

// GCC copies a trivial optional, expected or variant as one block, with a wide load. If the parts of the object were
// just written one by one, that load cannot be forwarded from the store buffer. It stalls until the stores have
// retired: about 5 ns in each await of a channel. by_parts() avoids this: it constructs a new object from the parts. No
// part may be a constant expression: GCC 12 evaluates a call of `make` with constants at compile time, which also
// clears the padding of the result, and then copies the object as one block.

/// Whether GCC may copy an object that contains a `T` as one block.
template <class T>
inline constexpr bool is_trivial_part = std::is_void_v<T> || std::is_trivially_copyable_v<T>;

/// Calls `make` with constructor arguments for a `T` equal to `from`, and returns the result. Moves from `from`.
template <class T, class Make>
decltype(auto) by_parts(T& from, Make make) {
    return make(std::move(from));
}
template <class T, class Make>
    requires is_trivial_part<T>
decltype(auto) by_parts(std::optional<T>& from, Make make) {
    if (!from) [[unlikely]]
        return make((static_cast<void>(from.has_value()), std::nullopt));  // not a constant: see above
    return make(std::in_place, *std::move(from));
}
template <class T, class E, class Make>
    requires(is_trivial_part<T> && is_trivial_part<E>)
decltype(auto) by_parts(std::expected<T, E>& from, Make make) {
    if (!from) [[unlikely]]
        return make(std::unexpect, std::move(from).error());
    if constexpr (std::is_void_v<T>) {
        return make((static_cast<void>(from.has_value()), std::in_place));  // not a constant: see above
    } else {
        return make(std::in_place, *std::move(from));
    }
}
template <class... T, class Make>
    requires(sizeof...(T) <= 8 && (is_trivial_part<T> && ...))
decltype(auto) by_parts(std::variant<T...>& from, Make make) {
    return with_index<sizeof...(T)>(from.index(), [&](auto i) -> decltype(auto) {
        return make(std::in_place_index<i>, std::move(*std::get_if<i>(&from)));
    });
}
template <class... T, class Make>
    requires(sizeof...(T) <= 8 && (is_trivial_part<T> && ...))
decltype(auto) by_parts(selected<T...>& from, Make make) {
    return detail::by_parts(static_cast<std::variant<T...>&>(from), make);
}

}  // namespace eddy::detail
