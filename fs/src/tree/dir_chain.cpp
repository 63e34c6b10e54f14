// SPDX-License-Identifier: MIT
#include "tree/dir_chain.hpp"

#include <system_error>
#include <utility>

#include "sys/dir_entry_calls.hpp"

namespace eddy::fs::detail {

eddy::result<void> dir_chain::enter(const std::string& name) {
    auto opened = sys::open_subdirectory(innermost(), name);
    if (!opened) return std::unexpected(opened.error());
    if (links_.size() >= kept_open) {
        const auto closed = close(links_[links_.size() - kept_open]);
        if (!closed) return closed;
    }
    links_.emplace_back(*std::move(opened));
    return ok();
}

eddy::result<void> dir_chain::close(link& outer) {
    if (!outer.fd) return ok();  // since an earlier, deeper descent
    const auto identity = sys::identity_of(outer.fd.get());
    if (!identity) return std::unexpected(identity.error());
    outer.identity = *identity;
    outer.fd.reset();
    return ok();
}

eddy::result<sys::unique_fd> dir_chain::leave() {
    link& outer = links_[links_.size() - 2];
    if (!outer.fd) {
        auto opened = sys::open_parent(innermost());
        if (!opened) return std::unexpected(opened.error());
        const auto identity = sys::identity_of(opened->get());
        if (!identity) return std::unexpected(identity.error());
        if (*identity != outer.identity)
            return std::unexpected(std::make_error_code(std::errc::resource_unavailable_try_again));
        outer.fd = *std::move(opened);
    }
    auto left = std::move(links_.back().fd);
    links_.pop_back();
    return left;
}

}  // namespace eddy::fs::detail
