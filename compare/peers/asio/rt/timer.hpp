// SPDX-License-Identifier: MIT
#pragma once

#include <boost/asio/steady_timer.hpp>

#include "runtime.hpp"

namespace bench::peer {

using timer = asio::steady_timer::rebind_executor<executor>::other;

}  // namespace bench::peer
