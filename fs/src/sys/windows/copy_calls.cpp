// SPDX-License-Identifier: MIT
#include "sys/copy_calls.hpp"

#include <limits>
#include <string>
#include <system_error>

#include "sys/metadata_calls.hpp"
#include "sys/windows/nt_file.hpp"

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> unsupported() {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

}  // namespace

result<void> copy_symlink(int, const std::string&, int, const std::string&) { return unsupported(); }

result<void> copy_special(int, const std::string&, int, const std::string&) { return unsupported(); }

result<void> link_entry(int from, const std::string& name, int to, const std::string& to_name) noexcept {
    const auto opened = open_in(from, name, open_request(FILE_WRITE_ATTRIBUTES), false);
    if (!opened) return std::unexpected(opened.error());
    return set_name(opened->get(), FileLinkInformation, 0, to, to_name);
}

result<bool> apply_owner(int, const fs::file_metadata&) noexcept { return true; }  // all have 0

result<void> apply_metadata(int fd, const fs::file_metadata& of) noexcept {
    // The times first: they cannot be set on a file that may not be written.
    const auto timed = set_times(fd, of.accessed, of.modified);
    if (!timed) return timed;
    return set_permissions(fd, of.permissions);
}

result<data_range> next_data(int, std::uint64_t offset) noexcept {
    return data_range{offset, std::numeric_limits<std::uint64_t>::max()};
}

}  // namespace eddy::sys
