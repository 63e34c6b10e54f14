// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/waiter_list.hpp>
#include <eddy/io/interest.hpp>

namespace eddy::detail {

/// The state that a registration shares with its driver. The class is in src/reactor/source.
class scheduled_io;

/// The direction of an I/O operation.
enum class direction : unsigned char { read, write };

/// An entry of a list of waiters. It is a member of the future that waits.
struct io_waiter : waiter {
    io::interest wanted;

    explicit io_waiter(io::interest what) noexcept : wanted(what) {}
};

}  // namespace eddy::detail
