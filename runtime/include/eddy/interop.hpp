// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for other asynchronous code: callbacks, C libraries, and coroutines of other libraries.
// <eddy/interop/asio.hpp> is separate, since it needs Asio.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.

#include <eddy/interop/as_awaitable.hpp>    // an eddy future in a coroutine of another library
#include <eddy/interop/completion.hpp>      // a callback that completes a future
#include <eddy/interop/fd_callbacks.hpp>    // a C library that leaves waiting to an event loop
#include <eddy/interop/from_awaitable.hpp>  // an awaitable of another library in a task
