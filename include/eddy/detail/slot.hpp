// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/by_parts.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

struct frame;

[[noreturn]] EDDY_API void ended_without_value(std::source_location awaited_at);
[[noreturn]] EDDY_API void throw_ended_task(std::source_location where);
/// Out of line: it is rare, and where GCC 12 sees into the destructor it warns users of an exception that was never
/// there.
[[gnu::cold]] EDDY_API void destroy_exception(std::exception_ptr& thrown) noexcept;

/// What came of a future: nothing yet, a value, or an exception.
template <class T>
class kept {
    static_assert(!std::is_reference_v<T>, "eddy: a future's output cannot be a reference; return a pointer");
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

public:
    kept() noexcept {}  // NOLINT(modernize-use-equals-default): the union starts empty
    kept(const kept&) = delete;
    kept& operator=(const kept&) = delete;
    ~kept() { destroy(); }

    [[nodiscard]] bool has_value() const noexcept { return state_ == state::value; }
    [[nodiscard]] bool has_exception() const noexcept { return state_ == state::exception; }
    [[nodiscard]] stored& value() noexcept { return value_; }

    /// Only once: nothing has been set before.
    template <class... Args>
    void set_value(Args&&... args) {
        std::construct_at(std::addressof(value_), std::forward<Args>(args)...);
        state_ = state::value;
    }

    /// Also after a value: a local's destructor may throw after co_return.
    void set_exception(std::exception_ptr thrown) noexcept {
        destroy();
        std::construct_at(std::addressof(error_), std::move(thrown));
        state_ = state::exception;
    }

    /// Precondition: there is one. It may be null, if who set it gives that a meaning.
    [[nodiscard]] std::exception_ptr& exception() noexcept { return error_; }

    /// Destroys what is kept. What a value's destructor throws is returned, and goes no further.
    std::exception_ptr discard() noexcept {
        try {
            const state was = std::exchange(state_, state::nothing);
            if (was == state::value) std::destroy_at(std::addressof(value_));
            if (was == state::exception) destroy_exception(error_);
        } catch (...) {
            return std::current_exception();
        }
        return nullptr;
    }

    /// The value, or throws the exception.
    T take(std::source_location awaited_at = std::source_location::current()) {
        if (state_ == state::value) [[likely]] {
            if constexpr (std::is_void_v<T>) {
                return;
            } else if constexpr (std::is_move_constructible_v<T>) {
                return by_parts(value_, [](auto&&... parts) { return T(std::forward<decltype(parts)>(parts)...); });
            }
        }
        if (state_ == state::nothing) ended_without_value(awaited_at);
        std::rethrow_exception(error_);
    }

private:
    enum class state : unsigned char { nothing, value, exception };

    void destroy() noexcept {
        if (state_ == state::value) std::destroy_at(std::addressof(value_));
        if (state_ == state::exception) [[unlikely]]
            destroy_exception(error_);
    }

    state state_ = state::nothing;
    union {
        stored value_;
        std::exception_ptr error_;
    };
};

/// Where the outcome of a coroutine goes: it stands outside the frame, with whoever awaits, so that the frame can go
/// the moment it ends.
struct slot_base {
    enum class fate : unsigned char {
        running,
        gone,   ///< it ran to its end, and its frame has destroyed itself
        ended,  ///< an error ended it (`try_`): its frame stands still, to be destroyed by whoever resumed it
    };

    /// Set by `try_`: ends the awaiting frame if the outcome is an error, and says whether it did.
    bool (*propagate)(slot_base& slot, frame& awaiting) noexcept = nullptr;
    fate frame_is = fate::running;
};

template <class T>
struct slot : slot_base, kept<T> {};

}  // namespace eddy::detail
