// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/detail/export.hpp>

namespace eddy {

/// An error that a task has returned and that no code has read, because the join handle of the task was dropped. The
/// hooks of runtime_builder::on_unobserved_error() and core_builder::on_unobserved_error() receive it, and for
/// connections net::serve_options::on_error(). By default it is printed as one line on standard error.
/// Thread safety: a plain value.
struct EDDY_API unobserved_error {
    std::error_code code;  ///< the error; empty if the error type of the task does not convert to std::error_code
    std::string message;   ///< the text of the error; the places of an any_error are further lines
    std::source_location spawned_at;  ///< the call of spawn(), or of net::serve()
    std::exception_ptr exception;     ///< set by net::serve() only: the exception that a handler has thrown
    std::string_view task_name;       ///< the name of the task, if it has one; valid during the call of the hook

    /// Makes a description without contents.
    unobserved_error() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Returns one line: the name of the task, the location, and the text of the error. The places of an any_error
    /// follow.
    [[nodiscard]] std::string what() const;
};

/// A function that receives each error that no code has read. It must not throw.
using unobserved_error_handler = std::function<void(const unobserved_error&)>;

}  // namespace eddy
