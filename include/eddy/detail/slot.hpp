// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/error.hpp>

namespace eddy::detail {

struct frame;

/// Where the outcome of a coroutine goes: it stands outside the frame, with whoever awaits, so that the frame can be
/// destroyed the moment it ends.
struct slot_base {
    enum class holds : unsigned char { nothing, value, exception };

    /// Set by `try_`: ends the awaiting frame if the outcome is an error, and says whether it did.
    bool (*propagate)(slot_base& slot, frame& awaiting) noexcept = nullptr;
    holds state = holds::nothing;
    /// The coroutine stands at its end, so its frame may go. (A value alone does not say so: locals die after it.)
    bool done = false;
};

[[noreturn]] void ended_without_value(std::source_location awaited_at);

template <class T>
struct slot : slot_base {
    static_assert(!std::is_reference_v<T>, "eddy: a task's output cannot be a reference; return a pointer");
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

    union {
        stored value;
        std::exception_ptr error;
    };

    slot() noexcept {}  // NOLINT(modernize-use-equals-default): the union starts empty
    slot(const slot&) = delete;
    slot& operator=(const slot&) = delete;
    ~slot() { reset(); }

    /// Only once: nothing has been set before.
    template <class... Args>
    void set_value(Args&&... args) {
        std::construct_at(std::addressof(value), std::forward<Args>(args)...);
        state = holds::value;
    }

    /// Also after a value: a local's destructor may throw after co_return.
    void set_exception(std::exception_ptr thrown) noexcept {
        reset();
        std::construct_at(std::addressof(error), std::move(thrown));
        state = holds::exception;
    }

    /// The value, or throws what the coroutine threw.
    T take(std::source_location awaited_at = std::source_location::current()) {
        if (state == holds::value) [[likely]] {
            if constexpr (std::is_void_v<T>) {
                return;
            } else {
                return std::move(value);
            }
        }
        if (state == holds::nothing) ended_without_value(awaited_at);
        std::rethrow_exception(error);
    }

private:
    void reset() noexcept {
        const holds held = std::exchange(state, holds::nothing);
        if (held == holds::value) std::destroy_at(std::addressof(value));
        if (held == holds::exception) std::destroy_at(std::addressof(error));
    }
};

}  // namespace eddy::detail
