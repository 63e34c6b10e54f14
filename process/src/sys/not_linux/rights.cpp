// SPDX-License-Identifier: MIT
#include "sys/rights.hpp"

#include <cerrno>
#include <system_error>

namespace eddy::sys {

const bool has_rights = false;

result<process::detail::process_rights::identity> find_user(const std::string&) {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

int start_with_rights(int&, start_request&, const std::array<int, 3>&, const program_file&) { return ENOTSUP; }

}  // namespace eddy::sys
