// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <system_error>

namespace eddy::detail {

/// The exception of blocking work that no thread could run. join_error::what() and to_error_code() recognize this type.
class no_blocking_thread final : public std::system_error {
public:
    explicit no_blocking_thread(const std::error_code& error)
        : std::system_error(
              error,
              "no thread could be created for blocking work; raise the limit of processes and threads (RLIMIT_NPROC, "
              "pids.max of the control group), or run less blocking work at a time (max_blocking_threads)") {}
};

/// Returns a pointer to a no_blocking_thread, or to a std::bad_alloc.
[[nodiscard]] inline std::exception_ptr make_no_blocking_thread(const std::error_code& error) noexcept try {
    return std::make_exception_ptr(no_blocking_thread(error));
} catch (...) {
    return std::current_exception();
}

}  // namespace eddy::detail
