// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

class http_service;
struct server_access;

}  // namespace eddy::detail

namespace eddy::http {

/// A type-erased callable that answers requests. It takes a `request` and returns a `task<response>` or a
/// `task<result<response>>`. A server may call it on several threads at the same time. An error or an exception becomes
/// the response 500; see serve().
/// Thread safety: any thread, if the callable may be called on any thread.
/// Lifetime: owns the callable. Copies share it, and moving is copying. If the callable takes the request by reference,
/// the request exists until the task has ended.
/// Cost: one allocation.
class service {
public:
    service(const service&) = default;
    service& operator=(const service&) = default;
    ~service() = default;
    /// Takes ownership of the callable.
    template <class F>
        requires(!std::same_as<std::remove_cvref_t<F>, service>)
    service(F&& function) : callable_(make(std::forward<F>(function))) {}

    /// Answers a request.
    /// Errors: any error of the callable.
    /// Cancel safety: same as the callable.
    task<result<response>> operator()(request asked) const;

private:
    friend detail::server_access;

    template <class F>
    static std::shared_ptr<detail::http_service> make(F&& function);

    std::shared_ptr<detail::http_service> callable_;
};

}  // namespace eddy::http

// ---- Implementation ----

namespace eddy::detail {

/// The task that a service returns: a task of a response, or of a result. A server polls either of them, without a
/// further coroutine that converts a response to a result.
class EDDY_API service_answer {
public:
    service_answer(task<http::response>&& work) noexcept : plain_(std::move(work)), is_plain_(true) {}
    service_answer(task<result<http::response>>&& work) noexcept : fallible_(std::move(work)), is_plain_(false) {}
    service_answer(service_answer&& other) noexcept : is_plain_(other.is_plain_) {
        if (is_plain_) {
            std::construct_at(&plain_, std::move(other.plain_));
        } else {
            std::construct_at(&fallible_, std::move(other.fallible_));
        }
    }
    service_answer& operator=(service_answer&&) = delete;
    ~service_answer() {
        if (is_plain_) {
            std::destroy_at(&plain_);
        } else {
            std::destroy_at(&fallible_);
        }
    }

    static constexpr auto wait_shape() {
        return inspect::waits_as(inspect::child_while(&service_answer::is_plain_, true, &service_answer::plain_),
                                 inspect::child_while(&service_answer::is_plain_, false, &service_answer::fallible_));
    }

    /// Polls the task. Returns whether it has ended, with a response in `into` or an error in `failure`.
    [[nodiscard]] bool poll_into(context& cx, slot<http::response>& into, std::optional<std::error_code>& failure);
    poll_result<void> poll_cancel(context& cx);

    task<result<http::response>> as_task() &&;

private:
    // Not a std::variant, which takes longer to compile.
    union {
        task<http::response> plain_;
        task<result<http::response>> fallible_;
    };
    bool is_plain_;
};

/// Returns the status that a server makes of a service's error. Some errors are the client's fault: a service may read
/// the body with a limit of its own, or as a form.
[[nodiscard]] EDDY_API http::status status_of_service_error(const std::error_code& failure) noexcept;

/// The interface behind http::service.
class http_service {
public:
    http_service() = default;
    http_service(const http_service&) = delete;
    http_service& operator=(const http_service&) = delete;
    virtual ~http_service() = default;

    [[nodiscard]] virtual service_answer call(http::request&& asked) = 0;
};

/// Declared to deduce the type of the only parameter of a function, or of a call operator.
template <class R, class A>
A http_parameter(R (*)(A));
template <class R, class C, class A>
A http_parameter(R (C::*)(A));
template <class R, class C, class A>
A http_parameter(R (C::*)(A) const);

template <class F>
constexpr auto http_parameter_of() {
    if constexpr (requires { http_parameter(&F::operator()); }) {
        return std::type_identity<decltype(http_parameter(&F::operator()))>();
    } else if constexpr (requires(F function) { http_parameter(function); }) {
        return std::type_identity<decltype(http_parameter(std::declval<F>()))>();
    } else {
        return std::type_identity<http::request>();  // a generic call operator, or several
    }
}
template <class F>
using http_parameter_t = typename decltype(http_parameter_of<F>())::type;

/// The type of the argument with which `F` is called.
template <class F>
using http_argument_t =
    std::conditional_t<std::is_lvalue_reference_v<http_parameter_t<F>>, http::request&, http::request>;

template <class F>
inline constexpr bool returns_response_task = false;
template <>
inline constexpr bool returns_response_task<task<http::response>> = true;
template <>
inline constexpr bool returns_response_task<task<result<http::response>>> = true;

/// Returns whether `F` is callable as a service.
template <class F>
constexpr bool fits_service() {
    if constexpr (std::is_invocable_v<F&, http_argument_t<F>>) {
        return returns_response_task<std::invoke_result_t<F&, http_argument_t<F>>>;
    } else {
        return false;
    }
}

template <class F>
class http_service_of final : public http_service {
public:
    template <class G>
    explicit http_service_of(std::in_place_t, G&& function) : function_(std::forward<G>(function)) {}

    service_answer call(http::request&& asked) override {
        if constexpr (std::is_reference_v<http_parameter_t<F>>) {
            return call_by_reference(std::move(asked));
        } else {
            return std::invoke(function_, std::move(asked));
        }
    }

private:
    // The function's coroutine may refer to the request until the coroutine ends, so the task owns the request. A
    // member, because GCC warns (-Wsubobject-linkage) about a template of coroutines with a lambda expression that is
    // none.
    task<result<http::response>> call_by_reference(http::request asked) {
        auto answer = co_await std::invoke(function_, static_cast<http_argument_t<F>&&>(asked));
        co_return std::move(answer);
    }

    F function_;
};

}  // namespace eddy::detail

namespace eddy::http {

inline task<result<response>> service::operator()(request asked) const {
    return callable_->call(std::move(asked)).as_task();
}

template <class F>
std::shared_ptr<detail::http_service> service::make(F&& function) {
    using kept = std::decay_t<F>;
    constexpr bool fits = detail::fits_service<kept>();
    static_assert(fits,
                  "eddy: an HTTP service takes an http::request, and returns a task<http::response> or a "
                  "task<result<http::response>>");
    if constexpr (fits) {
        return std::make_shared<detail::http_service_of<kept>>(std::in_place, std::forward<F>(function));
    } else {
        return nullptr;
    }
}

}  // namespace eddy::http
