// SPDX-License-Identifier: MIT
#include "sys/open_calls.hpp"

#include <string>
#include <system_error>
#include <utility>

#include <eddy/fs/error.hpp>

#include "sys/open_rules.hpp"
#include "sys/storage_calls.hpp"
#include "sys/windows/nt_file.hpp"
#include "sys/windows/open_parts.hpp"

namespace eddy::sys {

const int current_directory = -100;

namespace {

constexpr auto no_permissions = std::filesystem::perms::none;

result<open_request> request_of(const fs::open_options& options) {
    if (const auto valid = check_options(options); !valid) return std::unexpected(valid.error());
    if (options.is_direct() || options.is_temporary() || options.flags() != 0)
        return std::unexpected(std::make_error_code(std::errc::not_supported));
    open_request how(0);
    if (options.reads()) how.needed |= FILE_GENERIC_READ;
    if (options.writes()) how.needed |= FILE_GENERIC_WRITE;
    // Without the right to write elsewhere, each write is one at the end.
    if (options.appends()) how.needed &= ~static_cast<ACCESS_MASK>(FILE_WRITE_DATA);
    how.wished = FILE_WRITE_ATTRIBUTES;
    how.options = FILE_NON_DIRECTORY_FILE;
    if (options.follows_no_link()) how.options |= FILE_OPEN_REPARSE_POINT;
    if (options.creates_new()) {
        how.disposition = FILE_CREATE;
    } else if (options.creates()) {
        how.disposition = FILE_OPEN_IF;
    }
    if ((options.permissions() & std::filesystem::perms::owner_write) == no_permissions)
        how.attributes = FILE_ATTRIBUTE_READONLY;
    return how;
}

/// Completes what the options say about a file that was opened.
result<unique_fd> finished(result<unique_fd>&& opened, const fs::open_options& options) {
    if (!opened && opened.error() == std::errc::is_a_directory)
        return std::unexpected(make_error_code(fs::errc::directory));
    if (!opened) return std::move(opened);
    if (options.follows_no_link() && is_link(opened->get()))
        return std::unexpected(std::make_error_code(std::errc::too_many_symbolic_link_levels));
    // Not FILE_OVERWRITE_IF, which refuses hidden files.
    if (options.truncates() && !options.creates_new()) {
        if (const auto emptied = truncate(opened->get(), 0); !emptied) return std::unexpected(emptied.error());
    }
    return std::move(opened);
}

}  // namespace

result<unique_fd> open_file(int dir, const char* path, const fs::open_options& options) {
    const auto how = request_of(options);
    if (!how) return std::unexpected(how.error());
    return finished(open_in(dir, path, *how, !options.follows_no_link()), options);
}

result<unique_fd> open_file_beneath(int dir, const std::string& path, const fs::open_options& options) {
    const auto how = request_of(options);
    if (!how) return std::unexpected(how.error());
    return finished(open_parts(dir, path, *how, links::refused), options);
}

status_flags status_flags_of(int fd) noexcept {
    ACCESS_MASK rights = 0;
    IO_STATUS_BLOCK done{};
    constexpr auto access_information = static_cast<FILE_INFORMATION_CLASS>(8);
    if (::NtQueryInformationFile(handle_of(fd), &done, &rights, sizeof rights, access_information) < 0)
        return {false, false, false};
    return {(rights & (FILE_APPEND_DATA | FILE_WRITE_DATA)) == FILE_APPEND_DATA, false, false};
}

// Writes are jobs: what a filter driver or a share does meanwhile is not known.
bool is_local(int) noexcept { return false; }

result<void> close_file(int fd) noexcept {
    if (::CloseHandle(handle_of(fd)) == 0) return std::unexpected(last_windows_error());
    return {};
}

result<unique_fd> duplicate(int fd) noexcept { return duplicate_handle(fd, false); }

}  // namespace eddy::sys
