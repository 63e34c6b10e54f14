// SPDX-License-Identifier: MIT
#pragma once
#include "../../posix_more.hpp"
