// SPDX-License-Identifier: MIT
#include <eddy/fs/error.hpp>

#include <utility>

#include <eddy/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/task/join_handle.hpp>

EDDY_LIBRARY(fs)

namespace eddy::fs {

struct error::paths {
    std::filesystem::path first;
    std::filesystem::path second;

    static const paths& none() {
        static const paths empty;
        return empty;
    }
};

error::error(std::error_code code, const char* operation) noexcept : code_(code), operation_(operation) {}

error::error(std::error_code code, const char* operation, std::filesystem::path path)
    : error(code, operation, std::move(path), {}) {}

error::error(std::error_code code, const char* operation, std::filesystem::path path, std::filesystem::path other)
    : code_(code), operation_(operation), paths_(std::make_shared<const paths>(std::move(path), std::move(other))) {}

const std::filesystem::path& error::path() const noexcept { return (paths_ ? *paths_ : paths::none()).first; }
const std::filesystem::path& error::other_path() const noexcept { return (paths_ ? *paths_ : paths::none()).second; }

std::string error::message() const {
    std::string text = operation_;
    if (!path().empty()) text.append(" ").append(path().native());
    if (!other_path().empty()) text.append(" to ").append(other_path().native());
    return text.append(": ").append(code_.message());
}

std::error_code detail::code_of(const join_error& error) {
    return error.is_cancelled() ? make_error_code(errc::runtime_shutdown) : error.to_error_code();
}

}  // namespace eddy::fs
