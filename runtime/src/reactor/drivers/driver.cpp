// SPDX-License-Identifier: MIT
#include <utility>

#include <eddy/error.hpp>

#include "reactor/drivers/driver.hpp"
#include "sys/available.hpp"
#if EDDY_HAS_POLL
#include "reactor/drivers/poll_driver.hpp"
#endif
#if EDDY_HAS_AFD
#include "reactor/drivers/afd.hpp"
#endif
#if EDDY_HAS_EPOLL
#include "reactor/drivers/epoll.hpp"
#endif
#if EDDY_HAS_KQUEUE
#include "reactor/drivers/kqueue.hpp"
#endif

namespace eddy::detail {

result<std::unique_ptr<readiness_driver>> readiness_driver::make(driver_kind kind,
                                                                 std::size_t events_per_tick) noexcept {
#if EDDY_HAS_POLL
    if (kind == driver_kind::poll) return poll_driver::make(events_per_tick);
#endif
#if EDDY_HAS_AFD
    if (kind == driver_kind::afd) return afd_driver::make(events_per_tick);
#endif
#if EDDY_HAS_KQUEUE
    if (kind == driver_kind::kqueue) return kqueue_driver::make(events_per_tick);
#endif
#if EDDY_HAS_EPOLL
    if (kind != driver_kind::kqueue && kind != driver_kind::afd) return epoll::make(events_per_tick);
#endif
    return std::unexpected(make_error_code(errc::driver_unavailable));
}

}  // namespace eddy::detail
