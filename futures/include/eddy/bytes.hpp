// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for reference-counted byte buffers.

#include <eddy/bytes/bytes.hpp>      // an immutable window of shared memory
#include <eddy/bytes/bytes_mut.hpp>  // a window that is written
