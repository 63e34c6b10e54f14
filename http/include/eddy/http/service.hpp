// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/service_answer.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

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
    /// Errors: those of the callable.
    /// Cancel safety: that of the callable.
    [[nodiscard]] task<result<response>> operator()(request asked) const {
        return callable_->call(std::move(asked)).as_task();
    }

private:
    friend detail::server_access;

    template <class F>
    static std::shared_ptr<detail::http_service> make(F&& function) {
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

    std::shared_ptr<detail::http_service> callable_;
};

}  // namespace eddy::http
