// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <memory>
#include <mutex>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/slot.hpp>
#include <eddy/error.hpp>

// The answer of core_remote::call(). Not a std::promise with its std::future: the header <future> is slow to compile.

namespace eddy::inline v0_1::detail {

/// An outcome that the event loop sets once, and that another thread waits for.
/// Thread safety: any thread.
template <class T>
class loop_answer {
public:
    [[nodiscard]] bool has_arrived() {
        const std::lock_guard guard(lock_);
        return !outcome_.is_empty();
    }

    /// Blocks this thread until the outcome has arrived. Returns the value, or throws the exception. Call it once.
    T take(std::source_location where) {
        std::unique_lock guard(lock_);
        arrived_.wait(guard, [this] { return !outcome_.is_empty(); });
        return outcome_.take(where);
    }

    template <class... Value>
    void set_value(Value&&... value) {
        const std::lock_guard guard(lock_);
        outcome_.set_value(std::forward<Value>(value)...);
        arrived_.notify_all();
    }
    void set_exception(std::exception_ptr thrown) noexcept {
        const std::lock_guard guard(lock_);
        outcome_.set_exception(std::move(thrown));
        arrived_.notify_all();
    }

private:
    mutex lock_;
    condition_variable arrived_;
    kept<T> outcome_;  // guarded by lock_
};

/// The right to set a loop_answer. If it is destroyed without a value, it sets the error errc::runtime_shutdown: the
/// event loop has closed before the work has ended.
template <class T>
class loop_promise {
public:
    loop_promise() : answer_(std::make_shared<loop_answer<T>>()) {}
    loop_promise(loop_promise&& other) noexcept = default;
    loop_promise& operator=(loop_promise&&) = delete;
    ~loop_promise() {
        if (answer_) fail(std::make_exception_ptr(std::system_error(make_error_code(errc::runtime_shutdown))));
    }

    [[nodiscard]] std::shared_ptr<loop_answer<T>> answer() const noexcept { return answer_; }

    template <class... Value>
    void keep(Value&&... value) {
        answer_->set_value(std::forward<Value>(value)...);
        answer_.reset();
    }
    void fail(std::exception_ptr thrown) noexcept {
        answer_->set_exception(std::move(thrown));
        answer_.reset();
    }

private:
    std::shared_ptr<loop_answer<T>> answer_;  // null after the outcome was set
};

}  // namespace eddy::detail
