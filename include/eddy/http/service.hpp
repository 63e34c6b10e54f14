// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// The interface behind http::service.
class http_service {
public:
    http_service() = default;
    http_service(const http_service&) = delete;
    http_service& operator=(const http_service&) = delete;
    virtual ~http_service() = default;

    [[nodiscard]] virtual task<result<http::response>> call(http::request asked) = 0;
};

template <class F>
inline constexpr bool returns_response_task = false;
template <>
inline constexpr bool returns_response_task<task<http::response>> = true;
template <>
inline constexpr bool returns_response_task<task<result<http::response>>> = true;

/// Returns whether `F` is callable as a service.
template <class F>
constexpr bool fits_service() {
    if constexpr (std::is_invocable_v<F&, http::request>) {
        return returns_response_task<std::invoke_result_t<F&, http::request>>;
    } else {
        return false;
    }
}

EDDY_API task<result<http::response>> with_result(task<http::response> answer);

template <class F>
class http_service_of final : public http_service {
public:
    template <class G>
    explicit http_service_of(std::in_place_t, G&& function) : function_(std::forward<G>(function)) {}

    task<result<http::response>> call(http::request asked) override {
        if constexpr (std::same_as<std::invoke_result_t<F&, http::request>, task<http::response>>) {
            return with_result(std::invoke(function_, std::move(asked)));
        } else {
            return std::invoke(function_, std::move(asked));
        }
    }

private:
    F function_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// A type-erased callable that answers requests. It takes a `request` by value and returns a `task<response>` or a
/// `task<result<response>>`. A server may call it on several threads at the same time. An error or an exception becomes
/// the response 500; see serve().
/// Thread safety: any thread, if the callable may be called on any thread.
/// Lifetime: owns the callable. Copies share it.
/// Cost: one allocation.
class service {
public:
    /// Takes ownership of the callable.
    template <class F>
        requires(!std::same_as<std::remove_cvref_t<F>, service>)
    service(F&& function) : callable_(make(std::forward<F>(function))) {}

    /// Answers a request.
    /// Cancel safety: that of the callable.
    [[nodiscard]] task<result<response>> operator()(request asked) const { return callable_->call(std::move(asked)); }

private:
    template <class F>
    static std::shared_ptr<detail::http_service> make(F&& function) {
        using kept = std::decay_t<F>;
        constexpr bool fits = detail::fits_service<kept>();
        static_assert(fits,
                      "eddy: an HTTP service takes an http::request by value, and returns a task<http::response> or a "
                      "task<result<http::response>>");
        if constexpr (fits) {
            return std::make_shared<detail::http_service_of<kept>>(std::in_place, std::forward<F>(function));
        } else {
            return nullptr;
        }
    }

    std::shared_ptr<detail::http_service> callable_;
};

}  // namespace eddy::http
