// SPDX-License-Identifier: MIT
#include "sys/attribute_calls.hpp"

#include <system_error>

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> unsupported_attributes() {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

}  // namespace

result<std::vector<std::byte>> attribute_of(const std::string&, const std::string&) { return unsupported_attributes(); }
result<std::vector<std::string>> attributes_of(const std::string&) { return unsupported_attributes(); }
result<void> set_attribute(const std::string&, const std::string&, std::span<const std::byte>) noexcept {
    return unsupported_attributes();
}
result<void> remove_attribute(const std::string&, const std::string&) noexcept { return unsupported_attributes(); }

}  // namespace eddy::sys
