// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <eddy/process/child.hpp>
#include <eddy/process/command.hpp>
#include <eddy/process/error.hpp>
#include <eddy/sync/oneshot.hpp>

namespace eddy::process::detail {

/// Where a started process goes. If the receiver is gone, the child object is destroyed, which kills the process.
using started_sender = sync::oneshot<result<child>>::sender;

/// Starts a process on the spawn thread, with these environment variables: the spawn thread must not read those of this
/// program, which the caller may change. It is not started if the receiver is gone before its turn.
/// Returns an error if there is no such thread and none can be started.
///
/// All processes of this program are started by one thread, which does nothing else: a start lasts until the process
/// executes its program, on a slow file system for long. Until then the process has copies of all descriptors. With one
/// thread, no other process of this library has a copy of a file that was written before, which makes the file busy
/// (ETXTBSY) if it is a program.
[[nodiscard]] std::optional<error> start_on_spawn_thread(command what, std::vector<std::string> environment,
                                                         started_sender to);

}  // namespace eddy::process::detail
