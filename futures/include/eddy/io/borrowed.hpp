// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include <eddy/io/detail/forwards_io.hpp>

namespace eddy::io {

/// A reference to a reader or writer, with the same operations. Adapters store it for an argument `std::ref(object)`.
/// Thread safety: same as the object.
/// Lifetime: the object must outlive it.
template <class T>
class borrowed : public detail::forwards_read<borrowed<T>>,
                 public detail::forwards_buf_read<borrowed<T>>,
                 public detail::forwards_write<borrowed<T>>,
                 public detail::forwards_seek<borrowed<T>> {
public:
    /// The type of the object.
    using inner_type = T;

    /// Refers to `object`.
    borrowed(std::reference_wrapper<T> object) noexcept : object_(&object.get()) {}

    /// Returns the object.
    [[nodiscard]] T& inner() const noexcept { return *object_; }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &borrowed::object_); }

private:
    T* object_;
};

}  // namespace eddy::io

namespace eddy::detail {

/// The type that an adapter stores for an argument of type T.
template <class T>
struct kept_io {
    using type = T;
};
template <class T>
struct kept_io<std::reference_wrapper<T>> {
    using type = io::borrowed<T>;
};

/// The type that an adapter stores for an argument deduced as `T&&`.
template <class T>
using kept_io_t = typename kept_io<std::remove_cvref_t<T>>::type;

/// Returns whether an argument deduced as `T&&` is an rvalue. Otherwise reports that with one static_assert.
template <class T>
constexpr bool check_given_io() {
    constexpr bool given = !std::is_lvalue_reference_v<T>;
    static_assert(
        given, "eddy: this takes ownership of its readers and writers: write std::move(x), or std::ref(x) to keep it");
    return given;
}

/// A constructor parameter that takes ownership of a reader or writer. The argument is moved, converted, or copied if
/// it can be copied. Other lvalues are rejected with one static_assert.
template <class T>
class given_io {
public:
    // NOLINTBEGIN(google-explicit-constructor): implicit, because it represents the argument
    given_io(T&& io) noexcept(std::is_nothrow_move_constructible_v<T>) : io_(std::move(io)) {}
    given_io(const T& io)
        requires std::copy_constructible<T>
        : io_(io) {}
    given_io(T& io)
        requires(!std::copy_constructible<T>)
        : io_(std::move(io)) {
        static_cast<void>(check_given_io<T&>());
    }
    /// Converts the argument: for example, a std::ref to a `borrowed`.
    template <class From>
        requires(!std::same_as<std::remove_cvref_t<From>, T> && std::convertible_to<From, T>)
    given_io(From&& from) : io_(std::forward<From>(from)) {}
    /// Constructs the object from a braced-init-list: the argument {a, b}.
    template <class... From>
        requires(sizeof...(From) != 1 && std::constructible_from<T, From...>)
    given_io(From&&... from) : io_(std::forward<From>(from)...) {}
    // NOLINTEND(google-explicit-constructor)

    /// Moves the object out.
    [[nodiscard]] T take() && noexcept(std::is_nothrow_move_constructible_v<T>) { return std::move(io_); }

private:
    T io_;
};

}  // namespace eddy::detail
