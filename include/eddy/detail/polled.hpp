// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

#include <eddy/detail/by_parts.hpp>
#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/future/future.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// Polls a future in place, and keeps its outcome: the result of its poll(), or an exception. The result is constructed
/// here, and moved only once, by take(). This matters: a move of a std::string is a branch and six stores.
/// Lifetime: the future must outlive this object.
template <class F>
class polled {
    using output = typename F::output_type;
    using answer = poll_result<output>;

public:
    explicit polled(F& future) noexcept : future_(&future) { std::construct_at(std::addressof(answer_), not_ready); }
    polled(const polled&) = delete;
    polled& operator=(const polled&) = delete;
    ~polled() {
        if (has_thrown()) [[unlikely]]
            destroy_exception(error_);
        else
            std::destroy_at(std::addressof(answer_));
    }

    /// Returns the future.
    /// Preconditions: there is no outcome yet.
    [[nodiscard]] F& future() noexcept { return *future_; }
    [[nodiscard]] bool has_value() const noexcept { return !has_thrown() && answer_.is_ready(); }
    /// Returns the value.
    /// Preconditions: has_value().
    [[nodiscard]] decltype(auto) value() noexcept { return *answer_; }

    /// Polls the future. Returns whether there is an outcome now.
    /// Preconditions: there was none.
    bool poll(context& cx) noexcept {
        try {
            // A placement new, because construct_at() would add a move. The old result is "not ready", which needs no
            // destructor call.
            ::new (static_cast<void*>(std::addressof(answer_))) answer(future_->poll(cx));
            return answer_.is_ready();
        } catch (...) {
            std::construct_at(std::addressof(error_), std::current_exception());
            future_ = nullptr;
            return true;
        }
    }

    /// Returns the value, or throws the exception. `awaited_at` is for the text of misuse.
    output take(std::source_location awaited_at) {
        if (has_value()) [[likely]] {
            if constexpr (std::is_void_v<output>) {
                return;
            } else {
                return by_parts(*answer_,
                                [](auto&&... parts) { return output(std::forward<decltype(parts)>(parts)...); });
            }
        }
        if (!has_thrown()) ended_without_value(awaited_at);
        std::rethrow_exception(error_);
    }

private:
    [[nodiscard]] bool has_thrown() const noexcept { return future_ == nullptr; }

    F* future_;  // null: the future has thrown. A separate flag would cost a word per await.
    union {
        answer answer_;
        std::exception_ptr error_;
    };
};

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
