// SPDX-License-Identifier: MIT
#pragma once

// Files and directories. See fs/docs/files.md.
//
// Thread safety: objects are not synchronized, if their class does not say otherwise.
// Cancel safety: an operation whose future is destroyed before its work has begun does not happen. One that has begun
// finishes on its thread, and its result is discarded: memory is freed, descriptors are closed. The caller's memory is
// never accessed after the future was destroyed.

#include <eddy/fs/dir.hpp>              // an open directory
#include <eddy/fs/error.hpp>            // errors with an operation and its paths
#include <eddy/fs/file.hpp>             // an open file
#include <eddy/fs/file_futures.hpp>     // its futures
#include <eddy/fs/glob.hpp>             // paths that match a pattern
#include <eddy/fs/metadata.hpp>         // what the system knows about a file
#include <eddy/fs/metrics.hpp>          // how operations were made
#include <eddy/fs/named_temp_file.hpp>  // a temporary file with a name
#include <eddy/fs/open_options.hpp>     // how a file is opened
#include <eddy/fs/operation.hpp>        // the future of a job
#include <eddy/fs/paths.hpp>            // operations on paths: read, write_atomically, copy
#include <eddy/fs/send_file.hpp>        // a file to a stream, inside the kernel
#include <eddy/fs/tree.hpp>             // whole trees: remove_all, copy_tree
#include <eddy/fs/walk.hpp>             // all entries below a directory
#include <eddy/fs/watch.hpp>            // changes of files and directories
