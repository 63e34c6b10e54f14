// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/signal.hpp>
#include <eddy/sync.hpp>
#include <eddy/time.hpp>

// Second names of the namespaces that have the name of a function of the C library. They can be used, and be given to
// an alias, at the top of a file:
//     using namespace eddy;
//     esync::mutex<int> count(0);     // sync::mutex is ambiguous here

namespace eddy {

namespace esignal = signal;
namespace esync = sync;
namespace etime = time;

}  // namespace eddy
