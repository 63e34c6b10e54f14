// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <string>

#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>

namespace eddy::detail {

struct frame;

/// Collects the locations through which an error leaves a coroutine: the `co_return` of the error, or the first
/// `co_await try_(...)` that it has ended, and each further `co_await try_(...)` up to the root. Only coroutines that
/// are compiled with EDDY_CHECKS report their errors.
/// Thread safety: the root may be polled on any thread. The destructor and text() are called after the root has ended.
class EDDY_API error_trail : immovable {
public:
    /// Collects the errors of the virtual stack with the root `root`. With null, it collects nothing. `header` is any
    /// location in this file.
    error_trail(const frame* root, call_site header) noexcept;
    ~error_trail();

    /// Returns one line for each location, innermost first: "\n  at main.cpp:12 in fetch()". Empty if the locations are
    /// unknown. Omits locations in files of eddy.
    [[nodiscard]] std::string text() const;

    /// Records that an error ends the coroutine `ended` at `where`. `from_child` is whether the error may be the output
    /// of a task that `ended` awaits.
    static void note(const frame& ended, call_site where, bool from_child) noexcept;

private:
    const frame* root_;
    call_site header_;
    const frame* awaiting_ = nullptr;  // the coroutine that awaits the last one; null if that was the root
    std::array<call_site, 16> places_{};
    std::size_t size_ = 0;
    error_trail* next_ = nullptr;
};

/// The trail of a main future if `Checks`, otherwise an empty object.
template <bool Checks>
struct main_trail {
    template <class F>
    explicit main_trail(const F&) noexcept {}
    static std::string text() { return {}; }
};
template <>
struct main_trail<true> {
    template <class F>
    explicit main_trail(const F& main) noexcept : trail(root_of(main), EDDY_HERE) {}
    [[nodiscard]] std::string text() const { return trail.text(); }

    error_trail trail;

private:
    template <class F>
    static const frame* root_of(const F& main) noexcept {
        if constexpr (requires(const frame* root) { root = awaited_object(main); }) {
            return awaited_object(main);
        } else {
            return nullptr;
        }
    }
};

}  // namespace eddy::detail
