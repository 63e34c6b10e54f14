// SPDX-License-Identifier: MIT
#include <eddy/net/socket_readiness.hpp>

namespace eddy::net {

poll_result<result<io::ready>> socket_readiness::poll(context& cx) {
    if (!readiness_) {
        if (auto registered = socket_->ensure_ready_for(cx, wanted_); !registered) {
            return result<io::ready>(std::unexpect, registered.error());
        }
        readiness_.emplace(socket_->registered_with(), socket_->source(), wanted_);
    }
    auto seen = readiness_->poll(cx);
    if (!seen) return not_ready;
    if (!*seen) return result<io::ready>(std::unexpect, seen->error());
    return ok((*seen)->ready);
}

}  // namespace eddy::net
