// SPDX-License-Identifier: MIT
#include <eddy/process/stdio.hpp>

#include <memory>
#include <utility>

#include "sys/processes.hpp"

namespace eddy::process {

stdio stdio::from_native(int fd) {
    eddy::sys::unique_fd owned(fd);  // closes it if there is no memory for a share
    const auto shared = std::make_shared<std::pair<eddy::sys::unique_fd, const int>>(std::move(owned), fd);
    stdio made(kind::descriptor);
    made.fd_ = std::shared_ptr<const int>(shared, &shared->second);
    return made;
}

stdio stdio::copy_of(int fd) {
    auto copy = sys::duplicate_from(fd, 3);
    if (copy) return from_native(copy->release());
    stdio made(kind::descriptor);
    made.failed_ = copy.error();
    return made;
}

}  // namespace eddy::process
