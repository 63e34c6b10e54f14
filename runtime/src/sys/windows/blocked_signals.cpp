// SPDX-License-Identifier: MIT
#include <eddy/signal/detail/blocked_signals.hpp>

namespace eddy::detail {

blocked_signals::blocked_signals() noexcept = default;
blocked_signals::~blocked_signals() = default;

}  // namespace eddy::detail
