// SPDX-License-Identifier: MIT
#include "server/memory.hpp"

#include <memory>

#include <eddy/http/serve.hpp>

namespace eddy::detail {

std::shared_ptr<server_memory> make_server_memory() { return std::make_shared<server_memory>(); }

}  // namespace eddy::detail
