// SPDX-License-Identifier: MIT
#pragma once
#pragma clang system_header
#include_next <sys/socket.h>
#include "../../posix.hpp"
