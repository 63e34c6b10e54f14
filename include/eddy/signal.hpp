// SPDX-License-Identifier: MIT
#pragma once

// The door to signals of the system.

#include <eddy/signal/ctrl_c.hpp>
#include <eddy/signal/kind.hpp>
#include <eddy/signal/stream.hpp>
