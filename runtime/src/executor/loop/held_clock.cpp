// SPDX-License-Identifier: MIT
#include "executor/loop/held_clock.hpp"

#include <eddy/detail/runtime_context.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/park/sleeping_place.hpp"

namespace eddy::detail {

held_clock::held_clock() noexcept {
    if (core_shared* const loop = this_thread.running_loop) place_ = loop->begin_job();
}

held_clock::~held_clock() {
    if (place_ != nullptr) place_->end_job();
}

}  // namespace eddy::detail
