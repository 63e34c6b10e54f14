// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>
#include <eddy/http/service.hpp>
#include <eddy/sync/cancellation_token.hpp>

namespace eddy::http {

/// Makes a service for the health checks of a load balancer: it answers with 200, and with 503 once `ending` is
/// cancelled. Let the server itself end later, so that the load balancer sees the 503 while connections are still
/// accepted: see signal::shutdown_delayed().
/// Thread safety: any thread.
[[nodiscard]] EDDY_API service health(const sync::cancellation_token& ending);

}  // namespace eddy::http
