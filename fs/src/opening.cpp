// SPDX-License-Identifier: MIT
#include "opening.hpp"

#include <memory>
#include <utility>

#include <eddy/error.hpp>

#include "open_file.hpp"
#include "sys/files.hpp"

namespace eddy::fs::detail {

eddy::result<void> check_path(const std::filesystem::path& path) noexcept {
    if (!path.empty() && path.native().find('\0') == std::filesystem::path::string_type::npos) return {};
    return std::unexpected(make_error_code(eddy::errc::bad_path));
}

eddy::result<file> own_file(eddy::sys::unique_fd fd, const std::filesystem::path& path, const open_options& options,
                            std::uint64_t position) {
    const auto found = eddy::sys::metadata_of(fd.get());
    if (!found) return std::unexpected(found.error());
    if (const auto fits = eddy::sys::check_type(fd.get(), found->type); !fits) return std::unexpected(fits.error());
    auto opened = std::make_shared<open_file>(std::move(fd), path, options, *found);
    return file(std::make_unique<file_body>(std::move(opened), position));
}

eddy::result<file> open(const std::filesystem::path& path, const open_options& options) {
    if (const auto valid = check_path(path); !valid) return std::unexpected(valid.error());
    auto fd = eddy::sys::open_file(eddy::sys::current_directory, path.c_str(), options);
    if (!fd) return std::unexpected(fd.error());
    return own_file(*std::move(fd), path, options);
}

eddy::result<eddy::sys::unique_fd> open_fd(const std::filesystem::path& path, const open_options& options) {
    if (const auto valid = check_path(path); !valid) return std::unexpected(valid.error());
    auto fd = eddy::sys::open_file(eddy::sys::current_directory, path.c_str(), options);
    if (!fd) return fd;
    const auto found = eddy::sys::metadata_of(fd->get());
    if (!found) return std::unexpected(found.error());
    if (const auto fits = eddy::sys::check_type(fd->get(), found->type); !fits) return std::unexpected(fits.error());
    return fd;
}

}  // namespace eddy::fs::detail
