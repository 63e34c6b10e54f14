// SPDX-License-Identifier: MIT
#pragma once

// Child processes. See process/docs/processes.md.
//
// Thread safety: objects are not synchronized, if their class does not say otherwise.
// Cancel safety: dropping a future that starts a process kills the process if it has started. Dropping one that waits
// for a process changes nothing.

#include <eddy/process/child.hpp>          // a process that was started
#include <eddy/process/command.hpp>        // what to start, and how
#include <eddy/process/error.hpp>          // errors that name the program
#include <eddy/process/exit_status.hpp>    // how a process has ended
#include <eddy/process/hand_over.hpp>      // a new version of this program takes over its sockets
#include <eddy/process/other_process.hpp>  // a process that this program has not started
#include <eddy/process/own_terminal.hpp>   // the terminal of this program: raw mode, size
#include <eddy/process/pipe_ends.hpp>      // this program's ends of pipes to a process
#include <eddy/process/pipeline.hpp>       // several commands, connected by pipes
#include <eddy/process/run.hpp>            // a process with its whole input and output
#include <eddy/process/stdio.hpp>          // standard input, output and error of a process
#include <eddy/process/terminal.hpp>       // a pseudo terminal, with processes in it
