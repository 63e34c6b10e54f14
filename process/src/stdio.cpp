// SPDX-License-Identifier: MIT
#include <eddy/process/stdio.hpp>

#include <memory>

#include "sys/processes.hpp"

namespace eddy::process {

stdio stdio::from_native(int fd) {
    stdio made(kind::descriptor);
    made.fd_ = std::shared_ptr<const int>(new int(fd), [](const int* owned) {
        eddy::sys::close(*owned);
        delete owned;
    });
    return made;
}

stdio stdio::copy_of(int fd) {
    auto copy = sys::duplicate(fd);
    if (copy) return from_native(copy->release());
    stdio made(kind::descriptor);
    made.failed_ = copy.error();
    return made;
}

}  // namespace eddy::process
