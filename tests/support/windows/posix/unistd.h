// SPDX-License-Identifier: MIT
#pragma once
#include_next <unistd.h>
#include "../posix_more.hpp"
