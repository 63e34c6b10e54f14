// SPDX-License-Identifier: MIT
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/future.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/pool/worker.hpp"

namespace eddy::detail {

void note_forced_yield() noexcept {
    if (this_thread.worker != nullptr) {
        this_thread.worker->budget_used_up();
    } else if (this_thread.running_loop != nullptr) {
        this_thread.running_loop->budget_used_up();
    }
}

}  // namespace eddy::detail
