// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <type_traits>

#include <eddy/detail/forwards_io.hpp>

namespace eddy::io {

/// A reader or writer that somebody else owns: how adapters hold what came as `std::ref(object)`. It offers what the object
/// offers.
/// Lifetime: the object outlives it.
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

}  // namespace eddy::detail
