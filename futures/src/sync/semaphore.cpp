// SPDX-License-Identifier: MIT
#include <eddy/sync/semaphore.hpp>

#include <eddy/error.hpp>
#include <eddy/runtime/wait.hpp>

namespace eddy::sync {

std::shared_ptr<semaphore::state> semaphore::share_of(const std::shared_ptr<semaphore>& from,
                                                      const std::source_location& where) {
    if (from == nullptr)
        throw misuse("acquire_owned() needs a semaphore: make one with std::make_shared<semaphore>(n)", where);
    return {from, &from->state_};
}

std::expected<semaphore::owned_permit, try_acquire_error> semaphore::try_acquire_owned(
    const std::shared_ptr<semaphore>& from, std::size_t count, std::source_location where) {
    return try_take(share_of(from, where), checked(count, where));
}

std::expected<semaphore::permit, acquire_error> semaphore::blocking_acquire(std::size_t count,
                                                                            std::source_location where) {
    return eddy::wait(acquire(count, where), where);
}

}  // namespace eddy::sync
