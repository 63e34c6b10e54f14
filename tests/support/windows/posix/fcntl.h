// SPDX-License-Identifier: MIT
#pragma once
#include_next <fcntl.h>
#include "../posix_more.hpp"
