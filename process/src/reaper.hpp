// SPDX-License-Identifier: MIT
#pragma once

#include <memory>

#include <eddy/result.hpp>

#include "running_process.hpp"

namespace eddy::process::detail {

/// Watches a process until it ends, and takes its exit status, so that no zombie is left. This does not depend on an
/// executor: it is done by a thread of this program, with an epoll of the pidfds, or, for a process without a pidfd, by
/// a thread of its own. There is no handler of SIGCHLD, and no wait for other children.
/// Errors: any error of a thread. The process is then neither watched nor reaped.
[[nodiscard]] eddy::result<void> watch_until_end(const std::shared_ptr<running_process>& process) noexcept;

}  // namespace eddy::process::detail
