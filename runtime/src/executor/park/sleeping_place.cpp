// SPDX-License-Identifier: MIT
#include "executor/park/sleeping_place.hpp"

#include "reactor/io_handle.hpp"

namespace eddy::detail {

sleeping_place::sleeping_place(io_handle* io, bool shares_driver) noexcept
    : io_(io), shares_driver_(shares_driver), owner_(this_thread_mark()) {
    if (io != nullptr) io->retain();
}

sleeping_place::~sleeping_place() = default;

void sleeping_place::release() noexcept {
    if (references_.drop()) delete this;
}

result<std::size_t> sleeping_place::wait(max_wait limit, max_wait alarm) {
    return shared_wait_.wait(*io_, parker_, limit, alarm);
}

void sleeping_place::unpark() noexcept {
    if (shares_driver_) {
        shared_wait_.unpark(*io_, parker_);
    } else if (io_.get() != nullptr) {
        io_->wake();
    } else {
        parker_.unpark();
    }
}

void sleeping_place::unpark_within(std::chrono::nanoseconds delay) noexcept {
    const bool waits_in_driver = !shares_driver_ || shared_wait_.is_in_driver();
    if (io_.get() != nullptr && waits_in_driver) {
        io_->wake_within(delay);
    } else {
        unpark();
    }
}

}  // namespace eddy::detail
