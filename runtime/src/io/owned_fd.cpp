// SPDX-License-Identifier: MIT
#include <eddy/io/owned_fd.hpp>

#include "sys/fd.hpp"

namespace eddy::io {

owned_fd::~owned_fd() { sys::close(fd_); }

}  // namespace eddy::io
