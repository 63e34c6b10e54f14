// SPDX-License-Identifier: MIT
#include "reactor/ring/received_chunk.hpp"

#include "io/buffer_owner.hpp"
#include "reactor/ring/accepted_connection.hpp"

namespace eddy::detail {

void received_chunk::give_back() noexcept {
    if (from != nullptr) return from->give_back(buffer);
    reset_connection(accepted_connection::take(*this).fd);
}

}  // namespace eddy::detail
