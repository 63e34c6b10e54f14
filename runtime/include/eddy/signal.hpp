// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for signals of the operating system.
//
// Unless a docstring says otherwise:
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/signal/ctrl_c.hpp>
#include <eddy/signal/kind.hpp>
#include <eddy/signal/shutdown_token.hpp>
#include <eddy/signal/signal_info.hpp>
#include <eddy/signal/signal_stream.hpp>
