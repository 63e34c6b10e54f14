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
#include <eddy/future.hpp>

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// A future that is polled where it stands, and what came of it: its answer, or an exception. The answer is made here
/// by poll() itself, and moved once, to whoever takes it: a string that is moved is a branch and six stores each time.
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

    /// Precondition: there is no outcome yet.
    [[nodiscard]] F& future() noexcept { return *future_; }
    [[nodiscard]] bool has_value() const noexcept { return !has_thrown() && answer_.is_ready(); }
    /// Precondition: there is one.
    [[nodiscard]] decltype(auto) value() noexcept { return *answer_; }

    /// True if there is an outcome. Precondition: there was none.
    bool poll(context& cx) noexcept {
        try {
            // Not construct_at(), which would move it here. What was there says "not ready", and needs no destructor.
            ::new (static_cast<void*>(std::addressof(answer_))) answer(future_->poll(cx));
            return answer_.is_ready();
        } catch (...) {
            std::construct_at(std::addressof(error_), std::current_exception());
            future_ = nullptr;
            return true;
        }
    }

    /// The value, or throws the exception.
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

    F* future_;  // null: it has thrown. A word less in each await than a mark of its own.
    union {
        answer answer_;
        std::exception_ptr error_;
    };
};

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
