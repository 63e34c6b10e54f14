// SPDX-License-Identifier: MIT
#include <eddy/join_handle.hpp>

#include <system_error>

namespace eddy {

void join_error::rethrow() const {
    if (is_cancelled()) throw std::system_error(make_error_code(errc::task_cancelled), what());
    std::rethrow_exception(thrown_);
}

std::string join_error::what() const {
    const std::string task = "task " + std::to_string(id_);
    if (is_cancelled()) return task + " was cancelled";
    try {
        std::rethrow_exception(thrown_);
    } catch (const std::exception& thrown) {
        return task + " threw: " + thrown.what();
    } catch (...) {
        return task + " threw an exception that is no std::exception";
    }
}

std::error_code join_error::to_error_code() const {
    if (is_cancelled()) return make_error_code(errc::task_cancelled);
    rethrow();
}

}  // namespace eddy
