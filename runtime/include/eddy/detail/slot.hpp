// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/detail/by_parts.hpp>
#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/wait_shape.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

struct frame;

/// Throws misuse for a coroutine that was resumed while its await had neither a value nor an exception. `awaited_at` is
/// the location of the await.
[[noreturn]] EDDY_API void throw_resumed_too_early(std::source_location awaited_at);
/// Returns the misuse of a coroutine that ended without co_return. `coroutine` is the location of the coroutine.
[[nodiscard]] EDDY_API std::exception_ptr missing_co_return(call_site coroutine) noexcept;
/// Throws misuse for a task that was awaited, spawned or run after its end or after it was moved from.
[[noreturn]] EDDY_API void throw_ended_task(std::source_location where);
/// Destroys an exception. The function is not inlined, because it is rarely called, and because GCC 12 emits false
/// warnings about an uninitialized exception where it can inline the destructor.
[[gnu::cold]] EDDY_API void destroy_exception(std::exception_ptr& thrown) noexcept;

/// The part of an outcome that does not depend on its type.
class outcome_state {
public:
    [[nodiscard]] bool is_empty() const noexcept { return state_ == state::nothing; }
    [[nodiscard]] bool has_value() const noexcept { return state_ == state::value; }
    [[nodiscard]] bool has_exception() const noexcept { return state_ == state::exception; }

protected:
    enum class state : unsigned char { nothing, value, exception };

    state state_ = state::nothing;
};

/// The outcome of a future: nothing yet, a value, or an exception. `Base` is slot_base in a result slot: a base and not
/// a separate member, so that its fields and the state are in one word.
template <class T, class Base = outcome_state>
class kept : public Base {
    using Base::state_;
    using typename Base::state;
    static_assert(!std::is_reference_v<T>, "eddy: a future's output cannot be a reference; return a pointer");
    using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

public:
    kept() noexcept {}  // NOLINT(modernize-use-equals-default): no member of the union is constructed
    kept(const kept&) = delete;
    kept& operator=(const kept&) = delete;
    ~kept() { destroy(); }

    [[nodiscard]] stored& value() noexcept { return value_; }
    /// For readers of the program's memory: where the value is.
    template <class Its = kept>
    static constexpr std::uint32_t offset_of_value() noexcept {
        EDDY_BEGIN_OFFSETS
        return EDDY_OFFSET(Its, value_);
        EDDY_END_OFFSETS
    }

    /// Constructs the value.
    /// Preconditions: nothing was set before.
    template <class... Args>
    void set_value(Args&&... args) {
        std::construct_at(std::addressof(value_), std::forward<Args>(args)...);
        state_ = state::value;
    }

    /// Calls `f` and constructs the value from its result.
    /// Preconditions: nothing was set before.
    template <class Fn>
    void set_result_of(Fn&& f) {
        if constexpr (std::is_void_v<T>) {
            f();
            set_value();
        } else {
            set_value(f());
        }
    }

    /// Sets the exception, and destroys a value that was set before: the destructor of a coroutine's local variable may
    /// throw after co_return.
    void set_exception(std::exception_ptr thrown) noexcept {
        destroy();
        std::construct_at(std::addressof(error_), std::move(thrown));
        state_ = state::exception;
    }

    /// Returns the exception, which may be null if set_exception() was called with null.
    /// Preconditions: has_exception().
    [[nodiscard]] std::exception_ptr& exception() noexcept { return error_; }

    /// Destroys the outcome. Returns the exception that a value's destructor throws, or null.
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

    /// Returns the value, or throws the exception. `awaited_at` is for the text of misuse.
    T take(std::source_location awaited_at) {
        if (state_ == state::value) [[likely]] {
            if constexpr (std::is_void_v<T>) {
                return;
            } else if constexpr (std::is_move_constructible_v<T>) {
                return by_parts(value_, [](auto&&... parts) { return T(std::forward<decltype(parts)>(parts)...); });
            }
        }
        if (this->is_empty()) throw_resumed_too_early(awaited_at);
        std::rethrow_exception(error_);
    }

private:
    void destroy() noexcept {
        if (state_ == state::value) std::destroy_at(std::addressof(value_));
        if (state_ == state::exception) [[unlikely]]
            destroy_exception(error_);
    }

    union {
        stored value_;
        std::exception_ptr error_;
    };
};

/// The place where a coroutine stores its outcome. It is outside the coroutine frame and belongs to the awaiting side,
/// so that the coroutine frame can be destroyed as soon as the coroutine ends. A task has one for as long as it lives,
/// and each await of a task has one in its coroutine frame, so every word counts.
struct slot_base : outcome_state {
    enum class fate : unsigned char {
        running,
        gone,   ///< the coroutine ran to its end, and its coroutine frame has destroyed itself
        ended,  ///< an error ended the coroutine (`try_`): the code that resumed it must destroy its coroutine frame
    };

    /// Ends the awaiting coroutine if the outcome is an error, and returns whether it did.
    using propagation = bool (*)(slot_base& slot, frame& awaiting) noexcept;

    fate frame_is = fate::running;
    bool propagates = false;  ///< whether this is the slot of `try_`: an awaited_slot with a propagation that is set
};

/// A result slot for an outcome of type `T`.
template <class T>
struct slot : kept<T, slot_base> {};
static_assert(sizeof(slot<void*>) == 2 * sizeof(void*), "the fields of slot_base share a word with the state");

/// The memory before a result slot of a given alignment. Its last words are the propagation, which only `try_` has, and
/// the frame that awaits the coroutine. The functions below find them without the type of the outcome.
template <std::size_t Alignment, std::size_t Words>
struct before_slot {
    static constexpr std::size_t count =
        (Words * sizeof(void*) + Alignment - 1) / Alignment * Alignment / sizeof(void*);
    union {
        frame* awaiting;
        slot_base::propagation propagation;
    } words[count];
};

// SAFETY, both: the caller knows that the slot is in an awaited_slot, with these words directly before it: the size of
// the first base is a multiple of the slot's alignment, and slot_base is at the begin of the slot.
[[nodiscard]] inline frame* awaiting_of(const slot_base& slot) noexcept {
    return reinterpret_cast<frame* const*>(&slot)[-1];
}
/// Preconditions: slot.propagates.
[[nodiscard]] inline slot_base::propagation propagation_of(const slot_base& slot) noexcept {
    return reinterpret_cast<const slot_base::propagation*>(&slot)[-2];
}

/// The result slot of an await of a coroutine.
template <class T, bool Tries = false>
class awaited_slot : before_slot<alignof(slot<T>), Tries ? 2 : 1>, public slot<T> {
public:
    explicit awaited_slot(frame& awaiting) noexcept { this->words[this->count - 1].awaiting = &awaiting; }

    [[nodiscard]] frame& awaiting() const noexcept { return *this->words[this->count - 1].awaiting; }
    void set_propagation(slot_base::propagation function) noexcept {
        this->words[this->count - 2].propagation = function;
        this->propagates = true;
    }
};

}  // namespace eddy::detail
