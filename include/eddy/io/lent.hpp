// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include <eddy/detail/forwards_io.hpp>

namespace eddy::io {

/// A reader or writer that somebody else owns: how adapters hold what came as `std::ref(object)`. It offers what the
/// object offers. Lifetime: the object outlives it.
template <class T>
class lent : public detail::forwards_read<lent<T>>,
             public detail::forwards_buf_read<lent<T>>,
             public detail::forwards_write<lent<T>>,
             public detail::forwards_seek<lent<T>> {
public:
    using inner_type = T;

    lent(std::reference_wrapper<T> object) noexcept : object_(&object.get()) {}

    [[nodiscard]] T& inner() const noexcept { return *object_; }

private:
    T* object_;
};

}  // namespace eddy::io

namespace eddy::detail {

template <class T>
struct kept_io {
    using type = T;
};
template <class T>
struct kept_io<std::reference_wrapper<T>> {
    using type = io::lent<T>;
};

/// What an adapter keeps of an argument deduced as `T&&`.
template <class T>
using kept_io_t = typename kept_io<std::remove_cvref_t<T>>::type;

/// Whether an argument deduced as `T&&` is handed over.
template <class T>
constexpr bool check_given_io() {
    constexpr bool given = !std::is_lvalue_reference_v<T>;
    static_assert(given,
                  "eddy: this takes its readers and writers over: write std::move(x), or std::ref(x) to lend it");
    return given;
}

/// A reader or writer that a constructor takes over: moved in, made of what converts to it, or a copy of one that can
/// be copied. An lvalue of one that cannot is refused, in one sentence.
template <class T>
class given_io {
public:
    // NOLINTBEGIN(google-explicit-constructor): it stands for the argument
    given_io(T&& io) noexcept(std::is_nothrow_move_constructible_v<T>) : io_(std::move(io)) {}
    given_io(const T& io)
        requires std::copy_constructible<T>
        : io_(io) {}
    given_io(T& io)
        requires(!std::copy_constructible<T>)
        : io_(std::move(io)) {
        static_cast<void>(check_given_io<T&>());
    }
    /// What becomes one: a std::ref, for `lent`.
    template <class From>
        requires(!std::same_as<std::remove_cvref_t<From>, T> && std::convertible_to<From, T>)
    given_io(From&& from) : io_(std::forward<From>(from)) {}
    /// What stands in braces.
    template <class... From>
        requires(sizeof...(From) != 1 && std::constructible_from<T, From...>)
    given_io(From&&... from) : io_(std::forward<From>(from)...) {}
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] T take() && noexcept(std::is_nothrow_move_constructible_v<T>) { return std::move(io_); }

private:
    T io_;
};

}  // namespace eddy::detail
