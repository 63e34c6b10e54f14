// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/future/detail/awaited_part.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/io/interest.hpp>

namespace eddy::detail {

/// The state that a registration shares with its driver. The class is in src/reactor/source.
class scheduled_io;

/// An entry of a list of waiters. It is a member of the future that waits.
struct io_waiter : waiter {
    io::interest wanted;
    int fd;  ///< for readers of the program's memory; -1 if it is unknown

    explicit io_waiter(io::interest what, int of = -1) noexcept : wanted(what), fd(of) {}
};

/// The descriptor of an io_waiter, by what it wants.
template <wait_kind Kind>
inline constexpr shape_record descriptor_shape{"a descriptor", Kind, 0, 1, 0, nullptr};

/// What a future waits for that has an io_waiter in a member.
template <class Class>
constexpr wait_shape<3> waits_by(io_waiter Class::* member) noexcept {
    const std::uint32_t at = offset_of(member);
    const auto child = [&](const shape_record& shape) {
        const std::uint32_t fd = at + offset_of(&io_waiter::fd);
        return child_record{&shape, nullptr, fd, child_record::always, 0, child_record::itself, 0, 0};
    };
    const std::uint32_t wanted = at + offset_of(&io_waiter::wanted);
    return waits_as(child_if(child(descriptor_shape<wait_kind::data_from>), wanted, io::interest::readable.bits()),
                    child_if(child(descriptor_shape<wait_kind::room_in>), wanted, io::interest::writable.bits()),
                    child(descriptor_shape<wait_kind::readiness>));
}

}  // namespace eddy::detail
