// SPDX-License-Identifier: MIT
#pragma once

// Files and directories. See fs/docs/files.md.
//
// Thread safety: objects are not synchronized, if their class does not say otherwise.
// Cancel safety: an operation whose future is destroyed before its work has begun does not happen. One that has begun
// finishes on its thread, and its result is discarded: memory is freed, descriptors are closed. The caller's memory is
// never accessed after the future was destroyed.

#include <eddy/fs/dir.hpp>  // an open directory
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/fs/tree.hpp>  // whole trees: remove_all
