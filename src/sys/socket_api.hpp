// SPDX-License-Identifier: MIT
#pragma once

// The socket functions and types of the system, for the files that all systems share.

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
