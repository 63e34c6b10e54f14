// SPDX-License-Identifier: MIT
#include "opening.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>

#include "open_file.hpp"
#include "sys/beneath.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"

namespace eddy::fs::detail {

eddy::result<void> check_path(const std::filesystem::path& path) noexcept {
    if (eddy::sys::is_bad_path(eddy::sys::text_of(path))) return std::unexpected(make_error_code(eddy::errc::bad_path));
    return {};
}

namespace {

/// Returns what is known about a file, and refuses what is none.
eddy::result<file_metadata> check_file(int fd) {
    auto found = eddy::sys::metadata_of(fd);
    if (!found) return found;
    if (const auto fits = eddy::sys::check_type(fd, found->type); !fits) return std::unexpected(fits.error());
    return found;
}

eddy::result<eddy::sys::unique_fd> open_anything(const std::filesystem::path& path, const open_options& options) {
    if (const auto valid = check_path(path); !valid) return std::unexpected(valid.error());
    return eddy::sys::open_file(eddy::sys::current_directory, eddy::sys::text_of(path).c_str(), options);
}

}  // namespace

eddy::result<file> own_file(eddy::sys::unique_fd fd, const std::filesystem::path& path, const open_options& options,
                            std::uint64_t position, std::shared_ptr<lock_count> locks) {
    const auto found = check_file(fd.get());
    if (!found) return std::unexpected(found.error());
    auto opened = std::make_shared<open_file>(std::move(fd), path, options, *found, std::move(locks));
    return file(std::make_unique<file_body>(std::move(opened), position));
}

eddy::result<file> open(const std::filesystem::path& path, const open_options& options) {
    auto fd = open_anything(path, options);
    if (!fd) return std::unexpected(fd.error());
    return own_file(*std::move(fd), path, options);
}

std::filesystem::path or_temporary(const std::filesystem::path& dir) {
    if (!dir.empty()) return dir;
    std::error_code error;  // $TMPDIR is not a directory
    auto chosen = std::filesystem::temp_directory_path(error);
    return error ? "/tmp" : chosen;
}

eddy::result<eddy::sys::unique_fd> open_fd(const std::filesystem::path& path, const open_options& options) {
    auto fd = open_anything(path, options);
    if (!fd) return fd;
    if (const auto found = check_file(fd->get()); !found) return std::unexpected(found.error());
    return fd;
}

side failed_side(int dir, const std::string& first, const std::error_code& why) {
    constexpr std::array of_a_path{std::errc::no_such_file_or_directory,
                                   std::errc::not_a_directory,
                                   std::errc::is_a_directory,
                                   std::errc::file_exists,
                                   std::errc::directory_not_empty,
                                   std::errc::filename_too_long,
                                   std::errc::too_many_symbolic_link_levels};
    if (std::ranges::none_of(of_a_path, [&](std::errc each) { return why == each; })) return side::unknown;
    const auto found = eddy::sys::metadata_at(dir, first.c_str(), false);
    if (found) return side::second;
    return found.error() == why ? side::first : side::unknown;
}

}  // namespace eddy::fs::detail
