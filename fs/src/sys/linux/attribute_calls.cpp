// SPDX-License-Identifier: MIT
#include "sys/attribute_calls.hpp"

#include <linux/limits.h>
#include <sys/xattr.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include <eddy/fs/error.hpp>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

std::unexpected<std::error_code> failure(std::error_code code) noexcept {
    const bool is_missing = code == std::error_code(ENODATA, std::generic_category());
    return std::unexpected(is_missing ? make_error_code(fs::errc::no_attribute) : code);
}

}  // namespace

result<std::vector<std::byte>> attribute_of(const std::string& path, const std::string& name) {
    std::vector<std::byte> value(XATTR_SIZE_MAX);
    const auto size = count_or_error(::getxattr(path.c_str(), name.c_str(), value.data(), value.size()));
    if (!size) return failure(size.error());
    value.resize(*size);
    value.shrink_to_fit();
    return value;
}

result<std::vector<std::string>> attributes_of(const std::string& path) {
    std::string names(XATTR_LIST_MAX, '\0');
    const auto size = count_or_error(::listxattr(path.c_str(), names.data(), names.size()));
    if (!size) return failure(size.error());
    std::vector<std::string> all;
    for (std::string_view rest(names.data(), *size); !rest.empty();) {
        all.emplace_back(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(all.back().size() + 1);
    }
    return all;
}

result<void> set_attribute(const std::string& path, const std::string& name,
                           std::span<const std::byte> value) noexcept {
    return done_or_error(::setxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0));
}

result<void> remove_attribute(const std::string& path, const std::string& name) noexcept {
    const auto done = done_or_error(::removexattr(path.c_str(), name.c_str()));
    if (!done) return failure(done.error());
    return done;
}

}  // namespace eddy::sys
