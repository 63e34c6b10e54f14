// SPDX-License-Identifier: MIT
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/future.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/pool/worker.hpp"

namespace eddy::detail {

void note_forced_yield() noexcept {
    if (this_thread.worker != nullptr) {
        this_thread.worker->notes().statistics().note_forced_yield();
        this_thread.worker->events().look_soon();
    } else if (this_thread.running_loop != nullptr) {
        this_thread.running_loop->view().note_forced_yield();
    }
}

}  // namespace eddy::detail
