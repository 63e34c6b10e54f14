// SPDX-License-Identifier: MIT
// For systems that have no sockets with names that the system chooses, and no files in memory without a name.
#include "sys/notices.hpp"

#include <system_error>

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> no_notices() noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

}  // namespace

result<unique_fd> make_notice_socket() noexcept { return no_notices(); }
result<std::string> name_of_notice_socket(int) { return no_notices(); }
result<std::string> receive_notice(int, int) { return no_notices(); }
result<unique_fd> make_memory_file(const std::string&) noexcept { return no_notices(); }
result<std::string> read_whole_file(int) { return no_notices(); }

}  // namespace eddy::sys
